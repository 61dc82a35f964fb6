// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h3get - fetch files by HTTP/3 over a QUIC socket of the kernel.
 *
 * An example for people who know the web and want to see what remains to be
 * done when the kernel does QUIC:
 *
 *	socket(AF_INET, SOCK_STREAM, IPPROTO_QUIC), connect()	as with TCP
 *	quic_handshake_client()		TLS, by libquic: certificates and ALPN
 *	h3_open()			libnghttp3 on top of the socket
 *	h3_request()			a stream of the socket for each request
 *	poll(), h3_read(), h3_write()	until all answers are there
 *
 * All streams are in the one socket, so this loop is all there is: no thread,
 * no timer, no packet. h3.c and h3_io.c have the glue, h3serve.c the other end.
 *
 *	cc -D_GNU_SOURCE h3get.c h3.c h3_io.c $(pkg-config --cflags --libs libquic libnghttp3)
 *	h3get https://server.example/page > page
 *	h3get -o folder https://server.example/a /b /c		side by side
 *
 *	-c FILE		trust the certificate authorities in FILE
 *	-o FOLDER	write files there, by the last parts of their paths
 *	-H 'NAME: VALUE'	send this field, such as "priority: u=1" or a range
 *	-I		ask for the fields alone: HEAD
 *	-v		show the fields of the answers
 *	-t SECONDS	how long to wait for the server at a time, 30
 *
 * A line on standard error, "200 1234 /page", tells of each answer as it is
 * complete. Exit status: 0, or as h3.h lists them.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/quic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "h3.h"

#define FIELDS	16	/* at most, of the user's */

struct transfer {
	const char	*path;
	char		*file;		/* NULL: standard output, which is not ours to remove */
	int		fd;		/* -1: nothing to write yet */
	long		status;
	uint64_t	size;
	bool		ended;		/* the answer is whole */
};

static struct {
	const char	*ca, *folder, *method;
	const char	*fields[FIELDS][2];
	size_t		field_count;
	char		*authority, *host, *port;
	int		timeout;	/* in milliseconds */
	bool		verbose;

	struct transfer	*transfers;
	size_t		count, begun, done;
	int64_t		limit;		/* the server does no request from this ID on */
	int		status;		/* what to exit with */
} get = { .method = "GET", .timeout = 30000, .limit = INT64_MAX };

/* What is lost counts more than what is refused. */
static void failed(int status)
{
	if (!get.status || status < get.status)
		get.status = status;
}

/* ---- What comes. */

static int on_field(nghttp3_conn *http, int64_t id, int32_t token, nghttp3_rcbuf *name,
		    nghttp3_rcbuf *value, uint8_t flags, void *conn, void *user)
{
	nghttp3_vec n = nghttp3_rcbuf_get_buf(name), v = nghttp3_rcbuf_get_buf(value);
	struct transfer *transfer = ((struct h3_stream *)user)->user;

	(void)http, (void)id, (void)flags, (void)conn;
	/* libnghttp3 has seen to it that this is a number of three digits. */
	if (token == NGHTTP3_QPACK_TOKEN__STATUS)
		transfer->status = strtol((char *)v.base, NULL, 10);
	if (get.verbose)
		fprintf(stderr, "%.*s: %.*s\n", (int)n.len, n.base, (int)v.len, v.base);
	return 0;
}

