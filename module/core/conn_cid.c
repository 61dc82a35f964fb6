// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connection IDs as the connection uses them: issued, taken back by the peer,
 * given back to it, chosen by the application. What is held is cid.c's, which
 * path uses which conn_path.c's. RFC 9000, section 5.1.
 */
#include "core.h"
#include "conn.h"

/**
 * quic_conn_cid_event() - tell the application that numbers changed
 * @conn: connection
 * @dest: those that the peer issued, not ours
 */
void quic_conn_cid_event(struct quic_conn *conn, bool dest)
{
	struct quic_connection_id_info ev;

	quic_conn_get_cids(conn, dest, &ev);
	quic_host_event(conn, QUIC_EVENT_CONNECTION_ID, &ev, sizeof(ev));
}

/**
 * quic_conn_get_cids() - numbers of one side's connection IDs
 * @conn: connection
 * @dest: those that the peer issued, not ours
 * @info: result
 */
void quic_conn_get_cids(const struct quic_conn *conn, bool dest,
			struct quic_connection_id_info *info)
{
	memset(info, 0, sizeof(*info));
	info->dest = dest;
	info->active = dest ? conn->remote_cids.active : conn->local_cids.active;
	info->prior_to = dest ? quic_remote_cids_lowest(&conn->remote_cids) :
				quic_local_cids_lowest(&conn->local_cids);
}

/**
 * quic_conn_issue_cids() - as many connection IDs as the peer takes
 * @conn: connection
 *
 * RFC 9000, section 5.1.1 #3. Without memory the rest is tried at the next occasion.
 */
void quic_conn_issue_cids(struct quic_conn *conn)
{
	struct quic_local_cid *cid;

	while ((cid = quic_local_cids_issue(&conn->local_cids))) {
		if (quic_host_cid_new(conn, cid)) {
			quic_local_cids_cancel(&conn->local_cids, cid);
			return;
		}
		conn->todo |= QUIC_TODO_TX;
	}
}

/**
 * quic_conn_retire_cid() - give a connection ID back to the peer
 * @conn: connection
 * @seq:  its number
 *
 * Return: 0, or a negative errno of quic_remote_cids_retire().
 */
int quic_conn_retire_cid(struct quic_conn *conn, u64 seq)
{
	int err = quic_remote_cids_retire(&conn->remote_cids, seq);

	if (err)
		return err;
	conn->todo |= QUIC_TODO_TX;
	quic_conn_cid_event(conn, true);
	return 0;
}

/**
 * quic_conn_on_new_cid() - NEW_CONNECTION_ID arrived
 * @conn:  connection
 * @frame: decoded frame
 *
 * Return: 0, or -EPROTO: the connection was closed.
 */
int quic_conn_on_new_cid(struct quic_conn *conn, const struct quic_frame_new_cid *frame)
{
	u32 held = quic_remote_cids_count(&conn->remote_cids, frame->retire_prior_to);
	int code;

	code = quic_remote_cids_add(&conn->remote_cids, frame);
	if (code)
		return quic_conn_fail(conn, code, QUIC_FRAME_NEW_CONNECTION_ID,
				      "connection ID");
	/* One event for each number that is gone. */
	held -= quic_remote_cids_count(&conn->remote_cids, frame->retire_prior_to);
	while (held--)
		quic_conn_cid_event(conn, true);
	quic_conn_path_on_cids(conn);
	conn->todo |= QUIC_TODO_TX;
	return 0;
}

/**
 * quic_conn_add_preferred_cid() - the server's preferred address comes with a connection ID
 * @conn:      client's connection
 * @preferred: transport parameter
 *
 * It bears number 1. A server that has no ID for its first address has none for another one,
 * either: RFC 9000, section 18.2 #3 #5.
 *
 * Return: 0, or -EPROTO: the connection was closed.
 */
int quic_conn_add_preferred_cid(struct quic_conn *conn,
				const struct quic_preferred_address *preferred)
{
	struct quic_frame_new_cid frame = {
		.seq = QUIC_PREFERRED_SEQ,
		.cid = preferred->cid,
	};

	memcpy(frame.token, preferred->token, sizeof(frame.token));
	if (quic_remote_cids_add(&conn->remote_cids, &frame))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM,
				      QUIC_FRAME_CRYPTO, "preferred address");
	return 0;
}

/**
 * quic_conn_on_retire_cid() - RETIRE_CONNECTION_ID arrived
 * @conn: connection
 * @seq:  number in the frame
 *
 * Return: 0, or -EPROTO: the connection was closed. RFC 9000, section 19.16.
 */
