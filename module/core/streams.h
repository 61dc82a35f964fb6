/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The streams of a connection: lookup, limits both ways, opening, accepting and
 * releasing. RFC 9000, sections 2.1 and 4.6.
 */
#ifndef _QUIC_CORE_STREAMS_H
#define _QUIC_CORE_STREAMS_H

#include "stream_recv.h"
#include "stream_send.h"
#include "transport_params.h"

#define QUIC_STREAM_SERVER	0x01
#define QUIC_STREAM_UNI		0x02
#define QUIC_STREAMS_LIMIT	4096	/* initial_max_streams_* we give or use at most */

/**
 * struct quic_stream - one stream
 * @node:      in the table, by ID
 * @ready:     in quic_streams.ready while it has something to send
 * @id:        stream ID
 * @has_send:  it has a sending part
 * @has_recv:  it has a receiving part
 * @send:      sending part
 * @recv:      receiving part
 * @host:      for the host's use, NULL at first
 */
struct quic_stream {
	struct rb_node node;
	struct list_head ready;
	u64 id;
	bool has_send;
	bool has_recv;
	struct quic_stream_send send;
	struct quic_stream_recv recv;
	void *host;
};

/**
 * struct quic_streams_local - streams of one direction that we open
 * @limit:   the peer allows that many (MAX_STREAMS)
 * @initial: initial_max_streams_* of the peer: also a bound on how many are open at once
 * @next:    how many were opened
 * @open:    how many are not yet released
 * @blocked: progress of STREAMS_BLOCKED
 */
struct quic_streams_local {
	u64 limit;
	u64 initial;
	u64 next;
	u64 open;
	u64 blocked_at;
	u8 blocked;
};

/**
 * struct quic_streams_remote - streams of one direction that the peer opens
 * @limit:   we allow that many
 * @initial: our initial_max_streams_*
 * @next:    how many the peer opened
 * @open:    how many are not yet released
 * @max:     progress of MAX_STREAMS
 */
struct quic_streams_remote {
	u64 limit;
	u64 initial;
	u64 next;
	u64 open;
	u8 max;
};

/**
 * struct quic_streams - all streams
 * @root:     by ID
 * @last:     found last, spares a lookup
 * @ready:    streams with something to send, in turn
 * @active:   the stream that sends without an ID go to, or NULL
 * @is_server: our role
 * @local:    ours: [0] bidirectional, [1] unidirectional
 * @remote:   the peer's, likewise
 * @send_window: credit of new streams: [0] bidi of ours, [1] bidi of the peer, [2] uni
 * @recv_window: credit that we give to new streams, likewise
 * @held:     chunks out of order, of all streams
 */
struct quic_streams {
	struct rb_root root;
	struct quic_stream *last;
	struct list_head ready;
	struct quic_stream *active;
	bool is_server;
	struct quic_streams_local local[2];
	struct quic_streams_remote remote[2];
	u64 send_window[3];
	u64 recv_window[3];
	u32 held;
};

void quic_streams_init(struct quic_streams *streams, bool is_server);
void quic_streams_destroy(struct quic_streams *streams);
void quic_streams_set_local_params(struct quic_streams *streams,
				   const struct quic_transport_params *tp);
/* Raises credit of existing streams, too (after 0-RTT). */
void quic_streams_set_remote_params(struct quic_streams *streams,
				    const struct quic_transport_params *tp);

struct quic_stream *quic_streams_find(struct quic_streams *streams, u64 id);
bool quic_stream_is_local(const struct quic_streams *streams, u64 id);
/* ID of the next stream that we would open. */
u64 quic_streams_next_id(const struct quic_streams *streams, bool uni);
/* May @id (ours, not yet open) be opened within credit? uapi.md, section 3.5. */
bool quic_streams_may_open(const struct quic_streams *streams, u64 id);
/* Opens all of its kind up to @id. ERR_PTR-free: NULL and *err = -ENOMEM, -EAGAIN. */
struct quic_stream *quic_streams_open(struct quic_streams *streams, u64 id, int *err);
/*
 * The stream that a peer's frame names; creates the peer's streams. *code:
 * transport error to close with; NULL and 0: released already.
 */
struct quic_stream *quic_streams_for_recv(struct quic_streams *streams, u64 id, int *code);
struct quic_stream *quic_streams_for_send(struct quic_streams *streams, u64 id, int *code);
bool quic_stream_is_done(const struct quic_stream *stream);
/* Frees it and gives credit back; true if MAX_STREAMS became stale. */
bool quic_streams_release(struct quic_streams *streams, struct quic_stream *stream);
void quic_streams_mark_ready(struct quic_streams *streams, struct quic_stream *stream);
bool quic_stream_has_something(const struct quic_stream *stream);
/* MAX_STREAMS from the peer; true if it raised the limit. */
bool quic_streams_on_max(struct quic_streams *streams, bool uni, u64 limit);
u64 quic_streams_grant(struct quic_streams *streams, bool uni);

#endif /* _QUIC_CORE_STREAMS_H */
