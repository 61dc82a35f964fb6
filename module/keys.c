// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet protection keys: the key schedule on the kernel's hashes, key updates.
 * Which AEAD driver does the work is for aead.c, how packets are protected for
 * protect.c, when keys change for core/key_phase.c. RFC 9001, section 5.
 */
#include <crypto/hash.h>
#include <crypto/sha2.h>
#include <linux/slab.h>
#include <linux/tls.h>
#include <uapi/linux/quic.h>

#include "aead.h"
#include "async.h"
#include "keys.h"
#include "protect.h"

#define QUIC_LABEL_PREFIX	"tls13 "
#define QUIC_LABEL_MAX		48

struct quic_cipher {
	struct quic_aead_alg aead;
	u16 type;
	u8 key_len;
	u8 secret_len;
	bool sha384;
	bool chacha;
};

static struct quic_cipher quic_ciphers[] = {
	{
		.type = TLS_CIPHER_AES_GCM_128, .aead = { "gcm(aes)", "__gcm(aes)" },
		.key_len = 16, .secret_len = 32,
	}, {
		.type = TLS_CIPHER_AES_GCM_256, .aead = { "gcm(aes)", "__gcm(aes)" },
		.key_len = 32, .secret_len = 48, .sha384 = true,
	}, {
		.type = TLS_CIPHER_AES_CCM_128, .aead = { "ccm(aes)" },
		.key_len = 16, .secret_len = 32,
	}, {
		.type = TLS_CIPHER_CHACHA20_POLY1305, .aead = { "rfc7539(chacha20,poly1305)" },
		.key_len = 32, .secret_len = 32, .chacha = true,
	},
};

/* RFC 9001, section 5; RFC 9369, section 3.3. */
struct quic_version_keys {
	u8 salt[20];
	u8 retry_key[16];
	u8 retry_nonce[QUIC_IV_LEN];
	const char *label_key;
	const char *label_iv;
	const char *label_hp;
	const char *label_ku;
	struct crypto_aead *retry;
};

static struct quic_version_keys quic_v1_keys = {
	.salt = {
		0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
		0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a,
	},
	.retry_key = {
		0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a,
		0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
	},
	.retry_nonce = {
		0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
	},
	.label_key = "quic key",
	.label_iv = "quic iv",
	.label_hp = "quic hp",
	.label_ku = "quic ku",
};

static struct quic_version_keys quic_v2_keys = {
	.salt = {
		0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
		0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
	},
	.retry_key = {
		0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2,
		0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc, 0x92,
	},
	.retry_nonce = {
		0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a,
	},
	.label_key = "quicv2 key",
	.label_iv = "quicv2 iv",
	.label_hp = "quicv2 hp",
	.label_ku = "quicv2 ku",
};

static struct crypto_shash *quic_sha256;
static struct crypto_shash *quic_sha384;

static struct quic_cipher *quic_cipher_find(u32 type)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(quic_ciphers); i++) {
		if (quic_ciphers[i].type == type)
			return &quic_ciphers[i];
	}
	return NULL;
}

static struct quic_version_keys *quic_version_keys(u32 version)
{
	return version == QUIC_VERSION_V2 ? &quic_v2_keys : &quic_v1_keys;
}

/**
 * quic_cipher_is_supported() - is there such a cipher
 * @cipher: TLS_CIPHER_*
 */
bool quic_cipher_is_supported(u32 cipher)
{
	return quic_cipher_find(cipher);
}

/**
 * quic_cipher_secret_len() - length of a traffic secret
 * @cipher: TLS_CIPHER_*
 *
 * Return: bytes, or 0 for an unknown cipher.
 */
u8 quic_cipher_secret_len(u16 cipher)
{
	const struct quic_cipher *c = quic_cipher_find(cipher);

	return c ? c->secret_len : 0;
}

/*
 * HMAC over up to two pieces; on the plain hash, so that no key is ever set in a
 * shared transform. RFC 2104.
 */
