// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The streams of a connection: a tree by ID, the limits on how many there may
 * be, opening, accepting and releasing them. What a stream does is for
 * stream_send.c and stream_recv.c. RFC 9000, sections 2.1, 3 and 4.6.
 */
#include <uapi/linux/quic.h>

#include "core.h"
#include "host.h"
#include "streams.h"

static bool quic_stream_id_is_uni(u64 id)
{
	return id & QUIC_STREAM_UNI;
}

/* How many streams of its type come before it. */
static u64 quic_stream_id_index(u64 id)
{
	return id >> 2;
}

/* The stream with @index before it, of the type of @id. */
static u64 quic_stream_id_at(u64 id, u64 index)
{
	return (index << 2) | (id & QUIC_STREAM_TYPE_MASK);
}

/**
 * quic_streams_init() - no streams, no credit
 * @streams:   streams of a connection
 * @is_server: our role
 */
void quic_streams_init(struct quic_streams *streams, bool is_server)
{
	memset(streams, 0, sizeof(*streams));
	streams->root = RB_ROOT;
	INIT_LIST_HEAD(&streams->ready);
	streams->is_server = is_server;
}

static void quic_stream_free(struct quic_stream *stream)
{
	quic_stream_send_destroy(&stream->send);
	quic_stream_recv_destroy(&stream->recv);
	quic_host_free(stream);
}

/* Takes it out of everything that leads to it. */
static void quic_streams_unlink(struct quic_streams *streams, struct quic_stream *stream)
{
	rb_erase(&stream->node, &streams->root);
	list_del_init(&stream->ready);
	if (streams->last == stream)
		streams->last = NULL;
	if (streams->active == stream)
		streams->active = NULL;
}

/**
 * quic_streams_destroy() - free all streams
 * @streams: streams of a connection
 *
 * The caller releases the host's send buffers before.
 */
void quic_streams_destroy(struct quic_streams *streams)
{
	struct quic_stream *stream, *next;

	rbtree_postorder_for_each_entry_safe(stream, next, &streams->root, node)
		quic_stream_free(stream);
	streams->root = RB_ROOT;
	INIT_LIST_HEAD(&streams->ready);
	streams->last = NULL;
	streams->active = NULL;
}

static void quic_streams_set_remote_limit(struct quic_streams_remote *remote, u64 initial)
{
	remote->initial = min_t(u64, initial, QUIC_STREAMS_LIMIT);
	/* Credit that the peer has used cannot be taken back. */
	if (!remote->next || remote->limit < remote->initial)
		remote->limit = remote->initial;
}

/**
 * quic_streams_set_local_params() - our transport parameters are settled
 * @streams: streams of a connection
 * @tp:      what we tell the peer
 */
void quic_streams_set_local_params(struct quic_streams *streams,
				   const struct quic_transport_params *tp)
{
	quic_streams_set_remote_limit(&streams->remote[0], tp->initial_max_streams_bidi);
	quic_streams_set_remote_limit(&streams->remote[1], tp->initial_max_streams_uni);
	streams->recv_window[0] = tp->initial_max_stream_data_bidi_local;
	streams->recv_window[1] = tp->initial_max_stream_data_bidi_remote;
	streams->recv_window[2] = tp->initial_max_stream_data_uni;
}

/* Index of the windows that hold for @id. */
static int quic_streams_window(const struct quic_streams *streams, u64 id)
{
	if (quic_stream_id_is_uni(id))
		return 2;
	return quic_stream_is_local(streams, id) ? 0 : 1;
}

static void quic_streams_set_local_limit(struct quic_streams_local *local, u64 initial)
{
	local->limit = initial;
	local->initial = min_t(u64, initial, QUIC_STREAMS_LIMIT);
	local->blocked = QUIC_CONTROL_IDLE;
}

/**
 * quic_streams_set_remote_params() - the peer's transport parameters are known
 * @streams: streams of a connection
 * @tp:      what the peer told, or what is remembered of it for 0-RTT
 *
 * Streams opened under remembered parameters stay, with at least their credit,
 * and so does the one that is active.
 */
