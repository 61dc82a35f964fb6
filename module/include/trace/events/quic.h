/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracepoints of QUIC: what qlog is made of (draft-ietf-quic-qlog-quic-events).
 *
 * Every event names its connection by the cookie of its socket, as sock_diag
 * does. Times are nanoseconds. The frames of a packet come as events of their
 * own: for a packet sent between its filling and quic_packet_sent, which does
 * not follow if it could not be sealed; for a received one behind
 * quic_packet_received.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM quic

#if !defined(_TRACE_QUIC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_QUIC_H

#include <linux/tracepoint.h>
#include <trace/misc/quic.h>

struct quic_cid;
struct quic_conn;
struct quic_rx_packet;
struct quic_sent_packet;
struct quic_stream_update;
struct quic_trace_frame;
struct quic_transport_params;
struct quic_tx_packet;

#ifndef _TRACE_QUIC_ONCE
#define _TRACE_QUIC_ONCE

int quic_trace_register(void);
void quic_trace_unregister(void);

#endif /* _TRACE_QUIC_ONCE */

/* For user space, which knows no enum. */
#undef EM
#undef E_
#define EM(a, b)	TRACE_DEFINE_ENUM(a);
#define E_(a, b)	TRACE_DEFINE_ENUM(a);

quic_trace_drop_reasons;
quic_trace_levels;
quic_trace_conn_states;
quic_trace_closes;
quic_trace_losses;
quic_trace_key_triggers;
quic_trace_congestion_states;
quic_trace_stream_states;
quic_trace_ecn_states;
quic_trace_migrations;
quic_trace_deadlines;
quic_trace_stateless;

#undef EM
#undef E_
#define EM(a, b)	{ a, b },
#define E_(a, b)	{ a, b }

/* What the core reports turns the reports on. */
#define QUIC_EVENT_OF_CORE(name, proto, args, tstruct, assign, print)		\
	TRACE_EVENT_FN(name, PARAMS(proto), PARAMS(args), PARAMS(tstruct),	\
		       PARAMS(assign), PARAMS(print),				\
		       quic_trace_register, quic_trace_unregister)

QUIC_EVENT_OF_CORE(quic_connection_started,
	TP_PROTO(struct quic_conn *conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(u64,		conn)
		__field(u32,		version)
		__field(u32,		netns)
		__field(bool,		is_server)
		__array(u8,		local, sizeof(struct sockaddr_in6))
		__array(u8,		peer, sizeof(struct sockaddr_in6))
		__dynamic_array(u8,	alpn, quic_trace_alpn_len(conn))
		__dynamic_array(u8,	original_dcid, conn->original_dcid.len)
		__dynamic_array(u8,	local_cid, quic_trace_local_cid(conn)->len)
		__dynamic_array(u8,	remote_cid, quic_trace_remote_cid(conn)->len)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->version = conn->version;
		__entry->netns = quic_trace_netns(conn);
		__entry->is_server = conn->is_server;
		quic_trace_addresses(conn, 0, __entry->local, __entry->peer);
		quic_trace_alpn(conn, __get_dynamic_array(alpn));
		memcpy(__get_dynamic_array(original_dcid), conn->original_dcid.data,
		       conn->original_dcid.len);
		memcpy(__get_dynamic_array(local_cid), quic_trace_local_cid(conn)->data,
		       quic_trace_local_cid(conn)->len);
		memcpy(__get_dynamic_array(remote_cid), quic_trace_remote_cid(conn)->data,
		       quic_trace_remote_cid(conn)->len);
	),
	TP_printk("conn=%llu role=%s version=0x%08x local=%pISpc peer=%pISpc odcid=%s scid=%s dcid=%s alpn=%s netns=%u",
		  __entry->conn, __entry->is_server ? "server" : "client", __entry->version,
		  __entry->local, __entry->peer,
		  __print_hex_str(__get_dynamic_array(original_dcid),
				  __get_dynamic_array_len(original_dcid)),
		  __print_hex_str(__get_dynamic_array(local_cid),
				  __get_dynamic_array_len(local_cid)),
		  __print_hex_str(__get_dynamic_array(remote_cid),
				  __get_dynamic_array_len(remote_cid)),
		  __print_hex_str(__get_dynamic_array(alpn), __get_dynamic_array_len(alpn)),
		  __entry->netns)
);