static int quic_hmac(struct crypto_shash *hash, const u8 *key, u32 key_len, const u8 *first,
		     u32 first_len, const u8 *second, u32 second_len, u8 *out)
{
	u32 block = crypto_shash_blocksize(hash);
	u32 size = crypto_shash_digestsize(hash);
	u8 pad[SHA512_BLOCK_SIZE];
	SHASH_DESC_ON_STACK(desc, hash);
	u32 i;
	int err;

	if (WARN_ON_ONCE(key_len > block))
		return -EINVAL;

	desc->tfm = hash;
	memset(pad, 0, block);
	memcpy(pad, key, key_len);
	for (i = 0; i < block; i++)
		pad[i] ^= 0x36;

	err = crypto_shash_init(desc) ?:
	      crypto_shash_update(desc, pad, block) ?:
	      crypto_shash_update(desc, first, first_len) ?:
	      crypto_shash_finup(desc, second, second_len, out);
	if (err)
		goto out;

	for (i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	err = crypto_shash_init(desc) ?:
	      crypto_shash_update(desc, pad, block) ?:
	      crypto_shash_finup(desc, out, size, out);
out:
	memzero_explicit(pad, sizeof(pad));
	shash_desc_zero(desc);
	return err;
}

/**
 * quic_hmac_sha256() - HMAC-SHA256
 * @key:     key, at most 64 bytes
 * @key_len: its length
 * @data:    what to authenticate
 * @len:     its length
 * @out:     QUIC_HMAC_LEN bytes
 *
 * Does not sleep.
 */
int quic_hmac_sha256(const u8 *key, u32 key_len, const u8 *data, u32 len, u8 *out)
{
	return quic_hmac(quic_sha256, key, key_len, data, len, NULL, 0, out);
}

static int quic_hkdf_expand(struct crypto_shash *hash, const u8 *secret, u8 secret_len,
			    const char *label, u8 *out, u16 len)
{
	u8 info[4 + sizeof(QUIC_LABEL_PREFIX) + QUIC_LABEL_MAX];
	u32 size = crypto_shash_digestsize(hash);
	u8 block[SHA384_DIGEST_SIZE] = {};
	u32 label_len = strlen(label);
	u32 prefix_len = strlen(QUIC_LABEL_PREFIX);
	u32 info_len = 0;
	int err = 0;
	u8 n = 0;

	if (WARN_ON_ONCE(label_len > QUIC_LABEL_MAX || len > 255 * size))
		return -EINVAL;

	info[info_len++] = len >> 8;
	info[info_len++] = len;
	info[info_len++] = prefix_len + label_len;
	memcpy(&info[info_len], QUIC_LABEL_PREFIX, prefix_len);
	info_len += prefix_len;
	memcpy(&info[info_len], label, label_len);
	info_len += label_len;
	info[info_len++] = 0;	/* no context */

	while (len) {
		u16 part = min_t(u16, len, size);

		info[info_len] = ++n;
		err = quic_hmac(hash, secret, secret_len, block, n > 1 ? size : 0, info,
				info_len + 1, block);
		if (err)
			break;
		memcpy(out, block, part);
		out += part;
		len -= part;
	}
	memzero_explicit(block, sizeof(block));
	return err;
}

/**
 * quic_hkdf_expand_label() - HKDF-Expand-Label with an empty context
 * @cipher:     TLS_CIPHER_*, which says the hash; anything but an AES-256 suite means SHA-256
 * @secret:     input, as long as the hash's result
 * @secret_len: its length
 * @label:      without the "tls13 " in front
 * @out:        result
 * @len:        how much of it
 *
 * Does not sleep. RFC 8446, section 7.1.
 */
int quic_hkdf_expand_label(u16 cipher, const u8 *secret, u8 secret_len, const char *label,
			   u8 *out, u16 len)
{
	const struct quic_cipher *c = quic_cipher_find(cipher);

	return quic_hkdf_expand(c && c->sha384 ? quic_sha384 : quic_sha256, secret, secret_len,
				label, out, len);
}

/* What key->aead gets, for the driver that completes later; it is done without if that has no use. */
static void quic_key_add_later(struct quic_key *key, struct quic_cipher *c)
{
	key->later = quic_aead_alloc_later(&c->aead);
	if (!key->later)
		return;
	if (crypto_aead_setkey(key->later, key->key, c->key_len) ||
	    crypto_aead_setauthsize(key->later, QUIC_TAG_LEN)) {
		crypto_free_aead(key->later);
		key->later = NULL;
		return;
	}
	quic_async_enable();
}

/* Everything but header protection. */
static struct quic_key *quic_key_new(u32 version, const struct quic_secret *secret)
{
	const struct quic_version_keys *keys = quic_version_keys(version);
	struct quic_cipher *c = quic_cipher_find(secret->cipher);
	struct quic_key *key;
	int err;

	if (!c || secret->len != c->secret_len)
		return ERR_PTR(-EINVAL);

	key = kzalloc_obj(*key, GFP_KERNEL);
	if (!key)
		return ERR_PTR(-ENOMEM);
	key->cipher = secret->cipher;
	key->len = c->key_len;
	refcount_set(&key->refs, 1);

	key->aead = quic_aead_alloc(&c->aead, &key->is_internal);
	if (IS_ERR(key->aead)) {
		err = PTR_ERR(key->aead);
		key->aead = NULL;
		goto err_free;
	}
	if (key->is_internal)
		quic_protect_need_vector();
	err = quic_hkdf_expand_label(secret->cipher, secret->data, secret->len, keys->label_key,
				     key->key, c->key_len) ?:
	      crypto_aead_setkey(key->aead, key->key, c->key_len) ?:
	      crypto_aead_setauthsize(key->aead, QUIC_TAG_LEN) ?:
	      quic_hkdf_expand_label(secret->cipher, secret->data, secret->len, keys->label_iv,
				     key->iv, QUIC_IV_LEN);
	if (err)
		goto err_free;
	quic_key_add_later(key, c);
	return key;

err_free:
	quic_key_free(key);
	return ERR_PTR(err);
}

/**
 * quic_key_create() - keys from a traffic secret
 * @version: QUIC version, which says the labels
 * @secret:  traffic secret
 *
 * May sleep. RFC 9001, section 5.1.
 *
 * Return: the key, to be freed by quic_key_free(), or an ERR_PTR.
 */
struct quic_key *quic_key_create(u32 version, const struct quic_secret *secret)
{
	struct quic_key *key = quic_key_new(version, secret);
	const struct quic_cipher *c;
	struct quic_hp *hp;
	int err;

	if (IS_ERR(key))
		return key;

	c = quic_cipher_find(secret->cipher);
	err = quic_hkdf_expand_label(secret->cipher, secret->data, secret->len,
				     quic_version_keys(version)->label_hp, key->hp_key, c->key_len);
	hp = err ? ERR_PTR(err) : quic_hp_create(key->hp_key, c->key_len, c->chacha);
	if (IS_ERR(hp)) {
		quic_key_free(key);
		return ERR_CAST(hp);
	}
	key->hp = hp;
	return key;
}

/**
 * quic_key_update() - the key of the next generation
 * @version: QUIC version
 * @secret:  secret of the newest generation; becomes that of the next on success
 * @key:     any key of the same direction: header protection stays
 *
 * May sleep. RFC 9001, section 6.1.
 *
 * Return: the key, to be freed by quic_key_free(), or an ERR_PTR.
 */
struct quic_key *quic_key_update(u32 version, struct quic_secret *secret,
				 const struct quic_key *key)
{
	struct quic_secret next = { .len = secret->len, .cipher = secret->cipher };
	struct quic_key *new_key;
	int err;

	err = quic_hkdf_expand_label(secret->cipher, secret->data, secret->len,
				     quic_version_keys(version)->label_ku, next.data, next.len);
	new_key = err ? ERR_PTR(err) : quic_key_new(version, &next);
	if (!IS_ERR(new_key)) {
		new_key->hp = quic_hp_get(key->hp);
		memcpy(new_key->hp_key, key->hp_key, key->len);
		new_key->generation = key->generation + 1;
		*secret = next;
	}
	memzero_explicit(&next, sizeof(next));
	return new_key;
}

/**
 * quic_key_wipe() - wipe and free a key that nobody uses any more
 * @key: the key
 *
 * May sleep.
 */
void quic_key_wipe(struct quic_key *key)
{
	if (key->aead)
		crypto_free_aead(key->aead);	/* wipes its context */
	if (key->later)
		crypto_free_aead(key->later);
	quic_hp_put(key->hp);
	kfree_sensitive(key);
}

/**
 * quic_key_free() - drop a reference to a key
 * @key: the key, or NULL
 *
 * May sleep.
 */
void quic_key_free(struct quic_key *key)
{
	if (key && refcount_dec_and_test(&key->refs))
		quic_key_wipe(key);
}

/**
 * quic_keys_initial() - Initial keys of both directions
 * @version:   QUIC version
 * @dcid:      the client's destination connection ID
 * @is_server: we are the server
 * @tx:        key to send with, or NULL
 * @rx:        key to receive with, or NULL
 *
 * May sleep. RFC 9001, section 5.2.
 *
 * Return: 0 with both keys to be freed by the caller, or a negative errno.
 */
int quic_keys_initial(u32 version, const struct quic_cid *dcid, bool is_server,
		      struct quic_key **tx, struct quic_key **rx)
{
	struct quic_secret secret = { .len = SHA256_DIGEST_SIZE, .cipher = TLS_CIPHER_AES_GCM_128 };
	struct quic_key *key[2] = { NULL, NULL };	/* of the client, of the server */
	bool wanted[2] = { is_server ? rx : tx, is_server ? tx : rx };
	u8 initial[SHA256_DIGEST_SIZE];
	u32 i;
	int err;

	err = quic_hmac_sha256(quic_version_keys(version)->salt, sizeof(quic_v1_keys.salt),
			       dcid->data, dcid->len, initial);
	for (i = 0; !err && i < ARRAY_SIZE(key); i++) {
		if (!wanted[i])
			continue;
		err = quic_hkdf_expand_label(secret.cipher, initial, sizeof(initial),
					     i ? "server in" : "client in", secret.data,
					     secret.len);
		if (err)
			break;
		key[i] = quic_key_create(version, &secret);
		if (IS_ERR(key[i])) {
			err = PTR_ERR(key[i]);
			key[i] = NULL;
		}
	}
	memzero_explicit(&secret, sizeof(secret));
	memzero_explicit(initial, sizeof(initial));
	if (err) {
		quic_key_free(key[0]);
		quic_key_free(key[1]);
		return err;
	}
	if (tx)
		*tx = key[is_server];
	if (rx)
		*rx = key[!is_server];
	return 0;
}

/* Keys of Retry packets are known to everybody and never change. */
static int quic_retry_init(struct quic_version_keys *keys)
{
	struct crypto_aead *aead;
	int err;

	aead = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(aead))
		return PTR_ERR(aead);
	err = crypto_aead_setkey(aead, keys->retry_key, sizeof(keys->retry_key)) ?:
	      crypto_aead_setauthsize(aead, QUIC_TAG_LEN);
	if (err) {
		crypto_free_aead(aead);
		return err;
	}
	keys->retry = aead;
	return 0;
}