void quic_streams_set_remote_params(struct quic_streams *streams,
				    const struct quic_transport_params *tp)
{
	struct rb_node *node;

	quic_streams_set_local_limit(&streams->local[0], tp->initial_max_streams_bidi);
	quic_streams_set_local_limit(&streams->local[1], tp->initial_max_streams_uni);
	/* The peer names its parameters from its own side: RFC 9000, section 18.2. */
	streams->send_window[0] = tp->initial_max_stream_data_bidi_remote;
	streams->send_window[1] = tp->initial_max_stream_data_bidi_local;
	streams->send_window[2] = tp->initial_max_stream_data_uni;

	for (node = rb_first(&streams->root); node; node = rb_next(node)) {
		struct quic_stream *stream = rb_entry(node, struct quic_stream, node);
		int window = quic_streams_window(streams, stream->id);

		if (stream->has_send)
			quic_flow_send_raise(&stream->send.flow, streams->send_window[window]);
	}
}

/**
 * quic_streams_find() - look a stream up
 * @streams: streams of a connection
 * @id:      stream ID
 *
 * Return: NULL if it was not opened yet, or is released.
 */
struct quic_stream *quic_streams_find(struct quic_streams *streams, u64 id)
{
	struct rb_node *node = streams->root.rb_node;

	if (likely(streams->last && streams->last->id == id))
		return streams->last;
	while (node) {
		struct quic_stream *stream = rb_entry(node, struct quic_stream, node);

		if (id == stream->id) {
			streams->last = stream;
			return stream;
		}
		node = id < stream->id ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/**
 * quic_stream_is_local() - is it for us to open?
 * @streams: streams of a connection
 * @id:      stream ID
 *
 * RFC 9000, section 2.1.
 */
bool quic_stream_is_local(const struct quic_streams *streams, u64 id)
{
	return !!(id & QUIC_STREAM_SERVER) == streams->is_server;
}

/**
 * quic_streams_next_id() - the stream that we would open next
 * @streams: streams of a connection
 * @uni:     unidirectional
 */
u64 quic_streams_next_id(const struct quic_streams *streams, bool uni)
{
	return (streams->local[uni].next << 2) | (uni ? QUIC_STREAM_UNI : 0) |
	       (streams->is_server ? QUIC_STREAM_SERVER : 0);
}

/**
 * quic_streams_may_open() - is there credit to open a stream?
 * @streams: streams of a connection
 * @id:      one of ours, not opened yet
 *
 * The lower ones that would be opened with it count, too. No more are open at
 * once than the peer allowed at first, however much it has granted since.
 * RFC 9000, sections 4.6 and 19.11 #3.
 */
bool quic_streams_may_open(const struct quic_streams *streams, u64 id)
{
	const struct quic_streams_local *local = &streams->local[quic_stream_id_is_uni(id)];
	u64 index = quic_stream_id_index(id);

	return index >= local->next && index < local->limit &&
	       index - local->next + 1 + local->open <= local->initial;
}

static struct quic_stream *quic_streams_create(struct quic_streams *streams, u64 id)
{
	struct rb_node **link = &streams->root.rb_node, *parent = NULL;
	int window = quic_streams_window(streams, id);
	bool local = quic_stream_is_local(streams, id);
	bool uni = quic_stream_id_is_uni(id);
	struct quic_stream *stream;

	stream = quic_host_alloc(sizeof(*stream));
	if (!stream)
		return NULL;
	INIT_LIST_HEAD(&stream->ready);
	stream->id = id;
	stream->has_send = local || !uni;
	stream->has_recv = !local || !uni;
	quic_stream_send_init(&stream->send, streams->send_window[window]);
	quic_stream_recv_init(&stream->recv, streams->recv_window[window], &streams->held);

	while (*link) {
		parent = *link;
		link = id < rb_entry(parent, struct quic_stream, node)->id ?
		       &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&stream->node, parent, link);
	rb_insert_color(&stream->node, &streams->root);
	return stream;
}

/*
 * Creates the streams of the type of @id from number @next up to it: a stream
 * is never open while a lower one is not. RFC 9000, section 3.2. All or none,
 * for want of memory; the limits bound how many.
 */
static struct quic_stream *quic_streams_create_up_to(struct quic_streams *streams,
						     u64 id, u64 next)
{
	struct quic_stream *stream = NULL;
	u64 index;

	for (index = next; index <= quic_stream_id_index(id); index++) {
		stream = quic_streams_create(streams, quic_stream_id_at(id, index));
		if (!stream)
			goto err_undo;
	}
	streams->last = stream;
	return stream;

err_undo:
	while (index-- > next) {
		stream = quic_streams_find(streams, quic_stream_id_at(id, index));
		quic_streams_unlink(streams, stream);
		quic_stream_free(stream);
	}
	return NULL;
}

/**
 * quic_streams_open() - open a stream of ours and all lower ones of its type
 * @streams: streams of a connection
 * @id:      one of ours, not opened yet
 * @err:     set on failure: -EAGAIN without credit, -ENOMEM
 *
 * It becomes the active stream.
 *
 * Return: the stream, or NULL and nothing is changed.
 */
struct quic_stream *quic_streams_open(struct quic_streams *streams, u64 id, int *err)
{
	struct quic_streams_local *local = &streams->local[quic_stream_id_is_uni(id)];
	u64 count = quic_stream_id_index(id) + 1 - local->next;
	struct quic_stream *stream;

	if (!quic_streams_may_open(streams, id)) {
		*err = -EAGAIN;
		return NULL;
	}
	stream = quic_streams_create_up_to(streams, id, local->next);
	if (!stream) {
		*err = -ENOMEM;
		return NULL;
	}
	local->next += count;
	local->open += count;
	streams->active = stream;
	return stream;
}

/*
 * A frame names a stream of the peer that is not in the table. The peer has
 * opened it now, unless it is over already.
 */
static struct quic_stream *quic_streams_accept(struct quic_streams *streams, u64 id, int *code)
{
	struct quic_streams_remote *remote = &streams->remote[quic_stream_id_is_uni(id)];
	u64 index = quic_stream_id_index(id);
	struct quic_stream *stream;

	*code = 0;
	if (index < remote->next)
		return NULL;
	/* RFC 9000, section 4.6 */
	if (index >= remote->limit) {
		*code = QUIC_TRANSPORT_ERROR_STREAM_LIMIT;
		return NULL;
	}
	stream = quic_streams_create_up_to(streams, id, remote->next);
	if (!stream) {
		*code = QUIC_TRANSPORT_ERROR_INTERNAL;
		return NULL;
	}
	remote->open += index + 1 - remote->next;
	remote->next = index + 1;
	if (!quic_stream_id_is_uni(id))
		streams->active = stream;
	return stream;
}

/* A frame names a stream of ours that is not in the table: over, or never opened? */
static int quic_streams_check_local(const struct quic_streams *streams, u64 id)
{
	const struct quic_streams_local *local = &streams->local[quic_stream_id_is_uni(id)];

	return quic_stream_id_index(id) < local->next ? 0 : QUIC_TRANSPORT_ERROR_STREAM_STATE;
}

/**
 * quic_streams_for_recv() - the stream whose receiving part a frame concerns
 * @streams: streams of a connection
 * @id:      stream ID in STREAM, RESET_STREAM or STREAM_DATA_BLOCKED
 * @code:    transport error code to close with, or 0
 *
 * Creates streams that the peer opens by it. RFC 9000, sections 3.2, 19.4,
 * 19.8 and 19.13.
 *
 * Return: the stream; NULL with @code 0: it is released, ignore the frame.
 */
struct quic_stream *quic_streams_for_recv(struct quic_streams *streams, u64 id, int *code)
{
	struct quic_stream *stream = quic_streams_find(streams, id);

	*code = 0;
	if (likely(stream && stream->has_recv))
		return stream;
	if (!quic_stream_is_local(streams, id))
		return quic_streams_accept(streams, id, code);
	/* Ours to send on only. */
	if (quic_stream_id_is_uni(id))
		*code = QUIC_TRANSPORT_ERROR_STREAM_STATE;
	else
		*code = quic_streams_check_local(streams, id);
	return NULL;
}

/**
 * quic_streams_for_send() - the stream whose sending part a frame concerns
 * @streams: streams of a connection
 * @id:      stream ID in MAX_STREAM_DATA or STOP_SENDING
 * @code:    transport error code to close with, or 0
 *
 * Either may be the first to name a bidirectional stream of the peer, which
 * creates it. RFC 9000, sections 3.2, 19.5 and 19.10.
 *
 * Return: the stream; NULL with @code 0: it is released, ignore the frame.
 */
struct quic_stream *quic_streams_for_send(struct quic_streams *streams, u64 id, int *code)
{
	struct quic_stream *stream = quic_streams_find(streams, id);

	*code = 0;
	if (likely(stream && stream->has_send))
		return stream;
	if (quic_stream_is_local(streams, id)) {
		*code = quic_streams_check_local(streams, id);
		return NULL;
	}
	/* The peer's to send on only. */
	if (quic_stream_id_is_uni(id)) {
		*code = QUIC_TRANSPORT_ERROR_STREAM_STATE;
		return NULL;
	}
	return quic_streams_accept(streams, id, code);
}

/**
 * quic_stream_is_done() - are all its parts in a terminal state?
 * @stream: stream
 */
bool quic_stream_is_done(const struct quic_stream *stream)
{
	return (!stream->has_send || quic_stream_send_is_done(&stream->send)) &&
	       (!stream->has_recv || quic_stream_recv_is_done(&stream->recv));
}

/*
 * As many as are over now may be opened again. RFC 9000, section 4.6.
 */
static u64 quic_streams_remote_limit(const struct quic_streams_remote *remote)
{
	u64 unused = remote->initial > remote->open ? remote->initial - remote->open : 0;
	u64 limit = min_t(u64, remote->next + unused, QUIC_MAX_STREAMS_LIMIT);

	return max(limit, remote->limit);
}

/**
 * quic_streams_release() - free a stream that is done
 * @streams: streams of a connection
 * @stream:  one of them; the host's send buffers of it are released already
 *
 * Its ID never names a stream again. One of the peer's gives it the right to
 * open another.
 *
 * Return: true if MAX_STREAMS of its direction became stale.
 */
bool quic_streams_release(struct quic_streams *streams, struct quic_stream *stream)
{
	bool uni = quic_stream_id_is_uni(stream->id);
	bool local = quic_stream_is_local(streams, stream->id);
	struct quic_streams_remote *remote = &streams->remote[uni];

	quic_streams_unlink(streams, stream);
	quic_stream_free(stream);
	if (local) {
		streams->local[uni].open--;
		return false;
	}
	remote->open--;
	if (quic_streams_remote_limit(remote) == remote->limit)
		return false;
	remote->max = QUIC_CONTROL_STALE;
	return true;
}

/**
 * quic_streams_mark_ready() - a stream may have something to send
 * @streams: streams of a connection
 * @stream:  one of them; it takes its turn behind those that wait
 */
void quic_streams_mark_ready(struct quic_streams *streams, struct quic_stream *stream)
{
	if (list_empty(&stream->ready))
		list_add_tail(&stream->ready, &streams->ready);
}

/**
 * quic_stream_has_something() - is there any frame to be sent for a stream?
 * @stream: stream
 */
bool quic_stream_has_something(const struct quic_stream *stream)
{
	const struct quic_stream_send *send = &stream->send;
	const struct quic_stream_recv *recv = &stream->recv;

	if (stream->has_send &&
	    (quic_stream_send_has_data(send) || send->reset == QUIC_CONTROL_STALE ||
	     send->blocked == QUIC_CONTROL_STALE))
		return true;
	return stream->has_recv &&
	       (recv->stop == QUIC_CONTROL_STALE || recv->max_data == QUIC_CONTROL_STALE);
}

/**
 * quic_streams_on_max() - apply MAX_STREAMS
 * @streams: streams of a connection
 * @uni:     of unidirectional streams
 * @limit:   value of the frame
 *
 * A value that does not increase the limit is ignored. RFC 9000, section 4.6.
 * A peer that allowed none at first sets by its first grant how many may be
 * open at once.
 *
 * Return: true if it raised the limit.
 */
bool quic_streams_on_max(struct quic_streams *streams, bool uni, u64 limit)
{
	struct quic_streams_local *local = &streams->local[uni];

	if (limit <= local->limit)
		return false;
	local->limit = limit;
	if (!local->initial)
		local->initial = min_t(u64, limit, QUIC_STREAMS_LIMIT);
	local->blocked = QUIC_CONTROL_IDLE;
	return true;
}

/**
 * quic_streams_grant() - the value to write into MAX_STREAMS now
 * @streams: streams of a connection
 * @uni:     of unidirectional streams
 *
 * Remembers it as the limit that the peer may reach.
 */
u64 quic_streams_grant(struct quic_streams *streams, bool uni)
{
	struct quic_streams_remote *remote = &streams->remote[uni];

	remote->limit = quic_streams_remote_limit(remote);
	return remote->limit;
}
