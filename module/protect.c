// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet and header protection with given keys: one AEAD call per packet on
 * one linear piece, with a request that each processor owns. Which key a
 * packet needs is for input.c and output.c. RFC 9001, sections 5.3 and 5.4.
 */
#include <crypto/internal/simd.h>
#include <asm/simd.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/tls.h>

#include "protect.h"

/**
 * struct quic_protect_cpu - what one AEAD call needs, owned by whoever has BH off
 * @iv:  nonce in the form that the driver wants
 * @src: input, a list of one
 * @dst: output, if it is elsewhere
 * @req: request, QUIC_PROTECT_REQSIZE bytes of the driver's own follow
 */
struct quic_protect_cpu {
	u8 iv[16];
	struct scatterlist src;
	struct scatterlist dst;
	struct aead_request req __aligned(CRYPTO_MINALIGN);
};

/* Drivers put their context into scatterlists, so it must not lie in the per-CPU area itself. */
static DEFINE_PER_CPU(struct quic_protect_cpu *, quic_protect_cpus);

/*
 * RFC 9001, section 5.3. CCM's counter block carries the length of its length
 * field: RFC 3610, section 2.3.
 */
static void quic_protect_nonce(const struct quic_key *key, u64 pn, u8 *iv)
{
	u64 low;

	if (unlikely(key->cipher == TLS_CIPHER_AES_CCM_128)) {
		iv[13] = 0;
		iv[14] = 0;
		iv[15] = 0;
		*iv++ = 15 - QUIC_IV_LEN - 1;
	}
	memcpy(iv, key->iv, 4);
	low = get_unaligned_be64(key->iv + 4) ^ pn;
	put_unaligned_be64(low, iv + 4);
}

/**
 * quic_protect_may_run() - may packets be protected here and now
 * @key: with which key
 *
 * False only in a softirq that interrupted a user of the vector registers; the packets then have
 * to wait for process context.
 */
bool quic_protect_may_run(const struct quic_key *key)
{
	return !key->is_internal || likely(crypto_simd_usable());
}

DEFINE_STATIC_KEY_FALSE(quic_protect_vector_key);

/**
 * quic_protect_need_vector() - there is a key that may not be used everywhere
 *
 * For good, as quic_async_enable(). Process context.
 */
void quic_protect_need_vector(void)
{
	if (!static_key_enabled(&quic_protect_vector_key))
		static_branch_enable(&quic_protect_vector_key);
}

/**
 * quic_protect_has_vector() - may such a key be used here?
 *
 * Always so in process context. Tests have their own: tests/vector_param.c.
 *
 * Return: false in a softirq that interrupted a user of the vector registers.
 */
bool __weak quic_protect_has_vector(void)
{
	return crypto_simd_usable();
}

/**
 * quic_protect_seal() - encrypt one packet
 * @key:     with which key
 * @packet:  the packet; its header is in place
 * @hdr_len: length of the header with the packet number
 * @src:     plain text; if not at @packet + @hdr_len, the header must also lie right before it
 * @len:     bytes of plain text
 * @pn:      packet number
 *
 * Call with BH off. Both buffers must be linear memory that virt_to_page() knows.
 *
 * Return: 0; -EAGAIN where quic_protect_may_run() says no.
 */
int quic_protect_seal(struct quic_key *key, u8 *packet, u32 hdr_len, const u8 *src, u32 len,
		      u64 pn)
{
	struct quic_protect_cpu *cpu = this_cpu_read(quic_protect_cpus);
	struct scatterlist *dst = &cpu->src;
	struct aead_request *req = &cpu->req;
	int err;

	if (unlikely(!quic_protect_may_run(key)))
		return -EAGAIN;

	quic_protect_nonce(key, pn, cpu->iv);
	if (src == packet + hdr_len) {
		sg_set_buf(&cpu->src, packet, hdr_len + len + QUIC_TAG_LEN);
	} else {
		sg_set_buf(&cpu->src, src - hdr_len, hdr_len + len);
		sg_set_buf(&cpu->dst, packet, hdr_len + len + QUIC_TAG_LEN);
		dst = &cpu->dst;
	}
	aead_request_set_tfm(req, key->aead);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, hdr_len);
	aead_request_set_crypt(req, &cpu->src, dst, len, cpu->iv);
	err = crypto_aead_encrypt(req);
	/* No driver that we choose does this. */
	WARN_ON_ONCE(err == -EINPROGRESS || err == -EBUSY);
	return err;
}

/**
 * quic_protect_seal_pieces() - encrypt one packet from several pieces
 * @key:     with which key
 * @packet:  the packet; its header is in place, the rest is written
 * @hdr_len: length of the header with the packet number
 * @src:     the header again, whole in the first piece, and the plain text
 * @len:     bytes of plain text
 * @pn:      packet number
 *
 * Call with BH off.
 *
 * Return: 0; -EAGAIN where quic_protect_may_run() says no; -ENOMEM.
 */