/* What TLS chose, or the application: protocols joined by commas. */
TRACE_EVENT(quic_alpn,
	TP_PROTO(struct quic_conn *conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(u64,		conn)
		__dynamic_array(u8,	alpn, quic_trace_alpn_len(conn))
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		quic_trace_alpn(conn, __get_dynamic_array(alpn));
	),
	TP_printk("conn=%llu alpn=%s", __entry->conn,
		  __print_hex_str(__get_dynamic_array(alpn), __get_dynamic_array_len(alpn)))
);

QUIC_EVENT_OF_CORE(quic_connection_state,
	TP_PROTO(struct quic_conn *conn, u8 old),
	TP_ARGS(conn, old),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u8,	old)
		__field(u8,	new)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->old = old;
		__entry->new = conn->state;
	),
	TP_printk("conn=%llu old=%s new=%s", __entry->conn,
		  __print_symbolic(__entry->old, quic_trace_conn_states),
		  __print_symbolic(__entry->new, quic_trace_conn_states))
);

QUIC_EVENT_OF_CORE(quic_handshake_confirmed,
	TP_PROTO(struct quic_conn *conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(u64,	conn)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
	),
	TP_printk("conn=%llu", __entry->conn)
);

/* What the peer sent as its reason is shown with any unprintable byte as a question mark. */
QUIC_EVENT_OF_CORE(quic_connection_closed,
	TP_PROTO(struct quic_conn *conn, u8 trigger),
	TP_ARGS(conn, trigger),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	code)
		__field(u64,	frame_type)
		__field(u8,	trigger)
		__field(bool,	app)
		__array(char,	reason, 64)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->trigger = trigger;
		__entry->code = conn->close.code;
		__entry->frame_type = conn->close.frame_type;
		__entry->app = conn->close.app;
		quic_trace_reason(conn, __entry->reason, sizeof(__entry->reason));
	),
	TP_printk("conn=%llu trigger=%s %s=0x%llx frame_type=0x%llx reason=\"%s\"", __entry->conn,
		  __print_symbolic(__entry->trigger, quic_trace_closes),
		  __entry->app ? "application_code" : "code", __entry->code,
		  __entry->frame_type, __entry->reason)
);

QUIC_EVENT_OF_CORE(quic_version,
	TP_PROTO(struct quic_conn *conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	version)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->version = conn->version;
	),
	TP_printk("conn=%llu version=0x%08x", __entry->conn, __entry->version)
);

