// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The walk over a received skb: where its segments lie among linear part, pages
 * and parts, and which of them must be copied before they can be decrypted. What
 * is in them is input.c's.
 */
#include "segments.h"

static u32 quic_segments_piece(const struct quic_segments *it, u8 **data)
{
	const skb_frag_t *frag;

	if (it->frag < 0) {
		*data = it->part->data;
		return skb_headlen(it->part);
	}
	frag = &skb_shinfo(it->part)->frags[it->frag];
	*data = PageHighMem(skb_frag_page(frag)) ? NULL : skb_frag_address(frag);
	return skb_frag_size(frag);
}

static bool quic_segments_next(struct quic_segments *it)
{
	u8 *data;

	it->start += quic_segments_piece(it, &data);
	if (++it->frag < skb_shinfo(it->part)->nr_frags)
		return true;
	it->frag = -1;
	it->part = it->part == it->head ? skb_shinfo(it->head)->frag_list : it->part->next;
	return it->part;
}

/**
 * quic_segments_may_write() - may packets be decrypted where they lie?
 * @skb: in which
 *
 * Return: true if nobody else reads the memory of @skb and of its parts.
 */
bool quic_segments_may_write(const struct sk_buff *skb)
{
	const struct sk_buff *part;

	if (skb_cloned(skb) || skb_has_shared_frag(skb))
		return false;
	skb_walk_frags(skb, part)
		if (skb_cloned(part) || skb_has_shared_frag(part))
			return false;
	return true;
}

/* The segment in an skb of its own: it lay across pieces, or somebody else reads along. */
static struct sk_buff *quic_segments_copy(const struct sk_buff *skb, u32 offset, u32 len)
{
	struct sk_buff *copy = alloc_skb(len, GFP_ATOMIC | __GFP_NOWARN);

	if (copy && skb_copy_bits(skb, offset, skb_put(copy, len), len)) {
		kfree_skb(copy);
		return NULL;
	}
	return copy;
}

/**
 * quic_segments_take() - a segment of an skb, in one piece
 * @it:       the walk; offsets may only grow
 * @in_place: quic_segments_may_write(); else each segment is copied
 * @offset:   of the segment in the skb
 * @len:      its length, within the skb
 * @datagram: result; its skb is a copy, the caller's to free, if it is not the one that is walked
 *
 * Return: true, or false if there is no memory for a copy.
 */
bool quic_segments_take(struct quic_segments *it, bool in_place, u32 offset, u32 len,
			struct quic_rx_datagram *datagram)
{
	u8 *data;
	u32 size;

	datagram->len = len;
	if (in_place) {
		while ((size = quic_segments_piece(it, &data)) <= offset - it->start)
			if (!quic_segments_next(it))
				return false;
		if (data && offset - it->start + len <= size) {
			datagram->skb = it->head;
			datagram->data = data + (offset - it->start);
			return true;
		}
	}
	datagram->skb = quic_segments_copy(it->head, offset, len);
	if (!datagram->skb)
		return false;
	datagram->data = datagram->skb->data;
	return true;
}
