/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flow control credit, granted and received; the same code serves a stream and
 * the connection. RFC 9000, section 4.
 */
#ifndef _QUIC_CORE_FLOW_H
#define _QUIC_CORE_FLOW_H

#include <linux/types.h>

/**
 * struct quic_flow_send - credit that the peer gave
 * @limit:      offset that must not be passed
 * @used:       offset reached by what was queued or sent
 * @blocked_at: limit that a *_BLOCKED frame reported last, U64_MAX: none
 */
struct quic_flow_send {
	u64 limit;
	u64 used;
	u64 blocked_at;
};

/**
 * struct quic_flow_recv - credit that we gave
 * @limit:    offset advertised last
 * @window:   how far @limit runs ahead of @consumed
 * @received: highest offset seen (sum of them at connection level)
 * @consumed: bytes that the application took or that were discarded
 */
struct quic_flow_recv {
	u64 limit;
	u64 window;
	u64 received;
	u64 consumed;
};

void quic_flow_send_init(struct quic_flow_send *flow, u64 limit);
bool quic_flow_send_raise(struct quic_flow_send *flow, u64 limit);
u64 quic_flow_send_credit(const struct quic_flow_send *flow);

void quic_flow_recv_init(struct quic_flow_recv *flow, u64 window);
/* -EPROTO when @delta more bytes pass the limit; changes nothing then. */
int quic_flow_recv_take(struct quic_flow_recv *flow, u64 delta);
void quic_flow_recv_consume(struct quic_flow_recv *flow, u64 bytes);
bool quic_flow_recv_is_stale(const struct quic_flow_recv *flow);
u64 quic_flow_recv_grant(struct quic_flow_recv *flow);

#endif /* _QUIC_CORE_FLOW_H */
