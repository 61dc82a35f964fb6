/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * The user space interface of QUIC sockets: socket options, control messages,
 * message flags and events of IPPROTO_QUIC. The kernel and programs include
 * the same file; a structure may only ever grow at its end, since both sides
 * copy the part that they have in common.
 */
#ifndef _UAPI_LINUX_QUIC_H
#define _UAPI_LINUX_QUIC_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/socket.h>
#else
#include <sys/socket.h>
#endif

#ifndef IPPROTO_QUIC
enum {
	IPPROTO_QUIC = 261,
};
#define IPPROTO_QUIC	IPPROTO_QUIC
#endif

/* Level of set/getsockopt() and of control messages. */
#ifndef SOL_QUIC
#define SOL_QUIC	288
#endif

/* Control messages, cmsg_level SOL_QUIC. */
enum quic_cmsg_type {
	QUIC_STREAM_INFO,	/* struct quic_stream_info */
	QUIC_HANDSHAKE_INFO,	/* struct quic_handshake_info */
};

/*
 * Message flags. The first five are the stream flags: they stand in
 * quic_stream_info.stream_flags, or among the flags of send() when no
 * QUIC_STREAM_INFO accompanies the message.
 */
enum quic_msg_flags {
	/* open the stream if it is not open */
	MSG_QUIC_STREAM_NEW		= MSG_SYN,
	/* end of the stream */
	MSG_QUIC_STREAM_FIN		= MSG_FIN,
	/* pick a unidirectional stream when the kernel picks the ID */
	MSG_QUIC_STREAM_UNI		= MSG_CONFIRM,
	/* do not wait for stream count credit */
	MSG_QUIC_STREAM_DONTWAIT	= MSG_WAITFORONE,
	/* tell the peer by *_BLOCKED frames when credit is missing */
	MSG_QUIC_STREAM_SNDBLOCK	= MSG_ERRQUEUE,

	/* the payload is a DATAGRAM */
	MSG_QUIC_DATAGRAM		= MSG_RST,
	/* received only: the payload is an event */
	MSG_QUIC_NOTIFICATION		= MSG_MORE,
};

/* Names in use before the prefix was added, same values. */
#ifndef __KERNEL__
#define MSG_STREAM_NEW		MSG_QUIC_STREAM_NEW
#define MSG_STREAM_FIN		MSG_QUIC_STREAM_FIN
#define MSG_STREAM_UNI		MSG_QUIC_STREAM_UNI
#define MSG_STREAM_DONTWAIT	MSG_QUIC_STREAM_DONTWAIT
#define MSG_STREAM_SNDBLOCK	MSG_QUIC_STREAM_SNDBLOCK
#define MSG_DATAGRAM		MSG_QUIC_DATAGRAM
#define MSG_NOTIFICATION	MSG_QUIC_NOTIFICATION
#endif

/* Low bits of a stream ID, RFC 9000, section 2.1. */
#define QUIC_STREAM_TYPE_SERVER_MASK	0x01	/* set: the server opened it */
#define QUIC_STREAM_TYPE_UNI_MASK	0x02	/* set: unidirectional */
#define QUIC_STREAM_TYPE_MASK		0x03

/* Encryption levels. */
enum quic_crypto_level {
	QUIC_CRYPTO_APP,
	QUIC_CRYPTO_INITIAL,
	QUIC_CRYPTO_HANDSHAKE,
	QUIC_CRYPTO_EARLY,
	QUIC_CRYPTO_MAX,
};

/* Socket options, level SOL_QUIC. */
#define QUIC_SOCKOPT_EVENT			0
#define QUIC_SOCKOPT_STREAM_OPEN		1
#define QUIC_SOCKOPT_STREAM_RESET		2
#define QUIC_SOCKOPT_STREAM_STOP_SENDING	3
#define QUIC_SOCKOPT_CONNECTION_ID		4
#define QUIC_SOCKOPT_CONNECTION_CLOSE		5
#define QUIC_SOCKOPT_CONNECTION_MIGRATION	6
#define QUIC_SOCKOPT_KEY_UPDATE			7
#define QUIC_SOCKOPT_TRANSPORT_PARAM		8
#define QUIC_SOCKOPT_CONFIG			9
#define QUIC_SOCKOPT_TOKEN			10
#define QUIC_SOCKOPT_ALPN			11
#define QUIC_SOCKOPT_SESSION_TICKET		12
#define QUIC_SOCKOPT_CRYPTO_SECRET		13
#define QUIC_SOCKOPT_TRANSPORT_PARAM_EXT	14
#define QUIC_SOCKOPT_STREAM_PEELOFF		15	/* ours, until a number is assigned */
#define QUIC_SOCKOPT_OFFLOAD			16	/* ours: __u32, below */