int quic_protect_seal_pieces(struct quic_key *key, u8 *packet, u32 hdr_len,
			     struct scatterlist *src, u32 len, u64 pn)
{
	struct quic_protect_cpu *cpu = this_cpu_read(quic_protect_cpus);
	struct aead_request *req = &cpu->req;
	int err;

	if (unlikely(!quic_protect_may_run(key)))
		return -EAGAIN;
	quic_protect_nonce(key, pn, cpu->iv);
	sg_set_buf(&cpu->dst, packet, hdr_len + len + QUIC_TAG_LEN);
	aead_request_set_tfm(req, key->aead);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, hdr_len);
	aead_request_set_crypt(req, src, &cpu->dst, len, cpu->iv);
	err = crypto_aead_encrypt(req);
	WARN_ON_ONCE(err == -EINPROGRESS || err == -EBUSY);
	return err;
}

/**
 * quic_protect_open() - decrypt one packet in place
 * @key:     with which key
 * @packet:  the packet, header protection removed
 * @hdr_len: length of the header with the packet number
 * @len:     bytes behind the header, tag included
 * @pn:      packet number
 *
 * Call with BH off. The cipher text is gone afterwards even if it did not authenticate; the tag
 * stays.
 *
 * Return: 0; -EBADMSG; -EAGAIN where quic_protect_may_run() says no.
 */
int quic_protect_open(struct quic_key *key, u8 *packet, u32 hdr_len, u32 len, u64 pn)
{
	struct quic_protect_cpu *cpu = this_cpu_read(quic_protect_cpus);
	struct aead_request *req = &cpu->req;
	int err;

	if (unlikely(len < QUIC_TAG_LEN))
		return -EBADMSG;
	if (unlikely(!quic_protect_may_run(key)))
		return -EAGAIN;

	quic_protect_nonce(key, pn, cpu->iv);
	sg_set_buf(&cpu->src, packet, hdr_len + len);
	aead_request_set_tfm(req, key->aead);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, hdr_len);
	aead_request_set_crypt(req, &cpu->src, &cpu->src, len, cpu->iv);
	err = crypto_aead_decrypt(req);
	WARN_ON_ONCE(err == -EINPROGRESS || err == -EBUSY);
	return err;
}

/**
 * struct quic_protect_later - a packet at a driver that completes later
 * @done:  whom to tell,
 * @owner: of what,
 * @index: and which
 * @iv:    nonce in the form that the driver wants
 * @sg:    the packet
 * @req:   request, the driver's own follows
 */
struct quic_protect_later {
	quic_protect_done_t done;
	void *owner;
	u32 index;
	u8 iv[16];
	struct scatterlist sg;
	struct aead_request req __aligned(CRYPTO_MINALIGN);
};

/**
 * quic_protect_later_done() - a driver is through with a packet, or has begun with it
 * @data: struct quic_protect_later
 * @err:  0 or errno; -EINPROGRESS: begun
 */
void quic_protect_later_done(void *data, int err)
{
	struct quic_protect_later *later = data;
	quic_protect_done_t done = later->done;
	void *owner = later->owner;
	u32 index = later->index;

	if (err == -EINPROGRESS)	/* only left one queue for another */
		return;
	/* Behind @done the last user of the module may be gone. */
	kfree_sensitive(later);
	local_bh_disable();
	done(owner, index, err);
	local_bh_enable();
}

/**
 * quic_protect_later_size() - memory that a packet takes until it is done
 * @key: key with an asynchronous driver
 *
 * Return: bytes.
 */
u32 quic_protect_later_size(const struct quic_key *key)
{
	return sizeof(struct quic_protect_later) + crypto_aead_reqsize(key->later);
}

/**
 * quic_protect_later() - give a packet to the asynchronous driver
 * @key:     with which key; it has such a driver, and stays until @done was called
 * @packet:  the packet, header in place, its protection removed
 * @hdr_len: length of the header with the packet number
 * @len:     bytes behind it; to seal without the tag, for which there is room, to open with it
 * @pn:      packet number
 * @seal:    encrypt; else decrypt
 * @done:    called with @owner, @index and the outcome, BH off
 * @owner:   for @done
 * @index:   for @done
 *
 * Call with BH off. No request waits in a driver's backlog: what it has no room for is refused.
 *
 * Return: -EINPROGRESS: @done will be called, or was; 0 or -EBADMSG: done at once, @done is not
 * called; another errno: refused, the packet is as it was.
 */
