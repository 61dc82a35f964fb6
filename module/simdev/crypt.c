// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cipher hardware: seals and opens packets with nothing but the keys that
 * the association was given. Written apart from the module's own protection, so
 * that each checks the other. RFC 9001, sections 5.3 and 5.4.
 */
#include <crypto/aead.h>
#include <crypto/skcipher.h>
#include <linux/scatterlist.h>
#include <linux/tls.h>

#include "simdev.h"

#define SIMDEV_SAMPLE_LEN	16

static const char *simdev_aead_name(u16 cipher)
{
	switch (cipher) {
	case TLS_CIPHER_AES_GCM_128:
	case TLS_CIPHER_AES_GCM_256:
		return "gcm(aes)";
	case TLS_CIPHER_AES_CCM_128:
		return "ccm(aes)";
	case TLS_CIPHER_CHACHA20_POLY1305:
		return "rfc7539(chacha20,poly1305)";
	default:
		return NULL;
	}
}

static struct crypto_aead *simdev_aead(const struct quic_offload_key *key)
{
	const char *name = simdev_aead_name(key->cipher);
	struct crypto_aead *aead;
	int err;

	if (!name)
		return ERR_PTR(-EOPNOTSUPP);
	aead = crypto_alloc_aead(name, 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(aead))
		return aead;
	err = crypto_aead_setkey(aead, key->key, key->len) ?:
	      crypto_aead_setauthsize(aead, SIMDEV_TAG_LEN);
	if (err) {
		crypto_free_aead(aead);
		return ERR_PTR(err);
	}
	return aead;
}

/**
 * simdev_crypt_rekey() - a key goes into the slot of its phase
 * @sa:  association
 * @key: key
 */
int simdev_crypt_rekey(struct simdev_assoc *sa, const struct quic_offload_key *key)
{
	struct crypto_aead *aead = simdev_aead(key), *old;
	struct simdev_key *slot = &sa->slot[key->phase];

	if (IS_ERR(aead))
		return PTR_ERR(aead);
	spin_lock_bh(&sa->lock);
	old = slot->aead;
	slot->aead = aead;
	slot->generation = key->generation;
	memcpy(slot->iv, key->iv, sizeof(slot->iv));
	spin_unlock_bh(&sa->lock);
	if (old)
		crypto_free_aead(old);
	return 0;
}

/**
 * simdev_crypt_init() - header protection and the first key
 * @sa:  association
 * @key: key
 */
int simdev_crypt_init(struct simdev_assoc *sa, const struct quic_offload_key *key)
{
	int err;

	spin_lock_init(&sa->lock);
	sa->cipher = key->cipher;
	sa->is_chacha = key->cipher == TLS_CIPHER_CHACHA20_POLY1305;
	sa->hp = crypto_alloc_sync_skcipher(sa->is_chacha ? "chacha20" : "ecb(aes)", 0, 0);
	if (IS_ERR(sa->hp)) {
		err = PTR_ERR(sa->hp);
		sa->hp = NULL;
		return err;
	}
	err = crypto_sync_skcipher_setkey(sa->hp, key->hp, key->len) ?:
	      simdev_crypt_rekey(sa, key);
	if (err)
		simdev_crypt_exit(sa);
	return err;
}

/**
 * simdev_crypt_exit() - wipe all keys
 * @sa: association
 */
void simdev_crypt_exit(struct simdev_assoc *sa)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (sa->slot[i].aead)
			crypto_free_aead(sa->slot[i].aead);
		sa->slot[i].aead = NULL;
		memzero_explicit(sa->slot[i].iv, sizeof(sa->slot[i].iv));
	}
	if (sa->hp)
		crypto_free_sync_skcipher(sa->hp);
	sa->hp = NULL;
}

/* The mask of a sample: AES of it, or ChaCha20 with counter and nonce from it. */
static int simdev_mask(struct simdev_assoc *sa, const u8 *sample, u8 *mask)
{
	SYNC_SKCIPHER_REQUEST_ON_STACK(req, sa->hp);
	u8 iv[SIMDEV_SAMPLE_LEN];
	struct scatterlist sg;
	u8 *block;
	int err;

	block = kmemdup(sample, SIMDEV_SAMPLE_LEN, GFP_ATOMIC);
	if (!block)
		return -ENOMEM;
	memcpy(iv, sample, sizeof(iv));
	if (sa->is_chacha)
		memset(block, 0, SIMDEV_SAMPLE_LEN);
	sg_init_one(&sg, block, SIMDEV_SAMPLE_LEN);
	skcipher_request_set_sync_tfm(req, sa->hp);
	skcipher_request_set_callback(req, 0, NULL, NULL);
	skcipher_request_set_crypt(req, &sg, &sg, SIMDEV_SAMPLE_LEN, iv);
	err = crypto_skcipher_encrypt(req);
	memcpy(mask, block, 5);
	kfree_sensitive(block);
	return err;
}

