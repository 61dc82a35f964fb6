/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one seam to packet protection: AEAD and header protection of single
 * packets and of bursts. RFC 9001, sections 5.3 and 5.4.
 */
#ifndef _QUIC_PROTECT_H
#define _QUIC_PROTECT_H

#include <linux/jump_label.h>

#include "hp.h"
#include "keys.h"

#define QUIC_PROTECT_REQSIZE	2048	/* AEAD drivers that want more per request are not used */

/*
 * Encrypt: the header [@packet, @packet + @hdr_len) is already in place in
 * @packet; plain text of @len bytes lies at @src (which may be @packet +
 * @hdr_len: in place) or, out of place, at @src with the same header repeated
 * right before it at @src - @hdr_len. Writes cipher text and tag behind the
 * header in @packet. Softirq or process context with BH off; does not sleep.
 */
int quic_protect_seal(struct quic_key *key, u8 *packet, u32 hdr_len, const u8 *src, u32 len,
		      u64 pn);
/* The same from a list that holds the header and the plain text. */
int quic_protect_seal_pieces(struct quic_key *key, u8 *packet, u32 hdr_len,
			     struct scatterlist *src, u32 len, u64 pn);
/* Decrypt in place: @len bytes behind the header, tag included. -EBADMSG. */
int quic_protect_open(struct quic_key *key, u8 *packet, u32 hdr_len, u32 len, u64 pn);
/* The same for what is no packet, under a nonce of QUIC_IV_LEN bytes; AES-GCM only. */
int quic_protect_seal_nonce(struct quic_key *key, u8 *data, u32 hdr_len, u32 len,
			    const u8 *nonce);
int quic_protect_open_nonce(struct quic_key *key, u8 *data, u32 hdr_len, u32 len,
			    const u8 *nonce);
/* Add header protection to @n packets (the packet number length is read from the first byte). */
void quic_protect_mask(struct quic_key *key, const struct quic_mask *mask, u32 n);
/* Remove it: same, reading the length after unmasking. */
void quic_protect_unmask(struct quic_key *key, const struct quic_mask *mask, u32 n);
/* May packets be protected with @key here and now? If not, go to process context. */
bool quic_protect_may_run(const struct quic_key *key);

DECLARE_STATIC_KEY_FALSE(quic_protect_vector_key);
void quic_protect_need_vector(void);
bool quic_protect_has_vector(void);

/* The same for all keys: a branch that is patched out unless one of them asks for it. */
static inline bool quic_protect_is_ready(void)
{
	return !static_branch_unlikely(&quic_protect_vector_key) ||
	       likely(quic_protect_has_vector());
}

/*
 * With a key that has an asynchronous driver: the same in place for one packet, and @done(@owner,
 * @index, errno) once it is through, from any context, BH off.
 */
typedef void (*quic_protect_done_t)(void *owner, u32 index, int err);
int quic_protect_later(struct quic_key *key, u8 *packet, u32 hdr_len, u32 len, u64 pn, bool seal,
		       quic_protect_done_t done, void *owner, u32 index);
u32 quic_protect_later_size(const struct quic_key *key);
void quic_protect_later_done(void *data, int err);

int quic_protect_init(void);
void quic_protect_exit(void);

#endif /* _QUIC_PROTECT_H */
