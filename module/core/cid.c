// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connection IDs of both directions: which are out, which must be announced or
 * retired. Making an ID and finding the connection by it is for the host,
 * judging RETIRE_CONNECTION_ID for conn_cid.c. RFC 9000, section 5.1.
 */
#include <uapi/linux/quic.h>

#include "core.h"
#include "cid.h"
#include "stream_send.h"

/* How far above the lowest missing number a peer may number its IDs. */
#define QUIC_CIDS_SEEN_BITS	64

/**
 * quic_local_cids_init() - start with the ID of the handshake, number 0
 * @cids:  IDs that we issue
 * @first: our Source Connection ID
 *
 * Until the peer's parameters are known the default limit holds: RFC 9000,
 * section 18.2.
 */
void quic_local_cids_init(struct quic_local_cids *cids, const struct quic_cid *first)
{
	memset(cids, 0, sizeof(*cids));
	cids->cid[0].cid = *first;
	cids->cid[0].in_use = true;
	cids->next_seq = 1;
	cids->limit = 2;
}

/**
 * quic_local_cids_issue() - number a new ID
 * @cids: IDs that we issue
 *
 * IDs below @retire_prior_to do not count: the frame that announces the new one
 * makes the peer retire them first. RFC 9000, section 5.1.1 #1 #3.
 *
 * Return: a slot whose ID and token the caller fills in, to be announced; NULL
 * if the peer would hold more than it wants, or than we keep.
 */
struct quic_local_cid *quic_local_cids_issue(struct quic_local_cids *cids)
{
	struct quic_local_cid *free = NULL;
	u32 count = 0;
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++) {
		struct quic_local_cid *cid = &cids->cid[i];

		if (!cid->in_use)
			free = free ? free : cid;
		else if (cid->seq >= cids->retire_prior_to)
			count++;
	}
	if (!free || count >= cids->limit || count >= QUIC_CIDS_MAX)
		return NULL;
	memset(free, 0, sizeof(*free));
	free->seq = cids->next_seq++;
	free->in_use = true;
	free->announce = QUIC_CONTROL_STALE;
	return free;
}

/**
 * quic_local_cids_cancel() - take back an ID that nobody knows yet
 * @cids: IDs that we issue
 * @cid:  what quic_local_cids_issue() returned last
 *
 * Numbers increase by one for each ID, so a number cannot be left out.
 */
void quic_local_cids_cancel(struct quic_local_cids *cids, struct quic_local_cid *cid)
{
	if (WARN_ON_ONCE(cid->seq + 1 != cids->next_seq))
		return;
	cids->next_seq--;
	memset(cid, 0, sizeof(*cid));
}

/**
 * quic_local_cids_retired() - the peer will not use an ID any more
 * @cids: IDs that we issue
 * @cid:  one of them; the host has forgotten it already
 */
void quic_local_cids_retired(struct quic_local_cids *cids, struct quic_local_cid *cid)
{
	u64 seq = cid->seq;

	memset(cid, 0, sizeof(*cid));
	if (cids->active == seq)
		cids->active = quic_local_cids_lowest(cids);
}

/**
 * quic_local_cids_find() - the ID of a number
 * @cids: IDs that we issue
 * @seq:  sequence number
 *
 * Return: NULL if it was retired or never issued.
 */
struct quic_local_cid *quic_local_cids_find(struct quic_local_cids *cids, u64 seq)
{
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++)
		if (cids->cid[i].in_use && cids->cid[i].seq == seq)
			return &cids->cid[i];
	return NULL;
}

/**
 * quic_local_cids_match() - the ID that a packet was sent to
 * @cids: IDs that we issue
 * @cid:  Destination Connection ID of the packet
 * @len:  its length
 */
struct quic_local_cid *quic_local_cids_match(struct quic_local_cids *cids, const u8 *cid, u8 len)
{
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++) {
		struct quic_local_cid *local = &cids->cid[i];

		if (local->in_use && local->cid.len == len && !memcmp(local->cid.data, cid, len))
			return local;
	}
	return NULL;
}

/**
 * quic_local_cids_count() - IDs that are issued and not retired
 * @cids: IDs that we issue
 */
u32 quic_local_cids_count(const struct quic_local_cids *cids)
{
	u32 count = 0;
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++)
		count += cids->cid[i].in_use;
	return count;
}

