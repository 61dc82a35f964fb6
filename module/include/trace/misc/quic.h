/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values in QUIC's tracepoints, and their names. For each list the includer of
 * trace/events/quic.h is told what to make of a value (EM) and of the last (E_).
 */
#ifndef _TRACE_MISC_QUIC_H
#define _TRACE_MISC_QUIC_H

/* Their order may change. */
#define quic_trace_drop_reasons						\
	EM(QUIC_DROP_HEADER,		"header")			\
	EM(QUIC_DROP_FIXED_BIT,		"fixed_bit")			\
	EM(QUIC_DROP_RESERVED_BITS,	"reserved_bits")		\
	EM(QUIC_DROP_VERSION,		"version")			\
	EM(QUIC_DROP_TYPE,		"type")				\
	EM(QUIC_DROP_TOO_SHORT,		"too_short")			\
	EM(QUIC_DROP_SMALL_INITIAL,	"small_initial")		\
	EM(QUIC_DROP_OTHER_DCID,	"other_dcid")			\
	EM(QUIC_DROP_SOURCE_CID,	"source_cid")			\
	EM(QUIC_DROP_PACKET_NUMBER,	"packet_number")		\
	EM(QUIC_DROP_DUPLICATE,		"duplicate")			\
	EM(QUIC_DROP_FRAME,		"frame")			\
	EM(QUIC_DROP_KEY_PHASE,		"key_phase")			\
	EM(QUIC_DROP_AUTHENTICATION,	"authentication")		\
	EM(QUIC_DROP_KEY_UNAVAILABLE,	"key_unavailable")		\
	EM(QUIC_DROP_CIPHER_BUSY,	"cipher_busy")			\
	EM(QUIC_DROP_OFFLOAD,		"offload")			\
	EM(QUIC_DROP_WAITING_FULL,	"waiting_full")			\
	EM(QUIC_DROP_RECEIVE_BUFFER,	"receive_buffer")		\
	EM(QUIC_DROP_BACKLOG_FULL,	"backlog_full")			\
	EM(QUIC_DROP_LISTENER_FULL,	"listener_full")		\
	EM(QUIC_DROP_VALIDATION,	"validation")			\
	EM(QUIC_DROP_NO_MEMORY,		"no_memory")			\
	EM(QUIC_DROP_CHECKSUM,		"checksum")			\
	EM(QUIC_DROP_NO_CONNECTION,	"no_connection")		\
	EM(QUIC_DROP_NO_LISTENER,	"no_listener")			\
	EM(QUIC_DROP_ADDRESS,		"address")			\
	E_(QUIC_DROP_CLOSED,		"closed")

#define quic_trace_levels						\
	EM(QUIC_CRYPTO_APP,		"1rtt")				\
	EM(QUIC_CRYPTO_INITIAL,		"initial")			\
	EM(QUIC_CRYPTO_HANDSHAKE,	"handshake")			\
	E_(QUIC_CRYPTO_EARLY,		"0rtt")

#define quic_trace_conn_states						\
	EM(QUIC_CONN_IDLE,		"idle")				\
	EM(QUIC_CONN_HANDSHAKE,		"handshake")			\
	EM(QUIC_CONN_ESTABLISHED,	"established")			\
	EM(QUIC_CONN_CLOSING,		"closing")			\
	EM(QUIC_CONN_DRAINING,		"draining")			\
	E_(QUIC_CONN_CLOSED,		"closed")

#define quic_trace_closes						\
	EM(QUIC_CLOSE_APPLICATION,	"application")			\
	EM(QUIC_CLOSE_ERROR,		"error")			\
	EM(QUIC_CLOSE_PEER,		"peer")				\
	EM(QUIC_CLOSE_RESET,		"stateless_reset")		\
	E_(QUIC_CLOSE_SILENT,		"silent")

#define quic_trace_losses						\
	EM(QUIC_LOSS_REORDERING,	"reordering_threshold")		\
	E_(QUIC_LOSS_TIME,		"time_threshold")

