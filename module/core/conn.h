/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection: everything that one QUIC connection knows, and the calls by
 * which a host drives it. Input, timers and API calls change it and set bits in
 * @todo; the host then settles them once per batch. RFC 9000, sections 5 to 10.
 */
#ifndef _QUIC_CORE_CONN_H
#define _QUIC_CORE_CONN_H

#include <uapi/linux/quic.h>

#include "ack_policy.h"
#include "ack_ranges.h"
#include "cid.h"
#include "datagram.h"
#include "deadlines.h"
#include "host.h"
#include "key_phase.h"
#include "loss.h"
#include "path.h"
#include "streams.h"
#include "tls_messages.h"
#include "trace.h"
#include "version.h"

/* Packet number spaces, numbered like the encryption levels they serve. */
enum quic_space_id {
	QUIC_SPACE_APP = QUIC_CRYPTO_APP,
	QUIC_SPACE_INITIAL = QUIC_CRYPTO_INITIAL,
	QUIC_SPACE_HANDSHAKE = QUIC_CRYPTO_HANDSHAKE,
	QUIC_SPACE_MAX,
};

#define QUIC_CRYPTO_BUFFER_MAX	65536	/* ahead of what is in order; RFC 9000, section 7.5 */
#define QUIC_CRYPTO_GAPS_MAX	64
#define QUIC_STREAM_GAPS_MAX	1024	/* pieces behind a hole: a window of packets */
#define QUIC_PREFERRED_SEQ	1	/* connection ID of a preferred address: RFC 9000, section 5.1.1 */
#define QUIC_PTO_COUNT_MAX	8	/* backoff stops doubling here */
#define QUIC_TOKEN_MAX		120	/* of NEW_TOKEN, kept for the application */
#define QUIC_CLOSE_PHRASE_MAX	(QUIC_CLOSE_PHRASE_BUFFER_SIZE - 1)

/*
 *  IDLE -> HANDSHAKE -> ESTABLISHED
 *              |             |
 *              +-------------+-> CLOSING  -> CLOSED   (we closed)
 *              +-------------+-> DRAINING -> CLOSED   (the peer closed)
 *              +-------------+-------------> CLOSED   (timeout, reset)
 */
enum quic_conn_state {
	QUIC_CONN_IDLE,
	QUIC_CONN_HANDSHAKE,
	QUIC_CONN_ESTABLISHED,	/* both 1-RTT secrets are there */
	QUIC_CONN_CLOSING,	/* RFC 9000, section 10.2.1 */
	QUIC_CONN_DRAINING,	/* RFC 9000, section 10.2.2 */
	QUIC_CONN_CLOSED,
};

/* What settle has to do: bits of quic_conn.todo. */
#define QUIC_TODO_TX		0x01	/* there may be something to send */
#define QUIC_TODO_WAKE_READ	0x02
#define QUIC_TODO_WAKE_WRITE	0x04
#define QUIC_TODO_STATE		0x08	/* the connection ended, or was established */
#define QUIC_TODO_TIMER		0x10
#define QUIC_TODO_WAKE_SPACE	0x20	/* like WAKE_WRITE, once enough is free */
#define QUIC_TODO_MOVE		0x40	/* client: the server has a preferred address */

/**
 * struct quic_crypto_stream - handshake bytes of one level
 */
struct quic_crypto_stream {
	struct quic_send_ranges ranges;
	struct quic_send_buf buf;
	struct quic_reassembly recv;
};

/**
 * struct quic_space - one packet number space
 * @probes: PTO probes owed
 */
struct quic_space {
	struct quic_loss loss;
	struct quic_ack_policy ack;
	struct quic_ack_ranges received;
	struct quic_crypto_stream crypto;
	u8 probes;
};

/**
 * struct quic_conn_config - settings of the application, times in ns
 */
struct quic_conn_config {
	u32 version;		/* 0: version 1 */
	u8 congestion;		/* QUIC_CONG_ALG_* */
	u64 initial_rtt;
	u64 keepalive;		/* 0: off */
	u64 pmtud_interval;	/* of probes for a larger MTU; 0: none */
};

