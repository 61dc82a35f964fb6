// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The paths of a connection: which are there, which is used, which is being
 * validated, and who has moved. A path is a slot; its addresses are the host's,
 * which also finds out that a packet came from somewhere else. RFC 9000,
 * section 9.
 */
#include "core.h"
#include "conn.h"

#define QUIC_PATH_PERIOD_MIN	1500000000ULL	/* ns between two challenges: uapi.md, section 10 */
#define QUIC_PATH_ROOM_MIN	64	/* bytes that a packet of path frames may need */
#define QUIC_SEQ_NONE		(~0ULL)	/* no connection ID as yet */

/*
 * Time for an answer: the three of them are what RFC 9000, section 8.2.4, asks for, and more.
 * Not less than a probe timeout: RFC 9000, section 9.4 #3.
 */
static u64 quic_path_period(const struct quic_conn *conn, const struct quic_path *path)
{
	u64 pto = quic_rtt_pto(&path->rtt) + conn->remote.max_ack_delay * 1000;

	return max3(2 * quic_conn_pto(conn), pto, QUIC_PATH_PERIOD_MIN);
}

/* A peer that has one ID of no bytes has no others. */
static bool quic_conn_peer_has_cids(struct quic_conn *conn)
{
	return quic_remote_cids_active(&conn->remote_cids)->cid.len;
}

/**
 * quic_conn_path_cid() - connection ID that packets of a path are sent to
 * @conn: connection
 * @i:    index of the path
 *
 * RFC 9000, section 9.5 #1 #2: one for each pair of addresses.
 *
 * Return: NULL if there is none, for want of spare ones.
 */
const struct quic_cid *quic_conn_path_cid(struct quic_conn *conn, u8 i)
{
	struct quic_remote_cid *cid;

	if (i == conn->active_path || !quic_conn_peer_has_cids(conn))
		return &quic_remote_cids_active(&conn->remote_cids)->cid;
	cid = quic_remote_cids_find(&conn->remote_cids, conn->path[i].remote_seq);
	return cid ? &cid->cid : NULL;
}

/* A connection ID that was never used, for that path alone. */
static bool quic_conn_path_take_cid(struct quic_conn *conn, struct quic_path *path)
{
	struct quic_remote_cid *cid;

	path->remote_seq = conn->remote_cids.active;
	if (!quic_conn_peer_has_cids(conn))
		return true;
	cid = quic_remote_cids_spare(&conn->remote_cids);
	path->remote_seq = cid ? cid->seq : QUIC_SEQ_NONE;
	if (cid)
		cid->used = true;
	return cid;
}

/* The ID of a path that is no more goes back to the peer. RFC 9000, section 5.1.2. */
static void quic_conn_path_return_cid(struct quic_conn *conn, u64 seq)
{
	int i;

	if (seq == conn->remote_cids.active || !quic_conn_peer_has_cids(conn))
		return;
	for (i = 0; i < QUIC_PATHS_MAX; i++)
		if (conn->path[i].in_use && conn->path[i].remote_seq == seq)
			return;
	quic_conn_retire_cid(conn, seq);
}

/* What is to be sent, and when the next thing is due. */
static void quic_conn_path_note(struct quic_conn *conn)
{
	u64 at = QUIC_DEADLINE_NEVER;
	u8 due = 0;
	int i;

	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		const struct quic_path *path = &conn->path[i];

		if (!path->in_use)
			continue;
		if (path->nr_responses || path->challenge == QUIC_CONTROL_STALE)
			due |= BIT(i);
		if (path->challenge)
			at = min(at, path->challenge_deadline);
		if (path->release_at)
			at = min(at, path->release_at);
	}
	conn->paths_due = due;
	conn->quiet_path = conn->awaits_peer ? QUIC_PATH_NONE : conn->active_path;
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_PATH, at);
}

/* After every change. */
static void quic_conn_path_update(struct quic_conn *conn)
{
	quic_conn_path_note(conn);
	if (conn->paths_due)
		conn->todo |= QUIC_TODO_TX;
}

