/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of disjoint half-open ranges of stream offsets, in a tree: O(log n)
 * each, whatever order a peer causes them in.
 */
#ifndef _QUIC_CORE_RANGE_SET_H
#define _QUIC_CORE_RANGE_SET_H

#include <linux/rbtree.h>
#include <linux/types.h>

struct quic_range {
	struct rb_node node;
	u64 start;
	u64 end;
};

struct quic_range_set {
	struct rb_root root;
	u32 count;
};

void quic_range_set_init(struct quic_range_set *set);
void quic_range_set_clear(struct quic_range_set *set);
int quic_range_set_add(struct quic_range_set *set, u64 start, u64 end);
int quic_range_set_remove(struct quic_range_set *set, u64 start, u64 end);
/* Adds at least [start, end): without memory it may swallow gaps, and fails only when empty. */
int quic_range_set_cover(struct quic_range_set *set, u64 start, u64 end);
const struct quic_range *quic_range_set_first(const struct quic_range_set *set);
/* The lowest range that ends above @offset, or NULL. */
const struct quic_range *quic_range_set_from(const struct quic_range_set *set, u64 offset);
bool quic_range_set_contains(const struct quic_range_set *set, u64 start, u64 end);

static inline bool quic_range_set_empty(const struct quic_range_set *set)
{
	return !set->count;
}

#endif /* _QUIC_CORE_RANGE_SET_H */