static void quic_retry_exit(struct quic_version_keys *keys)
{
	if (keys->retry)
		crypto_free_aead(keys->retry);
	keys->retry = NULL;
}

/**
 * quic_retry_tag() - integrity tag of a Retry packet
 * @version:  QUIC version
 * @original: destination connection ID of the client's first packet
 * @retry:    the Retry packet up to its tag
 * @len:      its length
 * @tag:      result
 *
 * Does not sleep. RFC 9001, section 5.8; RFC 9369, section 3.3.3.
 *
 * Return: 0, or a negative errno.
 */
int quic_retry_tag(u32 version, const struct quic_cid *original, const u8 *retry, u32 len,
		   u8 tag[QUIC_TAG_LEN])
{
	struct quic_version_keys *keys = quic_version_keys(version);
	u32 ad_len = 1 + original->len + len;
	struct aead_request *req;
	struct scatterlist sg;
	int err = -ENOMEM;
	u8 *buf, *nonce;

	req = aead_request_alloc(keys->retry, GFP_ATOMIC);
	buf = kmalloc(ad_len + QUIC_TAG_LEN + QUIC_IV_LEN, GFP_ATOMIC);
	if (!req || !buf)
		goto out;
	buf[0] = original->len;
	memcpy(buf + 1, original->data, original->len);
	memcpy(buf + 1 + original->len, retry, len);
	nonce = buf + ad_len + QUIC_TAG_LEN;
	memcpy(nonce, keys->retry_nonce, QUIC_IV_LEN);
	sg_init_one(&sg, buf, ad_len + QUIC_TAG_LEN);
	aead_request_set_callback(req, 0, NULL, NULL);
	aead_request_set_ad(req, ad_len);
	aead_request_set_crypt(req, &sg, &sg, 0, nonce);
	err = crypto_aead_encrypt(req);
	if (!err)
		memcpy(tag, buf + ad_len, QUIC_TAG_LEN);
out:
	kfree(buf);
	aead_request_free(req);
	return err;
}

/**
 * quic_keys_init() - module init
 */
int quic_keys_init(void)
{
	int err;

	quic_sha256 = crypto_alloc_shash("sha256", 0, 0);
	if (IS_ERR(quic_sha256))
		return PTR_ERR(quic_sha256);
	quic_sha384 = crypto_alloc_shash("sha384", 0, 0);
	if (IS_ERR(quic_sha384)) {
		err = PTR_ERR(quic_sha384);
		goto err_sha384;
	}
	err = quic_retry_init(&quic_v1_keys) ?: quic_retry_init(&quic_v2_keys) ?:
	      quic_protect_init();
	if (err)
		goto err_protect;
	return 0;

err_protect:
	quic_retry_exit(&quic_v2_keys);
	quic_retry_exit(&quic_v1_keys);
	crypto_free_shash(quic_sha384);
err_sha384:
	crypto_free_shash(quic_sha256);
	return err;
}

/**
 * quic_keys_exit() - module exit, when no key is left
 */
void quic_keys_exit(void)
{
	quic_protect_exit();
	quic_retry_exit(&quic_v2_keys);
	quic_retry_exit(&quic_v1_keys);
	crypto_free_shash(quic_sha384);
	crypto_free_shash(quic_sha256);
}