static void open_file(struct transfer *transfer)
{
	size_t length = strcspn(transfer->path, "?"), name = length;

	if (!get.folder) {
		transfer->fd = STDOUT_FILENO;
		return;
	}
	while (transfer->path[name - 1] != '/')
		name--;
	if (asprintf(&transfer->file, "%s/%.*s%s", get.folder, (int)(length - name),
		     transfer->path + name, length == name ? "index.html" : "") < 0)
		h3_die(H3_EXIT_USAGE, "out of memory");
	transfer->fd = open(transfer->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (transfer->fd < 0)
		h3_die(H3_EXIT_USAGE, "%s: %s", transfer->file, strerror(errno));
}

/* The body of a refusal is not what was asked for. */
static int on_data(nghttp3_conn *http, int64_t id, const uint8_t *data, size_t size,
		   void *conn, void *user)
{
	struct transfer *transfer = ((struct h3_stream *)user)->user;
	ssize_t written;

	(void)http, (void)id, (void)conn;
	transfer->size += size;
	if (transfer->status >= 400)
		return 0;
	if (transfer->fd < 0)
		open_file(transfer);
	for (; size; data += written, size -= written) {
		written = write(transfer->fd, data, size);
		if (written < 0)
			h3_die(H3_EXIT_USAGE, "cannot write %s: %s",
			       transfer->file ? transfer->file : "to standard output",
			       strerror(errno));
	}
	return 0;
}

static int on_end(nghttp3_conn *http, int64_t id, void *conn, void *user)
{
	struct transfer *transfer = ((struct h3_stream *)user)->user;

	(void)http, (void)id, (void)conn;
	transfer->ended = true;
	/* An empty file is one, too. */
	if (transfer->status < 400 && transfer->fd < 0 && strcmp(get.method, "HEAD"))
		open_file(transfer);
	return 0;
}

/* GOAWAY: RFC 9114, section 5.2. */
static int on_goaway(nghttp3_conn *http, int64_t id, void *conn)
{
	(void)http, (void)conn;
	get.limit = id;
	return 0;
}

/* A stream is over, well or not. */
static void on_stream_ended(struct h3_conn *conn, struct h3_stream *stream)
{
	struct transfer *transfer = stream->user;

	get.done++;
	if (transfer->file && close(transfer->fd))
		h3_die(H3_EXIT_USAGE, "%s: %s", transfer->file, strerror(errno));
	if (transfer->ended) {
		fprintf(stderr, "%ld %llu %s\n", transfer->status,
			(unsigned long long)transfer->size, transfer->path);
		if (transfer->status >= 400)
			failed(H3_EXIT_STATUS);
		return;
	}
	failed(H3_EXIT_CONNECTION);
	if (transfer->file)
		unlink(transfer->file);
	if (conn->closed)
		fprintf(stderr, "%s: the connection ended: %s (%#llx)\n", transfer->path,
			conn->reason, (unsigned long long)conn->code);
	else
		fprintf(stderr, "%s: the server gave it up (%#llx)\n", transfer->path,
			(unsigned long long)stream->code);
}

/* ---- What goes. */

/* Begin as many requests as the server allows at once. */
static void begin(struct h3_conn *conn)
{
	struct h3_stream *stream;
	nghttp3_nv fields[FIELDS + 5];
	size_t count, i;

	while (get.begun < get.count && get.limit == INT64_MAX && !conn->closed) {
		struct transfer *transfer = &get.transfers[get.begun];

		stream = h3_request(conn);
		if (!stream) {
			if (errno != EAGAIN)
				h3_close(conn, NGHTTP3_H3_INTERNAL_ERROR, strerror(errno));
			return;
		}
		get.begun++;
		stream->user = transfer;
		count = 0;
		fields[count++] = compat_field(":method", get.method);
		fields[count++] = compat_field(":scheme", "https");
		fields[count++] = compat_field(":authority", get.authority);
		fields[count++] = compat_field(":path", transfer->path);
		fields[count++] = compat_field("user-agent", "h3get");
		for (i = 0; i < get.field_count; i++)
			fields[count++] = compat_field(get.fields[i][0], get.fields[i][1]);
		if (nghttp3_conn_submit_request(conn->http, stream->id, fields, count,
						NULL, stream))
			h3_close(conn, NGHTTP3_H3_INTERNAL_ERROR, "no request can be made");
	}
}

static void run(struct h3_conn *conn)
{
	struct pollfd one = { .fd = conn->fd };
	int ready;

	while (!conn->closed) {
		begin(conn);
		h3_write(conn);
		if (get.done == get.begun && (get.begun == get.count || get.limit != INT64_MAX))
			break;
		one.events = h3_wants(conn);
		ready = poll(&one, 1, get.timeout);
		if (!ready)
			h3_close(conn, NGHTTP3_H3_REQUEST_CANCELLED, "the server is silent");
		else if (ready > 0)
			h3_read(conn);
	}
	h3_close(conn, NGHTTP3_H3_NO_ERROR, "");
}

/* ---- Before HTTP/3 begins. */

/* Returns a connected socket with its handshake done; tries all addresses but after a word of TLS. */
static int connected(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *one;
	struct quic_handshake_result result = { .size = sizeof(result) };
	struct quic_handshake_options options = {
		.size = sizeof(options), .hostname = get.host, .alpns = "h3",
		.timeout_ms = get.timeout,
	};
	struct quic_credentials *credentials;
	int error, fd, status = H3_EXIT_NETWORK;
	char why[400] = "no address";

	error = quic_credentials_create_client(&credentials);
	if (!error && get.ca)
		error = quic_credentials_set_ca_file(credentials, get.ca);
	if (error)
		h3_die(H3_EXIT_USAGE, "%s: %s", get.ca ? get.ca : "TLS", quic_strerror(error));
	options.credentials = credentials;
	error = getaddrinfo(get.host, get.port, &hints, &all);
	if (error)
		h3_die(H3_EXIT_NETWORK, "%s: %s", get.host, gai_strerror(error));
	for (one = all; one; one = one->ai_next) {
		fd = h3_socket(one->ai_family, 0);
		if (fd < 0 || connect(fd, one->ai_addr, one->ai_addrlen)) {
			snprintf(why, sizeof(why), "%s%s", strerror(errno),
				 fd < 0 ? " (is quic.ko loaded?)" : "");
			if (fd >= 0)
				close(fd);
			continue;
		}
		error = quic_handshake_client(fd, &options, &result);
		if (!error)
			break;
		close(fd);
		status = H3_EXIT_HANDSHAKE;
		snprintf(why, sizeof(why), "%s%s%s", quic_strerror(error),
			 result.verify_text[0] ? ": " : "", result.verify_text);
		if (result.alert_sent >= 0 || result.alert_received >= 0) {
			one = NULL;
			break;
		}
	}
	if (!one)
		h3_die(status, "%s: %s", get.authority, why);
	freeaddrinfo(all);
	quic_credentials_destroy(credentials);
	return fd;
}

/* https://HOST[:PORT]/PATH, the host in brackets if it is an address of IPv6. */
static void parse_url(const char *url)
{
	const char *host = url + strlen("https://"), *path, *end;

	if (strncmp(url, "https://", strlen("https://")))
		h3_die(H3_EXIT_USAGE, "%s: not a URL of https", url);
	path = strchr(host, '/');
	get.authority = path ? strndup(host, path - host) : strdup(host);
	get.transfers[0].path = path ? path : "/";
	end = strrchr(get.authority, ':');
	if (end && strchr(end, ']'))
		end = NULL;
	get.port = strdup(end ? end + 1 : "443");
	get.host = end ? strndup(get.authority, end - get.authority) : strdup(get.authority);
	if (*get.host == '[' && strchr(get.host, ']')) {
		get.host++;
		*strchr(get.host, ']') = '\0';
	}
	if (!*get.host)
		h3_die(H3_EXIT_USAGE, "%s: no host", url);
}

static void add_field(char *text)
{
	char *colon = strchr(text, ':'), *at;

	if (!colon || get.field_count == FIELDS)
		h3_die(H3_EXIT_USAGE, "%s: not NAME: VALUE, or too many", text);
	*colon = '\0';
	for (at = text; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	get.fields[get.field_count][0] = text;
	get.fields[get.field_count++][1] = colon + 1 + strspn(colon + 1, " ");
}

int main(int argc, char **argv)
{
	struct h3_conn conn = { .ended = on_stream_ended };
	nghttp3_callbacks callbacks = {
		.recv_header = on_field, .recv_trailer = on_field, .recv_data = on_data,
		.end_stream = on_end, .shutdown = on_goaway,
	};
	int option, error;
	size_t i;

	while ((option = getopt(argc, argv, "c:o:H:Ivt:")) != -1) {
		switch (option) {
		case 'c':
			get.ca = optarg;
			break;
		case 'o':
			get.folder = optarg;
			break;
		case 'H':
			add_field(optarg);
			break;
		case 'I':
			get.method = "HEAD";
			break;
		case 'v':
			get.verbose = true;
			break;
		case 't':
			get.timeout = 1000 * atoi(optarg);
			break;
		default:
			optind = argc;
		}
	}
	if (optind >= argc || get.timeout <= 0)
		h3_die(H3_EXIT_USAGE, "usage: h3get [-c CA] [-o FOLDER] [-H 'NAME: VALUE'] [-I] "
		       "[-v] [-t SECONDS] https://HOST[:PORT]/PATH [/PATH ...]");
	get.count = argc - optind;
	get.transfers = calloc(get.count, sizeof(*get.transfers));
	parse_url(argv[optind]);
	for (i = 0; i < get.count; i++) {
		get.transfers[i].fd = -1;
		if (i)
			get.transfers[i].path = argv[optind + i];
		if (*get.transfers[i].path != '/')
			h3_die(H3_EXIT_USAGE, "%s: not a path", get.transfers[i].path);
	}
	conn.fd = connected();
	error = h3_open(&conn, callbacks);
	if (error)
		h3_die(H3_EXIT_CONNECTION, "HTTP/3 does not begin: %s", strerror(-error));
	run(&conn);
	h3_free(&conn);
	if (get.begun < get.count) {
		fprintf(stderr, "%zu of %zu not asked for: %s\n", get.count - get.begun, get.count,
			get.limit != INT64_MAX ? "the server goes away" : conn.reason);
		failed(H3_EXIT_CONNECTION);
	}
	return get.status;
}
