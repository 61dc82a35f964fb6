// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Settle: what input, timers and system calls left to do is done here, once
 * per batch and in fixed order: end of life, transmit, wake-ups, timer.
 */
#include "net.h"
#include "peeloff.h"
#include "postponed.h"
#include "protect.h"
#include "sock.h"

#include <trace/events/quic.h>

#define QUIC_SETTLE_RETRY	NSEC_PER_MSEC

u64 quic_sock_now(void)
{
	return ktime_get_ns();
}

/* The connection changed its state: let the socket follow. */
static void quic_settle_state(struct quic_sock *qs)
{
	qs->conn.todo &= ~QUIC_TODO_STATE;
	if (!quic_conn_is_open(&qs->conn))
		quic_sock_set_state(quic_sock_sk(qs), TCP_CLOSE);
}

/* A writer that waits for memory is woken when it can fill a burst, not for every ACK. */
static bool quic_settle_has_space(const struct sock *sk)
{
	return READ_ONCE(sk->sk_wmem_queued) <= sk->sk_sndbuf / 3 * 2;
}

static void quic_settle_wake(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);
	u8 todo = qs->conn.todo;

	qs->conn.todo &= ~(QUIC_TODO_WAKE_READ | QUIC_TODO_WAKE_WRITE |
			   QUIC_TODO_WAKE_SPACE | QUIC_TODO_TIMER);
	if ((todo & QUIC_TODO_WAKE_SPACE) && quic_settle_has_space(sk))
		todo |= QUIC_TODO_WAKE_WRITE;
	if (unlikely(!list_empty(&qs->peeled)))
		quic_peeloff_wake(qs, false, todo & QUIC_TODO_WAKE_WRITE);
	if (sock_flag(sk, SOCK_DEAD))
		return;
	if (todo & QUIC_TODO_WAKE_READ)
		sk->sk_data_ready(sk);
	if (todo & QUIC_TODO_WAKE_WRITE)
		sk->sk_write_space(sk);
}

/*
 * Pacing as the socket has it: SO_MAX_PACING_RATE bounds it, and the queueing
 * discipline fq, once it has seen the socket, spreads packets by the rate that
 * is published here.
 */
static void quic_settle_pacing(struct quic_sock *qs)
{
	struct quic_pacer *pacer = &quic_conn_path(&qs->conn)->pacer;
	struct sock *sk = quic_sock_sk(qs);
	unsigned long most = READ_ONCE(sk->sk_max_pacing_rate);

	pacer->max_rate = most == ~0UL ? QUIC_PACER_UNLIMITED : most;
	if (likely(smp_load_acquire(&sk->sk_pacing_status) != SK_PACING_FQ))
		return;
	pacer->smoothed = true;
	WRITE_ONCE(sk->sk_pacing_rate, min_t(u64, pacer->rate, most));
}

/* What could not be sent for want of memory is tried again soon. */
static void quic_settle_transmit(struct quic_sock *qs, u64 now)
{
	struct quic_conn *conn = &qs->conn;

	/* What may not be sealed here leaves from process context. */
	if (unlikely(!quic_protect_is_ready())) {
		quic_postponed_kick(qs);
		return;
	}
	conn->todo &= ~QUIC_TODO_TX;
	quic_settle_pacing(qs);
	quic_output(qs, now);
	if (!(conn->todo & QUIC_TODO_TX))
		return;
	conn->todo &= ~QUIC_TODO_TX;
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_PACING, now + QUIC_SETTLE_RETRY);
}

/* The core counts what it sends again, the netns wants to know. */
static void quic_settle_count(struct quic_sock *qs)
{
	u64 total = qs->conn.retransmitted_frames;

	QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_FRM_RETRANS,
		       total - qs->counted_retransmits);
	qs->counted_retransmits = total;
}

/**
 * quic_sock_settle() - do all that a batch left to do
 * @qs: socket, locked; the caller holds a reference beyond the orphan's own
 *
 * At the end the timer is armed for the connection's earliest deadline.
 */
void quic_sock_settle(struct quic_sock *qs)
{
	struct quic_conn *conn = &qs->conn;
	u64 now;

	if (qs->in_settle || qs->is_dead || conn->state == QUIC_CONN_IDLE)
		return;
	qs->in_settle = true;
	now = quic_sock_now();
	if (qs->is_shut)
		quic_sock_try_close(qs);
	if (conn->todo & QUIC_TODO_TX)
		quic_settle_transmit(qs, now);
	if (conn->todo & QUIC_TODO_STATE)
		quic_settle_state(qs);
	if (unlikely(conn->todo & QUIC_TODO_MOVE))
		quic_migrate_to_preferred(qs);
	quic_settle_wake(qs);
	if (unlikely(qs->counted_retransmits != conn->retransmitted_frames))
		quic_settle_count(qs);
	quic_conn_update_deadlines(conn, now);
	if (trace_quic_timers_enabled() && quic_conn_is_open(conn))
		trace_quic_timers(conn, now);
	quic_timer_arm(qs, now);
	qs->in_settle = false;
	if (conn->state == QUIC_CONN_CLOSED && sock_flag(quic_sock_sk(qs), SOCK_DEAD))
		quic_sock_done(quic_sock_sk(qs));
}

/**
 * quic_sock_release_cb() - the user lets go of the socket
 * @sk: socket; its spinlock is held, the backlog was worked off
 */
void quic_sock_release_cb(struct sock *sk)
{
	struct quic_sock *qs = quic_sk(sk);

	if (test_and_clear_bit(QUIC_DEFERRED_MTU, &qs->deferred)) {
		quic_udp_too_big(qs);
		__sock_put(sk);
	}
	if (test_and_clear_bit(QUIC_DEFERRED_TIMER, &qs->deferred)) {
		quic_timer_run(qs);
		__sock_put(sk);
	} else if (qs->conn.todo) {
		quic_sock_settle(qs);
	}
}