/* Packets that are still out there say nothing about whatever gets the slot next. */
static void quic_conn_path_forget_packets(struct quic_conn *conn, u8 i)
{
	struct quic_sent *sent = &conn->space[QUIC_SPACE_APP]->loss.sent;
	struct quic_sent_packet *packet;
	u64 pn = sent->oldest;

	while ((packet = quic_sent_next_from(sent, &pn, sent->next))) {
		if (packet->path == i) {
			packet->path = QUIC_PATH_NONE;
			packet->flags &= ~(QUIC_SENT_IN_FLIGHT | QUIC_SENT_PMTU_PROBE |
					   QUIC_SENT_ECT0 | QUIC_SENT_0RTT);
		}
		pn++;
	}
}

static void quic_conn_path_release(struct quic_conn *conn, u8 i)
{
	struct quic_path *path = &conn->path[i];
	u64 seq = path->remote_seq;

	quic_conn_path_forget_packets(conn, i);
	memset(path, 0, sizeof(*path));
	if (conn->previous_path == i)
		conn->previous_path = QUIC_PATH_NONE;
	if (conn->probed_path == i)
		conn->probed_path = QUIC_PATH_NONE;
	quic_host_path_release(conn, i);
	quic_conn_path_return_cid(conn, seq);
}

/* May the slot be given to another path? */
static bool quic_conn_path_is_idle(const struct quic_conn *conn, u8 i)
{
	if (i == conn->active_path || i == conn->probed_path || conn->path[i].challenge)
		return false;
	/* The way back, if the active one should fail. */
	return i != conn->previous_path || quic_path_is_sound(&conn->path[conn->active_path]);
}

/* A free slot: paths that nobody needs make room, the previous one last. */
static u8 quic_conn_path_slot(struct quic_conn *conn)
{
	u8 found = QUIC_PATH_NONE;
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		if (!conn->path[i].in_use)
			return i;
		if (quic_conn_path_is_idle(conn, i) &&
		    (found == QUIC_PATH_NONE || found == conn->previous_path))
			found = i;
	}
	if (found != QUIC_PATH_NONE)
		quic_conn_path_release(conn, found);
	return found;
}

/* RFC 9000, section 9.4 #2: nothing is known of a new path, unless only the port is new. */
static void quic_conn_path_open(struct quic_conn *conn, u8 i, const struct quic_path_args *args)
{
	const struct quic_path *active = quic_conn_path(conn);
	struct quic_path *path = &conn->path[i];

	quic_path_init(path, QUIC_MIN_DATAGRAM_SIZE, conn->config.initial_rtt, active->cong.ops);
	quic_conn_set_path_mss(conn, path, args->mss);
	path->local = args->local;
	path->local_seq = args->local_seq;
	path->cong.max_window = active->cong.max_window;
	path->pacer.max_rate = active->pacer.max_rate;
	if (!args->same_hosts)
		return;
	path->rtt = active->rtt;
	path->cong = active->cong;
	path->cong.bytes_in_flight = 0;
	path->pacer = active->pacer;
	quic_cong_set_mss(&path->cong, path->mss);
}

/**
 * quic_conn_path_accept() - an authenticated packet came between other addresses
 * @conn: ESTABLISHED connection
 * @args: what the host knows of them
 * @now:  time
 *
 * The peer is asked to prove that it is there. RFC 9000, section 9 #4.
 *
 * Return: index of the new path; QUIC_PATH_NONE: the packet counts, the address
 * does not, for want of a slot or of a connection ID (section 9.5).
 */
u8 quic_conn_path_accept(struct quic_conn *conn, const struct quic_path_args *args, u64 now)
{
	bool same_cid = args->local_seq == quic_conn_path(conn)->local_seq;
	struct quic_path *path;
	u8 i;

	/* Who kept his ID has not moved on purpose, and gets none that is new. */
	if (!same_cid && quic_conn_peer_has_cids(conn) &&
	    !quic_remote_cids_spare(&conn->remote_cids))
		return QUIC_PATH_NONE;
	i = quic_conn_path_slot(conn);
	if (i == QUIC_PATH_NONE)
		return i;
	path = &conn->path[i];
	quic_conn_path_open(conn, i, args);
	if (same_cid)
		path->remote_seq = conn->remote_cids.active;
	else
		quic_conn_path_take_cid(conn, path);
	quic_path_challenge(path, now + quic_path_period(conn, path));
	quic_conn_path_update(conn);
	return i;
}

