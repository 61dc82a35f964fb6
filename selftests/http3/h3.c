// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections and streams of HTTP/3, from their beginning to their end; h3_io.c has what is between. */
#include <errno.h>
#include <netinet/quic.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "h3_internal.h"

/* RFC 9114, section 4.2.2: what we say we take of fields. */
#define FIELDS_MAX	65536

static const uint8_t events[] = {
	QUIC_EVENT_STREAM_UPDATE, QUIC_EVENT_STREAM_MAX_DATA,
	QUIC_EVENT_STREAM_MAX_STREAM, QUIC_EVENT_CONNECTION_CLOSE,
};

void h3_die(int status, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

/* The connection is over; the first reason counts. */
void h3_closed(struct h3_conn *conn, uint64_t code, const char *reason)
{
	if (conn->closed)
		return;
	conn->closed = true;
	conn->code = code;
	snprintf(conn->reason, sizeof(conn->reason), "%s", reason);
}

void h3_close(struct h3_conn *conn, uint64_t code, const char *reason)
{
	struct quic_connection_close close = { .errcode = code };

	if (conn->closed)
		return;
	snprintf((char *)close.phrase, sizeof(close.phrase), "%s", reason);
	setsockopt(conn->fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, &close,
		   sizeof(close));
	shutdown(conn->fd, SHUT_RDWR);
	h3_closed(conn, code, reason);
}

/* libnghttp3 cannot go on, which is the peer's fault or for want of memory. */
void h3_broken(struct h3_conn *conn, int error)
{
	h3_close(conn, nghttp3_err_infer_quic_app_error_code(error),
		 nghttp3_strerror(error));
}

/* Requests are the client's bidirectional streams; the others never end. */
bool h3_is_request(int64_t id)
{
	return !(id & QUIC_STREAM_TYPE_MASK);
}

struct h3_stream *h3_find(struct h3_conn *conn, int64_t id)
{
	struct h3_stream *stream;

	for (stream = conn->streams; stream; stream = stream->next)
		if (stream->id == id)
			return stream;
	return NULL;
}

struct h3_stream *h3_add(struct h3_conn *conn, int64_t id)
{
	struct h3_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->id = id;
	stream->code = NGHTTP3_H3_NO_ERROR;
	stream->next = conn->streams;
	conn->streams = stream;
	return stream;
}

static void h3_remove(struct h3_conn *conn, struct h3_stream *stream)
{
	struct h3_stream **at = &conn->streams;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	conn->ended(conn, stream);
	free(stream);
}

/* Both directions are done with: tell libnghttp3, then forget it. */
void h3_settle(struct h3_conn *conn, struct h3_stream *stream)
{
	int error;

	if (!stream->sent || !stream->received)
		return;
	error = nghttp3_conn_close_stream(conn->http, stream->id, stream->code);
	h3_remove(conn, stream);
	if (error && error != NGHTTP3_ERR_STREAM_NOT_FOUND)
		h3_broken(conn, error);
}

/* ---- Callbacks of libnghttp3 that are the same for both ends. */

static int h3_on_begin_headers(nghttp3_conn *http, int64_t id, void *conn,
			       void *user)
{
	if (user)
		return 0;
	return nghttp3_conn_set_stream_user_data(http, id, h3_find(conn, id));
}

/* What is wrong with a message is the reason why its stream ends. */
static void h3_blame(struct h3_conn *conn, int64_t id, uint64_t code, bool stop)
{
	struct h3_stream *stream = h3_find(conn, id);

	if (!stream)
		return;
	if (stream->code == NGHTTP3_H3_NO_ERROR)
		stream->code = code;
	stream->stopped |= stop;
}

/* An option that fails here tells of a stream that is over already. */
static int h3_on_stop_sending(nghttp3_conn *http, int64_t id, uint64_t code,
			      void *conn, void *user)
{
	struct quic_errinfo info = { .stream_id = id, .errcode = code };

	(void)http, (void)user;
	h3_blame(conn, id, code, true);
	setsockopt(((struct h3_conn *)conn)->fd, SOL_QUIC,
		   QUIC_SOCKOPT_STREAM_STOP_SENDING, &info, sizeof(info));
	return 0;
}

void h3_reset(struct h3_conn *conn, int64_t id, uint64_t code)
{
	struct quic_errinfo info = { .stream_id = id, .errcode = code };

	h3_blame(conn, id, code, false);
	setsockopt(conn->fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_RESET, &info, sizeof(info));
}

static int h3_on_reset_stream(nghttp3_conn *http, int64_t id, uint64_t code,
			      void *conn, void *user)
{
	(void)http, (void)user;
	h3_reset(conn, id, code);
	return 0;
}

/* ---- Opening and closing. */

int h3_socket(int family, int flags)
{
	/* The last piece of an answer shall not wait for others. */
	struct quic_config config = { .stream_data_nodelay = 1 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, IPPROTO_QUIC);

	if (fd >= 0 && setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)))
		h3_die(H3_EXIT_NETWORK, "the socket cannot be set up: %s", strerror(errno));
	return fd;
}

/* Returns the ID, or a negative errno; never waits. */
static int64_t h3_open_stream(struct h3_conn *conn, uint32_t flags)
{
	struct quic_stream_info info = {
		.stream_id = -1,
		.stream_flags = flags | MSG_QUIC_STREAM_DONTWAIT,
	};
	socklen_t size = sizeof(info);

	if (getsockopt(conn->fd, SOL_QUIC, QUIC_SOCKOPT_STREAM_OPEN, &info, &size))
		return -errno;
	return info.stream_id;
}

int h3_open(struct h3_conn *conn, nghttp3_callbacks callbacks)
{
	nghttp3_settings settings;
	int64_t own[3];
	size_t i;
	int error;

	for (i = 0; i < sizeof(events); i++) {
		struct quic_event_option option = { .type = events[i], .on = 1 };

		if (setsockopt(conn->fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, &option,
			       sizeof(option)))
			return -errno;
	}
	for (i = 0; i < 3; i++) {
		own[i] = h3_open_stream(conn, MSG_QUIC_STREAM_UNI);
		if (own[i] < 0)
			return own[i];
	}
	callbacks.begin_headers = h3_on_begin_headers;
	callbacks.stop_sending = h3_on_stop_sending;
	callbacks.reset_stream = h3_on_reset_stream;
	compat_callbacks(&callbacks);
	nghttp3_settings_default(&settings);
	settings.max_field_section_size = FIELDS_MAX;
	if (conn->server)
		error = nghttp3_conn_server_new(&conn->http, &callbacks, &settings,
						NULL, conn);
	else
		error = nghttp3_conn_client_new(&conn->http, &callbacks, &settings,
						NULL, conn);
	if (error)
		return -ENOMEM;
	if (conn->server)
		nghttp3_conn_set_max_client_streams_bidi(conn->http, H3_STREAMS);
	if (nghttp3_conn_bind_control_stream(conn->http, own[0]) ||
	    nghttp3_conn_bind_qpack_streams(conn->http, own[1], own[2]))
		return -ENOMEM;
	return 0;
}

void h3_free(struct h3_conn *conn)
{
	while (conn->streams)
		h3_remove(conn, conn->streams);
	if (conn->http)
		nghttp3_conn_del(conn->http);
	close(conn->fd);
}

struct h3_stream *h3_request(struct h3_conn *conn)
{
	int64_t id = h3_open_stream(conn, 0);

	if (id < 0) {
		errno = -id;
		return NULL;
	}
	return h3_add(conn, id);
}

short h3_wants(const struct h3_conn *conn)
{
	return POLLIN | (conn->full ? POLLOUT : 0);
}

