// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the core reports (core/trace.h), as tracepoints. Here is also where all
 * tracepoints of QUIC come into being.
 */
#include <linux/ctype.h>
#include <linux/sock_diag.h>

#include "sock.h"

/* Ranges of an ACK frame that are told; the newest come first. */
#define QUIC_TRACE_RANGES	32

/* A frame as quic_frame_sent and quic_frame_received tell it; there is what its fields mean. */
struct quic_trace_frame {
	u64 type;
	u64 stream_id;
	u64 offset;
	u64 value;
	u32 len;
	u32 nr_ranges;
	u32 nr_bytes;
	bool fin;
	bool has_ecn;
	u64 ecn[3];
	const u8 *bytes;
	struct quic_pn_range range[QUIC_TRACE_RANGES];
};

DEFINE_STATIC_KEY_FALSE(quic_trace_key);

/* What the tracepoints ask; a kernel without them makes no use of it. */

/* The cookie by which sock_diag knows the socket, too. */
static __maybe_unused u64 quic_trace_id(struct quic_conn *conn)
{
	u32 cookie[2];

	sock_diag_save_cookie(quic_sock_sk(quic_conn_sock(conn)), cookie);
	return (u64)cookie[1] << 32 | cookie[0];
}

static __maybe_unused const struct quic_cid *quic_trace_local_cid(struct quic_conn *conn)
{
	return &quic_local_cids_find(&conn->local_cids, 0)->cid;
}

static __maybe_unused const struct quic_cid *quic_trace_remote_cid(struct quic_conn *conn)
{
	return &quic_remote_cids_active(&conn->remote_cids)->cid;
}

/* That packets of a path are sent to. */
static __maybe_unused const struct quic_cid *quic_trace_tx_cid(struct quic_conn *conn, u8 path)
{
	return quic_conn_path_cid(conn, path) ?: quic_trace_remote_cid(conn);
}

/* That the peer sends to on a path: one of ours that is there. */
static __maybe_unused const struct quic_cid *quic_trace_rx_cid(struct quic_conn *conn, u8 path)
{
	static const struct quic_cid none;
	struct quic_local_cid *cid;

	if (path == QUIC_PATH_NONE)
		return &none;
	cid = quic_local_cids_find(&conn->local_cids, conn->path[path].local_seq);
	return cid ? &cid->cid : &none;
}

static __maybe_unused void quic_trace_addresses(struct quic_conn *conn, u8 path, u8 *local,
						u8 *peer)
{
	const struct quic_sock *qs = quic_conn_sock(conn);

	memcpy(local, &qs->route[path].local.v6, sizeof(struct sockaddr_in6));
	memcpy(peer, &qs->route[path].peer.v6, sizeof(struct sockaddr_in6));
}

/* The inode number by which user space tells network namespaces apart. */
static __maybe_unused u32 quic_trace_netns(struct quic_conn *conn)
{
	return sock_net(quic_sock_sk(quic_conn_sock(conn)))->ns.inum;
}

static __maybe_unused u32 quic_trace_alpn_len(struct quic_conn *conn)
{
	return quic_conn_sock(conn)->alpn_len;
}

static __maybe_unused void quic_trace_alpn(struct quic_conn *conn, u8 *to)
{
	const struct quic_sock *qs = quic_conn_sock(conn);

	memcpy(to, qs->alpn, qs->alpn_len);
}

/* Does the loss timer wait to send a probe? RFC 9002, section 6.2.1. */
static __maybe_unused bool quic_trace_is_pto(const struct quic_conn *conn)
{
	int i;

	for (i = 0; i < QUIC_SPACE_MAX; i++)
		if (conn->space[i] && conn->space[i]->loss.loss_time)
			return false;
	return true;
}

static __maybe_unused void quic_trace_reason(const struct quic_conn *conn, char *to, u32 size)
{
	u32 i;

	memset(to, 0, size);
	for (i = 0; i < size - 1 && i < conn->close.phrase_len; i++)
		to[i] = isascii(conn->close.phrase[i]) && isprint(conn->close.phrase[i]) ?
			conn->close.phrase[i] : '?';
}

