// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel as host of the protocol core: what core/host.h asks for, except
 * for the buffers, which are in chunk.c and datagram.c.
 */
#include <linux/llist.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "demux.h"
#include "net.h"
#include "peeloff.h"
#include "restart.h"
#include "sock.h"
#include "stateless.h"

#include <trace/events/quic.h>

void *quic_host_alloc(size_t size)
{
	return kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
}

void quic_host_free(void *memory)
{
	kfree(memory);
}

void quic_host_random(void *data, size_t len)
{
	get_random_bytes(data, len);
}

/**
 * quic_host_has_reader() - is there still somebody to hand received data to?
 * @qs: socket, locked
 */
bool quic_host_has_reader(const struct quic_sock *qs)
{
	return !qs->is_shut && !(qs->inet.sk.sk_shutdown & RCV_SHUTDOWN);
}

/* Where data of @stream waits for its reader. */
static struct list_head *quic_host_queue(struct quic_sock *qs, struct quic_stream *stream)
{
	return unlikely(stream->host) ? quic_peeloff_queue(stream->host) : &qs->data_queue;
}

void quic_host_deliver(struct quic_conn *conn, struct quic_stream *stream,
		       struct quic_rx_chunk *rx, bool fin)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	struct quic_recv_chunk *chunk;

	if (!quic_host_has_reader(qs)) {
		if (rx) {
			quic_conn_stream_consumed(conn, stream->id, rx->len);
			quic_host_chunk_free(rx);
		}
		return;
	}
	if (rx) {
		chunk = container_of(rx, struct quic_recv_chunk, rx);
	} else {
		chunk = quic_recv_chunk_new(qs, QUIC_RECV_STREAM, 0);
		if (!chunk) {
			/* The end must not be lost: the peer will say it again. */
			stream->recv.fin_delivered = false;
			return;
		}
	}
	chunk->kind = QUIC_RECV_STREAM;
	chunk->stream_id = stream->id;
	chunk->fin = fin;
	list_add_tail(&chunk->rx.link, quic_host_queue(qs, stream));
}

void quic_host_deliver_crypto(struct quic_conn *conn, u8 level, struct quic_rx_chunk *rx)
{
	struct quic_recv_chunk *chunk = container_of(rx, struct quic_recv_chunk, rx);
	struct quic_sock *qs = quic_conn_sock(conn);

	chunk->kind = QUIC_RECV_HANDSHAKE;
	chunk->level = level;
	if (level == QUIC_CRYPTO_APP)
		quic_handshake_on_post_message(qs, chunk);
	else if (!quic_host_has_reader(qs))
		quic_recv_chunk_free(chunk);
	else
		list_add_tail(&chunk->rx.link, &qs->handshake_queue);
}

u64 quic_host_purge(struct quic_conn *conn, struct quic_stream *stream)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	struct quic_recv_chunk *chunk, *next;
	u64 bytes = 0;

	if (stream->host)
		quic_peeloff_on_reset(stream->host);
	list_for_each_entry_safe(chunk, next, quic_host_queue(qs, stream), rx.link) {
		if (chunk->kind != QUIC_RECV_STREAM || chunk->stream_id != stream->id)
			continue;
		bytes += chunk->rx.len - chunk->read;
		list_del(&chunk->rx.link);
		quic_recv_chunk_free(chunk);
	}
	return bytes;
}

void quic_host_event(struct quic_conn *conn, u8 type, const void *payload, u32 len)
{
	struct quic_sock *qs = quic_conn_sock(conn);

	if (type == QUIC_EVENT_STREAM_UPDATE)
		trace_quic_stream_state(conn, payload);
	if (type == QUIC_EVENT_NEW_TOKEN) {
		memcpy(qs->token, payload, len);
		qs->token_len = len;
	}
	if (type == QUIC_EVENT_CONNECTION_MIGRATION)
		quic_path_publish(qs, *(const u8 *)payload);
	if (quic_host_has_reader(qs))
		quic_event_queue(qs, type, payload, len);
}

int quic_host_cid_new(struct quic_conn *conn, struct quic_local_cid *cid)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	int err;

	cid->cid.len = QUIC_CID_LEN;
	do {
		get_random_bytes(cid->cid.data, QUIC_CID_LEN);
		err = quic_demux_add_cid(qs, &cid->cid);
	} while (err == -EEXIST);
	if (!err)
		quic_stateless_reset_token(qs->secret, &cid->cid, cid->token);
	return err;
}

void quic_host_cid_retire(struct quic_conn *conn, struct quic_local_cid *cid)
{
	quic_demux_del_cid(quic_conn_sock(conn), &cid->cid);
}

/*
 * Keys are freed in process context, where a cipher driver may sleep.
 */
static LLIST_HEAD(quic_dead_keys);

static void quic_host_free_keys(struct work_struct *work)
{
	struct llist_node *node = llist_del_all(&quic_dead_keys);
	struct quic_key *key, *next;

	llist_for_each_entry_safe(key, next, node, dead)
		quic_key_wipe(key);
}

static DECLARE_WORK(quic_dead_keys_work, quic_host_free_keys);

/**
 * quic_host_key_dispose() - drop a reference to a key, in any context
 * @key: the key, or NULL
 */
void quic_host_key_dispose(struct quic_key *key)
{
	if (key && refcount_dec_and_test(&key->refs) && llist_add(&key->dead, &quic_dead_keys))
		queue_work(quic_wq, &quic_dead_keys_work);
}

void quic_host_keys_discard(struct quic_conn *conn, u8 level)
{
	struct quic_sock *qs = quic_conn_sock(conn);

	trace_quic_key_discarded(conn, level);
	if (level == QUIC_CRYPTO_APP) {
		quic_host_key_dispose(qs->rx_previous);
		qs->rx_previous = NULL;
		quic_key_phase_on_retired(&conn->key_phase);
		return;
	}
	if (level == QUIC_CRYPTO_INITIAL)
		quic_restart_discard(qs);
	quic_host_key_dispose(qs->tx_key[level]);
	quic_host_key_dispose(qs->rx_key[level]);
	qs->tx_key[level] = NULL;
	qs->rx_key[level] = NULL;
}

bool quic_host_has_next_keys(struct quic_conn *conn)
{
	struct quic_sock *qs = quic_conn_sock(conn);

	return qs->tx_next && qs->rx_next;
}

void quic_host_keys_rotate(struct quic_conn *conn)
{
	enum quic_key_trigger trigger = conn->key_phase.update_local ? QUIC_KEY_BY_LOCAL :
								       QUIC_KEY_BY_REMOTE;
	struct quic_sock *qs = quic_conn_sock(conn);

	quic_host_key_dispose(qs->rx_previous);
	qs->rx_previous = qs->rx_key[QUIC_CRYPTO_APP];
	qs->rx_key[QUIC_CRYPTO_APP] = qs->rx_next;
	quic_host_key_dispose(qs->tx_key[QUIC_CRYPTO_APP]);
	qs->tx_key[QUIC_CRYPTO_APP] = qs->tx_next;
	qs->rx_next = NULL;
	qs->tx_next = NULL;
	trace_quic_key_updated(conn, QUIC_CRYPTO_APP, false, trigger);
	trace_quic_key_updated(conn, QUIC_CRYPTO_APP, true, trigger);
	sock_hold(quic_sock_sk(qs));
	if (!queue_work(quic_wq, &qs->key_work))
		sock_put(quic_sock_sk(qs));
}

/**
 * quic_host_exit() - nothing that was handed to the work queue is left
 */
void quic_host_exit(void)
{
	flush_work(&quic_dead_keys_work);
}