/**
 * quic_local_cids_lowest() - lowest number that is still valid
 * @cids: IDs that we issue
 *
 * Return: the number to be issued next if there is none.
 */
u64 quic_local_cids_lowest(const struct quic_local_cids *cids)
{
	u64 lowest = cids->next_seq;
	int i;

	for (i = 0; i < QUIC_LOCAL_CIDS_MAX; i++)
		if (cids->cid[i].in_use && cids->cid[i].seq < lowest)
			lowest = cids->cid[i].seq;
	return lowest;
}

/**
 * quic_remote_cids_init() - start with the ID of the handshake, number 0
 * @cids:  IDs that the peer issues
 * @first: its Source Connection ID, or what stands in for it as yet
 * @limit: our active_connection_id_limit
 */
void quic_remote_cids_init(struct quic_remote_cids *cids, const struct quic_cid *first, u8 limit)
{
	memset(cids, 0, sizeof(*cids));
	cids->cid[0].cid = *first;
	cids->cid[0].in_use = true;
	cids->cid[0].used = true;
	cids->seen_from = 1;
	cids->limit = limit < QUIC_CIDS_MAX ? limit : QUIC_CIDS_MAX;
}

/**
 * quic_remote_cids_find() - the ID of a number
 * @cids: IDs that the peer issues
 * @seq:  sequence number
 *
 * Return: NULL if it is not held.
 */
struct quic_remote_cid *quic_remote_cids_find(struct quic_remote_cids *cids, u64 seq)
{
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++)
		if (cids->cid[i].in_use && cids->cid[i].seq == seq)
			return &cids->cid[i];
	return NULL;
}

/**
 * quic_remote_cids_active() - the ID that packets are sent to
 * @cids: IDs that the peer issues
 */
struct quic_remote_cid *quic_remote_cids_active(struct quic_remote_cids *cids)
{
	struct quic_remote_cid *cid = quic_remote_cids_find(cids, cids->active);

	return cid ? cid : &cids->cid[0];
}

/**
 * quic_remote_cids_use() - send to another ID from now on
 * @cids: IDs that the peer issues
 * @seq:  its sequence number
 *
 * Return: 0, or -ENOENT if it is not held.
 */
int quic_remote_cids_use(struct quic_remote_cids *cids, u64 seq)
{
	struct quic_remote_cid *cid = quic_remote_cids_find(cids, seq);

	if (!cid)
		return -ENOENT;
	cid->used = true;
	cids->active = seq;
	return 0;
}

/**
 * quic_remote_cids_lowest() - lowest number that is held
 * @cids: IDs that the peer issues
 */
u64 quic_remote_cids_lowest(const struct quic_remote_cids *cids)
{
	u64 lowest = ~0ULL;
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++)
		if (cids->cid[i].in_use && cids->cid[i].seq < lowest)
			lowest = cids->cid[i].seq;
	return lowest;
}

/**
 * quic_remote_cids_count() - how many are held
 * @cids:  IDs that the peer issues
 * @below: only numbers below this one
 */
u32 quic_remote_cids_count(const struct quic_remote_cids *cids, u64 below)
{
	u32 count = 0;
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++)
		count += cids->cid[i].in_use && cids->cid[i].seq < below;
	return count;
}

/* Is one of the numbers from @seq on held? */
static bool quic_remote_cids_has_from(const struct quic_remote_cids *cids, u64 seq)
{
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++)
		if (cids->cid[i].in_use && cids->cid[i].seq >= seq)
			return true;
	return false;
}

/* RETIRE_CONNECTION_ID must be sent for @seq; bounded, RFC 9000, section 5.1.2. */
static bool quic_remote_cids_queue_retire(struct quic_remote_cids *cids, u64 seq)
{
	if (cids->nr_retire == QUIC_CIDS_RETIRE_MAX)
		return false;
	cids->retire[cids->nr_retire].seq = seq;
	cids->retire[cids->nr_retire].state = QUIC_CONTROL_STALE;
	cids->nr_retire++;
	return true;
}

/* Was a frame with @seq processed before, or its ID retired without one? */
static bool quic_remote_cids_has_seen(const struct quic_remote_cids *cids, u64 seq)
{
	u64 bit = seq - cids->seen_from;

	return seq < cids->seen_from ||
	       (bit < QUIC_CIDS_SEEN_BITS && (cids->seen & (1ULL << bit)));
}

