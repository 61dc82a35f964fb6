/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies to datagrams that belong to no connection, rate limited per netns. */
#ifndef _QUIC_STATELESS_H
#define _QUIC_STATELESS_H

#include "demux.h"
#include "token.h"

/* Below this many bytes a short header is never answered, and no reset. RFC 9000, section 10.3. */
#define QUIC_STATELESS_RESET_MIN	(5 + 16)
#define QUIC_STATELESS_RESET_MAX	64

/* Replies a second and netns. */
extern unsigned int quic_stateless_rate;

/* These run in softirq and do not sleep; @skb stays the caller's. */
void quic_stateless_version_negotiation(struct quic_udp *udp, const struct sk_buff *skb,
					const struct quic_header *hdr);
/* The client shall show its address first. RFC 9000, section 8.1.2. */
void quic_stateless_retry(struct quic_udp *udp, const union quic_addr *local,
			  const union quic_addr *peer, const struct quic_header *hdr,
			  struct quic_tokens *tokens);
/* RFC 9000, section 10.3; @secret of the listener that may have issued the ID. */
void quic_stateless_reset(struct quic_udp *udp, const struct sk_buff *skb, const u8 *dcid,
			  const u8 *secret, u32 datagram_len);
/* The token that belongs to a connection ID. Any context. */
void quic_stateless_reset_token(const u8 *secret, const struct quic_cid *cid, u8 *token);
/* Initial CONNECTION_CLOSE without a connection. Process context: derives keys. */
int quic_stateless_refuse(struct quic_udp *udp, const union quic_addr *local,
			  const union quic_addr *peer, const struct quic_header *hdr, u64 code);

#endif /* _QUIC_STATELESS_H */
