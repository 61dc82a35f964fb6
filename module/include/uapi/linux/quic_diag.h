/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * What sock_diag tells of QUIC sockets.
 *
 * A request is a struct inet_diag_req_v2 of SOCK_DIAG_BY_FAMILY with
 * sdiag_family AF_INET or AF_INET6. The protocol's number does not fit its 8
 * bits: it goes into the attribute INET_DIAG_REQ_PROTOCOL (__u32), as for MPTCP.
 * Each answer is a struct inet_diag_msg (idiag_state: TCP_CLOSE, TCP_LISTEN,
 * TCP_SYN_RECV or TCP_ESTABLISHED) and, as far as idiag_ext asks for them, the
 * usual attributes, among them
 *
 *	INET_DIAG_INFO	struct quic_diag_info, of connections only
 *	INET_DIAG_CONG	name of the congestion controller
 *
 * The struct grows at its end only; a reader takes the part that it knows.
 */
#ifndef _UAPI_LINUX_QUIC_DIAG_H
#define _UAPI_LINUX_QUIC_DIAG_H

#include <linux/types.h>

#define QUIC_DIAG_CID_MAX	20
#define QUIC_DIAG_ALPN_MAX	128

/* quic_diag_info.conn_state: finer than idiag_state. RFC 9000, section 10. */
enum {
	QUIC_DIAG_CONN_IDLE,
	QUIC_DIAG_CONN_HANDSHAKE,
	QUIC_DIAG_CONN_ESTABLISHED,
	QUIC_DIAG_CONN_CLOSING,
	QUIC_DIAG_CONN_DRAINING,
	QUIC_DIAG_CONN_CLOSED,
};

/* quic_diag_info.flags */
#define QUIC_DIAG_SERVER	0x01
#define QUIC_DIAG_CONFIRMED	0x02	/* the handshake is */
#define QUIC_DIAG_PLAINTEXT	0x04	/* 1-RTT packets are not encrypted */
#define QUIC_DIAG_ORPHAN	0x08	/* its owner has closed it */
#define QUIC_DIAG_APP_LIMITED	0x10	/* the window is not used */
#define QUIC_DIAG_SLOW_START	0x20
#define QUIC_DIAG_OFFLOAD_TX	0x40	/* a device encrypts */
#define QUIC_DIAG_OFFLOAD_RX	0x80	/* a device decrypts */

/* A connection ID; len 0: none, or the reader may not know it (CAP_NET_ADMIN). */
struct quic_diag_cid {
	__u8	len;
	__u8	data[QUIC_DIAG_CID_MAX];
	__u8	pad[3];
};

struct quic_diag_info {
	__u32	version;		/* of QUIC */
	__u8	conn_state;
	__u8	flags;
	__u8	pto_count;
	__u8	cipher_pad;
	__u16	cipher;			/* TLS_CIPHER_* of 1-RTT packets, 0: none yet */
	__u16	path;			/* the one in use */
	__u32	key_generation;		/* updates done; its lowest bit is the phase */

	__u64	min_rtt;		/* all times in ns */
	__u64	smoothed_rtt;
	__u64	latest_rtt;
	__u64	rttvar;
	__u64	cwnd;			/* bytes */
	__u64	ssthresh;		/* ~0: none */
	__u64	bytes_in_flight;
	__u64	pacing_rate;		/* bytes/s, ~0: not paced */
	__u32	mss;			/* largest UDP payload */
	__u32	sndbuf;
	__u32	rcvbuf;
	__u32	udp_port;		/* of the shared UDP socket, host byte order */

	__u64	tx_packets;		/* bytes are those of UDP payload */
	__u64	tx_bytes;
	__u64	rx_packets;
	__u64	rx_bytes;
	__u64	lost_packets;
	__u64	retransmitted_frames;

	__u64	send_credit;		/* bytes that the peer lets us send, all streams */
	__u64	recv_credit;		/* and we the peer */
	__u32	streams_open[4];	/* ours bidi, uni; the peer's bidi, uni */
	__u64	streams_credit[2];	/* that we may yet open: bidi, uni */
	__u64	idle_timeout;		/* 0: none */

	struct quic_diag_cid original_dcid;	/* the client's first choice */
	struct quic_diag_cid local_cid;		/* that the peer sends to */
	struct quic_diag_cid remote_cid;	/* that we send to */
	__u8	nr_local_cids;
	__u8	nr_remote_cids;
	__u8	alpn_len;
	__u8	pad[5];
	__u8	alpn[QUIC_DIAG_ALPN_MAX];	/* comma separated, as the socket's owner set it */

	/* 1-RTT packets while there was a device for them */
	__u64	offload_tx_device;	/* encrypted by it */
	__u64	offload_tx_software;	/* meant for it, but encrypted by the kernel */
	__u64	offload_rx_device;
	__u64	offload_rx_software;
	__u64	offload_fallbacks;	/* times that a device gave up one direction */
};

#endif /* _UAPI_LINUX_QUIC_DIAG_H */
