// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ring of packets in flight. Adding and finding cost the same whatever the
 * window holds, and memory follows the window. Who is acknowledged or lost is
 * decided in loss.c. RFC 9002, appendix A.1.
 */
#include "core.h"
#include "host.h"
#include "sent.h"

#define QUIC_SENT_LEAVES_MIN	4	/* of a small window */
#define QUIC_SENT_LEAVES_IDLE	16	/* kept when nothing is in flight */

/* A record is one cache line. */
static_assert(sizeof(void *) != 8 || sizeof(struct quic_sent_packet) == 64);

static u64 quic_sent_leaf_of(u64 pn)
{
	return pn >> QUIC_SENT_LEAF_SHIFT;
}

static struct quic_sent_packet **quic_sent_leaf(const struct quic_sent *sent, u64 pn)
{
	return &sent->leaf[quic_sent_leaf_of(pn) & (sent->nr_leaves - 1)];
}

/**
 * quic_sent_init() - an empty ring, without memory of its own
 * @sent: the ring
 */
void quic_sent_init(struct quic_sent *sent)
{
	memset(sent, 0, sizeof(*sent));
	sent->rates_from = U64_MAX;
}

/* Frees the leaves and their array, and what the records hold. */
static void quic_sent_free(struct quic_sent *sent)
{
	u32 i, j;

	for (i = 0; i < sent->nr_leaves; i++) {
		if (!sent->leaf[i])
			continue;
		for (j = 0; j < QUIC_SENT_LEAF_SIZE; j++)
			quic_host_free(sent->leaf[i][j].more);
		quic_host_free(sent->leaf[i]);
	}
	quic_host_free(sent->leaf);
	sent->leaf = NULL;
	sent->nr_leaves = 0;
	sent->limit = 0;
}

/**
 * quic_sent_destroy() - frees all, records included
 * @sent: the ring, which may be used again afterwards
 */
void quic_sent_destroy(struct quic_sent *sent)
{
	quic_sent_free(sent);
	quic_host_free(sent->spare);
	quic_sent_init(sent);
}

/**
 * quic_sent_has_room() - may another packet be recorded?
 * @sent: the ring
 *
 * Return: false when the oldest packet in flight lies so far back that the
 * bound on records is reached: the sender waits for it to be settled.
 */
bool quic_sent_has_room(const struct quic_sent *sent)
{
	/* One more than the next number, in case that one is left out. */
	return !sent->in_ring ||
	       quic_sent_leaf_of(sent->next + 1) - quic_sent_leaf_of(sent->oldest) <
	       QUIC_SENT_LEAVES;
}

/* Lets the window be @span leaves wide. */
static int quic_sent_grow(struct quic_sent *sent, u64 span)
{
	u64 base = quic_sent_leaf_of(sent->oldest);
	u32 nr = sent->nr_leaves ?: QUIC_SENT_LEAVES_MIN;
	struct quic_sent_packet **leaf;
	u32 i;

	if (span > QUIC_SENT_LEAVES)
		return -ENOBUFS;
	while (nr < span)
		nr *= 2;

	leaf = quic_host_alloc(nr * sizeof(*leaf));
	if (!leaf)
		return -ENOMEM;
	for (i = 0; i < sent->nr_leaves; i++)
		leaf[(base + i) & (nr - 1)] = sent->leaf[(base + i) & (sent->nr_leaves - 1)];
	quic_host_free(sent->leaf);
	sent->leaf = leaf;
	sent->nr_leaves = nr;
	return 0;
}

/* Lets go of the leaf of @pn, which has become empty. */
static void quic_sent_drop_leaf(struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet **leaf = quic_sent_leaf(sent, pn);

	if (*leaf == sent->tail)
		sent->limit = 0;
	/* One made before snapshots were wanted is too small to be used again. */
	if (sent->spare || (pn < sent->rates_from && sent->rates_from != U64_MAX))
		quic_host_free(*leaf);
	else
		sent->spare = *leaf;
	*leaf = NULL;
}

/**
 * quic_sent_leave_leaf() - @oldest has come to the end of a leaf
 * @sent: the ring; all of that leaf is empty
 */
