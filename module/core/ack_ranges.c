// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet numbers received in one space. In order is one comparison and one
 * store; a peer that leaves gaps on purpose costs at most the array. When ACK
 * frames leave is the business of ack_policy.c. RFC 9000, section 13.2.3.
 */
#include "core.h"
#include "ack_ranges.h"

/**
 * quic_ack_ranges_init() - nothing was received yet
 * @ranges: what to initialise
 */
void quic_ack_ranges_init(struct quic_ack_ranges *ranges)
{
	ranges->floor = 0;
	ranges->count = 0;
}

/**
 * quic_ack_ranges_largest() - highest number received
 * @ranges: numbers received
 *
 * Return: the number, which is never forgotten (RFC 9000, section 13.2.3), or -1.
 */
s64 quic_ack_ranges_largest(const struct quic_ack_ranges *ranges)
{
	return ranges->count ? (s64)ranges->range[0].last : -1;
}

/* Index of the first range that does not lie above @pn. */
static u32 quic_ack_ranges_search(const struct quic_ack_ranges *ranges, u64 pn)
{
	u32 low = 0, high = ranges->count;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (ranges->range[mid].first > pn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * quic_ack_ranges_has() - was a number received before?
 * @ranges: numbers received
 * @pn:     the number
 *
 * Return: true also for numbers so old that nobody knows any more: they are
 * dropped like duplicates. RFC 9000, section 12.3.
 */
bool quic_ack_ranges_has(const struct quic_ack_ranges *ranges, u64 pn)
{
	u32 i;

	if (pn < ranges->floor)
		return true;
	if (!ranges->count || pn > ranges->range[0].last)
		return false;

	i = quic_ack_ranges_search(ranges, pn);
	return i < ranges->count && pn <= ranges->range[i].last;
}

/* Makes room for a range at index @i; a full array forgets its oldest. */
static void quic_ack_ranges_open(struct quic_ack_ranges *ranges, u32 i)
{
	if (ranges->count == QUIC_ACK_RANGES_MAX) {
		ranges->count--;
		ranges->floor = ranges->range[ranges->count].last + 1;
	}
	memmove(&ranges->range[i + 1], &ranges->range[i],
		(ranges->count - i) * sizeof(ranges->range[0]));
	ranges->count++;
}

static void quic_ack_ranges_close(struct quic_ack_ranges *ranges, u32 i)
{
	ranges->count--;
	memmove(&ranges->range[i], &ranges->range[i + 1],
		(ranges->count - i) * sizeof(ranges->range[0]));
}

/**
 * quic_ack_ranges_add() - a packet was received and processed
 * @ranges: numbers received
 * @pn:     its number; one that is known already changes nothing
 */
void quic_ack_ranges_add(struct quic_ack_ranges *ranges, u64 pn)
{
	struct quic_pn_range *range = ranges->range;
	bool joins_above, joins_below;
	u32 i;

	if (likely(ranges->count && pn == range[0].last + 1)) {
		range[0].last = pn;
		return;
	}
	if (pn < ranges->floor)
		return;

	i = quic_ack_ranges_search(ranges, pn);
	if (i < ranges->count && pn <= range[i].last)
		return;

	joins_above = i > 0 && range[i - 1].first == pn + 1;
	joins_below = i < ranges->count && range[i].last + 1 == pn;

	if (joins_above && joins_below) {
		range[i - 1].first = range[i].first;
		quic_ack_ranges_close(ranges, i);
	} else if (joins_above) {
		range[i - 1].first = pn;
	} else if (joins_below) {
		range[i].last = pn;
	} else if (i == QUIC_ACK_RANGES_MAX) {
		/* Older than all that fit: the oldest to forget is this one. */
		ranges->floor = pn + 1;
	} else {
		quic_ack_ranges_open(ranges, i);
		range[i].first = pn;
		range[i].last = pn;
	}
}

/**
 * quic_ack_ranges_forget() - stop acknowledging old numbers
 * @ranges: numbers received
 * @below:  the peer knows of our ACK for the numbers below this one
 *
 * The largest number stays, every ACK frame reports it. RFC 9000, section 13.2.4.
 */
void quic_ack_ranges_forget(struct quic_ack_ranges *ranges, u64 below)
{
	struct quic_pn_range *range;

	if (!ranges->count)
		return;
	if (below > ranges->range[0].last)
		below = ranges->range[0].last;
	if (below <= ranges->floor)
		return;

	ranges->floor = below;
	while (ranges->range[ranges->count - 1].last < below)
		ranges->count--;
	range = &ranges->range[ranges->count - 1];
	if (range->first < below)
		range->first = below;
}
