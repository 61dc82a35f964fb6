// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the keys of 1-RTT packets change, and what ends a connection whose keys
 * are worn out. Numbers are for key_phase.c, keys for the host.
 * RFC 9001, section 6.
 */
#include "core.h"
#include "conn.h"

static void quic_conn_rotate_keys(struct quic_conn *conn)
{
	quic_key_phase_update(&conn->key_phase, conn->space[QUIC_SPACE_APP]->loss.sent.next);
	quic_host_keys_rotate(conn);
}

/**
 * quic_conn_update_keys() - the application wants new keys
 * @conn: connection, the host has the next generation
 * @now:  time
 *
 * Return: 0, or -EINVAL: the previous update is not finished. RFC 9001, section 6.1.
 */
int quic_conn_update_keys(struct quic_conn *conn, u64 now)
{
	if (!quic_key_phase_may_update(&conn->key_phase, conn->confirmed, now))
		return -EINVAL;
	quic_conn_rotate_keys(conn);
	return 0;
}

/**
 * quic_conn_has_keys() - may 1-RTT packets be protected now?
 * @conn: connection with a 1-RTT send key
 * @now:  time
 *
 * Keys wear out: a new generation in time, or the end, while there is still a
 * packet left to say so. RFC 9001, section 6.6 #3 #6.
 *
 * Return: false if the connection was closed.
 */
bool quic_conn_has_keys(struct quic_conn *conn, u64 now)
{
	struct quic_key_phase *kp = &conn->key_phase;

	if (likely(!quic_key_phase_needs_update(kp)) || conn->plaintext)
		return true;
	if (quic_host_has_next_keys(conn) &&
	    quic_key_phase_may_update(kp, conn->confirmed, now))
		quic_conn_rotate_keys(conn);
	if (!quic_key_phase_is_spent(kp))
		return true;
	quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED, 0, "confidentiality limit");
	return false;
}

/**
 * quic_conn_on_key() - a 1-RTT packet authenticated
 * @conn:   connection
 * @choice: with this key
 * @pn:     its packet number
 * @now:    time
 *
 * The peer may have moved to the next generation with it, which we follow.
 * RFC 9001, section 6.2.
 *
 * Return: false: the packet must not be processed, the connection was closed.
 */
bool quic_conn_on_key(struct quic_conn *conn, enum quic_key_choice choice, u64 pn, u64 now)
{
	struct quic_key_phase *kp = &conn->key_phase;
	bool violation = false;
	bool by_peer;
	u8 phase;

	by_peer = quic_key_phase_on_received(kp, choice, pn,
					     conn->space[QUIC_SPACE_APP]->loss.sent.next, now,
					     quic_conn_pto(conn), &violation);
	if (unlikely(violation)) {
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_KEY_UPDATE, 0, "key update");
		return false;
	}
	if (unlikely(by_peer)) {
		quic_host_keys_rotate(conn);
		phase = quic_key_phase_bit(kp);
		quic_host_event(conn, QUIC_EVENT_KEY_UPDATE, &phase, sizeof(phase));
		conn->todo |= QUIC_TODO_TX;
	}
	if (unlikely(kp->retire_at) && kp->retire_at != QUIC_DEADLINE_NEVER)
		quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_KEY_DISCARD, kp->retire_at);
	return true;
}

/**
 * quic_conn_on_forgery() - a packet did not authenticate
 * @conn: connection
 *
 * Counted for all keys together. What the limit is, the cipher of 1-RTT packets
 * says. RFC 9001, section 6.6 #4 #5.
 */
void quic_conn_on_forgery(struct quic_conn *conn)
{
	conn->key_phase.failed++;
	if (conn->state == QUIC_CONN_ESTABLISHED && !conn->plaintext &&
	    quic_key_phase_is_forged(&conn->key_phase))
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED, 0,
			       "integrity limit");
}