QUIC_EVENT_OF_CORE(quic_parameters,
	TP_PROTO(struct quic_conn *conn, const struct quic_transport_params *tp, bool remote),
	TP_ARGS(conn, tp, remote),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	max_idle_timeout)
		__field(u64,	max_udp_payload_size)
		__field(u64,	max_data)
		__field(u64,	max_stream_data_bidi_local)
		__field(u64,	max_stream_data_bidi_remote)
		__field(u64,	max_stream_data_uni)
		__field(u64,	max_streams_bidi)
		__field(u64,	max_streams_uni)
		__field(u64,	max_ack_delay)
		__field(u64,	max_datagram_frame_size)
		__field(u32,	chosen_version)
		__field(u8,	ack_delay_exponent)
		__field(u8,	active_connection_id_limit)
		__field(bool,	remote)
		__field(bool,	disable_active_migration)
		__field(bool,	grease_quic_bit)
		__field(bool,	disable_1rtt_encryption)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->remote = remote;
		__entry->max_idle_timeout = tp->max_idle_timeout * 1000;
		__entry->max_udp_payload_size = tp->max_udp_payload_size;
		__entry->max_data = tp->initial_max_data;
		__entry->max_stream_data_bidi_local = tp->initial_max_stream_data_bidi_local;
		__entry->max_stream_data_bidi_remote = tp->initial_max_stream_data_bidi_remote;
		__entry->max_stream_data_uni = tp->initial_max_stream_data_uni;
		__entry->max_streams_bidi = tp->initial_max_streams_bidi;
		__entry->max_streams_uni = tp->initial_max_streams_uni;
		__entry->max_ack_delay = tp->max_ack_delay * 1000;
		__entry->max_datagram_frame_size = tp->max_datagram_frame_size;
		__entry->chosen_version = tp->has_version_information ? tp->chosen_version : 0;
		__entry->ack_delay_exponent = tp->ack_delay_exponent;
		__entry->active_connection_id_limit = tp->active_connection_id_limit;
		__entry->disable_active_migration = tp->disable_active_migration;
		__entry->grease_quic_bit = tp->grease_quic_bit;
		__entry->disable_1rtt_encryption = tp->disable_1rtt_encryption;
	),
	TP_printk("conn=%llu owner=%s max_idle_timeout=%llu max_udp_payload_size=%llu max_data=%llu max_stream_data_bidi_local=%llu max_stream_data_bidi_remote=%llu max_stream_data_uni=%llu max_streams_bidi=%llu max_streams_uni=%llu ack_delay_exponent=%u max_ack_delay=%llu active_connection_id_limit=%u max_datagram_frame_size=%llu chosen_version=0x%08x disable_active_migration=%u grease_quic_bit=%u disable_1rtt_encryption=%u",
		  __entry->conn, __entry->remote ? "remote" : "local",
		  __entry->max_idle_timeout, __entry->max_udp_payload_size, __entry->max_data,
		  __entry->max_stream_data_bidi_local, __entry->max_stream_data_bidi_remote,
		  __entry->max_stream_data_uni, __entry->max_streams_bidi,
		  __entry->max_streams_uni, __entry->ack_delay_exponent, __entry->max_ack_delay,
		  __entry->active_connection_id_limit, __entry->max_datagram_frame_size,
		  __entry->chosen_version, __entry->disable_active_migration,
		  __entry->grease_quic_bit, __entry->disable_1rtt_encryption)
);

TRACE_EVENT(quic_key_updated,
	TP_PROTO(struct quic_conn *conn, u8 level, bool send, u8 trigger),
	TP_ARGS(conn, level, send, trigger),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	generation)
		__field(u8,	level)
		__field(bool,	send)
		__field(u8,	trigger)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->generation = conn->key_phase.generation;
		__entry->level = level;
		__entry->send = send;
		__entry->trigger = trigger;
	),
	TP_printk("conn=%llu level=%s direction=%s trigger=%s generation=%u", __entry->conn,
		  __print_symbolic(__entry->level, quic_trace_levels),
		  __entry->send ? "send" : "receive",
		  __print_symbolic(__entry->trigger, quic_trace_key_triggers),
		  __entry->generation)
);

/* Of a level with all its keys, or of 1-RTT the receive key of the generation before. */
TRACE_EVENT(quic_key_discarded,
	TP_PROTO(struct quic_conn *conn, u8 level),
	TP_ARGS(conn, level),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	generation)
		__field(u8,	level)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->generation = conn->key_phase.generation;
		__entry->level = level;
	),
	TP_printk("conn=%llu level=%s generation=%u", __entry->conn,
		  __print_symbolic(__entry->level, quic_trace_levels), __entry->generation)
);

TRACE_EVENT(quic_stream_state,
	TP_PROTO(struct quic_conn *conn, const struct quic_stream_update *update),
	TP_ARGS(conn, update),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	stream_id)
		__field(u64,	final_size)
		__field(u32,	code)
		__field(u8,	state)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->stream_id = update->id;
		__entry->final_size = update->finalsz;
		__entry->code = update->errcode;
		__entry->state = update->state;
	),
	TP_printk("conn=%llu stream=%llu state=%s final_size=%llu code=%u", __entry->conn,
		  __entry->stream_id, __print_symbolic(__entry->state, quic_trace_stream_states),
		  __entry->final_size, __entry->code)
);