/**
 * struct quic_conn_close_info - how the connection ended, or shall end
 * @code:   transport or application error code
 * @frame_type: frame that caused it, transport errors only
 * @app:    the code is an application's
 * @local:  we closed
 */
struct quic_conn_close_info {
	u64 code;
	u64 frame_type;
	bool app;
	bool local;
	u8 phrase_len;
	u8 phrase[QUIC_CLOSE_PHRASE_MAX];
};

/**
 * struct quic_early - 0-RTT of a connection
 * @remembered: client: quic_conn.remote is of an earlier connection
 * @sent:       client: there were 0-RTT packets
 * @accepted:   and one was acknowledged
 * @lowered:    the real limits are lower than the remembered ones
 * @capped:     more is queued than they allow
 * @out:        what of it is out, within the packet that is filled
 * @last_pn:    of 0-RTT packets: everything up to it was one
 */
struct quic_early {
	bool remembered;
	bool sent;
	bool accepted;
	bool lowered;
	bool capped;
	u64 out;
	u64 last_pn;
};

/**
 * struct quic_conn - a connection; guarded by the host's connection lock
 */
struct quic_conn {
	/* both directions */
	enum quic_conn_state state;
	bool is_server;
	bool confirmed;		/* RFC 9001, section 4.1.2 */
	bool peer_validated;	/* client: the server surely has our address; RFC 9002, section 6.2.2.1 */
	bool has_remote_params;
	bool has_server_cid;	/* client: the server's choice is known; RFC 9000, section 7.2 */
	bool plaintext;		/* both ends asked for disable_1rtt_encryption */
	u8 tx_keys;		/* bit per level: send keys are there */
	u8 rx_keys;
	u8 todo;
	u8 active_path;
	u8 quiet_path;		/* the active one, if nothing more is to be learnt from its packets */
	u8 paths_due;		/* bit for each path that has path frames to send */
	u8 pto_count;
	u32 version;
	u32 original_version;	/* of the client's first flight, and of all its 0-RTT packets */
	struct quic_space *space[QUIC_SPACE_MAX];
	struct quic_path path[QUIC_PATHS_MAX];
	struct quic_key_phase key_phase;
	struct quic_deadlines deadlines;
	u64 last_rx;		/* time the last packet was accepted */
	u64 last_probe;		/* time of the last probe timeout */
	u64 lost_packets;
	u64 retransmitted_frames;	/* of lost packets, and repeated by probes */
	bool linger_over;	/* what was not delivered until now never will be */
	u64 idle_timeout;	/* effective, ns; 0: none */
	u8 previous_path;	/* proven, and where to go if the active one is not; or NONE */
	u8 probed_path;		/* where we want to go; or NONE */
	u8 named_path;		/* the one that the application knows of */
	bool awaits_peer;	/* we have moved, and were not heard from yet */

	/* sending */
	struct quic_flow_send tx_flow;
	u64 next_skip;		/* packet number that is left out next; RFC 9000, section 21.4 */
	u8 data_blocked;	/* enum quic_control_state, like the following */
	u8 handshake_done;
	u8 new_token;
	u8 ping;
	u8 close_frames;	/* CONNECTION_CLOSE must be (re)sent */
	bool idle_armed_by_tx;	/* RFC 9000, section 10.1: one restart per send after receive */
	bool corked;		/* MSG_MORE: hold what does not fill a packet */
	bool control_due;	/* this round of sending has control frames to write */
	bool in_burst;		/* and has sent something */
	u64 held_since;		/* stream data waits for more to join it; 0: it does not */
	bool nodelay;		/* no Nagle-like delay */
	bool small_handshake;	/* its datagrams have the size that every path takes */
	struct quic_ecn_counts ecn;
	u8 token_len;		/* of new_token_data */
	u8 new_token_data[QUIC_TOKEN_MAX];	/* server: to be sent */

	/* receiving */
	struct quic_flow_recv rx_flow;
	u8 max_data;		/* enum quic_control_state */
	u32 close_rx;		/* packets received while closing: answers thin out */

