// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ends of the simulated world: the application, the scripted handshake, and
 * the half of the core's host that belongs to a connection. The link and the
 * clock are sim.c's.
 */
#include <stdlib.h>

#include "sim_host.h"
#include "tests/quic_test.h"

#define SIM_SERVER_HELLO	90
#define SIM_SERVER_FLIGHT	1400
#define SIM_CLIENT_FINISHED	52

static struct sim_end *sim_of(struct quic_conn *conn)
{
	return container_of(conn, struct sim_end, conn);
}

static u8 sim_pattern(u64 offset)
{
	return (offset * 2654435761u) >> 13;
}

/* The application's side of the connection. */

void sim_put(struct quic_conn *conn, u8 level, u32 bytes)
{
	quic_conn_crypto_queued(conn, level, bytes);
}

static void sim_exchange_params(struct sim_end *end)
{
	struct quic_writer w;
	u8 body[512];

	quic_writer_init(&w, body, sizeof(body));
	if (quic_conn_encode_params(&end->peer->conn, &w))
		abort();
	quic_conn_set_remote_params(&end->conn, body, quic_writer_used(&w));
}

void sim_keys(struct quic_conn *conn, u8 level)
{
	quic_conn_on_tx_key(conn, level, 51);
	quic_conn_on_rx_key(conn, level, 51);
}

void sim_handshake_step(struct sim_end *end, u8 level)
{
	struct quic_conn *conn = &end->conn;

	if (conn->is_server && level == QUIC_CRYPTO_INITIAL &&
	    end->crypto_rx[level] == SIM_CLIENT_HELLO) {
		sim_exchange_params(end);
		if (end->sim->early == SIM_EARLY_ACCEPT)
			quic_conn_on_rx_key(conn, QUIC_CRYPTO_EARLY, 51);
		sim_put(conn, QUIC_CRYPTO_INITIAL, SIM_SERVER_HELLO);
		sim_keys(conn, QUIC_CRYPTO_HANDSHAKE);
		sim_put(conn, QUIC_CRYPTO_HANDSHAKE, SIM_SERVER_FLIGHT);
		quic_conn_on_tx_key(conn, QUIC_CRYPTO_APP, 51);
	} else if (!conn->is_server && level == QUIC_CRYPTO_INITIAL &&
		   end->crypto_rx[level] == SIM_SERVER_HELLO) {
		sim_keys(conn, QUIC_CRYPTO_HANDSHAKE);
	} else if (!conn->is_server && level == QUIC_CRYPTO_HANDSHAKE &&
		   end->crypto_rx[level] == SIM_SERVER_FLIGHT) {
		sim_exchange_params(end);
		sim_keys(conn, QUIC_CRYPTO_APP);
		quic_conn_complete(conn, end->sim->now);
		sim_put(conn, QUIC_CRYPTO_HANDSHAKE, SIM_CLIENT_FINISHED);
	} else if (conn->is_server && level == QUIC_CRYPTO_HANDSHAKE &&
		   end->crypto_rx[level] == SIM_CLIENT_FINISHED) {
		quic_conn_on_rx_key(conn, QUIC_CRYPTO_APP, 51);
		quic_conn_complete(conn, end->sim->now);
	}
}

/* Host functions of a connection. */

void quic_host_send_copy(struct quic_send_buf *buf, u64 offset, u32 len,
			 struct quic_tx_packet *tx)
{
	while (len--)
		quic_write_u8(&tx->w, sim_pattern(offset++));
}

u32 quic_host_send_contig(struct quic_send_buf *buf, u64 offset)
{
	return 1400;
}

void quic_host_send_release(struct quic_conn *conn, struct quic_send_buf *buf, u64 offset)
{
}

struct quic_rx_chunk *quic_host_chunk_new(struct quic_conn *conn, const struct quic_rx_packet *rx,
					  const u8 *data, u32 len, bool early)
{
	return quic_test_chunk(0, data, len);
}

static void sim_check(struct sim_end *end, const struct quic_rx_chunk *chunk, u64 expected)
{
	u32 i;

	if (chunk->offset != expected)
		end->bad_bytes += chunk->len ?: 1;
	for (i = 0; i < chunk->len; i++)
		if (chunk->data[i] != sim_pattern(chunk->offset + i))
			end->bad_bytes++;
}