/*
 * Every number below @prior_to is retired, also one whose frame is still on
 * its way: it was issued before, and would have to be retired on arrival.
 * RFC 9000, sections 5.1.2 #2 and 19.15 #8. False, and no change: too many at once.
 */
static bool quic_remote_cids_retire_prior_to(struct quic_remote_cids *cids, u64 prior_to)
{
	u64 shift = prior_to > cids->seen_from ? prior_to - cids->seen_from : 0;
	u32 count = 0;
	u64 seq;
	int i;

	if (shift > QUIC_CIDS_SEEN_BITS)
		return false;
	for (i = 0; i < QUIC_CIDS_MAX; i++)
		count += cids->cid[i].in_use && cids->cid[i].seq < prior_to;
	for (seq = cids->seen_from; seq < prior_to; seq++)
		count += !quic_remote_cids_has_seen(cids, seq);
	if (count > QUIC_CIDS_RETIRE_MAX - cids->nr_retire)
		return false;

	for (i = 0; i < QUIC_CIDS_MAX; i++) {
		struct quic_remote_cid *cid = &cids->cid[i];

		if (!cid->in_use || cid->seq >= prior_to)
			continue;
		quic_remote_cids_queue_retire(cids, cid->seq);
		memset(cid, 0, sizeof(*cid));
	}
	for (seq = cids->seen_from; seq < prior_to; seq++)
		if (!quic_remote_cids_has_seen(cids, seq))
			quic_remote_cids_queue_retire(cids, seq);

	cids->retire_prior_to = prior_to;
	cids->seen_from += shift;
	cids->seen = shift < QUIC_CIDS_SEEN_BITS ? cids->seen >> shift : 0;
	return true;
}

/* Does the frame contradict an ID that is held? RFC 9000, section 19.15. */
static bool quic_remote_cids_conflicts(const struct quic_remote_cids *cids,
				       const struct quic_frame_new_cid *frame)
{
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++) {
		const struct quic_remote_cid *cid = &cids->cid[i];
		bool same_seq = cid->seq == frame->seq;

		if (!cid->in_use)
			continue;
		if (same_seq != quic_cid_equal(&cid->cid, &frame->cid))
			return true;
		if (same_seq && cid->has_token &&
		    memcmp(cid->token, frame->token, sizeof(cid->token)))
			return true;
	}
	return false;
}

/**
 * quic_remote_cids_add() - apply NEW_CONNECTION_ID
 * @cids:  IDs that the peer issues
 * @frame: decoded frame
 *
 * Retires first, then adds. The same frame again, or one whose number was
 * retired already, changes nothing more. RFC 9000, sections
 * 5.1.1 #4, 5.1.2 #1 and 19.15 #1 #3 #4 #6 #7.
 *
 * Return: 0, or the transport error code to close with.
 */
int quic_remote_cids_add(struct quic_remote_cids *cids, const struct quic_frame_new_cid *frame)
{
	struct quic_remote_cid *cid;
	bool repeated;
	u64 floor;
	int i;

	if (!quic_remote_cids_active(cids)->cid.len)
		return QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION;
	if (!frame->cid.len || frame->cid.len > QUIC_CID_MAX_LEN ||
	    frame->retire_prior_to > frame->seq)
		return QUIC_TRANSPORT_ERROR_FRAME_ENCODING;
	if (quic_remote_cids_conflicts(cids, frame))
		return QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION;

	repeated = quic_remote_cids_has_seen(cids, frame->seq);
	floor = max(cids->seen_from, frame->retire_prior_to);
	if (!repeated && frame->seq - floor >= QUIC_CIDS_SEEN_BITS)
		return QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT;

	if (frame->retire_prior_to > cids->retire_prior_to) {
		/* A peer that takes back its last ID leaves us nothing to send to. */
		if (repeated && !quic_remote_cids_has_from(cids, frame->retire_prior_to))
			return QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION;
		if (!quic_remote_cids_retire_prior_to(cids, frame->retire_prior_to))
			return QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT;
	}

	if (!repeated) {
		if (quic_remote_cids_count(cids, U64_MAX) >= min_t(u32, cids->limit, QUIC_CIDS_MAX))
			return QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT;
		for (i = 0; cids->cid[i].in_use; i++)
			;
		cid = &cids->cid[i];
		cid->seq = frame->seq;
		cid->cid = frame->cid;
		memcpy(cid->token, frame->token, sizeof(cid->token));
		cid->has_token = true;
		cid->in_use = true;
		cids->seen |= 1ULL << (frame->seq - cids->seen_from);
		while (cids->seen & 1) {
			cids->seen >>= 1;
			cids->seen_from++;
		}
		if (frame->seq > cids->largest_seq)
			cids->largest_seq = frame->seq;
	}
	if (!quic_remote_cids_find(cids, cids->active))
		quic_remote_cids_use(cids, quic_remote_cids_lowest(cids));
	return 0;
}