void quic_sent_leave_leaf(struct quic_sent *sent)
{
	quic_sent_drop_leaf(sent, sent->oldest - 1);
}

/* Nothing is in flight: lets the window begin at @pn. */
static void quic_sent_restart(struct quic_sent *sent, u64 pn)
{
	if (sent->nr_leaves && quic_sent_leaf_of(pn) != quic_sent_leaf_of(sent->oldest))
		quic_sent_drop_leaf(sent, sent->oldest);
	sent->oldest = pn;
}

/* Is the place of @pn known, and does the window begin where it must? */
static bool quic_sent_is_reserved(const struct quic_sent *sent, u64 pn)
{
	return (pn | QUIC_SENT_LEAF_MASK) + 1 == sent->limit &&
	       (sent->in_ring || sent->oldest == pn);
}

/* Memory of the leaf of @pn. */
static size_t quic_sent_leaf_bytes(const struct quic_sent *sent, u64 pn)
{
	size_t each = sizeof(struct quic_sent_packet);

	if (pn >= sent->rates_from)
		each += sizeof(struct quic_rate_snapshot);
	return QUIC_SENT_LEAF_SIZE * each;
}

/**
 * quic_sent_enable_rates() - records shall have snapshots of the delivery rate
 * @sent: the ring
 *
 * Leaves that are there already stay without.
 */
void quic_sent_enable_rates(struct quic_sent *sent)
{
	if (sent->rates_from != U64_MAX)
		return;
	sent->rates_from = max(sent->limit, (sent->next + QUIC_SENT_LEAF_MASK) & ~(u64)QUIC_SENT_LEAF_MASK);
	quic_host_free(sent->spare);
	sent->spare = NULL;
}

/**
 * quic_sent_reserve() - makes sure that adding a packet will not fail
 * @sent: the ring
 * @pn:   the packet's number, not below @sent->next
 *
 * Return: 0, -ENOMEM, or -ENOBUFS when there is no room.
 */
int quic_sent_reserve(struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet **leaf;
	u64 span;

	if (likely(quic_sent_is_reserved(sent, pn)))
		return 0;
	if (!sent->in_ring && pn != sent->oldest) {
		quic_sent_trim(sent);
		quic_sent_restart(sent, pn);
	}

	span = quic_sent_leaf_of(pn) - quic_sent_leaf_of(sent->oldest) + 1;
	if (unlikely(span > sent->nr_leaves)) {
		int err = quic_sent_grow(sent, span);

		if (err)
			return err;
	}

	leaf = quic_sent_leaf(sent, pn);
	if (unlikely(!*leaf)) {
		if (sent->spare) {
			*leaf = sent->spare;
			sent->spare = NULL;
		} else {
			*leaf = quic_host_alloc(quic_sent_leaf_bytes(sent, pn));
			if (!*leaf)
				return -ENOMEM;
		}
	}
	sent->tail = *leaf;
	sent->limit = (pn | QUIC_SENT_LEAF_MASK) + 1;
	return 0;
}

/**
 * quic_sent_add() - records a packet that was sent
 * @sent:   the ring
 * @pn:     its number; those between it and the last one were left out
 * @packet: the record, which is copied; @packet->more changes hands
 *
 * Return: 0; or as quic_sent_reserve(), without any effect; -EINVAL for a
 * number that was used.
 */
int quic_sent_add(struct quic_sent *sent, u64 pn, const struct quic_sent_packet *packet)
{
	struct quic_sent_packet *slot;

	if (WARN_ON_ONCE(pn < sent->next))
		return -EINVAL;
	if (unlikely(!quic_sent_is_reserved(sent, pn))) {
		int err = quic_sent_reserve(sent, pn);

		if (err)
			return err;
	}

	slot = &sent->tail[pn & QUIC_SENT_LEAF_MASK];
	*slot = *packet;
	slot->flags |= QUIC_SENT_OUTSTANDING;
	sent->next = pn + 1;
	sent->end = pn + 1;
	sent->in_ring++;
	return 0;
}

/**
 * quic_sent_skip() - a number was used by a packet that leaves no record
 * @sent: the ring
 * @pn:   the number
 */
