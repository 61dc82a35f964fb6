/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets to order, over chunks that the host embeds: no copy, no knowledge of
 * where the bytes lie. The first copy of a byte wins. RFC 9000, section 2.2.
 */
#ifndef _QUIC_CORE_REASSEMBLY_H
#define _QUIC_CORE_REASSEMBLY_H

#include "core.h"

#define QUIC_REASSEMBLY_TOTAL_MAX	2048	/* chunks of all streams of a connection */

/**
 * struct quic_rx_chunk - bytes of a stream as they came in one frame
 * @node:   place in the tree while out of order
 * @link:   place in a list of the host once in order
 * @offset: of the first byte in the stream
 * @data:   the bytes
 * @len:    how many
 */
struct quic_rx_chunk {
	union {
		struct rb_node node;
		struct list_head link;
	};
	u64 offset;
	u8 *data;
	u32 len;
};

/**
 * struct quic_reassembly - received bytes of one stream that are not yet in order
 * @root:  chunks by offset, disjoint, all above @next
 * @next:  offset of the next byte in order
 * @count: chunks in @root
 * @bytes: their bytes
 * @total: chunks of all streams of the connection together, or NULL: nobody counts them
 */
struct quic_reassembly {
	struct rb_root root;
	u64 next;
	u32 count;
	u64 bytes;
	u32 *total;
};

void quic_reassembly_init(struct quic_reassembly *ra, u32 *total);
void quic_reassembly_clear(struct quic_reassembly *ra);
/* Takes over @chunk in any case. -ENOBUFS: part of it was dropped. */
int quic_reassembly_insert(struct quic_reassembly *ra, struct quic_rx_chunk *chunk,
			   u32 max_chunks);
/* The next chunk in order, now the caller's, @next moved behind it; or NULL. */
struct quic_rx_chunk *quic_reassembly_pop(struct quic_reassembly *ra);

/*
 * The way without a tree: true when nothing waits and a chunk of @len bytes at
 * @offset is next. @next is moved; the chunk stays the caller's, to deliver.
 */
static inline bool quic_reassembly_pass(struct quic_reassembly *ra, u64 offset, u32 len)
{
	if (unlikely(ra->count || offset != ra->next))
		return false;
	ra->next += len;
	return true;
}

#endif /* _QUIC_CORE_REASSEMBLY_H */