/**
 * quic_remote_cids_retire() - give an ID back to the peer
 * @cids: IDs that the peer issues
 * @seq:  its sequence number
 *
 * Return: 0; -ENOENT: not held; -EBUSY: it is the only one; -ENOSPC: too many
 * retirements are not yet acknowledged.
 */
int quic_remote_cids_retire(struct quic_remote_cids *cids, u64 seq)
{
	struct quic_remote_cid *cid = quic_remote_cids_find(cids, seq);

	if (!cid)
		return -ENOENT;
	if (quic_remote_cids_count(cids, U64_MAX) == 1)
		return -EBUSY;
	if (!quic_remote_cids_queue_retire(cids, seq))
		return -ENOSPC;
	memset(cid, 0, sizeof(*cid));
	if (cids->active == seq)
		quic_remote_cids_use(cids, quic_remote_cids_lowest(cids));
	return 0;
}

/**
 * quic_remote_cids_spare() - an ID that no observer can have seen
 * @cids: IDs that the peer issues
 *
 * RFC 9000, section 9.5.
 */
struct quic_remote_cid *quic_remote_cids_spare(struct quic_remote_cids *cids)
{
	struct quic_remote_cid *spare = NULL;
	int i;

	for (i = 0; i < QUIC_CIDS_MAX; i++) {
		struct quic_remote_cid *cid = &cids->cid[i];

		if (cid->in_use && !cid->used && (!spare || cid->seq < spare->seq))
			spare = cid;
	}
	return spare;
}

/**
 * quic_remote_cids_is_reset() - does a datagram end in a stateless reset token?
 * @cids:  IDs that the peer issues
 * @token: last QUIC_STATELESS_TOKEN_LEN bytes of the datagram
 *
 * Only tokens of IDs that were used and not retired count, and the time it
 * takes does not depend on the bytes. RFC 9000, section 10.3.1 #2 #3.
 */
bool quic_remote_cids_is_reset(const struct quic_remote_cids *cids, const u8 *token)
{
	bool found = false;
	int i, j;

	for (i = 0; i < QUIC_CIDS_MAX; i++) {
		const struct quic_remote_cid *cid = &cids->cid[i];
		u8 difference = 0;

		if (!cid->in_use || !cid->has_token || !cid->used)
			continue;
		for (j = 0; j < QUIC_STATELESS_TOKEN_LEN; j++)
			difference |= cid->token[j] ^ token[j];
		found |= !difference;
	}
	return found;
}

/**
 * quic_remote_cids_on_retire_acked() - RETIRE_CONNECTION_ID was acknowledged
 * @cids: IDs that the peer issues
 * @seq:  number in the frame
 */
void quic_remote_cids_on_retire_acked(struct quic_remote_cids *cids, u64 seq)
{
	int i;

	for (i = 0; i < cids->nr_retire; i++) {
		if (cids->retire[i].seq != seq)
			continue;
		cids->nr_retire--;
		memmove(&cids->retire[i], &cids->retire[i + 1],
			(cids->nr_retire - i) * sizeof(cids->retire[0]));
		return;
	}
}

/**
 * quic_remote_cids_on_retire_lost() - RETIRE_CONNECTION_ID was lost
 * @cids: IDs that the peer issues
 * @seq:  number in the frame
 */
void quic_remote_cids_on_retire_lost(struct quic_remote_cids *cids, u64 seq)
{
	int i;

	for (i = 0; i < cids->nr_retire; i++)
		if (cids->retire[i].seq == seq)
			cids->retire[i].state = QUIC_CONTROL_STALE;
}