/*
 * QUIC_SOCKOPT_OFFLOAD: may devices protect the packets of the connection? Set: 0 or
 * QUIC_OFFLOAD_ALLOWED, which is the default. Get: also whether they do.
 */
#define QUIC_OFFLOAD_ALLOWED	0x1
#define QUIC_OFFLOAD_SENDING	0x2
#define QUIC_OFFLOAD_RECEIVING	0x4

#define QUIC_VERSION_V1			0x00000001
#define QUIC_VERSION_V2			0x6b3343cf

/* quic_config.congestion_control_algo */
enum {
	QUIC_CONG_ALG_RENO,
	QUIC_CONG_ALG_CUBIC,
	QUIC_CONG_ALG_MAX,
};

/* An extension of this module, beyond what others number: QUIC_CONG_ALG_MAX keeps its value. */
#define QUIC_CONG_ALG_BBR	2

/* Control message QUIC_HANDSHAKE_INFO: the payload is TLS handshake bytes. */
struct quic_handshake_info {
	__u8	crypto_level;		/* enum quic_crypto_level */
};

/* Control message QUIC_STREAM_INFO; QUIC_SOCKOPT_STREAM_OPEN. */
struct quic_stream_info {
	__s64	stream_id;		/* -1: the kernel picks */
	__u32	stream_flags;		/* stream flags of enum quic_msg_flags */
};

/* QUIC_SOCKOPT_STREAM_PEELOFF: a file descriptor for one stream. */
struct quic_stream_peeloff {
	__s64	stream_id;
	__u32	flags;			/* O_CLOEXEC, O_NONBLOCK */
	int	sd;			/* the new descriptor */
};

/* QUIC_SOCKOPT_STREAM_RESET, QUIC_SOCKOPT_STREAM_STOP_SENDING */
struct quic_errinfo {
	__s64	stream_id;
	__u32	errcode;		/* application error code */
};

/* QUIC_SOCKOPT_CONNECTION_ID, QUIC_EVENT_CONNECTION_ID */
struct quic_connection_id_info {
	__u8	dest;			/* 0: IDs we issued, else the peer's */
	__u8	reserved[3];
	__u32	active;			/* sequence number in use */
	__u32	prior_to;		/* lowest sequence number still valid */
};

/* QUIC_SOCKOPT_EVENT */
struct quic_event_option {
	__u8	type;			/* enum quic_event_type */
	__u8	on;
};

/*
 * QUIC_SOCKOPT_TRANSPORT_PARAM; also read with @remote set. On set a zero
 * field leaves the current value alone. Times in microseconds.
 */
struct quic_transport_param {
	__u8	remote;			/* 0: ours, else the peer's */
	__u8	disable_active_migration;
	__u8	grease_quic_bit;
	__u8	stateless_reset;
	__u8	disable_1rtt_encryption;
	__u8	disable_compatible_version;
	__u8	active_connection_id_limit;
	__u8	ack_delay_exponent;
	__u16	max_datagram_frame_size;
	__u16	max_udp_payload_size;
	__u32	max_idle_timeout;
	__u32	max_ack_delay;
	__u16	max_streams_bidi;
	__u16	max_streams_uni;
	__u64	max_data;
	__u64	max_stream_data_bidi_local;
	__u64	max_stream_data_bidi_remote;
	__u64	max_stream_data_uni;
};

/*
 * QUIC_SOCKOPT_CONFIG. On set a zero field leaves the current value alone.
 * Times in microseconds.
 */
struct quic_config {
	__u32	version;		/* preferred QUIC version */
	__u32	plpmtud_probe_interval;	/* 0: off */
	__u32	initial_smoothed_rtt;
	__u32	payload_cipher_type;	/* TLS_CIPHER_*, for the TLS agent */
	__u8	congestion_control_algo;
	__u8	validate_peer_address;	/* listener: answer with Retry */
	__u8	stream_data_nodelay;
	__u8	receive_session_ticket;	/* seconds, for the TLS agent */
	__u8	certificate_request;	/* for the TLS agent */
	__u8	reserved[3];
	__u32	keepalive_probe_interval;	/* 0: off */
};

#define QUIC_CRYPTO_SECRET_BUFFER_SIZE	48

/* QUIC_SOCKOPT_CRYPTO_SECRET */
struct quic_crypto_secret {
	__u8	send;			/* 0: receive direction */
	__u8	level;			/* enum quic_crypto_level */
	__u16	reserved;
	__u32	type;			/* TLS_CIPHER_* */
	__u8	secret[QUIC_CRYPTO_SECRET_BUFFER_SIZE];
};