int quic_conn_on_retire_cid(struct quic_conn *conn, u64 seq)
{
	struct quic_local_cid *cid;

	/* RFC 9000, section 19.16 #1 */
	if (seq >= conn->local_cids.next_seq)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_RETIRE_CONNECTION_ID, "never issued");
	cid = quic_local_cids_find(&conn->local_cids, seq);
	if (!cid)
		return 0;
	if (quic_local_cids_count(&conn->local_cids) == 1 && conn->local_cids.limit < 2)
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				      QUIC_FRAME_RETIRE_CONNECTION_ID, "the only one");
	quic_host_cid_retire(conn, cid);
	quic_local_cids_retired(&conn->local_cids, cid);
	quic_conn_issue_cids(conn);
	quic_conn_cid_event(conn, false);
	return 0;
}

/**
 * quic_conn_on_dcid() - the peer sends to another of our connection IDs
 * @conn: connection
 * @path: index of the path that the packet came on, or QUIC_PATH_NONE
 * @dcid: Destination Connection ID of an authenticated packet
 * @len:  its length
 */
void quic_conn_on_dcid(struct quic_conn *conn, u8 path, const u8 *dcid, u8 len)
{
	const struct quic_local_cid *cid = quic_local_cids_match(&conn->local_cids, dcid, len);

	if (!cid || path == QUIC_PATH_NONE || conn->path[path].local_seq == cid->seq)
		return;
	conn->path[path].local_seq = cid->seq;
	/* What the application set, or saw, does not go back. */
	if (path == conn->active_path && cid->seq > conn->local_cids.active)
		conn->local_cids.active = cid->seq;
}

/* Our own IDs: the peer is asked to retire, and does so in its time. */
static int quic_conn_set_local_cids(struct quic_conn *conn, u32 active, u32 prior_to)
{
	struct quic_local_cids *cids = &conn->local_cids;

	if (active && (active <= cids->active || !quic_local_cids_find(cids, active)))
		return -EINVAL;
	if (prior_to && (prior_to <= quic_local_cids_lowest(cids) ||
			 prior_to <= cids->retire_prior_to || prior_to >= cids->next_seq))
		return -EINVAL;
	if (active)
		cids->active = active;
	if (prior_to) {
		cids->retire_prior_to = prior_to;
		quic_conn_issue_cids(conn);
	}
	return 0;
}

/* The peer's IDs: what is retired is gone at once. */
static int quic_conn_set_remote_cids(struct quic_conn *conn, u32 active, u32 prior_to)
{
	struct quic_remote_cids *cids = &conn->remote_cids;
	u64 seq = quic_remote_cids_lowest(cids);

	/* A spare one is in use for another path. */
	if (!quic_conn_path_may_move(conn))
		return -EAGAIN;
	if (active && (active <= cids->active || !quic_remote_cids_find(cids, active)))
		return -EINVAL;
	if (prior_to && (prior_to <= seq || !quic_remote_cids_count(cids, U64_MAX) ||
			 quic_remote_cids_count(cids, prior_to) ==
			 quic_remote_cids_count(cids, U64_MAX)))
		return -EINVAL;
	if (prior_to && quic_remote_cids_count(cids, prior_to) >
			QUIC_CIDS_RETIRE_MAX - cids->nr_retire)
		return -EAGAIN;
	if (active)
		quic_remote_cids_use(cids, active);
	while (seq < prior_to) {
		quic_conn_retire_cid(conn, seq);
		seq = quic_remote_cids_lowest(cids);
	}
	quic_conn_path_on_cids(conn);
	return 0;
}

/**
 * quic_conn_set_cids() - the application chooses and retires connection IDs
 * @conn: ESTABLISHED connection
 * @info: uapi.md, section 5.5
 *
 * Return: 0; -EINVAL: numbers that are not there, or too late; -EAGAIN: a change
 * of path is under way, or the peer has not yet acknowledged earlier retirements.
 * Nothing has changed then.
 */
int quic_conn_set_cids(struct quic_conn *conn, const struct quic_connection_id_info *info)
{
	u64 limit = info->dest ? conn->remote_cids.limit : conn->local_cids.limit;

	if (info->prior_to + limit > U32_MAX)
		return -EINVAL;
	return info->dest ? quic_conn_set_remote_cids(conn, info->active, info->prior_to) :
			    quic_conn_set_local_cids(conn, info->active, info->prior_to);
}
