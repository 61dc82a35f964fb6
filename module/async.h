/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 1-RTT packets at AEAD drivers that complete later: bursts on their way down
 * and aggregates on their way up wait in line until each packet is done, so
 * that no packet overtakes another. While no key has such a driver all of it
 * costs one branch that is patched out.
 */
#ifndef _QUIC_ASYNC_H
#define _QUIC_ASYNC_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/workqueue.h>

#include "addr.h"
#include "hp.h"
#include "input.h"

struct quic_key;
struct quic_sock;

/* Packets of a connection and direction that may be at drivers; more wait, or are dropped. */
#define QUIC_ASYNC_PACKETS	512

enum quic_async_direction { QUIC_ASYNC_TX, QUIC_ASYNC_RX, QUIC_ASYNC_DIRECTIONS };

/**
 * struct quic_async_packet - one of the packets of a job
 * @datagram: where it lies
 * @key:      that it is protected with; a reference
 * @pn:       its number
 * @err:      how it went
 * @is_app:   a 1-RTT packet; of others, which are only received, nobody was asked anything yet
 */
struct quic_async_packet {
	struct quic_rx_datagram datagram;
	struct quic_key *key;
	u64 pn;
	int err;
	bool is_app;
};

/**
 * struct quic_async_job - an skb that waits for its packets
 * @link:     in line
 * @qs:       socket; a reference
 * @skb:      what they lie in
 * @pending:  packets at drivers, and one while more are given to them
 * @charged:  bytes that the socket has been charged
 * @gso_size: TX: as for quic_udp_xmit()
 * @ecn:      TX: as for quic_udp_xmit()
 * @path:     TX: index of the path,
 * @local:    between this address
 * @peer:     and that one
 * @mask:     TX: header protection that is due
 * @n:        packets
 */
struct quic_async_job {
	struct list_head link;
	struct quic_sock *qs;
	struct sk_buff *skb;
	atomic_t pending;
	u32 charged;
	u32 gso_size;
	u8 ecn;
	u8 path;
	union quic_addr local;
	union quic_addr peer;
	struct quic_mask *mask;
	u32 n;
	struct quic_async_packet packet[];
};

/**
 * struct quic_async - what a connection has at drivers; under the socket's lock
 * @jobs:    by direction, oldest first
 * @packets: in them
 * @is_full: more would be sent if there were room
 * @work:    goes on with jobs that are done; holds a reference to the socket
 */
struct quic_async {
	struct list_head jobs[QUIC_ASYNC_DIRECTIONS];
	u32 packets[QUIC_ASYNC_DIRECTIONS];
	bool is_full;
	struct work_struct work;
};

DECLARE_STATIC_KEY_FALSE(quic_async_key);

static inline bool quic_async_is_on(void)
{
	return static_branch_unlikely(&quic_async_key);
}

/* async.c */
void quic_async_init(struct quic_sock *qs);
void quic_async_enable(void);
bool quic_async_has_room(struct quic_sock *qs);
int quic_async_seal(struct quic_sock *qs, struct quic_key *key, struct sk_buff *skb,
		    const struct quic_mask *mask, u32 n, u64 pn, u32 gso_size, u8 ecn);
struct quic_async_job *quic_async_job_new(struct quic_sock *qs, struct sk_buff *skb,
					  const struct quic_key *key,
					  enum quic_async_direction direction, u32 n);
void quic_async_ask(struct quic_async_job *job, u32 i, u8 *data, u32 hdr_len, u32 len, bool seal);
void quic_async_queue(struct quic_async_job *job, enum quic_async_direction direction);

/* async_rx.c */
bool quic_async_wants(const struct quic_sock *qs, const struct sk_buff *skb);
void quic_async_open(struct quic_sock *qs, struct sk_buff *skb);
void quic_async_walk(struct quic_input_batch *batch, struct quic_async_job *job);

#endif /* _QUIC_ASYNC_H */
