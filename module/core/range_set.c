// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disjoint, never adjacent half-open ranges in a tree. What the offsets stand
 * for is for the user of the set.
 */
#include "core.h"
#include "host.h"
#include "range_set.h"

#define to_range(n)	rb_entry(n, struct quic_range, node)

static struct quic_range *range_next(const struct quic_range *range)
{
	struct rb_node *node = rb_next(&range->node);

	return node ? to_range(node) : NULL;
}

/* The lowest range that ends at @offset or above: it may touch @offset. */
static struct quic_range *range_reaching(const struct quic_range_set *set, u64 offset)
{
	struct rb_node *node = set->root.rb_node;
	struct quic_range *found = NULL;

	while (node) {
		struct quic_range *range = to_range(node);

		if (range->end >= offset) {
			found = range;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static void range_erase(struct quic_range_set *set, struct quic_range *range)
{
	rb_erase(&range->node, &set->root);
	set->count--;
	quic_host_free(range);
}

/* A new range where none is; false without memory. */
static bool range_insert(struct quic_range_set *set, u64 start, u64 end)
{
	struct rb_node **link = &set->root.rb_node, *parent = NULL;
	struct quic_range *range = quic_host_alloc(sizeof(*range));

	if (!range)
		return false;
	range->start = start;
	range->end = end;
	while (*link) {
		parent = *link;
		link = start < to_range(parent)->start ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&range->node, parent, link);
	rb_insert_color(&range->node, &set->root);
	set->count++;
	return true;
}

/* Stretches @range over [@start, @end) and swallows what that makes it touch above. */
static void range_stretch(struct quic_range_set *set, struct quic_range *range,
			  u64 start, u64 end)
{
	struct quic_range *next;

	range->start = min(range->start, start);
	range->end = max(range->end, end);
	while ((next = range_next(range)) && next->start <= range->end) {
		range->end = max(range->end, next->end);
		range_erase(set, next);
	}
}

/**
 * quic_range_set_init() - make an empty set
 * @set: the set
 */
void quic_range_set_init(struct quic_range_set *set)
{
	set->root = RB_ROOT;
	set->count = 0;
}

/**
 * quic_range_set_clear() - empty a set and free its memory
 * @set: the set, usable again
 */
void quic_range_set_clear(struct quic_range_set *set)
{
	struct quic_range *range, *next;

	rbtree_postorder_for_each_entry_safe(range, next, &set->root, node)
		quic_host_free(range);
	quic_range_set_init(set);
}

/**
 * quic_range_set_add() - add a range, joining what it touches
 * @set:   the set
 * @start: first offset
 * @end:   behind the last one
 *
 * Return: 0, or -ENOMEM: the set is as it was.
 */
int quic_range_set_add(struct quic_range_set *set, u64 start, u64 end)
{
	struct quic_range *range;

	if (start >= end)
		return 0;
	range = range_reaching(set, start);
	if (!range || range->start > end)
		return range_insert(set, start, end) ? 0 : -ENOMEM;
	range_stretch(set, range, start, end);
	return 0;
}

/**
 * quic_range_set_remove() - take a range out, whatever of it is there
 * @set:   the set
 * @start: first offset
 * @end:   behind the last one
 *
 * Memory is needed only to cut a hole into one range, so never to take off the
 * low end of the set.
 *
 * Return: 0, or -ENOMEM: the set is as it was.
 */
int quic_range_set_remove(struct quic_range_set *set, u64 start, u64 end)
{
	struct quic_range *range, *next;

	if (start >= end)
		return 0;
	for (range = range_reaching(set, start); range && range->start < end; range = next) {
		u64 tail = range->end;

		next = range_next(range);
		if (range->start < start) {
			/* Insert the upper part first, while failing is still possible. */
			if (tail > end && !range_insert(set, end, tail))
				return -ENOMEM;
			range->end = min(tail, start);
		} else if (tail > end) {
			range->start = end;
		} else {
			range_erase(set, range);
		}
	}
	return 0;
}

/**
 * quic_range_set_cover() - make sure that a range is in the set
 * @set:   the set
 * @start: first offset
 * @end:   behind the last one
 *
 * Without memory the nearest range is stretched, so that the gap between joins
 * the set, too.
 *
 * Return: 0, or -ENOMEM: the set is, and was, empty.
 */
int quic_range_set_cover(struct quic_range_set *set, u64 start, u64 end)
{
	struct quic_range *above, *below;
	struct rb_node *node;

	if (!quic_range_set_add(set, start, end))
		return 0;
	if (quic_range_set_empty(set))
		return -ENOMEM;

	/* Nothing touches the range, or adding it would not have failed. */
	above = range_reaching(set, start);
	node = above ? rb_prev(&above->node) : rb_last(&set->root);
	below = node ? to_range(node) : NULL;
	if (!below || (above && above->start - end < start - below->end))
		range_stretch(set, above, start, end);
	else
		range_stretch(set, below, start, end);
	return 0;
}

/**
 * quic_range_set_first() - the lowest range
 * @set: the set
 *
 * Return: the range, valid until the set is changed, or NULL.
 */
const struct quic_range *quic_range_set_first(const struct quic_range_set *set)
{
	struct rb_node *node = rb_first(&set->root);

	return node ? to_range(node) : NULL;
}

/**
 * quic_range_set_from() - the lowest range that ends above an offset
 * @set:    the set
 * @offset: the offset
 *
 * Return: the range, valid until the set is changed, or NULL.
 */
const struct quic_range *quic_range_set_from(const struct quic_range_set *set, u64 offset)
{
	struct quic_range *range = range_reaching(set, offset);

	return range && range->end == offset ? range_next(range) : range;
}

/**
 * quic_range_set_contains() - is all of a range in the set?
 * @set:   the set
 * @start: first offset
 * @end:   behind the last one
 */
bool quic_range_set_contains(const struct quic_range_set *set, u64 start, u64 end)
{
	struct quic_range *range;

	if (start >= end)
		return true;
	range = range_reaching(set, end);
	return range && range->start <= start;
}
