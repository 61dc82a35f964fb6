// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * close() and shutdown(): the user is gone at once, while what was sent before
 * is still delivered, for a bounded time. uapi.md, sections 2.8 and 13.
 */
#include "sock.h"

/* Sends CONNECTION_CLOSE with what the user configured: uapi.md, section 2.8. */
static void quic_sock_send_close(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	u32 phrase_len = strnlen(qs->close.phrase, sizeof(qs->close.phrase) - 1);
	u64 now = quic_sock_now();
	u64 code;

	if (!quic_conn_is_open(conn))
		return;
	quic_deadline_clear(&conn->deadlines, QUIC_DEADLINE_LINGER);
	if (conn->state == QUIC_CONN_ESTABLISHED) {
		quic_conn_close(conn, qs->close.errcode, true, qs->close.phrase, phrase_len,
				now);
		return;
	}
	/* During the handshake an application code would leak: RFC 9000, section 10.2.3. */
	code = QUIC_TRANSPORT_ERROR_APPLICATION;
	if (qs->close.errcode >= QUIC_TRANSPORT_ERROR_CRYPTO &&
	    qs->close.errcode < QUIC_TRANSPORT_ERROR_CRYPTO + 0x100)
		code = qs->close.errcode;
	quic_conn_close(conn, code, false, qs->close.phrase, phrase_len, now);
}

/**
 * quic_sock_try_close() - close the connection of a user who is gone, if it may be
 * @qs: locked, with qs->is_shut
 *
 * It may once all was acknowledged, or when the time for that is over: the
 * expiry of QUIC_DEADLINE_LINGER clears it. uapi.md, section 13.
 */
void quic_sock_try_close(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	u64 limit = conn->deadlines.at[QUIC_DEADLINE_LINGER];

	if (!quic_conn_is_open(conn))
		return;
	if (quic_conn_is_flushed(conn) || limit == QUIC_DEADLINE_NEVER ||
	    limit <= quic_sock_now())
		quic_sock_send_close(qs);
}

/* The user's side of the connection ends now, with @abort also the peer's. */
static void quic_sock_end(struct quic_sock *qs, bool abort)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	u64 time;

	sk->sk_shutdown = SHUTDOWN_MASK;
	if (quic_conn_is_open(conn) && !qs->is_shut) {
		qs->is_shut = true;
		conn->corked = false;
		conn->nodelay = true;
		conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
		if (abort || conn->state != QUIC_CONN_ESTABLISHED) {
			quic_sock_send_close(qs);
		} else {
			time = (u64)READ_ONCE(sysctl_quic_linger) * NSEC_PER_MSEC;
			if (conn->idle_timeout)
				time = min(time, conn->idle_timeout);
			quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_LINGER,
					  quic_sock_now() + time);
			quic_sock_try_close(qs);
		}
	}
	quic_sock_set_state(sk, TCP_CLOSE);
}

/* SO_LINGER with a time: wait until the peer has everything. */
static void quic_sock_linger(struct quic_sock *qs, long timeout)
{
	while (quic_conn_is_open(&qs->conn) && !quic_conn_is_flushed(&qs->conn)) {
		quic_sock_settle(qs);
		if (!timeout || signal_pending(current))
			break;
		if (quic_send_wait(qs, &timeout) == -EPIPE && !quic_conn_is_open(&qs->conn))
			break;
	}
	if (quic_conn_is_open(&qs->conn))
		quic_sock_try_close(qs);
}

/**
 * quic_sock_close() - the last descriptor of the socket is gone
 * @sk:      socket, taken over
 * @timeout: of SO_LINGER, jiffies
 *
 * Returns at once (without SO_LINGER); the socket lives on as an orphan until
 * its data was delivered and the closing period is over.
 */
void quic_sock_close(struct sock *sk, long timeout)
{
	struct quic_sock *qs = quic_sk(sk);
	bool abort;

	lock_sock(sk);
	abort = sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime;
	if (sk->sk_state == TCP_LISTEN)
		quic_listen_stop(qs);
	quic_sock_end(qs, abort);
	quic_recv_queue_purge(qs);
	if (timeout && sock_flag(sk, SOCK_LINGER) && !(current->flags & PF_EXITING))
		quic_sock_linger(qs, timeout);

	sock_hold(sk);
	sock_orphan(sk);
	if (quic_conn_is_open(&qs->conn) || qs->conn.state == QUIC_CONN_CLOSING ||
	    qs->conn.state == QUIC_CONN_DRAINING) {
		quic_sock_settle(qs);
	} else {
		quic_sock_done(sk);
	}
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_sock_shutdown() - shutdown(2)
 * @sock: socket
 * @how:  SHUT_RD, SHUT_WR or SHUT_RDWR
 *
 * There is no half-closed connection: any of them ends it. uapi.md, section 2.8.
 *
 * Return: 0, or a negative errno.
 */
int quic_sock_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct quic_sock *qs = quic_sk(sk);
	int err = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	lock_sock(sk);
	switch (sk->sk_state) {
	case TCP_LISTEN:
		err = how == SHUT_WR ? 0 : -EOPNOTSUPP;
		break;
	case TCP_SYN_RECV:
	case TCP_ESTABLISHED:
		if (how == SHUT_RD) {
			qs->is_shut = true;
			quic_conn_drop(&qs->conn);
		}
		quic_sock_end(qs, false);
		quic_sock_settle(qs);
		break;
	default:
		err = -ENOTCONN;
	}
	release_sock(sk);
	return err;
}
