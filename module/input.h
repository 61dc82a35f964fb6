/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Received packets: what the steps of their way have in common. */
#ifndef _QUIC_INPUT_H
#define _QUIC_INPUT_H

#include <linux/skbuff.h>

#include "addr.h"
#include "segments.h"

struct quic_async_job;
struct quic_async_packet;
struct quic_key;
struct quic_sock;

/* Packets opened between two looks at the masks: also bounds the stack. */
#define QUIC_INPUT_BATCH	32

/* What all segments of one skb have in common. */
struct quic_input_batch {
	struct quic_sock *qs;
	u64 now;
	struct sk_buff *skb;
	u32 share;		/* memory that each segment stands for */
	u32 datagram_len;
	u8 ecn;
	u8 path;		/* QUIC_PATH_NONE: that of no path, between @local and @peer */
	u32 bytes;		/* of @skb */
	const union quic_addr *local;
	const union quic_addr *peer;
	bool by_device;		/* 1-RTT packets are in clear already, */
	u32 generation;		/* opened with that key */
};

bool quic_input_is_plain_app(const struct quic_sock *qs, const u8 *data, u32 len);
u64 quic_input_pn(struct quic_sock *qs, const u8 *packet, u8 pn_len);
struct quic_key *quic_input_app_key(struct quic_sock *qs, bool phase, u64 pn);
bool quic_input_opened(const struct quic_input_batch *batch,
		       const struct quic_async_packet *packet);
void quic_input_failed(const struct quic_input_batch *batch, const u8 *data, u32 len);
void quic_input_dcid(const struct quic_input_batch *batch, const u8 *packet);
bool quic_input_open(const struct quic_input_batch *batch, struct sk_buff *skb, u8 level, u8 *packet,
		     u32 pn_offset, u32 len, bool other);
void quic_input_resume(struct quic_sock *qs, struct sk_buff *skb, struct quic_async_job *job);

#endif /* _QUIC_INPUT_H */
