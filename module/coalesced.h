/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams that may hold several packets, of any kind. RFC 9000, section 12.2. */
#ifndef _QUIC_COALESCED_H
#define _QUIC_COALESCED_H

#include <linux/types.h>

struct quic_input_batch;
struct sk_buff;

void quic_coalesced_input(const struct quic_input_batch *batch, struct sk_buff *skb, u8 *data,
			  u32 len);

#endif /* _QUIC_COALESCED_H */