#define CREATE_TRACE_POINTS
#include <trace/events/quic.h>

int quic_trace_register(void)
{
	static_branch_inc(&quic_trace_key);
	return 0;
}

void quic_trace_unregister(void)
{
	static_branch_dec(&quic_trace_key);
}

void quic_host_trace_started(struct quic_conn *conn)
{
	trace_quic_connection_started(conn);
}

void quic_host_trace_state(struct quic_conn *conn, u8 old)
{
	trace_quic_connection_state(conn, old);
}

void quic_host_trace_confirmed(struct quic_conn *conn)
{
	trace_quic_handshake_confirmed(conn);
}

void quic_host_trace_closed(struct quic_conn *conn, enum quic_close_trigger trigger)
{
	trace_quic_connection_closed(conn, trigger);
}

void quic_host_trace_version(struct quic_conn *conn)
{
	trace_quic_version(conn);
}

void quic_host_trace_parameters(struct quic_conn *conn, bool remote)
{
	trace_quic_parameters(conn, remote ? &conn->remote : &conn->local, remote);
}

static void quic_trace_ack(struct quic_trace_frame *to, const struct quic_frame_ack *ack)
{
	struct quic_ack_iter it;

	to->offset = ack->largest;
	to->value = ack->delay;
	to->has_ecn = ack->has_ecn;
	to->ecn[0] = ack->ect0;
	to->ecn[1] = ack->ect1;
	to->ecn[2] = ack->ce;
	quic_ack_iter_init(&it, ack);
	while (to->nr_ranges < QUIC_TRACE_RANGES && quic_ack_iter_next(&it))
		to->range[to->nr_ranges++] = it.range;
}

static void quic_trace_frame(struct quic_trace_frame *to, const struct quic_frame *frame)
{
	memset(to, 0, offsetof(struct quic_trace_frame, range));
	to->type = frame->type;
	switch (frame->type) {
	case QUIC_FRAME_PADDING:
		to->len = frame->padding_len;
		break;
	case QUIC_FRAME_ACK:
	case QUIC_FRAME_ACK_ECN:
		quic_trace_ack(to, &frame->ack);
		break;
	case QUIC_FRAME_RESET_STREAM:
		to->stream_id = frame->reset_stream.stream_id;
		to->value = frame->reset_stream.code;
		to->offset = frame->reset_stream.final_size;
		break;
	case QUIC_FRAME_STOP_SENDING:
		to->stream_id = frame->stop_sending.stream_id;
		to->value = frame->stop_sending.code;
		break;
	case QUIC_FRAME_STREAM:
	case QUIC_FRAME_CRYPTO:
	case QUIC_FRAME_DATAGRAM:
	case QUIC_FRAME_DATAGRAM_LEN:
		to->stream_id = frame->type == QUIC_FRAME_STREAM ? frame->data.stream_id : 0;
		to->offset = frame->data.offset;
		to->len = frame->data.len;
		to->fin = frame->type == QUIC_FRAME_STREAM && frame->data.fin;
		break;
	case QUIC_FRAME_NEW_TOKEN:
		to->len = frame->token.len;
		break;
	case QUIC_FRAME_MAX_STREAM_DATA:
	case QUIC_FRAME_STREAM_DATA_BLOCKED:
		to->stream_id = frame->limit.stream_id;
		fallthrough;
	case QUIC_FRAME_MAX_DATA:
	case QUIC_FRAME_DATA_BLOCKED:
	case QUIC_FRAME_MAX_STREAMS_BIDI:
	case QUIC_FRAME_MAX_STREAMS_UNI:
	case QUIC_FRAME_STREAMS_BLOCKED_BIDI:
	case QUIC_FRAME_STREAMS_BLOCKED_UNI:
		to->value = frame->limit.limit;
		break;
	case QUIC_FRAME_NEW_CONNECTION_ID:
		to->value = frame->new_cid.seq;
		to->offset = frame->new_cid.retire_prior_to;
		to->bytes = frame->new_cid.cid.data;
		to->nr_bytes = frame->new_cid.cid.len;
		break;
	case QUIC_FRAME_RETIRE_CONNECTION_ID:
		to->value = frame->retire_seq;
		break;
	case QUIC_FRAME_PATH_CHALLENGE:
	case QUIC_FRAME_PATH_RESPONSE:
		to->bytes = frame->path_data;
		to->nr_bytes = QUIC_PATH_DATA_LEN;
		break;
	case QUIC_FRAME_CONNECTION_CLOSE:
	case QUIC_FRAME_CONNECTION_CLOSE_APP:
		to->value = frame->close.code;
		to->offset = frame->close.app ? 0 : frame->close.frame_type;
		to->len = frame->close.reason_len;
		break;
	}
}

