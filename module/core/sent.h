/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets in flight: a ring indexed by packet number, in leaves of one KiB
 * that come and go with the window. Packets that only acknowledge leave no
 * record. Notes say what a packet carried, so that its loss can be repaired by
 * meaning. RFC 9002, appendix A.1.
 */
#ifndef _QUIC_CORE_SENT_H
#define _QUIC_CORE_SENT_H

#include <linux/bitops.h>
#include <linux/types.h>

#include "delivery_rate.h"

struct quic_stream;

/* What a packet carried that is re-sent by its current value: bits of @control. */
#define QUIC_SENT_PING			0x0001
#define QUIC_SENT_MAX_DATA		0x0002
#define QUIC_SENT_MAX_STREAMS_BIDI	0x0004
#define QUIC_SENT_MAX_STREAMS_UNI	0x0008
#define QUIC_SENT_DATA_BLOCKED		0x0010
#define QUIC_SENT_STREAMS_BLOCKED_BIDI	0x0020
#define QUIC_SENT_STREAMS_BLOCKED_UNI	0x0040
#define QUIC_SENT_HANDSHAKE_DONE	0x0080
#define QUIC_SENT_NEW_TOKEN		0x0100

enum quic_sent_note_kind {
	QUIC_NOTE_NONE,
	QUIC_NOTE_STREAM,		/* stream_id, offset, len, fin */
	QUIC_NOTE_CRYPTO,		/* offset, len */
	QUIC_NOTE_ACK,			/* offset: largest acknowledged */
	QUIC_NOTE_RESET_STREAM,		/* stream_id */
	QUIC_NOTE_STOP_SENDING,		/* stream_id */
	QUIC_NOTE_MAX_STREAM_DATA,	/* stream_id, offset: the limit */
	QUIC_NOTE_STREAM_DATA_BLOCKED,	/* stream_id, offset: the limit */
	QUIC_NOTE_NEW_CID,		/* offset: sequence number */
	QUIC_NOTE_RETIRE_CID,		/* offset: sequence number */
};

struct quic_sent_note {
	u64 stream_id;
	u64 offset;
	u16 len;
	u8 kind;
	bool fin;
} __packed __aligned(4);		/* so that a record is one cache line */

#define QUIC_SENT_NOTES_INLINE	2
#define QUIC_SENT_NOTES_MORE	14

/* Packet states. */
#define QUIC_SENT_ACK_ELICITING	0x01
#define QUIC_SENT_IN_FLIGHT	0x02
#define QUIC_SENT_OUTSTANDING	0x04	/* neither acknowledged nor lost */
#define QUIC_SENT_PMTU_PROBE	0x08
#define QUIC_SENT_ECT0		0x10
#define QUIC_SENT_APP_LIMITED	0x20
#define QUIC_SENT_0RTT		0x40
#define QUIC_SENT_ACKED		0x80	/* alone: what is left of an acknowledged packet */

/**
 * struct quic_sent_packet - one packet that awaits its acknowledgment
 * @time:    when it was sent, ns
 * @size:    bytes of UDP payload
 * @flags:   QUIC_SENT_* states; 0: no record
 * @path:    index of the path it went to
 * @control: QUIC_SENT_* control state it carried
 * @nr_notes: notes in use
 * @note:    the first notes
 * @more:    the others, allocated when there are more
 */
struct quic_sent_packet {
	u64 time;
	u16 size;
	u16 control;
	u8 flags;
	u8 path;
	u8 nr_notes;
	struct quic_sent_note *more;
	struct quic_sent_note note[QUIC_SENT_NOTES_INLINE];
};

#define QUIC_SENT_LEAF_SHIFT	4
#define QUIC_SENT_LEAF_SIZE	BIT(QUIC_SENT_LEAF_SHIFT)
#define QUIC_SENT_LEAF_MASK	(QUIC_SENT_LEAF_SIZE - 1)
#define QUIC_SENT_LEAVES	1024	/* packets from oldest to newest: 16384 */

