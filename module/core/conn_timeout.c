// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What each deadline does when it has passed, and when the loss timer is due.
 * RFC 9002, section 6.2 and appendix A.8; RFC 9000, section 10.
 */
#include "core.h"
#include "conn.h"

/**
 * quic_conn_pto() - probe timeout of application packets, without backoff
 * @conn: connection
 *
 * Return: ns. RFC 9002, section 6.2.1.
 */
u64 quic_conn_pto(const struct quic_conn *conn)
{
	return quic_rtt_pto(&conn->path[conn->active_path].rtt) +
	       conn->remote.max_ack_delay * 1000;
}

/* The space whose loss time comes first, or QUIC_SPACE_MAX. */
static enum quic_space_id quic_earliest_loss_time(const struct quic_conn *conn, u64 *at)
{
	enum quic_space_id id, found = QUIC_SPACE_MAX;

	*at = QUIC_DEADLINE_NEVER;
	for (id = 0; id < QUIC_SPACE_MAX; id++) {
		const struct quic_space *space = conn->space[id];

		if (space && space->loss.loss_time && space->loss.loss_time < *at) {
			*at = space->loss.loss_time;
			found = id;
		}
	}
	return found;
}

/*
 * Handshake bytes that a window full of application packets holds back: those are not acknowledged
 * before the handshake goes on, so only a probe gets it going again.
 */
static bool quic_is_stalled(enum quic_space_id id, const struct quic_space *space)
{
	return id != QUIC_SPACE_APP && quic_send_ranges_has_pending(&space->crypto.ranges);
}

/* The space to probe and when. RFC 9002, appendix A.8, GetPtoTimeAndSpace. */
static enum quic_space_id quic_pto_space(const struct quic_conn *conn, u64 now, u64 *at)
{
	enum quic_space_id id, found = QUIC_SPACE_MAX;
	u8 shift = min_t(u8, conn->pto_count, QUIC_PTO_COUNT_MAX);
	u64 base = quic_rtt_pto(&conn->path[conn->active_path].rtt);
	bool in_flight = false;

	*at = QUIC_DEADLINE_NEVER;
	for (id = 0; id < QUIC_SPACE_MAX; id++) {
		const struct quic_space *space = conn->space[id];
		u64 period = base;

		if (!space || (!space->loss.eliciting_in_flight && !quic_is_stalled(id, space)))
			continue;
		if (id == QUIC_SPACE_APP) {
			/* RFC 9002, section 6.2.1: not before the handshake is confirmed. */
			if (!conn->confirmed)
				continue;
			period += conn->remote.max_ack_delay * 1000;
		}
		in_flight = true;
		period <<= shift;
		/* A probe that could not leave counts as sent, or it were due for ever. */
		period += max3(space->loss.last_eliciting, conn->last_probe,
			       space->loss.eliciting_in_flight ? 0 : conn->last_rx);
		if (period < *at) {
			*at = period;
			found = id;
		}
	}
	/* Early data in flight is no reason to wait: no timer watches over it yet. */
	if (in_flight || conn->peer_validated)
		return found;
	/* Before its first packet there is nobody to keep going. */
	if (conn->space[QUIC_SPACE_INITIAL] &&
	    !conn->space[QUIC_SPACE_INITIAL]->loss.sent.next)
		return found;
	/* A client keeps a server going that may not send: section 6.2.2.1. */
	*at = max(conn->last_probe, conn->last_rx) + (base << shift);
	return conn->tx_keys & BIT(QUIC_CRYPTO_HANDSHAKE) ? QUIC_SPACE_HANDSHAKE :
							    QUIC_SPACE_INITIAL;
}

/* Nothing leaves for an address that may not, or cannot, get a whole datagram: no timer for it. */
static bool quic_is_held_back(struct quic_conn *conn)
{
	return quic_path_allowance(quic_conn_path(conn)) < QUIC_MIN_DATAGRAM_SIZE ||
	       quic_conn_path_is_too_small(conn);
}

static void quic_update_loss_deadline(struct quic_conn *conn, u64 now)
{
	u64 at;

	if (quic_earliest_loss_time(conn, &at) == QUIC_SPACE_MAX) {
		if (quic_is_held_back(conn) ||
		    quic_pto_space(conn, now, &at) == QUIC_SPACE_MAX)
			at = QUIC_DEADLINE_NEVER;
	}
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_LOSS, at);
}

static void quic_update_ack_deadline(struct quic_conn *conn)
{
	u64 at = QUIC_DEADLINE_NEVER;
	int id;

	for (id = 0; id < QUIC_SPACE_MAX && !quic_is_held_back(conn); id++)
		if (conn->space[id] && (conn->tx_keys & BIT(id)))
			at = min(at, conn->space[id]->ack.due);
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_ACK, at);
}

