// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes between a QUIC socket and libnghttp3, in both directions.
 *
 * One socket carries all streams: a control message QUIC_STREAM_INFO with each
 * message tells which stream it is of, and whether it ends it. What happens to
 * streams and to the connection comes as events, in the same queue.
 */
#include <errno.h>
#include <netinet/quic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "h3_internal.h"

/* Messages taken in one turn: other connections want theirs. */
#define TURN		64
#define PIECE		65536
#define VECTORS		8

/* ---- From the socket. */

/* Server: a request begins, maybe after one that was made later. NULL without memory. */
static struct h3_stream *h3_come(struct h3_conn *conn, int64_t id)
{
	struct h3_stream *stream = h3_add(conn, id);

	if (!stream) {
		h3_broken(conn, NGHTTP3_ERR_NOMEM);
		return NULL;
	}
	if (id > conn->highest) {
		conn->highest = id;
		nghttp3_conn_set_max_client_streams_bidi(conn->http,
							 id / 4 + 1 + H3_STREAMS);
	}
	return stream;
}

static void h3_take_data(struct h3_conn *conn, const struct quic_stream_info *info,
			 const uint8_t *data, size_t size)
{
	bool fin = info->stream_flags & MSG_QUIC_STREAM_FIN;
	struct h3_stream *stream = NULL;
	nghttp3_ssize taken;

	if (h3_is_request(info->stream_id)) {
		stream = h3_find(conn, info->stream_id);
		if (!stream && conn->server)
			stream = h3_come(conn, info->stream_id);
		if (!stream)
			return;
	}
	/* What it returns is for flow control, which is the kernel's. */
	taken = compat_read_stream(conn->http, info->stream_id, data, size, fin);
	if (taken < 0) {
		h3_broken(conn, taken);
	} else if (stream && fin) {
		stream->received = true;
		h3_settle(conn, stream);
	}
}

/* A stream went on: quic(7) has the states of its two parts. */
static void h3_take_update(struct h3_conn *conn, const struct quic_stream_update *update)
{
	bool given_up = update->state == QUIC_STREAM_RECV_STATE_RESET_RECVD ||
			update->state == QUIC_STREAM_SEND_STATE_RESET_SENT;
	struct h3_stream *stream = h3_find(conn, update->id);

	if (given_up && !h3_is_request(update->id)) {
		/* HTTP/3's own streams last as long as the connection. */
		h3_close(conn, NGHTTP3_H3_CLOSED_CRITICAL_STREAM,
			 "a stream of HTTP/3 itself was reset");
		return;
	}
	/* This may overtake the request itself. */
	if (given_up && !stream && conn->server)
		stream = h3_come(conn, update->id);
	if (!stream)
		return;
	switch (update->state) {
	case QUIC_STREAM_SEND_STATE_RECVD:
	case QUIC_STREAM_SEND_STATE_RESET_RECVD:
		stream->sent = true;
		break;
	case QUIC_STREAM_SEND_STATE_RESET_SENT:
		/* The peer wants no more; the kernel has reset the stream. */
		nghttp3_conn_shutdown_stream_write(conn->http, stream->id);
		stream->code = update->errcode;
		stream->sent = true;
		break;
	case QUIC_STREAM_RECV_STATE_RECVD:
		/* Nobody will read what we do not want. */
		stream->received |= stream->stopped;
		break;
	case QUIC_STREAM_RECV_STATE_RESET_RECVD:
		if (nghttp3_conn_shutdown_stream_read(conn->http, stream->id)) {
			h3_broken(conn, NGHTTP3_ERR_NOMEM);
			return;
		}
		stream->code = update->errcode;
		stream->received = true;
		/* To a request, or an answer, that breaks off we have no more to say. */
		if (!stream->sent) {
			nghttp3_conn_shutdown_stream_write(conn->http, stream->id);
			h3_reset(conn, stream->id, NGHTTP3_H3_REQUEST_CANCELLED);
		}
		break;
	}
	h3_settle(conn, stream);
}

/* One byte of type, then the structure, which older kernels have shorter. */
static void h3_take_event(struct h3_conn *conn, const uint8_t *data, size_t size)
{
	union quic_event event = {};

	if (!size)
		return;
	memcpy(&event, data + 1,
	       size - 1 < sizeof(event) ? size - 1 : sizeof(event));
	switch (data[0]) {
	case QUIC_EVENT_STREAM_UPDATE:
		h3_take_update(conn, &event.update);
		break;
	case QUIC_EVENT_STREAM_MAX_DATA:
		if (nghttp3_conn_unblock_stream(conn->http, event.max_data.id))
			h3_broken(conn, NGHTTP3_ERR_NOMEM);
		break;
	case QUIC_EVENT_CONNECTION_CLOSE:
		/* It overtakes data that is still to be read: ENOTCONN is the end. */
		conn->code = event.close.errcode;
		snprintf(conn->reason, sizeof(conn->reason), "%s",
			 event.close.phrase[0] ? (char *)event.close.phrase :
			 "the peer closed the connection");
		break;
	}
}