/**
 * quic_conn_path_probe() - move to other addresses, if the peer can be reached there
 * @conn: connection
 * @args: what the host knows of them
 * @seq:  number of the connection ID that belongs to them; 0: any
 * @now:  time
 *
 * RFC 9000, sections 9.1 and 9.2. Without a spare connection ID the lowest one
 * is given back, and probing begins when the peer has replaced it.
 *
 * Return: index of the new path, or -EAGAIN.
 */
int quic_conn_path_probe(struct quic_conn *conn, const struct quic_path_args *args, u64 seq,
			 u64 now)
{
	struct quic_remote_cid *cid = NULL;
	struct quic_path *path;
	u8 i;

	if (!quic_conn_path_may_move(conn))
		return -EAGAIN;
	i = quic_conn_path_slot(conn);
	if (i == QUIC_PATH_NONE)
		return -EAGAIN;
	path = &conn->path[i];
	quic_conn_path_open(conn, i, args);
	path->local_seq = quic_conn_path(conn)->local_seq;
	if (seq)
		cid = quic_remote_cids_find(&conn->remote_cids, seq);
	if (cid && !cid->used) {
		cid->used = true;
		path->remote_seq = seq;
	} else if (!quic_conn_path_take_cid(conn, path) &&
		   quic_conn_retire_cid(conn, quic_remote_cids_lowest(&conn->remote_cids))) {
		memset(path, 0, sizeof(*path));
		return -EAGAIN;
	}
	/* The peer, or what it named as its own, is no victim of ours. */
	path->validated = true;
	conn->probed_path = i;
	quic_path_challenge(path, now + quic_path_period(conn, path));
	quic_conn_path_update(conn);
	return i;
}

/**
 * quic_conn_path_may_move() - may a change of our own begin?
 * @conn: connection
 *
 * One at a time, and none before the handshake is confirmed: RFC 9000, section 9 #1.
 */
bool quic_conn_path_may_move(const struct quic_conn *conn)
{
	return conn->confirmed && conn->probed_path == QUIC_PATH_NONE && !conn->awaits_peer;
}

/**
 * quic_conn_offer_address() - a server makes a connection ID for its preferred address
 * @conn: before the transport parameters were sent
 *
 * RFC 9000, section 9.6.1. The ID is announced with the address, and every peer takes two.
 *
 * Return: 0, or -ENOMEM.
 */
int quic_conn_offer_address(struct quic_conn *conn)
{
	struct quic_preferred_address *preferred = &conn->local.preferred_address;
	struct quic_local_cid *cid;

	cid = quic_local_cids_find(&conn->local_cids, QUIC_PREFERRED_SEQ);
	if (!cid) {
		conn->local_cids.limit = max_t(u8, conn->local_cids.limit, 2);
		quic_conn_issue_cids(conn);
		cid = quic_local_cids_find(&conn->local_cids, QUIC_PREFERRED_SEQ);
	}
	if (!cid)
		return -ENOMEM;
	cid->announce = QUIC_CONTROL_ACKED;
	preferred->cid = cid->cid;
	memcpy(preferred->token, cid->token, sizeof(preferred->token));
	return 0;
}

/* From here on packets take this path. */
static void quic_conn_path_use(struct quic_conn *conn, u8 i)
{
	struct quic_spurious *spurious = &conn->space[QUIC_SPACE_APP]->loss.spurious;
	struct quic_path *path = &conn->path[i];

	path->wanted = false;
	path->left = false;
	path->release_at = 0;
	conn->active_path = i;
	/* A connection ID that could not be replaced is better than none. */
	if (quic_remote_cids_use(&conn->remote_cids, path->remote_seq))
		path->remote_seq = conn->remote_cids.active;
	conn->local_cids.active = max(conn->local_cids.active, path->local_seq);
	conn->pto_count = 0;
	/* Late arrivals undo nothing on a path that did not lose them. */
	if (spurious->log)
		quic_spurious_expire(spurious, U64_MAX);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
	quic_host_path_use(conn, i);
}