	struct quic_streams streams;
	struct quic_datagrams datagrams;
	struct quic_local_cids local_cids;
	struct quic_remote_cids remote_cids;

	/* cold */
	u64 skipped[4];		/* recent left-out numbers */
	struct quic_cid original_dcid;	/* RFC 9000, section 7.3 */
	struct quic_cid retry_scid;
	struct quic_early early;
	struct quic_tls_messages tls_messages;	/* after the handshake */
	bool has_retry;
	bool has_version_negotiation;	/* client: acted on one; RFC 9368, section 4 */
	bool version_settled;	/* client: the server stays with @version; RFC 9369, section 4.1 */
	bool grease;		/* the peer takes a cleared fixed bit */
	struct quic_transport_params local;
	struct quic_transport_params remote;
	struct quic_conn_config config;
	struct quic_conn_close_info close;
};

/**
 * struct quic_rx_packet - one packet after its protection was removed
 * @level:   enum quic_crypto_level
 * @ecn:     QUIC_ECN_* of the IP header
 * @path:    index of the path it came on, or QUIC_PATH_NONE
 * @pn:      packet number
 * @now:     arrival, ns
 * @payload: frames
 * @len:     bytes of @payload
 * @host:    what pins the bytes (the skb)
 * @share:   bytes of memory that this packet's data is charged with
 */
struct quic_rx_packet {
	u8 level;
	u8 ecn;
	u8 path;
	u64 pn;
	u64 now;
	const u8 *payload;
	u32 len;
	u32 share;
	void *host;
};

/**
 * struct quic_tx_packet - one packet being built
 * @w:       where frames go; the header was written by the caller
 * @level:   enum quic_crypto_level
 * @path:    index of the path
 * @pn:      packet number
 * @pn_len:  bytes it is encoded in
 * @ecn:     host: QUIC_ECN_* that its IP header will have; 1-RTT packets only
 * @eliciting: it needs an acknowledgement
 * @probe:   a PTO probe: congestion control does not hold it back
 * @has_ack: it acknowledges
 * @challenge: it holds PATH_CHALLENGE
 * @start:   first byte of the payload
 * @record:  becomes the entry in the ring
 * @may_direct: the payload may be encrypted from where its bytes lie: nothing is put behind them
 * @direct:  host: the payload is encrypted straight from here
 * @direct_len: bytes of plaintext at @direct
 * @pieces:  host: what it is encrypted from where it lies in several pieces, headers included
 */
struct quic_tx_packet {
	struct quic_writer w;
	u8 level;
	u8 path;
	u8 pn_len;
	u8 ecn;
	bool eliciting;
	bool probe;
	bool has_ack;
	bool challenge;
	bool may_direct;
	u64 pn;
	u8 *start;
	struct quic_sent_packet record;
	u8 *direct;
	u32 direct_len;
	void *pieces;
};

/**
 * struct quic_conn_open - what quic_conn_open() needs
 * @local:    our first connection ID
 * @remote:   the peer's (client: the random one that it chose)
 * @original: the client's first destination connection ID
 * @validated: the peer's address is known to be its own (token)
 */
struct quic_conn_open {
	bool is_server;
	bool validated;
	bool has_retry;
	u32 version;
	u32 mss;
	u64 now;
	struct quic_cid local;
	struct quic_cid remote;
	struct quic_cid original;
	struct quic_cid retry_scid;
};

/**
 * struct quic_path_args - what the host knows of addresses that are no path yet
 * @mss:        largest UDP payload that goes along them
 * @local:      our address is another than on the active path
 * @same_hosts: both IP addresses are those of the active path
 * @local_seq:  number of our connection ID that the packet was sent to
 */
struct quic_path_args {
	u32 mss;
	bool local;
	bool same_hosts;
	u64 local_seq;
};

/* What a version in a long header means for a connection. */
enum quic_version_use {
	QUIC_VERSION_DROP,
	QUIC_VERSION_CURRENT,
	QUIC_VERSION_OTHER,	/* Initial: opened by keys of that version, if by any */
	QUIC_VERSION_EARLY,	/* the server may have chosen it: wait for its Initial */
};

