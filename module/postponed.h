/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came in a softirq that has no vector registers, and waits for process context. */
#ifndef _QUIC_POSTPONED_H
#define _QUIC_POSTPONED_H

#include <linux/skbuff.h>
#include <linux/workqueue.h>

struct quic_sock;

/**
 * struct quic_postponed - what a connection has put off; under the socket's lock
 * @queue: datagrams and aggregates, charged to the receive buffer, in the order they came
 * @work:  goes on with them, and with what is to be sent; holds a reference to the socket
 */
struct quic_postponed {
	struct sk_buff_head queue;
	struct work_struct work;
};

void quic_postponed_init(struct quic_sock *qs);
void quic_postponed_add(struct quic_sock *qs, struct sk_buff *skb);
void quic_postponed_kick(struct quic_sock *qs);
void quic_postponed_purge(struct quic_sock *qs);

#endif /* _QUIC_POSTPONED_H */
