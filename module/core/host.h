/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the protocol core asks of the process or kernel that it runs in, bound
 * at link time: module/host.c in the kernel, selftests/core/host.c in tests.
 * Everything is called with the connection's lock held and must not sleep.
 */
#ifndef _QUIC_CORE_HOST_H
#define _QUIC_CORE_HOST_H

#include "reassembly.h"
#include "send_ranges.h"

struct quic_conn;
struct quic_datagram;
struct quic_local_cid;
struct quic_rx_packet;
struct quic_stream;
struct quic_tx_packet;

/* Memory and chance. */
void *quic_host_alloc(size_t size);	/* zeroed; NULL when there is none */
void quic_host_free(void *memory);	/* NULL allowed */
void quic_host_random(void *data, size_t len);

/*
 * Outgoing bytes. quic_host_send_copy() puts [@offset, @offset + @len) behind
 * what @tx holds, or makes the sealing step read them where they lie.
 * quic_host_send_contig() says how many bytes from @offset on lie in one piece.
 */
void quic_host_send_copy(struct quic_send_buf *buf, u64 offset, u32 len,
			 struct quic_tx_packet *tx);
u32 quic_host_send_contig(struct quic_send_buf *buf, u64 offset);
/* Everything below @offset was acknowledged, or is no longer wanted. */
void quic_host_send_release(struct quic_conn *conn, struct quic_send_buf *buf, u64 offset);
/* A DATAGRAM payload was sent, or never will be. */
void quic_host_datagram_free(struct quic_conn *conn, struct quic_datagram *datagram);

/*
 * Incoming bytes. A chunk pins what @rx came in. NULL: no memory, or the
 * receive buffer is full; the packet is then not acknowledged. Bytes that are
 * @early, others being missing, must leave room for those.
 */
struct quic_rx_chunk *quic_host_chunk_new(struct quic_conn *conn, const struct quic_rx_packet *rx,
					  const u8 *data, u32 len, bool early);
/* Cuts @chunk to @at bytes and returns the rest as a chunk of its own. */
struct quic_rx_chunk *quic_host_chunk_split(struct quic_rx_chunk *chunk, u32 at);
void quic_host_chunk_free(struct quic_rx_chunk *chunk);

/*
 * In-order bytes for the application. @chunk NULL: only the end of the stream;
 * a host without room for that clears recv.fin_delivered and is asked again.
 */
void quic_host_deliver(struct quic_conn *conn, struct quic_stream *stream,
		       struct quic_rx_chunk *chunk, bool fin);
/* In-order CRYPTO bytes of @level (enum quic_crypto_level). */
void quic_host_deliver_crypto(struct quic_conn *conn, u8 level, struct quic_rx_chunk *chunk);
/* Throws away what the application has not taken of @stream; returns how many bytes. */
u64 quic_host_purge(struct quic_conn *conn, struct quic_stream *stream);
/* The payload of a DATAGRAM frame, dropped where there is no room for it. RFC 9221, section 5.3. */
void quic_host_deliver_datagram(struct quic_conn *conn, const struct quic_rx_packet *rx,
				const u8 *data, u32 len);
/* An event of the user API: @type is QUIC_EVENT_*, @payload its struct. */
void quic_host_event(struct quic_conn *conn, u8 type, const void *payload, u32 len);

/* Connection IDs: fill in ID and token and make packets find the connection; -ENOMEM. */
int quic_host_cid_new(struct quic_conn *conn, struct quic_local_cid *cid);
void quic_host_cid_retire(struct quic_conn *conn, struct quic_local_cid *cid);

/* Packets go along path @i from now on; path @i is of no use any more. */
void quic_host_path_use(struct quic_conn *conn, u8 i);
void quic_host_path_release(struct quic_conn *conn, u8 i);

/* Make the next generation current, both directions; it was there when asked for. */
bool quic_host_has_next_keys(struct quic_conn *conn);
void quic_host_keys_rotate(struct quic_conn *conn);
/* The keys of @level are of no use any more. RFC 9001, section 4.9. */
void quic_host_keys_discard(struct quic_conn *conn, u8 level);

#endif /* _QUIC_CORE_HOST_H */