static inline enum quic_space_id quic_level_space(u8 level)
{
	return level == QUIC_CRYPTO_EARLY ? QUIC_SPACE_APP : level;
}

/* The version that packets and keys of a level belong to. RFC 9369, section 4.1 #8. */
static inline u32 quic_conn_level_version(const struct quic_conn *conn, u8 level)
{
	return level == QUIC_CRYPTO_EARLY ? conn->original_version : conn->version;
}

static inline struct quic_path *quic_conn_path(struct quic_conn *conn)
{
	return &conn->path[conn->active_path];
}

static inline bool quic_conn_is_open(const struct quic_conn *conn)
{
	return conn->state == QUIC_CONN_HANDSHAKE || conn->state == QUIC_CONN_ESTABLISHED;
}

/* conn.c: birth, keys, parameters, death */
void quic_conn_setup(struct quic_conn *conn);
int quic_conn_open(struct quic_conn *conn, const struct quic_conn_open *args);
void quic_conn_destroy(struct quic_conn *conn);
void quic_conn_on_tx_key(struct quic_conn *conn, u8 level, u16 cipher);
void quic_conn_on_rx_key(struct quic_conn *conn, u8 level, u16 cipher);
int quic_conn_complete(struct quic_conn *conn, u64 now);
void quic_conn_confirm(struct quic_conn *conn);
void quic_conn_discard_space(struct quic_conn *conn, enum quic_space_id id);
int quic_conn_encode_params(struct quic_conn *conn, struct quic_writer *w);
int quic_conn_set_remote_params(struct quic_conn *conn, const u8 *data, u32 len);
void quic_conn_apply_local_params(struct quic_conn *conn);
void quic_conn_apply_config(struct quic_conn *conn);
void quic_conn_apply_remote_params(struct quic_conn *conn);
void quic_conn_update_idle_timeout(struct quic_conn *conn);
void quic_conn_restart_idle(struct quic_conn *conn, u64 now);
void quic_conn_choose_skip(struct quic_conn *conn, u64 pn);

/* conn_cid.c: connection IDs as the connection and the application use them */
void quic_conn_issue_cids(struct quic_conn *conn);
void quic_conn_cid_event(struct quic_conn *conn, bool dest);
int quic_conn_on_new_cid(struct quic_conn *conn, const struct quic_frame_new_cid *frame);
int quic_conn_add_preferred_cid(struct quic_conn *conn,
				const struct quic_preferred_address *preferred);
int quic_conn_on_retire_cid(struct quic_conn *conn, u64 seq);
void quic_conn_on_dcid(struct quic_conn *conn, u8 path, const u8 *dcid, u8 len);
int quic_conn_retire_cid(struct quic_conn *conn, u64 seq);
void quic_conn_get_cids(const struct quic_conn *conn, bool dest,
			struct quic_connection_id_info *info);
int quic_conn_set_cids(struct quic_conn *conn, const struct quic_connection_id_info *info);

/* conn_version.c */
void quic_conn_put_versions(struct quic_conn *conn, struct quic_transport_params *tp);
int quic_conn_check_versions(struct quic_conn *conn, const struct quic_transport_params *tp);
enum quic_version_use quic_conn_version_use(const struct quic_conn *conn, u8 level, u32 version);
bool quic_conn_follow_version(struct quic_conn *conn, u32 version);

/* conn_restart.c: a client's first flight is answered by Retry or Version Negotiation */
bool quic_conn_accepts_retry(struct quic_conn *conn, const struct quic_header *hdr);
void quic_conn_on_retry(struct quic_conn *conn, const struct quic_header *hdr, u64 now);
bool quic_conn_accepts_version_negotiation(struct quic_conn *conn, const struct quic_header *hdr);
bool quic_conn_on_version_negotiation(struct quic_conn *conn, const struct quic_header *hdr,
				      u64 now);

/* conn_path.c: migration, of ours and of the peer's */
u8 quic_conn_path_accept(struct quic_conn *conn, const struct quic_path_args *args, u64 now);
int quic_conn_path_probe(struct quic_conn *conn, const struct quic_path_args *args, u64 seq,
			 u64 now);