/* The active path is beyond doubt: say so, and let the one before go soon. */
static void quic_conn_path_settle(struct quic_conn *conn, u64 now)
{
	struct quic_path *path = quic_conn_path(conn);
	u8 local = path->local;

	if (!quic_path_is_sound(path))
		return;
	if (conn->named_path != conn->active_path) {
		conn->named_path = conn->active_path;
		quic_trace(migration, conn, conn->active_path, QUIC_MIGRATION_COMPLETE);
		quic_host_event(conn, QUIC_EVENT_CONNECTION_MIGRATION, &local, sizeof(local));
	}
	if (conn->previous_path == QUIC_PATH_NONE || conn->awaits_peer)
		return;
	path = &conn->path[conn->previous_path];
	/* What is still under way on it finds somebody to answer. */
	if (!path->challenge && !path->release_at)
		path->release_at = now + 3 * quic_conn_pto(conn);
}

/* Leaves the active path for another, the one before being what to return to. */
static void quic_conn_path_switch(struct quic_conn *conn, u8 i)
{
	u8 from = conn->active_path;
	struct quic_path *old = &conn->path[from];

	if (conn->previous_path == i)
		conn->previous_path = QUIC_PATH_NONE;
	/* One that was never proven is no way back: its own time limit ends it. */
	if (quic_path_is_sound(old)) {
		if (conn->previous_path != QUIC_PATH_NONE)
			quic_conn_path_release(conn, conn->previous_path);
		conn->previous_path = from;
	}
	quic_trace(migration, conn, i, QUIC_MIGRATION_BEGUN);
	quic_conn_path_use(conn, i);
}

/* The peer sends from there: RFC 9000, sections 9.3 #1 and 9.6.3 #2. */
static void quic_conn_path_follow(struct quic_conn *conn, u8 i, u64 now)
{
	struct quic_path *old = quic_conn_path(conn);

	quic_conn_path_switch(conn, i);
	/* Somebody may have copied its packets: RFC 9000, section 9.3.3 #1. */
	if (!old->challenge)
		quic_path_challenge(old, now + quic_path_period(conn, old));
	quic_conn_path_settle(conn, now);
}

/**
 * quic_conn_path_on_packet() - what a packet says by the path that it took
 * @conn:    connection
 * @i:       index of the path, or QUIC_PATH_NONE
 * @probing: it held probing frames only: RFC 9000, section 9.1
 * @newest:  no packet with a higher number came before
 * @now:     time
 */
void quic_conn_path_on_packet(struct quic_conn *conn, u8 i, bool probing, bool newest, u64 now)
{
	struct quic_path *path;

	if (i == QUIC_PATH_NONE || probing)
		return;
	path = &conn->path[i];
	if (i == conn->active_path) {
		/* It has followed us. */
		conn->awaits_peer = false;
		quic_conn_path_settle(conn, now);
	} else if (newest && path->in_use && !path->left && i != conn->probed_path) {
		/* RFC 9000, section 9.6.2 #2 #3: our own address does not change on its word alone. */
		if (path->local && !quic_path_is_sound(path))
			path->wanted = true;
		else
			quic_conn_path_follow(conn, i, now);
	}
	quic_conn_path_update(conn);
}

/**
 * quic_conn_path_on_challenge() - PATH_CHALLENGE arrived
 * @conn: connection
 * @i:    index of the path it came on, or QUIC_PATH_NONE
 * @data: to be echoed
 *
 * However small its datagram was: RFC 9000, sections 8.2.1 #4, 8.2.2 #1 and 19.17 #1.
 */
void quic_conn_path_on_challenge(struct quic_conn *conn, u8 i, const u8 *data)
{
	if (i == QUIC_PATH_NONE)
		return;
	quic_path_on_challenge(&conn->path[i], data);
	quic_conn_path_update(conn);
}

