/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payloads that wait to leave in DATAGRAM frames: in order, once, and never
 * again. Their bytes are the host's. RFC 9221.
 */
#ifndef _QUIC_CORE_DATAGRAM_H
#define _QUIC_CORE_DATAGRAM_H

#include <linux/list.h>
#include <linux/types.h>

struct quic_conn;
struct quic_tx_packet;

/**
 * struct quic_datagram - one payload
 * @link: in quic_datagrams.queue
 * @data: its bytes
 * @len:  how many, at least one
 */
struct quic_datagram {
	struct list_head link;
	const u8 *data;
	u32 len;
};

/**
 * struct quic_datagrams - what the application sent and no packet has carried yet
 * @queue:   struct quic_datagram, oldest first
 * @dropped: how many fitted no packet any more when it was their turn
 */
struct quic_datagrams {
	struct list_head queue;
	u64 dropped;
};

void quic_datagrams_init(struct quic_datagrams *datagrams);
/* All of them go back to the host. */
void quic_datagrams_purge(struct quic_conn *conn);
/* 0, -EINVAL, -EMSGSIZE: may a payload of @len bytes be queued? */
int quic_datagrams_check(struct quic_conn *conn, u64 len);
void quic_datagrams_queue(struct quic_conn *conn, struct quic_datagram *datagram);
/* DATAGRAM frames as far as @tx has room. */
void quic_datagrams_fill(struct quic_conn *conn, struct quic_tx_packet *tx);

static inline bool quic_datagrams_pending(const struct quic_datagrams *datagrams)
{
	return !list_empty(&datagrams->queue);
}

#endif /* _QUIC_CORE_DATAGRAM_H */
