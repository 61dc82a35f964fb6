// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One timer a socket for all deadlines of its connection, and a finer one for
 * pacing. A timer that finds the socket in use leaves a note for release_sock().
 */
#include "sock.h"

/* Deadlines nearer than this are left to the fine timer. */
#define QUIC_TIMER_SLACK	(2 * NSEC_PER_SEC / HZ)
#define QUIC_TIMER_RETRY	NSEC_PER_MSEC

/* Under the socket lock: hand what is due to the connection. */
void quic_timer_run(struct quic_sock *qs)
{
	u64 now = quic_sock_now();

	/* It fires up to a tick before the deadline that it was armed for. */
	if (!timer_pending(&qs->timer))
		qs->timer_armed = QUIC_DEADLINE_NEVER;
	quic_conn_on_timeout(&qs->conn, now);
	quic_sock_settle(qs);
}

static void quic_timer_fired(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	bh_lock_sock(sk);
	if (sock_owned_by_user(sk)) {
		if (!test_and_set_bit(QUIC_DEFERRED_TIMER, &qs->deferred))
			sock_hold(sk);
	} else {
		quic_timer_run(qs);
	}
	bh_unlock_sock(sk);
	sock_put(sk);
}

static void quic_timer_expired(struct timer_list *t)
{
	quic_timer_fired(timer_container_of(((struct quic_sock *)NULL), t, timer));
}

static enum hrtimer_restart quic_pacer_expired(struct hrtimer *t)
{
	quic_timer_fired(container_of(t, struct quic_sock, pacer));
	return HRTIMER_NORESTART;
}

void quic_timer_init(struct quic_sock *qs)
{
	timer_setup(&qs->timer, quic_timer_expired, 0);
	hrtimer_setup(&qs->pacer, quic_pacer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	qs->timer_armed = QUIC_DEADLINE_NEVER;
}

static void quic_timer_arm_pacer(struct quic_sock *qs, u64 at)
{
	struct sock *sk = quic_sock_sk(qs);

	if (hrtimer_is_queued(&qs->pacer)) {
		if (ktime_to_ns(hrtimer_get_expires(&qs->pacer)) <= at)
			return;
		if (hrtimer_try_to_cancel(&qs->pacer) != 1)
			return;
	} else {
		sock_hold(sk);
	}
	hrtimer_start(&qs->pacer, ns_to_ktime(at), HRTIMER_MODE_ABS_SOFT);
}

/**
 * quic_timer_arm() - wake up for the earliest deadline
 * @qs:  socket, locked
 * @now: time
 *
 * What is due within a tick or two, an ACK on a fast path among it, is left to
 * the fine timer. The coarse one is moved only to be earlier: one that fires
 * too early just arms itself again, which is cheaper than moving it with every
 * packet.
 */
void quic_timer_arm(struct quic_sock *qs, u64 now)
{
	u64 at = quic_deadlines_earliest(&qs->conn.deadlines);

	if (at == QUIC_DEADLINE_NEVER)
		return;
	if (at <= now + QUIC_TIMER_SLACK) {
		/* What has passed and could not be worked off must not be tried at once again. */
		quic_timer_arm_pacer(qs, at > now ? at : now + QUIC_TIMER_RETRY);
		return;
	}
	if (at >= qs->timer_armed && timer_pending(&qs->timer))
		return;
	qs->timer_armed = at;
	sk_reset_timer(quic_sock_sk(qs), &qs->timer, jiffies + nsecs_to_jiffies(at - now) + 1);
}

void quic_timer_stop(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	sk_stop_timer(sk, &qs->timer);
	qs->timer_armed = QUIC_DEADLINE_NEVER;
	if (hrtimer_try_to_cancel(&qs->pacer) == 1)
		sock_put(sk);
}
