// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Progress of outgoing bytes. In order and without loss it is three numbers;
 * the trees fill only when acknowledgements come out of order or not at all.
 * Without memory it sends more than it must, never less. RFC 9000, section 13.3.
 */
#include "core.h"
#include "send_ranges.h"

/**
 * quic_send_ranges_init() - nothing queued yet
 * @sr: to be filled
 */
void quic_send_ranges_init(struct quic_send_ranges *sr)
{
	sr->acked = 0;
	sr->next = 0;
	sr->end = 0;
	quic_range_set_init(&sr->sacked);
	quic_range_set_init(&sr->lost);
}

/**
 * quic_send_ranges_destroy() - free what was allocated
 * @sr: the progress
 */
void quic_send_ranges_destroy(struct quic_send_ranges *sr)
{
	quic_range_set_clear(&sr->sacked);
	quic_range_set_clear(&sr->lost);
}

/**
 * quic_send_ranges_has_lost() - must anything be sent again?
 * @sr: the progress
 */
bool quic_send_ranges_has_lost(const struct quic_send_ranges *sr)
{
	return !quic_range_set_empty(&sr->lost);
}

/**
 * quic_send_ranges_has_pending() - is there anything to send, again or new?
 * @sr: the progress
 */
bool quic_send_ranges_has_pending(const struct quic_send_ranges *sr)
{
	return sr->next < sr->end || quic_send_ranges_has_lost(sr);
}

/**
 * quic_send_ranges_peek() - what to send next
 * @sr:     the progress
 * @offset: set to its offset
 * @len:    set to its length, which no packet may be able to hold
 *
 * Return: false when there is nothing.
 */
bool quic_send_ranges_peek(const struct quic_send_ranges *sr, u64 *offset, u64 *len)
{
	if (unlikely(quic_send_ranges_has_lost(sr))) {
		const struct quic_range *lost = quic_range_set_first(&sr->lost);

		*offset = lost->start;
		*len = lost->end - lost->start;
		return true;
	}
	*offset = sr->next;
	*len = sr->end - sr->next;
	return *len;
}

/**
 * quic_send_ranges_on_sent() - some of what quic_send_ranges_peek() named was sent
 * @sr:     the progress
 * @offset: its offset
 * @len:    how much
 */
void quic_send_ranges_on_sent(struct quic_send_ranges *sr, u64 offset, u64 len)
{
	u64 end = offset + len;

	/* Only the low end of the first lost range is ever sent: this needs no memory. */
	if (unlikely(quic_send_ranges_has_lost(sr)))
		WARN_ON_ONCE(quic_range_set_remove(&sr->lost, offset, end));
	sr->next = max(sr->next, end);
}

/* Marks bytes as lost. False: without memory everything from there on is sent again. */
static bool mark_lost(struct quic_send_ranges *sr, u64 start, u64 end)
{
	if (!quic_range_set_cover(&sr->lost, start, end))
		return true;
	sr->next = start;
	return false;
}

/**
 * quic_send_ranges_on_lost() - a packet with these bytes was lost
 * @sr:     the progress
 * @offset: offset of its bytes
 * @len:    how many
 *
 * What other packets carried, too, and was acknowledged is not sent again.
 */
void quic_send_ranges_on_lost(struct quic_send_ranges *sr, u64 offset, u64 len)
{
	u64 end = min(offset + len, sr->next);
	u64 pos = max(offset, sr->acked);

	while (pos < end) {
		const struct quic_range *sacked = quic_range_set_from(&sr->sacked, pos);

		if (!sacked || sacked->start >= end) {
			mark_lost(sr, pos, end);
			break;
		}
		if (sacked->start > pos && !mark_lost(sr, pos, sacked->start))
			break;
		pos = sacked->end;
	}
}

/**
 * quic_send_ranges_rewind() - nothing of what was sent will arrive
 * @sr: progress of a stream whose packets all left the flight unacknowledged
 *
 * The next byte to be sent is the first that was not acknowledged.
 */
void quic_send_ranges_rewind(struct quic_send_ranges *sr)
{
	quic_range_set_clear(&sr->lost);
	quic_range_set_clear(&sr->sacked);
	sr->next = sr->acked;
}

/* The acknowledged prefix reaches @end: takes in what follows without a gap. */
static void advance_acked(struct quic_send_ranges *sr, u64 end)
{
	const struct quic_range *sacked;

	sr->acked = end;
	if (unlikely(!quic_range_set_empty(&sr->sacked))) {
		sacked = quic_range_set_from(&sr->sacked, end);
		if (sacked && sacked->start <= end)
			sr->acked = sacked->end;
		quic_range_set_remove(&sr->sacked, 0, sr->acked);
	}
	/* The host lets go of these bytes: they must never be asked for again. */
	if (unlikely(quic_send_ranges_has_lost(sr)))
		quic_range_set_remove(&sr->lost, 0, sr->acked);
	sr->next = max(sr->next, sr->acked);
}

/**
 * quic_send_ranges_on_acked() - a packet with these bytes was acknowledged
 * @sr:     the progress
 * @offset: offset of its bytes
 * @len:    how many
 *
 * Return: true when @acked moved: the host may let go of the bytes below it.
 */
bool quic_send_ranges_on_acked(struct quic_send_ranges *sr, u64 offset, u64 len)
{
	u64 end = offset + len;

	if (end <= sr->acked)
		return false;
	if (likely(offset <= sr->acked)) {
		advance_acked(sr, end);
		return true;
	}

	/* Without memory it counts as lost: sent once more, and acknowledged once more. */
	if (quic_range_set_add(&sr->sacked, offset, end)) {
		quic_send_ranges_on_lost(sr, offset, len);
		return false;
	}
	/* Without memory for a hole some of it is sent again in vain. */
	quic_range_set_remove(&sr->lost, offset, end);
	return false;
}
