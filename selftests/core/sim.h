/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two connections of the protocol core over a simulated link under a virtual
 * clock. Packets travel in plain text; a scripted exchange of CRYPTO bytes
 * stands for TLS. Stream bytes follow a pattern, so that nothing is stored and
 * every byte delivered is checked.
 */
#ifndef _SELFTESTS_CORE_SIM_H
#define _SELFTESTS_CORE_SIM_H

#include "core/core.h"
#include "core/conn.h"

#define SIM_MS			1000000ULL
#define SIM_SECOND		(1000 * SIM_MS)
#define SIM_STREAMS		2048	/* stream IDs below are tracked */

struct sim;

/* What the server makes of 0-RTT. */
enum sim_early {
	SIM_EARLY_OFF,		/* and the client does not try */
	SIM_EARLY_ACCEPT,
	SIM_EARLY_REJECT,
};

/* Where an end is: the host in the upper half, the port in the lower. */
#define SIM_ADDR(host, port)	((host) << 16 | (port))
#define SIM_CLIENT	SIM_ADDR(1, 1000)
#define SIM_SERVER	SIM_ADDR(2, 443)

struct sim_route {
	u32 local;
	u32 peer;
};

/**
 * struct sim_end - one endpoint and its application
 * @mute:      nothing that it sends arrives
 * @route:     addresses of each path
 * @nat:       added to our address on the wire
 * @spoof:     what the next packet's source is made to be, 0: nothing
 * @preferred: address that it takes packets at besides those of its paths
 * @dead:      address from which and to which nothing gets through
 * @narrow_addr, @narrow: datagrams to that address that are larger do not get through
 * @watched:   peer's address of interest, with bytes that went there and came from there
 * @path_uses: quic_host_path_use() calls
 * @last_migration: payload of the last event
 * @auto_read: the application takes what is delivered at once
 * @received:  bytes delivered in order, by stream ID
 * @finished:  the end of the stream was delivered
 * @unread:    delivered and not yet consumed
 * @bad_bytes: bytes that do not follow the pattern, or out of order
 * @crypto_rx: CRYPTO bytes delivered, by level
 * @closes:    CONNECTION_CLOSE events
 * @datagrams: DATAGRAM frames delivered; @datagram_len and @datagram_first tell of the last
 * @early_tx:  0-RTT packets sent
 * @generation: of 1-RTT keys, counted where the host switches them
 * @has_previous: the receive key before is still there
 * @forged:    packets that no key opens
 */
struct sim_end {
	struct quic_conn conn;
	struct sim *sim;
	struct sim_end *peer;
	bool auto_read;
	bool mute;
	struct sim_route route[QUIC_PATHS_MAX];
	u32 nat;
	u32 spoof;
	u32 preferred;
	u32 dead;
	u32 narrow_addr, narrow;
	u32 watched;
	u64 watched_tx, watched_rx;
	u32 path_uses;
	u8 last_migration;
	u32 refuse_fin;		/* ends of streams that find no room */
	u64 received[SIM_STREAMS];
	bool finished[SIM_STREAMS];
	u64 unread[SIM_STREAMS];
	u64 bad_bytes;
	u32 crypto_rx[QUIC_CRYPTO_MAX];
	u32 closes;
	u32 datagrams;
	u32 datagram_len;
	u8 datagram_first;
	u32 early_tx;
	u32 generation;
	bool has_previous;
	u32 forged;
	u32 events[QUIC_EVENT_MAX];
	struct quic_connection_close last_close;
	struct quic_stream_update last_update;
	u64 packets_tx;
	u64 packets_rx;
	u64 too_large;		/* packets that the link did not take */
	u64 mtu_probes;
	size_t largest_tx;	/* that was no probe; cleared by tests */
	u64 marked_tx;		/* sent with ECT(0) */
	u64 next_cid;
};

struct sim_packet {
	struct list_head link;
	struct sim_end *to;
	u64 at;
	u8 level;
	u8 ecn;
	u32 generation;
	u32 from, dest;
	u32 size;
	struct quic_cid dcid;
	u64 pn;
	u32 len;
	u8 payload[];
};

/**
 * struct sim_link - the bottleneck, which several worlds may share
 * @busy_until: when it will have sent what it holds, by direction
 */
struct sim_link {
	u64 busy_until[2];
};

/**
 * struct sim - the world
 * @link:    its bottleneck, @own if none is shared
 * @delay:   one way, ns
 * @rate:    bytes per second, 0: without bound
 * @queue:   bytes that wait for the link before more are dropped, 0: without bound
 * @loss, @reorder, @duplicate: percent
 * @early:   see there; set before sim_start()
 * @remembered: parameters of the server that the client starts with then
 * @mss:     largest UDP payload as the ends know it when they begin; 0: SIM_MSS
 * @mtu:     largest UDP payload that arrives, 0: any
 * @ce:      percent of what is marked ECT(0) that comes marked CE
 * @bleach:  marks do not arrive
 * @loose:   stream IDs and bytes may be anything: nobody looks at what is delivered
 */
struct sim {
	struct sim_end client;
	struct sim_end server;
	struct list_head flying;
	struct sim_link *link;
	struct sim_link own;
	u64 now;
	u64 delay;
	u64 rate;
	u64 queue;
	u32 loss, reorder, duplicate, ce;
	u32 mss, mtu;
	bool bleach;
	u64 random;
	u64 lost;
	u32 idle_steps;
	enum sim_early early;
	struct quic_transport_params remembered;
	bool loose;
};

struct sim *sim_create(void);
void sim_destroy(struct sim *sim);
void sim_start(struct sim *sim);
/* Runs until @done says so; false: not within @limit of virtual time. */
bool sim_run(struct sim *sim, bool (*done)(struct sim *sim), u64 limit);
void sim_run_for(struct sim *sim, u64 time);
/* Two worlds side by side, in step. */
void sim_run_pair(struct sim *one, struct sim *other, u64 time);
bool sim_is_established(struct sim *sim);
bool sim_handshake(struct sim *sim);
void sim_settle(struct sim_end *end);
/* Hands @payload to @to as an authenticated packet. */
int sim_inject(struct sim_end *to, u8 level, u64 pn, const void *payload, u32 len);
/* The end probes a path between these addresses, to move there; -EAGAIN. */
int sim_move(struct sim_end *end, u32 local, u32 peer);
/* Queues bytes as far as credit allows; returns how many. */
u64 sim_send(struct sim_end *end, u64 id, u64 bytes, bool fin);
void sim_read(struct sim_end *end, u64 id, u64 bytes);
/* Queues a DATAGRAM payload of @len times @byte, whatever the peer takes. */
void sim_send_datagram(struct sim_end *end, u32 len, u8 byte);

#endif /* _SELFTESTS_CORE_SIM_H */
