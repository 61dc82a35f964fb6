/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet protection keys: derivation, installation, update, wiping. Using them
 * is for protect.c. RFC 9001, sections 5 and 6; RFC 9369, section 3.3.
 */
#ifndef _QUIC_KEYS_H
#define _QUIC_KEYS_H

#include <crypto/aead.h>
#include <linux/llist.h>
#include <linux/refcount.h>
#include <linux/types.h>

#include "core/header.h"

struct quic_hp;

#define QUIC_KEY_MAX		32
#define QUIC_SECRET_MAX		48
#define QUIC_IV_LEN		12
#define QUIC_HMAC_LEN		32	/* of quic_hmac_sha256() */

/**
 * struct quic_key - what protects packets of one direction and generation
 * @aead:   packet protection
 * @later:  the same by a driver that completes later, or NULL; only for packets in bursts
 * @hp:     header protection, shared by all generations: RFC 9001, section 6
 * @iv:     nonce base
 * @key, @hp_key, @len: what @aead and @hp were made of, for devices that do their work
 * @generation: updates before it. RFC 9001, section 6
 * @cipher: TLS_CIPHER_*
 * @is_internal: @aead is the bare synchronous driver: only usable where crypto_simd_usable()
 * @refs:   whoever uses it
 * @dead:   waits to be freed in process context
 */
struct quic_key {
	struct crypto_aead *aead;
	struct crypto_aead *later;
	struct quic_hp *hp;
	u8 iv[QUIC_IV_LEN];
	u16 cipher;
	bool is_internal;
	u8 len;
	u32 generation;
	u8 key[QUIC_KEY_MAX];
	u8 hp_key[QUIC_KEY_MAX];
	refcount_t refs;
	struct llist_node dead;
};

/**
 * struct quic_secret - a traffic secret, kept for key updates
 */
struct quic_secret {
	u8 data[QUIC_SECRET_MAX];
	u8 len;
	u16 cipher;
};

bool quic_cipher_is_supported(u32 cipher);
u8 quic_cipher_secret_len(u16 cipher);

/*
 * All of these may sleep. Keys come back allocated, with one reference;
 * quic_key_free() drops it (NULL allowed), the last one wipes and frees.
 */
struct quic_key *quic_key_create(u32 version, const struct quic_secret *secret);
/* The next generation: replaces *@secret, keeps header protection of @key. */
struct quic_key *quic_key_update(u32 version, struct quic_secret *secret,
				 const struct quic_key *key);
int quic_keys_initial(u32 version, const struct quic_cid *dcid, bool is_server,
		      struct quic_key **tx, struct quic_key **rx);
void quic_key_free(struct quic_key *key);
void quic_key_wipe(struct quic_key *key);	/* with its last reference gone */

static inline struct quic_key *quic_key_get(struct quic_key *key)
{
	refcount_inc(&key->refs);
	return key;
}

/* These never sleep. */
/* RFC 9001, section 5.8. @retry: the packet up to its tag, which answers one to @original. */
int quic_retry_tag(u32 version, const struct quic_cid *original, const u8 *retry, u32 len,
		   u8 tag[QUIC_TAG_LEN]);
/* HKDF-Expand-Label over HMAC-SHA256/384, also for tokens. RFC 8446, section 7.1. */
int quic_hkdf_expand_label(u16 cipher, const u8 *secret, u8 secret_len, const char *label,
			   u8 *out, u16 len);
int quic_hmac_sha256(const u8 *key, u32 key_len, const u8 *data, u32 len, u8 *out);

int quic_keys_init(void);	/* module init: hash transforms */
void quic_keys_exit(void);

#endif /* _QUIC_KEYS_H */