/* The stack of softirq is small, and a frame with its ranges is not. Used with BH off. */
static DEFINE_PER_CPU(struct quic_trace_frame, quic_trace_scratch);

/* The frames of a packet, up to the first that is malformed. */
static void quic_trace_frames(struct quic_conn *conn, bool sent, u8 level, u64 pn, const u8 *data,
			      u32 len)
{
	struct quic_trace_frame *to;
	struct quic_frame frame;
	struct quic_reader r;
	u64 code;

	local_bh_disable();
	to = this_cpu_ptr(&quic_trace_scratch);
	quic_reader_init(&r, data, len);
	while (quic_reader_left(&r) && !quic_frame_decode(&r, &frame, &code)) {
		quic_trace_frame(to, &frame);
		if (sent)
			trace_quic_frame_sent(conn, level, pn, to);
		else
			trace_quic_frame_received(conn, level, pn, to);
	}
	local_bh_enable();
}

void quic_host_trace_filled(struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	if (trace_quic_frame_sent_enabled())
		quic_trace_frames(conn, true, tx->level, tx->pn, tx->direct ?: tx->start,
				  tx->w.pos - tx->start);
}

void quic_host_trace_sent(struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	trace_quic_packet_sent(conn, tx);
}

void quic_host_trace_received(struct quic_conn *conn, const struct quic_rx_packet *rx)
{
	trace_quic_packet_received(conn, rx);
	if (trace_quic_frame_received_enabled())
		quic_trace_frames(conn, false, rx->level, rx->pn, rx->payload, rx->len);
}

void quic_host_trace_lost(struct quic_conn *conn, u8 space, u64 pn,
			  const struct quic_sent_packet *packet, enum quic_loss_trigger trigger)
{
	trace_quic_packet_lost(conn, space, pn, packet, trigger);
}

/* Recovery lasts about a round trip: nobody needs to know its end better than that. */
static enum quic_congestion_state quic_trace_congestion(const struct quic_path *path)
{
	const struct quic_cong *cong = &path->cong;

	if (cong->recovery_start &&
	    quic_sock_now() - cong->recovery_start < path->rtt.smoothed_rtt)
		return QUIC_CONGESTION_RECOVERY;
	if (cong->app_limited)
		return QUIC_CONGESTION_APP_LIMITED;
	return quic_cong_in_slow_start(cong) ? QUIC_CONGESTION_SLOW_START :
					       QUIC_CONGESTION_AVOIDANCE;
}

void quic_host_trace_recovery(struct quic_conn *conn, u8 path)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	u8 old = qs->traced_congestion;

	trace_quic_recovery_metrics(conn, path);
	if (path != conn->active_path)
		return;
	qs->traced_congestion = quic_trace_congestion(&conn->path[path]);
	if (qs->traced_congestion != old)
		trace_quic_congestion_state(conn, old, qs->traced_congestion);
}

void quic_host_trace_migration(struct quic_conn *conn, u8 path, enum quic_migration what)
{
	trace_quic_migration(conn, path, what);
}

void quic_host_trace_expired(struct quic_conn *conn, u8 deadline)
{
	trace_quic_timer_expired(conn, deadline);
}