/**
 * struct quic_sent - the ring
 * @next:     number of the next packet
 * @oldest:   every number below is settled
 * @end:      no number from here on has a record
 * @limit:    first number behind @tail, 0: there is none
 * @in_ring:  records that are outstanding
 * @nr_leaves: size of @leaf
 * @rates_from: from this number on records have a snapshot of the delivery rate
 * @spare:    one empty leaf kept to spare an allocation
 * @tail:     leaf of the packet that was added or reserved last
 * @leaf:     power-of-two array of leaves, allocated on first use, grown
 *
 * Snapshots stand behind the records of a leaf, so that they cost nothing where
 * congestion control does without. A leaf that holds nothing from @oldest on is gone or empty, flags and all.
 */
struct quic_sent {
	u64 next;
	u64 oldest;
	u64 end;
	u64 limit;
	u64 rates_from;
	u32 in_ring;
	u32 nr_leaves;
	struct quic_sent_packet *spare;
	struct quic_sent_packet *tail;
	struct quic_sent_packet **leaf;
};

void quic_sent_init(struct quic_sent *sent);
void quic_sent_destroy(struct quic_sent *sent);
/* Packets from some number above those in flight on shall have snapshots. */
void quic_sent_enable_rates(struct quic_sent *sent);
bool quic_sent_has_room(const struct quic_sent *sent);
int quic_sent_reserve(struct quic_sent *sent, u64 pn);
int quic_sent_add(struct quic_sent *sent, u64 pn, const struct quic_sent_packet *packet);
void quic_sent_skip(struct quic_sent *sent, u64 pn);
struct quic_sent_packet *quic_sent_find(const struct quic_sent *sent, u64 pn);
void quic_sent_remove(struct quic_sent *sent, u64 pn, struct quic_sent_packet *packet);
struct quic_sent_packet *quic_sent_next_from(const struct quic_sent *sent, u64 *pn, u64 end);
void quic_sent_trim(struct quic_sent *sent);
void quic_sent_leave_leaf(struct quic_sent *sent);

/* The place of @pn, which lies in [@oldest, @end); NULL: its whole leaf is empty. */
static inline struct quic_sent_packet *quic_sent_slot(const struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet *leaf;

	leaf = sent->leaf[(pn >> QUIC_SENT_LEAF_SHIFT) & (sent->nr_leaves - 1)];
	return leaf ? &leaf[pn & QUIC_SENT_LEAF_MASK] : NULL;
}

/* The snapshot of a packet in flight; NULL: it has none. */
static inline struct quic_rate_snapshot *quic_sent_rate(const struct quic_sent *sent, u64 pn)
{
	struct quic_sent_packet *leaf;

	if (pn < sent->rates_from)
		return NULL;
	leaf = sent->leaf[(pn >> QUIC_SENT_LEAF_SHIFT) & (sent->nr_leaves - 1)];
	return (struct quic_rate_snapshot *)(leaf + QUIC_SENT_LEAF_SIZE) +
	       (pn & QUIC_SENT_LEAF_MASK);
}

/* The oldest place, which is empty, is done with. */
static inline void quic_sent_pass_oldest(struct quic_sent *sent)
{
	if (!(++sent->oldest & QUIC_SENT_LEAF_MASK))
		quic_sent_leave_leaf(sent);
}

/*
 * Takes a record off without letting @oldest follow: quic_sent_trim() does
 * that once for many. @left remains in its place until then.
 */
static inline void quic_sent_take(struct quic_sent *sent, struct quic_sent_packet *packet, u8 left)
{
	packet->flags = left;
	packet->more = NULL;
	sent->in_ring--;
}

/* The @i-th note of @packet, inline or not. */
static inline const struct quic_sent_note *
quic_sent_packet_note(const struct quic_sent_packet *packet, u8 i)
{
	return i < QUIC_SENT_NOTES_INLINE ? &packet->note[i] :
	       &packet->more[i - QUIC_SENT_NOTES_INLINE];
}

struct quic_sent_note *quic_sent_packet_add_note(struct quic_sent_packet *packet,
						 enum quic_sent_note_kind kind);
void quic_sent_packet_release(struct quic_sent_packet *packet);

#endif /* _QUIC_CORE_SENT_H */