void h3_read(struct h3_conn *conn)
{
	static uint8_t data[PIECE];
	char control[CMSG_SPACE(sizeof(struct quic_stream_info))];
	struct quic_stream_info info;
	struct cmsghdr *cmsg;
	ssize_t size;
	int turn;

	for (turn = 0; turn < TURN && !conn->closed; turn++) {
		struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};

		size = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
		if (size < 0) {
			if (errno == ENOTCONN && conn->reason[0])
				conn->closed = true;
			else if (errno == ENOTCONN)
				h3_closed(conn, 0, "the peer does not answer any more");
			else if (errno != EAGAIN && errno != EINTR)
				h3_closed(conn, 0, strerror(errno));
			return;
		}
		if (msg.msg_flags & MSG_QUIC_NOTIFICATION) {
			h3_take_event(conn, data, size);
			continue;
		}
		cmsg = CMSG_FIRSTHDR(&msg);
		if (!cmsg || cmsg->cmsg_level != SOL_QUIC ||
		    cmsg->cmsg_type != QUIC_STREAM_INFO)
			continue;
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		h3_take_data(conn, &info, data, size);
	}
}

/* ---- To the socket. */

static ssize_t h3_send(struct h3_conn *conn, int64_t id, bool fin,
		       const nghttp3_vec *vec, size_t count)
{
	struct quic_stream_info info = {
		.stream_id = id,
		/* and let the peer know if it is its credit that is missing */
		.stream_flags = MSG_QUIC_STREAM_SNDBLOCK |
				(fin ? MSG_QUIC_STREAM_FIN : 0),
	};
	char control[CMSG_SPACE(sizeof(info))] = {};
	struct iovec iov[VECTORS];
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = count,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	size_t i;

	for (i = 0; i < count; i++)
		iov[i] = (struct iovec){ vec[i].base, vec[i].len };
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	return sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Whose credit is missing after ENOSPC? A socket that is writable has room,
 * and credit of the connection; so it is the stream's, and a second try that
 * fails again proves it.
 */
static bool h3_is_writable(const struct h3_conn *conn)
{
	struct pollfd one = { .fd = conn->fd, .events = POLLOUT };

	return poll(&one, 1, 0) == 1 && one.revents & POLLOUT;
}

/* Returns what the socket took, or -1 if it took nothing. */
static ssize_t h3_send_or_block(struct h3_conn *conn, int64_t id, bool fin,
				const nghttp3_vec *vec, size_t count)
{
	ssize_t sent = h3_send(conn, id, fin, vec, count);

	if (sent < 0 && errno == ENOSPC && h3_is_writable(conn)) {
		sent = h3_send(conn, id, fin, vec, count);
		if (sent < 0 && errno == ENOSPC) {
			nghttp3_conn_block_stream(conn->http, id);
			return -1;
		}
	}
	if (sent >= 0)
		return sent;
	/* After EPIPE h3_read() finds the reason in the queue. */
	if (errno == EAGAIN || errno == ENOSPC || errno == EPIPE)
		conn->full = true;
	else
		/* The peer has stopped it; the event that says so will come. */
		nghttp3_conn_shutdown_stream_write(conn->http, id);
	return -1;
}

void h3_write(struct h3_conn *conn)
{
	nghttp3_vec vec[VECTORS];
	nghttp3_ssize count;
	ssize_t sent;
	int64_t id;
	int error, fin;

	conn->full = false;
	while (!conn->closed && !conn->full) {
		/* The most urgent of the streams that have something to send. */
		count = nghttp3_conn_writev_stream(conn->http, &id, &fin, vec, VECTORS);
		if (count < 0) {
			h3_broken(conn, count);
			return;
		}
		if (id < 0)
			return;
		sent = h3_send_or_block(conn, id, fin, vec, count);
		if (sent < 0)
			continue;
		/* The kernel has a copy, so what was sent may go at once. */
		error = nghttp3_conn_add_write_offset(conn->http, id, sent);
		if (!error && sent)
			error = nghttp3_conn_add_ack_offset(conn->http, id, sent);
		if (error)
			h3_broken(conn, error);
	}
}
