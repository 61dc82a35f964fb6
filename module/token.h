/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address tokens: a server's own notes, sealed, that a client brings back to
 * show that it gets what is sent to its address. RFC 9000, section 8.1.
 */
#ifndef _QUIC_TOKEN_H
#define _QUIC_TOKEN_H

#include "addr.h"
#include "core/header.h"

struct quic_tokens;

/* First byte of a token: how it reached the client. RFC 9000, section 8.1.1 #1. */
enum quic_token_kind {
	QUIC_TOKEN_REGULAR,	/* by NEW_TOKEN, for a later connection */
	QUIC_TOKEN_RETRY,
};

/* The most that quic_tokens_seal() writes; a regular token has 61 bytes. */
#define QUIC_TOKEN_SEALED_MAX	(61 + 2 * QUIC_CID_MAX_LEN + 1)

/**
 * struct quic_token_info - what a token says
 * @kind:     how it reached the client
 * @version:  of the packets that it came in, or of the connection that gave it
 * @original: Retry: destination connection ID of the client's first packet
 * @retry:    Retry: the ID that the client was told to use instead
 */
struct quic_token_info {
	enum quic_token_kind kind;
	u32 version;
	struct quic_cid original;
	struct quic_cid retry;
};

/* Shared by a listener and its children. Process context. ERR_PTR. */
struct quic_tokens *quic_tokens_create(const u8 *secret, u32 secret_len);
struct quic_tokens *quic_tokens_get(struct quic_tokens *tokens);
/* Readers under RCU may go on using it. NULL allowed. */
void quic_tokens_put(struct quic_tokens *tokens);

/* Neither sleeps; @now in ns, of any clock that stops at no time. Length of the token, at most QUIC_TOKEN_SEALED_MAX, or a negative errno. */
int quic_tokens_seal(struct quic_tokens *tokens, const struct quic_token_info *info,
		     const union quic_addr *peer, u64 now, u8 *token);
/*
 * 0; -EBADMSG: not one of ours; -EACCES: ours, but of another address or version, or an old one;
 * -EALREADY: a regular one that was used before.
 */
int quic_tokens_open(struct quic_tokens *tokens, const u8 *token, u32 len,
		     const union quic_addr *peer, u32 version, u64 now,
		     struct quic_token_info *info);

#endif /* _QUIC_TOKEN_H */