void quic_host_deliver(struct quic_conn *conn, struct quic_stream *stream,
		       struct quic_rx_chunk *chunk, bool fin)
{
	struct sim_end *end = sim_of(conn);
	u64 id = stream->id;

	if (end->sim->loose) {
		if (chunk) {
			quic_conn_stream_consumed(conn, id, chunk->len);
			quic_host_chunk_free(chunk);
		}
		return;
	}
	if (id >= SIM_STREAMS)
		abort();
	if (!chunk && end->refuse_fin) {
		end->refuse_fin--;
		stream->recv.fin_delivered = false;
		return;
	}
	if (end->finished[id])
		end->bad_bytes++;
	if (chunk) {
		sim_check(end, chunk, end->received[id]);
		end->received[id] += chunk->len;
		end->unread[id] += chunk->len;
		quic_host_chunk_free(chunk);
	}
	if (fin)
		end->finished[id] = true;
	if (end->auto_read)
		sim_read(end, id, end->unread[id]);
}

void quic_host_deliver_crypto(struct quic_conn *conn, u8 level, struct quic_rx_chunk *chunk)
{
	struct sim_end *end = sim_of(conn);

	sim_check(end, chunk, end->crypto_rx[level]);
	end->crypto_rx[level] += chunk->len;
	quic_host_chunk_free(chunk);
}

u64 quic_host_purge(struct quic_conn *conn, struct quic_stream *stream)
{
	struct sim_end *end = sim_of(conn);
	u64 bytes;

	if (end->sim->loose)
		return 0;
	bytes = end->unread[stream->id];
	end->unread[stream->id] = 0;
	return bytes;
}

void quic_host_deliver_datagram(struct quic_conn *conn, const struct quic_rx_packet *rx,
				const u8 *data, u32 len)
{
	struct sim_end *end = sim_of(conn);

	end->datagrams++;
	end->datagram_len = len;
	if (len && !end->sim->loose) {
		end->datagram_first = data[0];
		while (--len)
			if (data[len] != data[0])
				end->bad_bytes++;
	}
}

void quic_host_datagram_free(struct quic_conn *conn, struct quic_datagram *datagram)
{
	free(datagram);
}

void sim_send_datagram(struct sim_end *end, u32 len, u8 byte)
{
	struct quic_datagram *datagram = malloc(sizeof(*datagram) + len);

	if (!datagram)
		abort();
	memset(datagram + 1, byte, len);
	datagram->data = (u8 *)(datagram + 1);
	datagram->len = len;
	quic_datagrams_queue(&end->conn, datagram);
}

void quic_host_event(struct quic_conn *conn, u8 type, const void *payload, u32 len)
{
	struct sim_end *end = sim_of(conn);

	end->events[type]++;
	if (type == QUIC_EVENT_CONNECTION_CLOSE) {
		memcpy(&end->last_close, payload, len);
		end->closes++;
	} else if (type == QUIC_EVENT_STREAM_UPDATE) {
		memcpy(&end->last_update, payload, len);
	} else if (type == QUIC_EVENT_CONNECTION_MIGRATION) {
		memcpy(&end->last_migration, payload, len);
	}
}

int quic_host_cid_new(struct quic_conn *conn, struct quic_local_cid *cid)
{
	struct sim_end *end = sim_of(conn);

	cid->cid.len = 8;
	memset(cid->cid.data, conn->is_server ? 0x50 : 0xc0, 8);
	cid->cid.data[7] = ++end->next_cid;
	memset(cid->token, end->next_cid, sizeof(cid->token));
	return 0;
}

void quic_host_cid_retire(struct quic_conn *conn, struct quic_local_cid *cid)
{
}

bool quic_host_has_next_keys(struct quic_conn *conn)
{
	return true;
}

void quic_host_path_use(struct quic_conn *conn, u8 i)
{
	sim_of(conn)->path_uses++;
}

void quic_host_path_release(struct quic_conn *conn, u8 i)
{
	memset(&sim_of(conn)->route[i], 0, sizeof(struct sim_route));
}

void quic_host_keys_rotate(struct quic_conn *conn)
{
	struct sim_end *end = sim_of(conn);

	end->generation++;
	end->has_previous = true;
}

void quic_host_keys_discard(struct quic_conn *conn, u8 level)
{
	if (level != QUIC_CRYPTO_APP)
		return;
	sim_of(conn)->has_previous = false;
	quic_key_phase_on_retired(&conn->key_phase);
}