int quic_conn_offer_address(struct quic_conn *conn);
bool quic_conn_path_may_move(const struct quic_conn *conn);
void quic_conn_path_on_packet(struct quic_conn *conn, u8 i, bool probing, bool newest, u64 now);
void quic_conn_path_on_challenge(struct quic_conn *conn, u8 i, const u8 *data);
void quic_conn_path_on_response(struct quic_conn *conn, const u8 *data, u64 now);
void quic_conn_path_on_timeout(struct quic_conn *conn, u64 now);
void quic_conn_path_on_cids(struct quic_conn *conn);
const struct quic_cid *quic_conn_path_cid(struct quic_conn *conn, u8 i);
u8 quic_conn_path_next_tx(struct quic_conn *conn);
u32 quic_conn_path_room(const struct quic_conn *conn, u8 i);
bool quic_conn_path_fill(struct quic_conn *conn, struct quic_tx_packet *tx, u8 i, u64 now);
void quic_conn_path_commit(struct quic_conn *conn, struct quic_tx_packet *tx, u32 size, u64 now);

/* conn_recv.c */
bool quic_conn_is_duplicate(const struct quic_conn *conn, u8 level, u64 pn);
s64 quic_conn_largest_received(const struct quic_conn *conn, u8 level);
int quic_conn_recv_packet(struct quic_conn *conn, const struct quic_rx_packet *rx);
void quic_conn_on_datagram(struct quic_conn *conn, u8 path, u32 bytes, u64 now);

/* conn_acked.c: what acknowledgement and loss mean for what a packet carried */
int quic_conn_on_ack(struct quic_conn *conn, enum quic_space_id id,
		     const struct quic_frame_ack *ack, u64 now);
void quic_conn_detect_lost(struct quic_conn *conn, enum quic_space_id id, u64 now);
void quic_conn_requeue(struct quic_conn *conn, enum quic_space_id id,
		       const struct quic_sent_packet *packet);
/* Counts the frames that quic_conn_requeue() has sent again. */
void quic_conn_count_retransmit(struct quic_conn *conn, const struct quic_sent_packet *packet);
void quic_conn_requeue_first(struct quic_conn *conn, const struct quic_sent_packet *packet);
void quic_conn_packet_lost(struct quic_conn *conn, enum quic_space_id id,
			   struct quic_sent_packet *packet);

/* conn_grant.c: what may leave now */
/* What a packet may hold. Each grants what those before it do, too. */
enum quic_tx_grant {
	QUIC_TX_NOTHING,
	QUIC_TX_ACK,		/* what does not count against the window */
	QUIC_TX_DATAGRAMS,	/* that wait for no company */
	QUIC_TX_CONTROL,	/* all but stream data, which is held */
	QUIC_TX_ALL,
};

bool quic_conn_hold_on(struct quic_conn *conn, u64 now);
bool quic_conn_has_control(struct quic_conn *conn);
enum quic_tx_grant quic_conn_tx_grant(struct quic_conn *conn, u8 level, u64 now);
bool quic_conn_wants_tx(struct quic_conn *conn, u8 level, u64 now);

/* conn_send.c */
int quic_conn_tx_begin(struct quic_conn *conn, struct quic_tx_packet *tx, u8 level);
void quic_conn_tx_fill_ack(struct quic_conn *conn, struct quic_tx_packet *tx, u64 now);
void quic_conn_tx_abandon(struct quic_conn *conn, struct quic_tx_packet *tx);
bool quic_conn_tx_fill(struct quic_conn *conn, struct quic_tx_packet *tx, u64 now);
void quic_conn_tx_commit(struct quic_conn *conn, struct quic_tx_packet *tx, u32 size, u64 now);
void quic_conn_tx_start(struct quic_conn *conn);
void quic_conn_tx_done(struct quic_conn *conn);

/* conn_keys.c: key update, limits on the use of keys */
int quic_conn_update_keys(struct quic_conn *conn, u64 now);
bool quic_conn_has_keys(struct quic_conn *conn, u64 now);
bool quic_conn_on_key(struct quic_conn *conn, enum quic_key_choice choice, u64 pn, u64 now);
void quic_conn_on_forgery(struct quic_conn *conn);