QUIC_EVENT_OF_CORE(quic_packet_sent,
	TP_PROTO(struct quic_conn *conn, const struct quic_tx_packet *tx),
	TP_ARGS(conn, tx),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	pn)
		__field(u64,	bytes_in_flight)
		__field(u16,	size)
		__field(u8,	level)
		__field(u8,	path)
		__field(bool,	eliciting)
		__field(bool,	probe)
		__dynamic_array(u8, dcid, quic_trace_tx_cid(conn, tx->path)->len)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->pn = tx->pn;
		__entry->bytes_in_flight = conn->path[tx->path].cong.bytes_in_flight;
		__entry->size = tx->record.size;
		__entry->level = tx->level;
		__entry->path = tx->path;
		__entry->eliciting = tx->eliciting;
		__entry->probe = tx->probe;
		memcpy(__get_dynamic_array(dcid), quic_trace_tx_cid(conn, tx->path)->data,
		       quic_trace_tx_cid(conn, tx->path)->len);
	),
	TP_printk("conn=%llu level=%s pn=%llu size=%u path=%u eliciting=%u probe=%u bytes_in_flight=%llu dcid=%s",
		  __entry->conn, __print_symbolic(__entry->level, quic_trace_levels), __entry->pn,
		  __entry->size, __entry->path, __entry->eliciting, __entry->probe,
		  __entry->bytes_in_flight,
		  __print_hex_str(__get_dynamic_array(dcid), __get_dynamic_array_len(dcid)))
);

/*
 * Size is that of the frames: header and tag are not counted. The connection ID is the one that the
 * peer was known to use on that path, of a packet that came before.
 */
QUIC_EVENT_OF_CORE(quic_packet_received,
	TP_PROTO(struct quic_conn *conn, const struct quic_rx_packet *rx),
	TP_ARGS(conn, rx),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	pn)
		__field(u16,	size)
		__field(u8,	level)
		__field(u8,	path)
		__field(u8,	ecn)
		__dynamic_array(u8, dcid, quic_trace_rx_cid(conn, rx->path)->len)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->pn = rx->pn;
		__entry->size = rx->len;
		__entry->level = rx->level;
		__entry->path = rx->path;
		__entry->ecn = rx->ecn;
		memcpy(__get_dynamic_array(dcid), quic_trace_rx_cid(conn, rx->path)->data,
		       quic_trace_rx_cid(conn, rx->path)->len);
	),
	TP_printk("conn=%llu level=%s pn=%llu size=%u path=%u ecn=%u dcid=%s", __entry->conn,
		  __print_symbolic(__entry->level, quic_trace_levels), __entry->pn,
		  __entry->size, __entry->path, __entry->ecn,
		  __print_hex_str(__get_dynamic_array(dcid), __get_dynamic_array_len(dcid)))
);

QUIC_EVENT_OF_CORE(quic_packet_lost,
	TP_PROTO(struct quic_conn *conn, u8 space, u64 pn, const struct quic_sent_packet *packet,
		 u8 trigger),
	TP_ARGS(conn, space, pn, packet, trigger),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	pn)
		__field(u16,	size)
		__field(u8,	space)
		__field(u8,	path)
		__field(u8,	trigger)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->pn = pn;
		__entry->size = packet->size;
		__entry->space = space;
		__entry->path = packet->path;
		__entry->trigger = trigger;
	),
	TP_printk("conn=%llu level=%s pn=%llu size=%u path=%u trigger=%s", __entry->conn,
		  __print_symbolic(__entry->space, quic_trace_levels), __entry->pn,
		  __entry->size, __entry->path,
		  __print_symbolic(__entry->trigger, quic_trace_losses))
);

/* @conn is NULL, and 0 in the event, where no connection was found. */
TRACE_EVENT(quic_packet_dropped,
	TP_PROTO(struct quic_conn *conn, u8 reason, u32 size),
	TP_ARGS(conn, reason, size),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	size)
		__field(u8,	reason)
	),
	TP_fast_assign(
		__entry->conn = conn ? quic_trace_id(conn) : 0;
		__entry->size = size;
		__entry->reason = reason;
	),
	TP_printk("conn=%llu reason=%s size=%u", __entry->conn,
		  __print_symbolic(__entry->reason, quic_trace_drop_reasons), __entry->size)
);

TRACE_EVENT(quic_packet_buffered,
	TP_PROTO(struct quic_conn *conn, u32 size),
	TP_ARGS(conn, size),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	size)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->size = size;
	),
	TP_printk("conn=%llu trigger=keys_unavailable size=%u", __entry->conn, __entry->size)
);