static void quic_conn_path_validated(struct quic_conn *conn, u8 i, u64 now)
{
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
	if (i == conn->probed_path) {
		/* RFC 9000, sections 9.6.2 #1 and 9.6.3 #1 */
		conn->probed_path = QUIC_PATH_NONE;
		conn->awaits_peer = true;
		quic_conn_path(conn)->left = true;
		quic_conn_path_switch(conn, i);
		/* What makes the peer follow: RFC 9000, section 9.2. */
		conn->ping = QUIC_CONTROL_STALE;
	} else if (conn->path[i].wanted) {
		quic_conn_path_follow(conn, i, now);
	}
	quic_conn_path_settle(conn, now);
}

/**
 * quic_conn_path_on_response() - PATH_RESPONSE arrived
 * @conn: connection
 * @data: of the frame
 * @now:  time
 *
 * It proves the path that was challenged, whatever path it took. RFC 9000,
 * section 8.2.2 #4.
 */
void quic_conn_path_on_response(struct quic_conn *conn, const u8 *data, u64 now)
{
	struct quic_path *path;
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		path = &conn->path[i];
		if (!path->in_use)
			continue;
		switch (quic_path_on_response(path, data, now)) {
		case QUIC_PATH_NO_ECHO:
			continue;
		case QUIC_PATH_ECHO_SMALL:
			/* Do large datagrams pass? RFC 9000, sections 8.2.1 #3 and 8.2.3 #1. */
			quic_path_challenge(path, now + quic_path_period(conn, path));
			break;
		case QUIC_PATH_ECHO:
			quic_trace(migration, conn, i, QUIC_MIGRATION_ANSWERED);
			quic_conn_path_validated(conn, i, now);
			break;
		}
		quic_conn_path_update(conn);
		return;
	}
}

/* RFC 9000, section 8.2.4. */
static void quic_conn_path_failed(struct quic_conn *conn, u8 i)
{
	u8 previous = conn->previous_path;

	quic_trace(migration, conn, i, QUIC_MIGRATION_UNANSWERED);
	if (i != conn->active_path) {
		/* It may still be the only way back. */
		if (i != previous || quic_path_is_sound(quic_conn_path(conn)))
			quic_conn_path_release(conn, i);
		return;
	}
	if (previous != QUIC_PATH_NONE) {
		/* RFC 9000, section 9.3.2 #1. */
		quic_trace(migration, conn, i, QUIC_MIGRATION_ABANDONED);
		conn->previous_path = QUIC_PATH_NONE;
		quic_conn_path_use(conn, previous);
		quic_conn_path_release(conn, i);
	} else if (!conn->path[i].validated) {
		/* RFC 9000, section 9.3.2 #2. */
		quic_conn_drop(conn);
	}
}

/**
 * quic_conn_path_on_timeout() - an answer is overdue, or a path has had its time
 * @conn: connection
 * @now:  time
 */
void quic_conn_path_on_timeout(struct quic_conn *conn, u64 now)
{
	struct quic_path *path;
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX && quic_conn_is_open(conn); i++) {
		path = &conn->path[i];
		if (!path->in_use)
			continue;
		if (path->release_at && path->release_at <= now)
			quic_conn_path_release(conn, i);
		else if (path->challenge && path->challenge_deadline <= now &&
			 !quic_path_challenge_again(path, now + quic_path_period(conn, path)))
			quic_conn_path_failed(conn, i);
	}
	if (!quic_conn_is_open(conn))
		return;
	quic_conn_path_settle(conn, now);
	quic_conn_path_update(conn);
}

/**
 * quic_conn_path_on_cids() - the peer's connection IDs are others now
 * @conn: connection
 *
 * No path keeps one that was retired, and one that waited for a spare one goes
 * on.
 */
void quic_conn_path_on_cids(struct quic_conn *conn)
{
	struct quic_path *path;
	u8 i;

	quic_conn_path(conn)->remote_seq = conn->remote_cids.active;
	/* An address of ours keeps the ID that goes with it. RFC 9000, section 9.5 #1. */
	if (conn->probed_path != QUIC_PATH_NONE &&
	    conn->path[conn->probed_path].remote_seq == conn->remote_cids.active)
		quic_conn_path_take_cid(conn, &conn->path[conn->probed_path]);
	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		path = &conn->path[i];
		if (!path->in_use || quic_conn_path_cid(conn, i) ||
		    quic_conn_path_take_cid(conn, path) ||
		    i == conn->probed_path || i == conn->previous_path)
			continue;
		quic_conn_path_release(conn, i);
	}
	quic_conn_path_update(conn);
}