#define quic_trace_key_triggers						\
	EM(QUIC_KEY_BY_TLS,		"tls")				\
	EM(QUIC_KEY_BY_REMOTE,		"remote_update")		\
	E_(QUIC_KEY_BY_LOCAL,		"local_update")

#define quic_trace_congestion_states					\
	EM(QUIC_CONGESTION_SLOW_START,	"slow_start")			\
	EM(QUIC_CONGESTION_AVOIDANCE,	"congestion_avoidance")		\
	EM(QUIC_CONGESTION_APP_LIMITED,	"application_limited")		\
	E_(QUIC_CONGESTION_RECOVERY,	"recovery")

#define quic_trace_ecn_states						\
	EM(QUIC_ECN_TESTING,		"testing")			\
	EM(QUIC_ECN_UNKNOWN,		"unknown")			\
	EM(QUIC_ECN_CAPABLE,		"capable")			\
	E_(QUIC_ECN_FAILED,		"failed")

#define quic_trace_migrations						\
	EM(QUIC_MIGRATION_PROBED,	"probing_started")		\
	EM(QUIC_MIGRATION_UNANSWERED,	"probing_abandoned")		\
	EM(QUIC_MIGRATION_ANSWERED,	"probing_successful")		\
	EM(QUIC_MIGRATION_BEGUN,	"migration_started")		\
	EM(QUIC_MIGRATION_ABANDONED,	"migration_abandoned")		\
	E_(QUIC_MIGRATION_COMPLETE,	"migration_complete")

#define quic_trace_deadlines						\
	EM(QUIC_DEADLINE_IDLE,		"idle")				\
	EM(QUIC_DEADLINE_ACK,		"ack")				\
	EM(QUIC_DEADLINE_LOSS,		"loss")				\
	EM(QUIC_DEADLINE_PACING,	"pacing")			\
	EM(QUIC_DEADLINE_KEEPALIVE,	"keepalive")			\
	EM(QUIC_DEADLINE_PATH,		"path")				\
	EM(QUIC_DEADLINE_PMTUD,		"pmtud")			\
	EM(QUIC_DEADLINE_KEY_DISCARD,	"key_discard")			\
	EM(QUIC_DEADLINE_EARLY,		"early")			\
	EM(QUIC_DEADLINE_CLOSE,		"close")			\
	E_(QUIC_DEADLINE_LINGER,	"linger")

#define quic_trace_stateless						\
	EM(QUIC_PACKET_VERSION_NEGOTIATION, "version_negotiation")	\
	E_(QUIC_PACKET_RETRY,		"retry")

#define quic_trace_stream_states					\
	EM(QUIC_STREAM_SEND_STATE_READY,	"ready")		\
	EM(QUIC_STREAM_SEND_STATE_SEND,		"send")			\
	EM(QUIC_STREAM_SEND_STATE_SENT,		"data_sent")		\
	EM(QUIC_STREAM_SEND_STATE_RECVD,	"data_received")	\
	EM(QUIC_STREAM_SEND_STATE_RESET_SENT,	"reset_sent")		\
	EM(QUIC_STREAM_SEND_STATE_RESET_RECVD,	"reset_acked")		\
	EM(QUIC_STREAM_RECV_STATE_RECV,		"receive")		\
	EM(QUIC_STREAM_RECV_STATE_SIZE_KNOWN,	"size_known")		\
	EM(QUIC_STREAM_RECV_STATE_RECVD,	"received")		\
	EM(QUIC_STREAM_RECV_STATE_READ,		"read")			\
	EM(QUIC_STREAM_RECV_STATE_RESET_RECVD,	"reset_received")	\
	E_(QUIC_STREAM_RECV_STATE_RESET_READ,	"reset_read")

#undef EM
#undef E_
#define EM(a, b)	a,
#define E_(a, b)	a,

enum quic_drop_reason { quic_trace_drop_reasons QUIC_DROP_MAX };
enum quic_key_trigger { quic_trace_key_triggers };
enum quic_congestion_state { quic_trace_congestion_states };

#undef EM
#undef E_

#endif /* _TRACE_MISC_QUIC_H */