/*
 * One frame. What the fields mean depends on @type (RFC 9000, section 19):
 *
 * ACK               offset: largest, value: delay as encoded, ranges: first and last of
 *                   the newest, ecn: ECT(0), ECT(1), CE
 * STREAM, CRYPTO, DATAGRAM  stream, offset, len, fin
 * RESET_STREAM      stream, offset: final size, value: code
 * STOP_SENDING      stream, value: code
 * MAX_*, *_BLOCKED  stream if there is one, value: limit
 * NEW_CONNECTION_ID offset: retire prior to, value: sequence number, bytes: the ID
 * RETIRE_CONNECTION_ID  value: sequence number
 * PATH_*            bytes: their data
 * CONNECTION_CLOSE  offset: frame type, value: code, len: of the reason
 * PADDING, NEW_TOKEN  len
 */
DECLARE_EVENT_CLASS(quic_frame,
	TP_PROTO(struct quic_conn *conn, u8 level, u64 pn,
		 const struct quic_trace_frame *frame),
	TP_ARGS(conn, level, pn, frame),
	TP_STRUCT__entry(
		__field(u64,		conn)
		__field(u64,		pn)
		__field(u64,		type)
		__field(u64,		stream)
		__field(u64,		offset)
		__field(u64,		value)
		__field(u32,		len)
		__field(u8,		level)
		__field(bool,		fin)
		__dynamic_array(u64,	ranges, 2 * frame->nr_ranges)
		__dynamic_array(u64,	ecn, frame->has_ecn ? 3 : 0)
		__dynamic_array(u8,	bytes, frame->nr_bytes)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->pn = pn;
		__entry->type = frame->type;
		__entry->stream = frame->stream_id;
		__entry->offset = frame->offset;
		__entry->value = frame->value;
		__entry->len = frame->len;
		__entry->level = level;
		__entry->fin = frame->fin;
		memcpy(__get_dynamic_array(ranges), frame->range,
		       frame->nr_ranges * sizeof(frame->range[0]));
		if (frame->has_ecn)
			memcpy(__get_dynamic_array(ecn), frame->ecn, sizeof(frame->ecn));
		if (frame->nr_bytes)
			memcpy(__get_dynamic_array(bytes), frame->bytes, frame->nr_bytes);
	),
	TP_printk("conn=%llu level=%s pn=%llu type=0x%llx stream=%llu offset=%llu len=%u fin=%u value=%llu ranges=%s ecn=%s bytes=%s",
		  __entry->conn, __print_symbolic(__entry->level, quic_trace_levels),
		  __entry->pn, __entry->type, __entry->stream, __entry->offset,
		  __entry->len, __entry->fin, __entry->value,
		  __print_array(__get_dynamic_array(ranges),
				__get_dynamic_array_len(ranges) / 8, 8),
		  __print_array(__get_dynamic_array(ecn),
				__get_dynamic_array_len(ecn) / 8, 8),
		  __print_hex_str(__get_dynamic_array(bytes),
				  __get_dynamic_array_len(bytes)))
);

#define QUIC_EVENT_OF_FRAME(name)						\
	DEFINE_EVENT_FN(quic_frame, name,					\
		TP_PROTO(struct quic_conn *conn, u8 level, u64 pn,		\
			 const struct quic_trace_frame *frame),			\
		TP_ARGS(conn, level, pn, frame),				\
		quic_trace_register, quic_trace_unregister)

QUIC_EVENT_OF_FRAME(quic_frame_sent);
QUIC_EVENT_OF_FRAME(quic_frame_received);

