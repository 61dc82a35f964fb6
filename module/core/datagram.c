// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue of payloads for DATAGRAM frames, and how large one may be. When
 * they may leave is for conn_grant.c. RFC 9221, sections 3 and 5.
 */
#include "core.h"
#include "conn.h"

/* A packet without its connection IDs and its frames: header with number, and tag. */
#define QUIC_SHORT_OVERHEAD	(1 + 4 + QUIC_TAG_LEN)
#define QUIC_LONG_OVERHEAD	(1 + 4 + 1 + 1 + 4 + 4 + QUIC_TAG_LEN)

/**
 * quic_datagrams_init() - nothing waits
 * @datagrams: queue of a connection
 */
void quic_datagrams_init(struct quic_datagrams *datagrams)
{
	INIT_LIST_HEAD(&datagrams->queue);
	datagrams->dropped = 0;
}

static void quic_datagrams_remove(struct quic_conn *conn, struct quic_datagram *datagram)
{
	list_del(&datagram->link);
	quic_host_datagram_free(conn, datagram);
	conn->todo |= QUIC_TODO_WAKE_SPACE;
}

/**
 * quic_datagrams_purge() - nothing of what waits will be sent
 * @conn: connection
 */
void quic_datagrams_purge(struct quic_conn *conn)
{
	struct quic_datagram *datagram, *next;

	list_for_each_entry_safe(datagram, next, &conn->datagrams.queue, link)
		quic_datagrams_remove(conn, datagram);
}

/**
 * quic_datagrams_check() - may a payload of that size be sent?
 * @conn: connection
 * @len:  bytes
 *
 * It stands in one frame, the frame in one packet; the frame is no larger than
 * the peer said, now or, for 0-RTT, when last met. RFC 9221, sections 3 #1 #2
 * and 5; uapi.md, section 3.4.
 *
 * Return: 0; -EINVAL: the peer takes no DATAGRAM frame, as far as is known; -EMSGSIZE.
 */
int quic_datagrams_check(struct quic_conn *conn, u64 len)
{
	const u8 early = BIT(QUIC_CRYPTO_EARLY), app = BIT(QUIC_CRYPTO_APP);
	u64 room, used;

	if (!conn->remote.max_datagram_frame_size)
		return -EINVAL;
	room = min_t(u64, quic_conn_path(conn)->mss, conn->remote.max_datagram_frame_size);
	used = quic_remote_cids_active(&conn->remote_cids)->cid.len;
	if ((conn->tx_keys & (early | app)) == early)
		used += QUIC_LONG_OVERHEAD + quic_local_cids_find(&conn->local_cids, 0)->cid.len;
	else
		used += QUIC_SHORT_OVERHEAD;
	used += 1 + quic_varint_size(len) + len;
	return len && len <= room && used <= room ? 0 : -EMSGSIZE;
}

/**
 * quic_datagrams_queue() - the host took over a payload of the application
 * @conn:     connection
 * @datagram: payload that quic_datagrams_check() took
 */
void quic_datagrams_queue(struct quic_conn *conn, struct quic_datagram *datagram)
{
	list_add_tail(&datagram->link, &conn->datagrams.queue);
	conn->todo |= QUIC_TODO_TX;
}

/**
 * quic_datagrams_fill() - put payloads into a packet
 * @conn: connection
 * @tx:   packet of the application's level
 *
 * No note is left: what is lost is not sent again. A payload for which packets
 * have become too small would wait for ever, so it is dropped.
 */
void quic_datagrams_fill(struct quic_conn *conn, struct quic_tx_packet *tx)
{
	struct quic_datagram *datagram, *next;

	list_for_each_entry_safe(datagram, next, &conn->datagrams.queue, link) {
		if (quic_frame_encode_datagram(&tx->w, datagram->len)) {
			quic_write_bytes(&tx->w, datagram->data, datagram->len);
			tx->eliciting = true;
		} else if (quic_datagrams_check(conn, datagram->len)) {
			conn->datagrams.dropped++;
		} else {
			return;
		}
		quic_datagrams_remove(conn, datagram);
	}
}