/**
 * quic_conn_path_next_tx() - a path on which path frames are to be sent
 * @conn: connection
 *
 * Only where the congestion window, the limit of an unproven address and the
 * connection IDs allow for them.
 *
 * Return: its index, or QUIC_PATH_NONE.
 */
u8 quic_conn_path_next_tx(struct quic_conn *conn)
{
	struct quic_path *path;
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++) {
		path = &conn->path[i];
		if ((conn->paths_due & BIT(i)) && quic_cong_has_room(&path->cong) &&
		    quic_path_allowance(path) >= QUIC_PATH_ROOM_MIN &&
		    quic_conn_path_cid(conn, i))
			return i;
	}
	return QUIC_PATH_NONE;
}

/**
 * quic_conn_path_room() - largest datagram of path frames
 * @conn: connection
 * @i:    index of the path
 *
 * 1200 bytes, which the datagram is filled up to, or less where an unproven
 * address may not get as much. RFC 9000, sections 8.2.1 #2, 8.2.2 #5 #6 and 9.3 #2.
 */
u32 quic_conn_path_room(const struct quic_conn *conn, u8 i)
{
	return min_t(u64, QUIC_MIN_DATAGRAM_SIZE, quic_path_allowance(&conn->path[i]));
}

/**
 * quic_conn_path_fill() - write path frames into a packet, and no others but where we are
 * @conn: connection
 * @tx:   1-RTT packet, begun, its header written, with room for quic_conn_path_room()
 * @i:    index of the path
 * @now:  time
 *
 * On the active path an acknowledgment goes with them: that makes the packet
 * one that does not only probe. RFC 9000, sections 9.3.3 and 21.5.3 #1.
 *
 * Return: false if there was nothing to write: the packet must not be sent.
 */
bool quic_conn_path_fill(struct quic_conn *conn, struct quic_tx_packet *tx, u8 i, u64 now)
{
	struct quic_path *path = &conn->path[i];
	u8 *data;

	tx->path = i;
	tx->start = tx->w.pos;
	/* Sent once, on the path of the challenge: RFC 9000, section 8.2.2 #3 #7. */
	while (path->nr_responses &&
	       quic_frame_encode_path(&tx->w, QUIC_FRAME_PATH_RESPONSE,
				      path->response[path->nr_responses - 1])) {
		path->nr_responses--;
		tx->eliciting = true;
	}
	if (path->challenge == QUIC_CONTROL_STALE) {
		data = quic_path_challenge_data(path);
		quic_host_random(data, QUIC_PATH_DATA_LEN);
		tx->challenge = quic_frame_encode_path(&tx->w, QUIC_FRAME_PATH_CHALLENGE, data);
		tx->eliciting |= tx->challenge;
	}
	if (i == conn->active_path && tx->eliciting)
		quic_conn_tx_fill_ack(conn, tx, now);
	if (tx->eliciting && quic_conn_path_room(conn, i) >= QUIC_MIN_DATAGRAM_SIZE)
		quic_write_zeroes(&tx->w, quic_writer_left(&tx->w));
	if (tx->eliciting)
		quic_trace(filled, conn, tx);
	return tx->eliciting;
}

/**
 * quic_conn_path_commit() - a packet of path frames is on its way
 * @conn: connection
 * @tx:   packet
 * @size: bytes of its datagram
 * @now:  time
 */
void quic_conn_path_commit(struct quic_conn *conn, struct quic_tx_packet *tx, u32 size, u64 now)
{
	if (tx->challenge) {
		quic_path_challenge_sent(&conn->path[tx->path], size, now);
		if (conn->path[tx->path].challenge_count == 1)
			quic_trace(migration, conn, tx->path, QUIC_MIGRATION_PROBED);
	}
	quic_conn_tx_commit(conn, tx, size, now);
	/* What could not be sent now waits for what it lacks, not for a timer. */
	quic_conn_path_note(conn);
}