QUIC_EVENT_OF_CORE(quic_recovery_metrics,
	TP_PROTO(struct quic_conn *conn, u8 path),
	TP_ARGS(conn, path),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	min_rtt)
		__field(u64,	smoothed_rtt)
		__field(u64,	latest_rtt)
		__field(u64,	rtt_variance)
		__field(u64,	congestion_window)
		__field(u64,	ssthresh)
		__field(u64,	bytes_in_flight)
		__field(u64,	pacing_rate)
		__field(u32,	mss)
		__field(u8,	pto_count)
		__field(u8,	path)
		__field(u8,	ecn)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->min_rtt = conn->path[path].rtt.min_rtt;
		__entry->smoothed_rtt = conn->path[path].rtt.smoothed_rtt;
		__entry->latest_rtt = conn->path[path].rtt.latest_rtt;
		__entry->rtt_variance = conn->path[path].rtt.rttvar;
		__entry->congestion_window = conn->path[path].cong.cwnd;
		__entry->ssthresh = conn->path[path].cong.ssthresh;
		__entry->bytes_in_flight = conn->path[path].cong.bytes_in_flight;
		__entry->pacing_rate = conn->path[path].pacer.rate;
		__entry->mss = conn->path[path].mss;
		__entry->pto_count = conn->pto_count;
		__entry->path = path;
		__entry->ecn = conn->path[path].ecn.state;
	),
	TP_printk("conn=%llu path=%u min_rtt=%llu smoothed_rtt=%llu latest_rtt=%llu rtt_variance=%llu pto_count=%u congestion_window=%llu ssthresh=%llu bytes_in_flight=%llu pacing_rate=%llu mss=%u ecn=%s",
		  __entry->conn, __entry->path, __entry->min_rtt, __entry->smoothed_rtt,
		  __entry->latest_rtt, __entry->rtt_variance, __entry->pto_count,
		  __entry->congestion_window, __entry->ssthresh, __entry->bytes_in_flight,
		  __entry->pacing_rate, __entry->mss,
		  __print_symbolic(__entry->ecn, quic_trace_ecn_states))
);

QUIC_EVENT_OF_CORE(quic_congestion_state,
	TP_PROTO(struct quic_conn *conn, u8 old, u8 new),
	TP_ARGS(conn, old, new),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u8,	old)
		__field(u8,	new)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->old = old;
		__entry->new = new;
	),
	TP_printk("conn=%llu old=%s new=%s", __entry->conn,
		  __print_symbolic(__entry->old, quic_trace_congestion_states),
		  __print_symbolic(__entry->new, quic_trace_congestion_states))
);

QUIC_EVENT_OF_CORE(quic_migration,
	TP_PROTO(struct quic_conn *conn, u8 path, u8 what),
	TP_ARGS(conn, path, what),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u8,	path)
		__field(u8,	what)
		__array(u8,	local, sizeof(struct sockaddr_in6))
		__array(u8,	peer, sizeof(struct sockaddr_in6))
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->path = path;
		__entry->what = what;
		quic_trace_addresses(conn, path, __entry->local, __entry->peer);
	),
	TP_printk("conn=%llu path=%u state=%s local=%pISpc peer=%pISpc", __entry->conn,
		  __entry->path, __print_symbolic(__entry->what, quic_trace_migrations),
		  __entry->local, __entry->peer)
);

/* When each is due, on the clock of @now; ~0: never. The loss timer waits for a probe, or for late packets. */
TRACE_EVENT(quic_timers,
	TP_PROTO(struct quic_conn *conn, u64 now),
	TP_ARGS(conn, now),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u64,	now)
		__field(u64,	idle)
		__field(u64,	ack)
		__field(u64,	loss)
		__field(u64,	path)
		__field(bool,	pto)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->now = now;
		__entry->idle = conn->deadlines.at[QUIC_DEADLINE_IDLE];
		__entry->ack = conn->deadlines.at[QUIC_DEADLINE_ACK];
		__entry->loss = conn->deadlines.at[QUIC_DEADLINE_LOSS];
		__entry->path = conn->deadlines.at[QUIC_DEADLINE_PATH];
		__entry->pto = quic_trace_is_pto(conn);
	),
	TP_printk("conn=%llu now=%llu idle=%llu ack=%llu loss=%llu pto=%u path_validation=%llu",
		  __entry->conn, __entry->now, __entry->idle, __entry->ack, __entry->loss,
		  __entry->pto, __entry->path)
);

QUIC_EVENT_OF_CORE(quic_timer_expired,
	TP_PROTO(struct quic_conn *conn, u8 deadline),
	TP_ARGS(conn, deadline),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u8,	deadline)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->deadline = deadline;
	),
	TP_printk("conn=%llu timer=%s", __entry->conn,
		  __print_symbolic(__entry->deadline, quic_trace_deadlines))
);