#define QUIC_CLOSE_PHRASE_BUFFER_SIZE	64

/* QUIC_SOCKOPT_CONNECTION_CLOSE, QUIC_EVENT_CONNECTION_CLOSE */
struct quic_connection_close {
	__u32	errcode;
	__u8	frame;			/* frame type at fault, or 0 */
	__u8	reserved[3];
	__u8	phrase[QUIC_CLOSE_PHRASE_BUFFER_SIZE];
};

/* States of the two parts of a stream, RFC 9000, section 3. */
enum {
	QUIC_STREAM_SEND_STATE_READY,
	QUIC_STREAM_SEND_STATE_SEND,
	QUIC_STREAM_SEND_STATE_SENT,
	QUIC_STREAM_SEND_STATE_RECVD,
	QUIC_STREAM_SEND_STATE_RESET_SENT,
	QUIC_STREAM_SEND_STATE_RESET_RECVD,

	QUIC_STREAM_RECV_STATE_RECV,
	QUIC_STREAM_RECV_STATE_SIZE_KNOWN,
	QUIC_STREAM_RECV_STATE_RECVD,
	QUIC_STREAM_RECV_STATE_READ,
	QUIC_STREAM_RECV_STATE_RESET_RECVD,
	QUIC_STREAM_RECV_STATE_RESET_READ,
};

/* QUIC_EVENT_STREAM_UPDATE */
struct quic_stream_update {
	__s64	id;
	__u8	state;			/* QUIC_STREAM_{SEND,RECV}_STATE_* */
	__u8	reserved[3];
	__u32	errcode;
	__u64	finalsz;
};

/* QUIC_EVENT_STREAM_MAX_DATA */
struct quic_stream_max_data {
	__s64	id;
	__u64	max_data;		/* absolute offset */
};

/* What follows the type byte of an event; tokens and tickets come as bytes. */
union quic_event {
	struct quic_stream_update	update;
	struct quic_stream_max_data	max_data;
	struct quic_connection_close	close;
	struct quic_connection_id_info	info;
	__u64				max_stream;
	__u8				local_migration;
	__u8				key_update_phase;
};

/* First byte of a message received with MSG_QUIC_NOTIFICATION. */
enum quic_event_type {
	QUIC_EVENT_NONE,
	QUIC_EVENT_STREAM_UPDATE,
	QUIC_EVENT_STREAM_MAX_DATA,
	QUIC_EVENT_STREAM_MAX_STREAM,
	QUIC_EVENT_CONNECTION_ID,
	QUIC_EVENT_CONNECTION_CLOSE,
	QUIC_EVENT_CONNECTION_MIGRATION,
	QUIC_EVENT_KEY_UPDATE,
	QUIC_EVENT_NEW_TOKEN,
	QUIC_EVENT_NEW_SESSION_TICKET,
	QUIC_EVENT_MAX,
};

/* Transport error codes, RFC 9000, section 20.1. */
enum {
	QUIC_TRANSPORT_ERROR_NONE			= 0x00,
	QUIC_TRANSPORT_ERROR_INTERNAL			= 0x01,
	QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED		= 0x02,
	QUIC_TRANSPORT_ERROR_FLOW_CONTROL		= 0x03,
	QUIC_TRANSPORT_ERROR_STREAM_LIMIT		= 0x04,
	QUIC_TRANSPORT_ERROR_STREAM_STATE		= 0x05,
	QUIC_TRANSPORT_ERROR_FINAL_SIZE			= 0x06,
	QUIC_TRANSPORT_ERROR_FRAME_ENCODING		= 0x07,
	QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM		= 0x08,
	QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT	= 0x09,
	QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION		= 0x0a,
	QUIC_TRANSPORT_ERROR_INVALID_TOKEN		= 0x0b,
	QUIC_TRANSPORT_ERROR_APPLICATION		= 0x0c,
	QUIC_TRANSPORT_ERROR_CRYPTO_BUF_EXCEEDED	= 0x0d,
	QUIC_TRANSPORT_ERROR_KEY_UPDATE			= 0x0e,
	QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED		= 0x0f,
	QUIC_TRANSPORT_ERROR_NO_VIABLE_PATH		= 0x10,
	QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION	= 0x11,

	/* 0x0100 to 0x01ff: plus the TLS alert, RFC 9001, section 4.8 */
	QUIC_TRANSPORT_ERROR_CRYPTO			= 0x0100,
};

#endif /* _UAPI_LINUX_QUIC_H */