void quic_sent_skip(struct quic_sent *sent, u64 pn)
{
	sent->next = pn + 1;
}

/**
 * quic_sent_find() - the record of a packet in flight
 * @sent: the ring
 * @pn:   its number
 *
 * Return: the record; NULL when the packet is settled, was never sent or left none.
 */
struct quic_sent_packet *quic_sent_find(const struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet *packet;

	if (pn < sent->oldest || pn >= sent->end)
		return NULL;
	packet = quic_sent_slot(sent, pn);
	return packet && packet->flags & QUIC_SENT_OUTSTANDING ? packet : NULL;
}

/**
 * quic_sent_next_from() - the next packet in flight
 * @sent: the ring
 * @pn:   where to begin; on return the number of the packet found
 * @end:  first number that is not of interest
 *
 * Empty leaves are passed in one step.
 *
 * Return: its record, or NULL.
 */
struct quic_sent_packet *quic_sent_next_from(const struct quic_sent *sent, u64 *pn, u64 end)
{
	u64 at = max(*pn, sent->oldest);

	end = min(end, sent->end);
	while (at < end) {
		struct quic_sent_packet *packet = quic_sent_slot(sent, at);

		if (!packet) {
			at = (at | QUIC_SENT_LEAF_MASK) + 1;
			continue;
		}
		if (packet->flags & QUIC_SENT_OUTSTANDING) {
			*pn = at;
			return packet;
		}
		at++;
	}
	return NULL;
}

/**
 * quic_sent_trim() - lets @oldest follow what was taken off, and frees memory
 * @sent: the ring
 */
void quic_sent_trim(struct quic_sent *sent)
{
	struct quic_sent_packet *packet;

	while (sent->oldest < sent->end) {
		packet = quic_sent_slot(sent, sent->oldest);
		if (!packet) {
			sent->oldest = min((sent->oldest | QUIC_SENT_LEAF_MASK) + 1, sent->end);
			continue;
		}
		if (packet->flags & QUIC_SENT_OUTSTANDING)
			return;
		packet->flags = 0;
		quic_sent_pass_oldest(sent);
	}

	/* Nothing is in flight. An idle connection shall be small. */
	if (sent->nr_leaves > QUIC_SENT_LEAVES_IDLE)
		quic_sent_free(sent);
	if (sent->spare) {
		quic_host_free(sent->spare);
		sent->spare = NULL;
	}
}

/**
 * quic_sent_remove() - takes one record off
 * @sent:   the ring
 * @pn:     number of the packet
 * @packet: its record; what it holds now belongs to the caller's copy, if any
 */
void quic_sent_remove(struct quic_sent *sent, u64 pn, struct quic_sent_packet *packet)
{
	quic_sent_take(sent, packet, 0);
	if (pn == sent->oldest)
		quic_sent_trim(sent);
}

/**
 * quic_sent_packet_add_note() - room for another note
 * @packet: record of a packet that is being built
 * @kind:   what the note is about; its other fields are zero
 *
 * Return: the note, or NULL: the packet is full of them, or there is no memory.
 */
struct quic_sent_note *quic_sent_packet_add_note(struct quic_sent_packet *packet,
						 enum quic_sent_note_kind kind)
{
	struct quic_sent_note *note;
	u8 i = packet->nr_notes;

	if (i < QUIC_SENT_NOTES_INLINE) {
		note = &packet->note[i];
	} else {
		i -= QUIC_SENT_NOTES_INLINE;
		if (i >= QUIC_SENT_NOTES_MORE)
			return NULL;
		if (!packet->more) {
			packet->more = quic_host_alloc(QUIC_SENT_NOTES_MORE * sizeof(*note));
			if (!packet->more)
				return NULL;
		}
		note = &packet->more[i];
	}
	packet->nr_notes++;
	*note = (struct quic_sent_note){ .kind = kind };
	return note;
}

/**
 * quic_sent_packet_release() - frees what a record holds
 * @packet: a copy that is settled, or a packet that was not sent after all
 */
void quic_sent_packet_release(struct quic_sent_packet *packet)
{
	if (unlikely(packet->more)) {
		quic_host_free(packet->more);
		packet->more = NULL;
	}
	packet->nr_notes = 0;
}
