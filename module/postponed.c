// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Softirqs that interrupted a user of the vector registers: what comes in one
 * waits in line for process context, where ciphers may always run, and so does
 * what is to be sent there. Whether they may run is protect.c's to say.
 */
#include "chunk.h"
#include "demux.h"
#include "drop.h"
#include "input.h"
#include "net.h"
#include "postponed.h"
#include "sock.h"

/**
 * quic_postponed_kick() - settle the connection in process context
 * @qs: socket, locked
 */
void quic_postponed_kick(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	sock_hold(sk);
	if (!queue_work(quic_wq, &qs->postponed.work))
		sock_put(sk);
}

/**
 * quic_postponed_add() - put off a datagram or aggregate
 * @qs:  socket, locked
 * @skb: as quic_input() got it; taken over
 *
 * As long as one waits all that come must join it, so that none overtakes another. It is dropped
 * when the receive buffer is full.
 */
void quic_postponed_add(struct quic_sock *qs, struct sk_buff *skb)
{
	if (!quic_rmem_charge(quic_sock_sk(qs), skb->truesize, true)) {
		quic_drop_packet(qs, QUIC_DROP_CIPHER_BUSY, skb->len);
		kfree_skb(skb);
		return;
	}
	QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_RCVPOSTPONED,
		       quic_demux_datagrams(skb));
	__skb_queue_tail(&qs->postponed.queue, skb);
	quic_postponed_kick(qs);
}

static struct sk_buff *quic_postponed_next(struct quic_sock *qs)
{
	struct sk_buff *skb = __skb_dequeue(&qs->postponed.queue);

	if (skb)
		quic_rmem_uncharge(quic_sock_sk(qs), skb->truesize);
	return skb;
}

/**
 * quic_postponed_purge() - the connection is dead: nobody waits for process context any more
 * @qs: socket, locked, or nobody else's
 */
void quic_postponed_purge(struct quic_sock *qs)
{
	struct sk_buff *skb;

	while ((skb = quic_postponed_next(qs)))
		kfree_skb(skb);
}

static void quic_postponed_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, postponed.work);
	struct sock *sk = quic_sock_sk(qs);
	struct sk_buff *skb;

	lock_sock(sk);
	while ((skb = quic_postponed_next(qs)))
		quic_input_resume(qs, skb, NULL);
	quic_sock_settle(qs);
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_postponed_init() - a new socket has put off nothing
 * @qs: socket
 */
void quic_postponed_init(struct quic_sock *qs)
{
	__skb_queue_head_init(&qs->postponed.queue);
	INIT_WORK(&qs->postponed.work, quic_postponed_work);
}