/* Retry and Version Negotiation; the server has no connection for them, and 0 in the event. */
DECLARE_EVENT_CLASS(quic_stateless,
	TP_PROTO(struct quic_conn *conn, u8 type, u32 version, const struct quic_cid *dcid,
		 const struct quic_cid *scid, const u8 *versions, u32 versions_len, u32 size),
	TP_ARGS(conn, type, version, dcid, scid, versions, versions_len, size),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	version)
		__field(u32,	size)
		__field(u8,	type)
		__dynamic_array(u8,	dcid, dcid->len)
		__dynamic_array(u8,	scid, scid->len)
		__dynamic_array(u8,	versions, versions_len)
	),
	TP_fast_assign(
		__entry->conn = conn ? quic_trace_id(conn) : 0;
		__entry->version = version;
		__entry->size = size;
		__entry->type = type;
		memcpy(__get_dynamic_array(dcid), dcid->data, dcid->len);
		memcpy(__get_dynamic_array(scid), scid->data, scid->len);
		if (versions_len)
			memcpy(__get_dynamic_array(versions), versions, versions_len);
	),
	TP_printk("conn=%llu type=%s version=0x%08x dcid=%s scid=%s versions=%s size=%u",
		  __entry->conn, __print_symbolic(__entry->type, quic_trace_stateless),
		  __entry->version,
		  __print_hex_str(__get_dynamic_array(dcid), __get_dynamic_array_len(dcid)),
		  __print_hex_str(__get_dynamic_array(scid), __get_dynamic_array_len(scid)),
		  __print_hex_str(__get_dynamic_array(versions),
				  __get_dynamic_array_len(versions)),
		  __entry->size)
);

DEFINE_EVENT(quic_stateless, quic_stateless_sent,
	TP_PROTO(struct quic_conn *conn, u8 type, u32 version, const struct quic_cid *dcid,
		 const struct quic_cid *scid, const u8 *versions, u32 versions_len, u32 size),
	TP_ARGS(conn, type, version, dcid, scid, versions, versions_len, size)
);

DEFINE_EVENT(quic_stateless, quic_stateless_received,
	TP_PROTO(struct quic_conn *conn, u8 type, u32 version, const struct quic_cid *dcid,
		 const struct quic_cid *scid, const u8 *versions, u32 versions_len, u32 size),
	TP_ARGS(conn, type, version, dcid, scid, versions, versions_len, size)
);

/* UDP datagrams, as they are handed to and come from the IP layer: a GSO burst, an aggregate. */
DECLARE_EVENT_CLASS(quic_datagrams,
	TP_PROTO(struct quic_conn *conn, u32 bytes, u32 size, u8 ecn),
	TP_ARGS(conn, bytes, size, ecn),
	TP_STRUCT__entry(
		__field(u64,	conn)
		__field(u32,	bytes)
		__field(u32,	size)
		__field(u32,	count)
		__field(u8,	ecn)
	),
	TP_fast_assign(
		__entry->conn = quic_trace_id(conn);
		__entry->bytes = bytes;
		__entry->size = size ?: bytes;
		__entry->count = size ? DIV_ROUND_UP(bytes, size) : 1;
		__entry->ecn = ecn;
	),
	TP_printk("conn=%llu bytes=%u size=%u count=%u ecn=%u", __entry->conn, __entry->bytes,
		  __entry->size, __entry->count, __entry->ecn)
);

DEFINE_EVENT(quic_datagrams, quic_datagrams_sent,
	TP_PROTO(struct quic_conn *conn, u32 bytes, u32 size, u8 ecn),
	TP_ARGS(conn, bytes, size, ecn)
);

DEFINE_EVENT(quic_datagrams, quic_datagrams_received,
	TP_PROTO(struct quic_conn *conn, u32 bytes, u32 size, u8 ecn),
	TP_ARGS(conn, bytes, size, ecn)
);

#undef EM
#undef E_

#endif /* _TRACE_QUIC_H */

/* This part must be outside of the guard. */
#include <trace/define_trace.h>
