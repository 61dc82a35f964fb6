// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Received bytes of one stream put in order. Chunks are trimmed and split so
 * that those kept never overlap; limits on bytes are flow control's affair.
 */
#include "core.h"
#include "host.h"
#include "reassembly.h"

#define to_chunk(n)	rb_entry(n, struct quic_rx_chunk, node)

static u64 chunk_end(const struct quic_rx_chunk *chunk)
{
	return chunk->offset + chunk->len;
}

/* Takes the first @bytes off a chunk. */
static void chunk_trim(struct quic_rx_chunk *chunk, u32 bytes)
{
	chunk->offset += bytes;
	chunk->data += bytes;
	chunk->len -= bytes;
}

/* The lowest chunk kept that ends above @offset. */
static struct quic_rx_chunk *chunk_from(const struct quic_reassembly *ra, u64 offset)
{
	struct rb_node *node = ra->root.rb_node;
	struct quic_rx_chunk *found = NULL;

	while (node) {
		struct quic_rx_chunk *chunk = to_chunk(node);

		if (chunk_end(chunk) > offset) {
			found = chunk;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* @n chunks more are kept, or fewer. */
static void chunk_count(struct quic_reassembly *ra, int n)
{
	ra->count += n;
	if (ra->total)
		*ra->total += n;
}

static bool chunk_is_too_many(const struct quic_reassembly *ra, u32 max_chunks)
{
	return ra->count >= max_chunks || (ra->total && *ra->total >= QUIC_REASSEMBLY_TOTAL_MAX);
}

/* Keeps a chunk that overlaps no other; -ENOBUFS: freed, it would be one too many. */
static int chunk_keep(struct quic_reassembly *ra, struct quic_rx_chunk *chunk, u32 max_chunks)
{
	struct rb_node **link = &ra->root.rb_node, *parent = NULL;

	/* The next bytes in order are always welcome: they let the others go. */
	if (chunk->offset != ra->next && chunk_is_too_many(ra, max_chunks)) {
		quic_host_chunk_free(chunk);
		return -ENOBUFS;
	}
	while (*link) {
		parent = *link;
		link = chunk->offset < to_chunk(parent)->offset ? &parent->rb_left :
								   &parent->rb_right;
	}
	rb_link_node(&chunk->node, parent, link);
	rb_insert_color(&chunk->node, &ra->root);
	chunk_count(ra, 1);
	ra->bytes += chunk->len;
	return 0;
}

/**
 * quic_reassembly_init() - nothing received yet
 * @ra:    to be filled
 * @total: where the chunks of all streams are counted, or NULL
 */
void quic_reassembly_init(struct quic_reassembly *ra, u32 *total)
{
	ra->total = total;
	ra->root = RB_ROOT;
	ra->next = 0;
	ra->count = 0;
	ra->bytes = 0;
}

/**
 * quic_reassembly_clear() - free all chunks
 * @ra: the reassembly; @next stays
 */
void quic_reassembly_clear(struct quic_reassembly *ra)
{
	struct quic_rx_chunk *chunk, *next;

	rbtree_postorder_for_each_entry_safe(chunk, next, &ra->root, node)
		quic_host_chunk_free(chunk);
	ra->root = RB_ROOT;
	chunk_count(ra, -(int)ra->count);
	ra->bytes = 0;
}

/**
 * quic_reassembly_insert() - keep what is new of a chunk
 * @ra:         the reassembly
 * @chunk:      received bytes, taken over in any case
 * @max_chunks: how many chunks may be kept
 *
 * Of bytes that came before, the first copy stays. RFC 9000, section 2.2.
 *
 * Return: 0, or -ENOBUFS: new bytes were dropped for @max_chunks or
 * QUIC_REASSEMBLY_TOTAL_MAX, or may have been for want of memory, so that the
 * packet must not be acknowledged.
 */
int quic_reassembly_insert(struct quic_reassembly *ra, struct quic_rx_chunk *chunk,
			   u32 max_chunks)
{
	struct quic_rx_chunk *old, *rest;
	int err;

	if (!chunk->len || chunk_end(chunk) <= ra->next)
		goto drop;
	if (chunk->offset < ra->next)
		chunk_trim(chunk, ra->next - chunk->offset);

	for (;;) {
		old = chunk_from(ra, chunk->offset);
		if (!old || old->offset >= chunk_end(chunk))
			return chunk_keep(ra, chunk, max_chunks);

		if (old->offset <= chunk->offset) {
			if (chunk_end(old) >= chunk_end(chunk))
				goto drop;
			chunk_trim(chunk, chunk_end(old) - chunk->offset);
			continue;
		}

		/* The front is new; behind @old there may be more. */
		if (chunk_end(old) >= chunk_end(chunk)) {
			chunk->len = old->offset - chunk->offset;
			return chunk_keep(ra, chunk, max_chunks);
		}
		rest = quic_host_chunk_split(chunk, old->offset - chunk->offset);
		if (!rest) {
			chunk->len = old->offset - chunk->offset;
			chunk_keep(ra, chunk, max_chunks);
			return -ENOBUFS;
		}
		err = chunk_keep(ra, chunk, max_chunks);
		if (err) {
			quic_host_chunk_free(rest);
			return err;
		}
		chunk = rest;
	}

drop:
	quic_host_chunk_free(chunk);
	return 0;
}

/**
 * quic_reassembly_pop() - take the next chunk in order
 * @ra: the reassembly
 *
 * Return: the chunk, now the caller's, @next moved behind it; NULL: it has not
 * come yet.
 */
struct quic_rx_chunk *quic_reassembly_pop(struct quic_reassembly *ra)
{
	struct quic_rx_chunk *chunk;

	if (!ra->count)
		return NULL;
	chunk = to_chunk(rb_first(&ra->root));
	if (chunk->offset != ra->next)
		return NULL;
	rb_erase(&chunk->node, &ra->root);
	chunk_count(ra, -1);
	ra->bytes -= chunk->len;
	ra->next += chunk->len;
	return chunk;
}