/* The AEAD over one packet in place; @len: behind the header, when sealing without the tag. */
static int simdev_aead_run(struct simdev_assoc *sa, const struct simdev_key *slot, u8 *packet,
			   u32 hdr_len, u32 len, u64 pn, bool seal)
{
	bool is_ccm = sa->cipher == TLS_CIPHER_AES_CCM_128;
	struct aead_request *req;
	u8 iv[16] = {};
	struct scatterlist sg;
	u8 *nonce = iv;
	int err, i;

	req = aead_request_alloc(slot->aead, GFP_ATOMIC);
	if (!req)
		return -ENOMEM;
	if (is_ccm)
		*nonce++ = 2;	/* a length field of three bytes: RFC 3610, section 2.3 */
	memcpy(nonce, slot->iv, QUIC_OFFLOAD_IV_LEN);
	for (i = 0; i < 8; i++)
		nonce[QUIC_OFFLOAD_IV_LEN - 1 - i] ^= pn >> (8 * i);
	sg_init_one(&sg, packet, hdr_len + len + (seal ? SIMDEV_TAG_LEN : 0));
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, hdr_len);
	aead_request_set_crypt(req, &sg, &sg, len, iv);
	err = seal ? crypto_aead_encrypt(req) : crypto_aead_decrypt(req);
	aead_request_free(req);
	return err;
}

static void simdev_apply(u8 *packet, u32 pn_offset, u32 pn_len, const u8 *mask)
{
	u32 i;

	packet[0] ^= mask[0] & 0x1f;
	for (i = 0; i < pn_len; i++)
		packet[pn_offset + i] ^= mask[1 + i];
}

/**
 * simdev_seal() - encrypt a packet and protect its header
 * @sa:         association
 * @packet:     header in clear, plain text, room for the tag
 * @len:        of all
 * @pn:         packet number
 * @generation: of the key
 *
 * Return: 0, or a negative errno: the packet may be half done.
 */
int simdev_seal(struct simdev_assoc *sa, u8 *packet, u32 len, u64 pn, u32 generation)
{
	u32 pn_offset = 1 + sa->assoc->cid_len;
	u32 pn_len = (packet[0] & 3) + 1;
	u32 hdr_len = pn_offset + pn_len;
	struct simdev_key *slot = &sa->slot[generation & 1];
	u8 mask[5];
	int err;

	if (len < hdr_len + SIMDEV_TAG_LEN || len < pn_offset + 4 + SIMDEV_SAMPLE_LEN)
		return -EINVAL;
	spin_lock_bh(&sa->lock);
	err = slot->aead && slot->generation == generation ?
		      simdev_aead_run(sa, slot, packet, hdr_len, len - hdr_len - SIMDEV_TAG_LEN,
				      pn, true) : -ENOKEY;
	if (!err)
		err = simdev_mask(sa, packet + pn_offset + 4, mask);
	if (!err)
		sa->packets++;
	spin_unlock_bh(&sa->lock);
	if (!err)
		simdev_apply(packet, pn_offset, pn_len, mask);
	return err;
}

/* The number that is nearest to what is expected. RFC 9000, appendix A.3. */
static u64 simdev_expand(s64 largest, u32 truncated, u32 pn_len)
{
	u64 expected = largest + 1, window = 1ULL << (8 * pn_len), half = window / 2;
	u64 candidate = (expected & ~(window - 1)) | truncated;

	if (candidate + half <= expected && candidate < (1ULL << 62) - window)
		return candidate + window;
	if (candidate > expected + half && candidate >= window)
		return candidate - window;
	return candidate;
}

/**
 * simdev_open() - take protection off a packet
 * @sa:         association
 * @packet:     as it came; in clear if the result is QUIC_OFFLOAD_RX_DONE, else unchanged
 * @len:        of it
 * @flip_phase: forge the key phase bit
 * @generation: of the key that opened it
 *
 * Return: what became of it.
 */
enum quic_offload_rx_status simdev_open(struct simdev_assoc *sa, u8 *packet, u32 len,
					bool flip_phase, u32 *generation)
{
	enum quic_offload_rx_status status = QUIC_OFFLOAD_RX_NONE;
	u32 pn_offset = 1 + sa->assoc->cid_len, pn_len, hdr_len, truncated = 0, i;
	struct simdev_key *slot;
	u8 *copy, mask[5];
	u64 pn;

	if (len < pn_offset + 4 + SIMDEV_SAMPLE_LEN)
		return status;
	copy = kmemdup(packet, len, GFP_ATOMIC);
	if (!copy)
		return status;
	spin_lock_bh(&sa->lock);
	if (simdev_mask(sa, copy + pn_offset + 4, mask))
		goto out;
	copy[0] ^= mask[0] & 0x1f;
	if (flip_phase)
		copy[0] ^= 0x04;
	pn_len = (copy[0] & 3) + 1;
	hdr_len = pn_offset + pn_len;
	for (i = 0; i < pn_len; i++) {
		copy[pn_offset + i] ^= mask[1 + i];
		truncated = truncated << 8 | copy[pn_offset + i];
	}
	pn = simdev_expand(sa->largest, truncated, pn_len);
	slot = &sa->slot[!!(copy[0] & 0x04)];
	if (!slot->aead) {
		status = QUIC_OFFLOAD_RX_PHASE_MISMATCH;
		goto out;
	}
	if (simdev_aead_run(sa, slot, copy, hdr_len, len - hdr_len, pn, false)) {
		status = QUIC_OFFLOAD_RX_AUTH_FAILED;
		goto out;
	}
	memcpy(packet, copy, len);
	sa->largest = max_t(s64, sa->largest, pn);
	sa->packets++;
	*generation = slot->generation;
	status = QUIC_OFFLOAD_RX_DONE;
out:
	spin_unlock_bh(&sa->lock);
	kfree_sensitive(copy);
	return status;
}