/**
 * quic_conn_update_deadlines() - bring deadlines in line with state
 * @conn: connection
 * @now:  time
 *
 * The last thing that a settle does before it arms the timer.
 */
void quic_conn_update_deadlines(struct quic_conn *conn, u64 now)
{
	if (!quic_conn_is_open(conn))
		return;
	/* RFC 9001, section 4.9.1: a client's first Handshake packet is out. */
	if (!conn->is_server && conn->space[QUIC_SPACE_INITIAL] &&
	    conn->space[QUIC_SPACE_HANDSHAKE] &&
	    conn->space[QUIC_SPACE_HANDSHAKE]->loss.sent.next)
		quic_conn_discard_space(conn, QUIC_SPACE_INITIAL);
	quic_update_loss_deadline(conn, now);
	quic_update_ack_deadline(conn);
	if (unlikely(conn->config.pmtud_interval || quic_conn_path(conn)->pmtud.state))
		quic_conn_update_pmtud(conn, now);
}

/*
 * Send one or two packets that elicit an acknowledgement: what is unsent, else
 * what is oldest in flight, else PING. RFC 9002, section 6.2.4.
 */
static void quic_probe(struct quic_conn *conn, enum quic_space_id id)
{
	struct quic_space *space = conn->space[id];
	struct quic_sent_packet *packet;
	u64 pn = space->loss.sent.oldest;
	int left = 2;

	space->probes = 2;
	while (left-- && (packet = quic_sent_next_from(&space->loss.sent, &pn,
						       space->loss.sent.next))) {
		quic_conn_count_retransmit(conn, packet);
		quic_conn_requeue(conn, id, packet);
		if (id == QUIC_SPACE_APP)
			quic_conn_requeue_first(conn, packet);
		pn++;
	}
}

static void quic_on_loss_deadline(struct quic_conn *conn, u64 now)
{
	enum quic_space_id id;
	u64 at;

	id = quic_earliest_loss_time(conn, &at);
	if (id != QUIC_SPACE_MAX) {
		quic_conn_detect_lost(conn, id, now);
		quic_cong_on_ack(&quic_conn_path(conn)->cong, &quic_conn_path(conn)->rtt, 0, now);
		return;
	}
	id = quic_pto_space(conn, now, &at);
	if (id == QUIC_SPACE_MAX || at > now)
		return;
	conn->last_probe = now;
	if (conn->pto_count < U8_MAX)
		conn->pto_count++;
	quic_trace(recovery, conn, conn->active_path);
	/* Both handshake spaces: one datagram holds a probe of each. */
	if (id != QUIC_SPACE_APP && conn->space[QUIC_SPACE_INITIAL])
		quic_probe(conn, QUIC_SPACE_INITIAL);
	if (id != QUIC_SPACE_INITIAL && conn->space[id])
		quic_probe(conn, id);
	quic_conn_pmtud_on_pto(conn, id);
}

/**
 * quic_conn_on_timeout() - work off the deadlines that have passed
 * @conn: connection
 * @now:  time
 */
void quic_conn_on_timeout(struct quic_conn *conn, u64 now)
{
	enum quic_conn_state old;
	enum quic_deadline which;

	while ((which = quic_deadlines_expired(&conn->deadlines, now)) != QUIC_DEADLINE_MAX) {
		quic_trace(expired, conn, which);
		switch (which) {
		case QUIC_DEADLINE_IDLE:
			quic_conn_drop(conn);
			return;
		case QUIC_DEADLINE_LOSS:
			quic_on_loss_deadline(conn, now);
			break;
		case QUIC_DEADLINE_KEEPALIVE:
			conn->ping = QUIC_CONTROL_STALE;
			break;
		case QUIC_DEADLINE_PMTUD:
			quic_conn_pmtud_timeout(conn, now);
			break;
		case QUIC_DEADLINE_KEY_DISCARD:
			quic_host_keys_discard(conn, QUIC_CRYPTO_APP);
			break;
		case QUIC_DEADLINE_EARLY:
			quic_conn_early_discard(conn);
			break;
		case QUIC_DEADLINE_CLOSE:
			old = conn->state;
			conn->state = QUIC_CONN_CLOSED;
			quic_trace(state, conn, old);
			conn->todo |= QUIC_TODO_STATE;
			return;
		case QUIC_DEADLINE_LINGER:
			conn->linger_over = true;
			conn->todo |= QUIC_TODO_STATE;
			break;
		case QUIC_DEADLINE_PATH:
			quic_conn_path_on_timeout(conn, now);
			if (!quic_conn_is_open(conn))
				return;
			break;
		case QUIC_DEADLINE_ACK:
		case QUIC_DEADLINE_PACING:
		case QUIC_DEADLINE_MAX:
			break;
		}
		conn->todo |= QUIC_TODO_TX;
	}
}