int quic_protect_later(struct quic_key *key, u8 *packet, u32 hdr_len, u32 len, u64 pn, bool seal,
		       quic_protect_done_t done, void *owner, u32 index)
{
	struct quic_protect_later *later;
	int err;

	later = kmalloc(quic_protect_later_size(key), GFP_ATOMIC | __GFP_NOWARN);
	if (!later)
		return -ENOMEM;
	later->done = done;
	later->owner = owner;
	later->index = index;
	quic_protect_nonce(key, pn, later->iv);
	sg_init_one(&later->sg, packet, hdr_len + len + (seal ? QUIC_TAG_LEN : 0));
	aead_request_set_tfm(&later->req, key->later);
	aead_request_set_callback(&later->req, 0, quic_protect_later_done, later);
	aead_request_set_ad(&later->req, hdr_len);
	aead_request_set_crypt(&later->req, &later->sg, &later->sg, len, later->iv);
	err = seal ? crypto_aead_encrypt(&later->req) : crypto_aead_decrypt(&later->req);
	if (err != -EINPROGRESS)
		kfree_sensitive(later);
	return err;
}

/* The request of a call in place, under a nonce that no packet number goes into. */
static struct aead_request *quic_protect_request(struct quic_key *key, u8 *data, u32 hdr_len,
						 u32 size, u32 len, const u8 *nonce)
{
	struct quic_protect_cpu *cpu = this_cpu_read(quic_protect_cpus);
	struct aead_request *req = &cpu->req;

	memcpy(cpu->iv, nonce, QUIC_IV_LEN);
	sg_init_one(&cpu->src, data, size);
	aead_request_set_tfm(req, key->aead);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, hdr_len);
	aead_request_set_crypt(req, &cpu->src, &cpu->src, len, cpu->iv);
	return req;
}

/**
 * quic_protect_seal_nonce() - encrypt something else than a packet, in place
 * @key:     with which key; never used for packets
 * @data:    @hdr_len bytes that are authenticated only, then plain text, then room for the tag
 * @hdr_len: length of the first
 * @len:     bytes of plain text
 * @nonce:   QUIC_IV_LEN bytes that were never used with @key
 *
 * Call with BH off.
 *
 * Return: 0; -EAGAIN where quic_protect_may_run() says no.
 */
int quic_protect_seal_nonce(struct quic_key *key, u8 *data, u32 hdr_len, u32 len, const u8 *nonce)
{
	if (!quic_protect_may_run(key))
		return -EAGAIN;
	return crypto_aead_encrypt(quic_protect_request(key, data, hdr_len,
							hdr_len + len + QUIC_TAG_LEN, len, nonce));
}

/**
 * quic_protect_open_nonce() - the other way round
 * @key:     with which key
 * @data:    what quic_protect_seal_nonce() left there
 * @hdr_len: bytes that are authenticated only
 * @len:     bytes behind them, tag included
 * @nonce:   as it was sealed with
 *
 * Call with BH off.
 *
 * Return: 0; -EBADMSG; -EAGAIN where quic_protect_may_run() says no.
 */
int quic_protect_open_nonce(struct quic_key *key, u8 *data, u32 hdr_len, u32 len, const u8 *nonce)
{
	if (len < QUIC_TAG_LEN)
		return -EBADMSG;
	if (!quic_protect_may_run(key))
		return -EAGAIN;
	return crypto_aead_decrypt(quic_protect_request(key, data, hdr_len, hdr_len + len, len,
							nonce));
}

/**
 * quic_protect_mask() - add header protection
 * @key:  with which key
 * @mask: the packets, already encrypted
 * @n:    how many
 */
void quic_protect_mask(struct quic_key *key, const struct quic_mask *mask, u32 n)
{
	quic_hp_mask(key->hp, mask, n);
}

/**
 * quic_protect_unmask() - remove header protection
 * @key:  with which key
 * @mask: the packets; each has at least 4 + QUIC_SAMPLE_LEN bytes from the packet number on
 * @n:    how many
 */
void quic_protect_unmask(struct quic_key *key, const struct quic_mask *mask, u32 n)
{
	quic_hp_unmask(key->hp, mask, n);
}

/**
 * quic_protect_exit() - module exit
 */
void quic_protect_exit(void)
{
	int i;

	for_each_possible_cpu(i) {
		kfree_sensitive(per_cpu(quic_protect_cpus, i));
		per_cpu(quic_protect_cpus, i) = NULL;
	}
	quic_hp_exit();
}

/**
 * quic_protect_init() - module init
 */
int quic_protect_init(void)
{
	size_t size = sizeof(struct quic_protect_cpu) + QUIC_PROTECT_REQSIZE;
	struct quic_protect_cpu *cpu;
	int i;

	for_each_possible_cpu(i) {
		cpu = kzalloc_node(size, GFP_KERNEL, cpu_to_node(i));
		if (!cpu) {
			quic_protect_exit();
			return -ENOMEM;
		}
		sg_init_table(&cpu->src, 1);
		sg_init_table(&cpu->dst, 1);
		per_cpu(quic_protect_cpus, i) = cpu;
	}
	return quic_hp_init();
}