/* conn_early.c: 0-RTT */
int quic_conn_remember_params(struct quic_conn *conn, const struct quic_transport_params *tp);
bool quic_conn_early_may_send(const struct quic_conn *conn);
void quic_conn_early_on_params(struct quic_conn *conn, const struct quic_transport_params *tp);
int quic_conn_early_on_ack(struct quic_conn *conn, const struct quic_frame_ack *ack);
void quic_conn_early_count(struct quic_conn *conn);
bool quic_conn_early_cap(struct quic_conn *conn, const struct quic_stream *stream, u64 offset,
			 u64 *len);
void quic_conn_early_on_packet(struct quic_conn *conn, u8 level, u64 now);
void quic_conn_early_discard(struct quic_conn *conn);

/* conn_timeout.c */
void quic_conn_on_timeout(struct quic_conn *conn, u64 now);
void quic_conn_update_deadlines(struct quic_conn *conn, u64 now);
u64 quic_conn_pto(const struct quic_conn *conn);

/* conn_pmtud.c: the size of datagrams, and probes for it */
void quic_conn_set_mss(struct quic_conn *conn, u32 mss);
void quic_conn_set_path_mss(struct quic_conn *conn, struct quic_path *path, u32 mss);
void quic_conn_update_pmtud(struct quic_conn *conn, u64 now);
void quic_conn_pmtud_timeout(struct quic_conn *conn, u64 now);
bool quic_conn_may_probe_mtu(const struct quic_conn *conn);
void quic_conn_fill_mtu_probe(struct quic_conn *conn, struct quic_tx_packet *tx);
void quic_conn_mtu_probe_sent(struct quic_conn *conn, const struct quic_tx_packet *tx, u64 now);
void quic_conn_mtu_probe_acked(struct quic_conn *conn, const struct quic_sent_packet *packet);
void quic_conn_large_lost(struct quic_conn *conn, struct quic_path *path, bool silence);
void quic_conn_pmtud_on_pto(struct quic_conn *conn, enum quic_space_id id);

/* Does the active path take no datagram that QUIC needs? RFC 9000, section 14.2 #1. */
static inline bool quic_conn_path_is_too_small(const struct quic_conn *conn)
{
	return conn->path[conn->active_path].pmtud.state == QUIC_PMTUD_ERROR;
}

/* conn_close.c */
int quic_conn_fail(struct quic_conn *conn, u64 code, u64 frame_type, const char *reason);
void quic_conn_close(struct quic_conn *conn, u64 code, bool app, const u8 *phrase, u32 len, u64 now);
void quic_conn_on_close_frame(struct quic_conn *conn, const struct quic_frame_close *frame, u64 now);
void quic_conn_drop(struct quic_conn *conn);
void quic_conn_on_stateless_reset(struct quic_conn *conn, u64 now);
/* Everything that the application sent was acknowledged. */
bool quic_conn_is_flushed(const struct quic_conn *conn);

/* conn_stream.c: streams as the application uses them */
u64 quic_conn_stream_credit(const struct quic_conn *conn, const struct quic_stream *stream);
void quic_conn_stream_queued(struct quic_conn *conn, struct quic_stream *stream, u64 bytes, bool fin);
void quic_conn_stream_blocked(struct quic_conn *conn, struct quic_stream *stream);
int quic_conn_stream_reset(struct quic_conn *conn, struct quic_stream *stream, u64 code);
int quic_conn_stream_stop(struct quic_conn *conn, struct quic_stream *stream, u64 code);
void quic_conn_stream_consumed(struct quic_conn *conn, u64 stream_id, u64 bytes);
void quic_conn_discarded(struct quic_conn *conn, u64 bytes);
void quic_conn_stream_settle(struct quic_conn *conn, struct quic_stream *stream);
void quic_conn_crypto_queued(struct quic_conn *conn, u8 level, u32 bytes);

#endif /* _QUIC_CORE_CONN_H */
