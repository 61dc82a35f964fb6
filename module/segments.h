/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The datagrams in a received skb, one or an aggregate. */
#ifndef _QUIC_SEGMENTS_H
#define _QUIC_SEGMENTS_H

#include <linux/skbuff.h>

/**
 * struct quic_rx_datagram - one segment of a received skb
 * @skb:  what pins it
 * @data: its bytes, in one piece, ours to write to
 * @len:  how many
 */
struct quic_rx_datagram {
	struct sk_buff *skb;
	u8 *data;
	u32 len;
};

/**
 * struct quic_segments - a walk over the segments of an skb
 * @head:   the skb
 * @part:   where the walk is: the head or one of its frag_list
 * @frag:   -1: in the linear part of @part
 * @start:  offset of the piece in the head skb
 */
struct quic_segments {
	struct sk_buff *head;
	struct sk_buff *part;
	int frag;
	u32 start;
};

bool quic_segments_may_write(const struct sk_buff *skb);
bool quic_segments_take(struct quic_segments *it, bool in_place, u32 offset, u32 len,
			struct quic_rx_datagram *datagram);

#endif /* _QUIC_SEGMENTS_H */
