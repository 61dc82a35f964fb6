/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May a client's first packet make a request? Tokens, Retry, refusal. */
#ifndef _QUIC_VALIDATE_H
#define _QUIC_VALIDATE_H

#include "addr.h"
#include "core/header.h"

struct quic_sock;
struct quic_udp;

/**
 * struct quic_validation - what is known of a client before its first packet is opened
 * @is_valid: it has shown that it gets what is sent to its address
 * @has_retry: by coming back after Retry
 * @retry_mode: nobody is let in without that
 * @original: destination connection ID of its very first packet
 */
struct quic_validation {
	bool is_valid;
	bool has_retry;
	bool retry_mode;
	struct quic_cid original;
};

/* Softirq, under RCU. False: it was answered, or is not to be. */
bool quic_validate_initial(struct quic_sock *listener, struct quic_udp *udp,
			   const struct quic_header *hdr, const union quic_addr *local,
			   const union quic_addr *peer, struct quic_validation *validation);
/* Answers with CONNECTION_CLOSE of that code, from process context and within reason. */
void quic_validate_refuse(struct quic_udp *udp, const struct quic_header *hdr,
			  const union quic_addr *local, const union quic_addr *peer, u64 code);
/* A token for the client's next connection, to be sent. Any context; a negative errno. */
int quic_validate_new_token(struct quic_sock *qs);

#endif /* _QUIC_VALIDATE_H */
