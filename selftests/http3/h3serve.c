// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h3serve - serve the files of a folder by HTTP/3 over QUIC sockets of the kernel.
 *
 * The other end of h3get.c, where to begin to read:
 *
 *	socket(AF_INET, SOCK_STREAM, IPPROTO_QUIC), bind(), listen()	as with TCP
 *	accept()		a socket for each connection, before its handshake
 *	quic_tls_step()		TLS in steps, so that nobody waits for a slow client
 *	h3_open()		libnghttp3 on top of the socket; it calls on_request()
 *	ppoll(), h3_read(), h3_write()	one loop for all connections
 *
 *	h3serve -c chain.pem -k key.pem [-l HOST:PORT] FOLDER
 *
 * GET and HEAD; a path that ends in a slash means index.html there. Nothing
 * outside the folder is sent, whatever links say (openat2 with
 * RESOLVE_BENEATH). What libnghttp3 knows of priorities it heeds: the field
 * "priority" decides whose bytes go first. Each request that is done is a
 * line on standard output, "GET /page 200 1234". SIGINT or SIGTERM: no more
 * connections, GOAWAY to those there are, and the end when their requests are
 * done; a second signal ends at once. Exit status as h3.h lists them.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/quic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "h3.h"

#define CLIENTS	256

struct client {
	struct h3_conn			conn;
	struct quic_tls			*tls;	/* NULL when the handshake is done */
	struct quic_handshake_step	*step;	/* what it wants next */
	bool				leaving;	/* GOAWAY is sent */
};

static struct {
	int				folder, listener;
	struct quic_handshake_options	options;
	struct client			*clients[CLIENTS];
	size_t				count;
} serve;

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

/* ---- What libnghttp3 tells. */

static struct answer *answer_of(struct h3_stream *stream)
{
	if (!stream->user)
		stream->user = answer_new(serve.folder);
	return stream->user;
}

static int on_field(nghttp3_conn *http, int64_t id, int32_t token, nghttp3_rcbuf *name,
		    nghttp3_rcbuf *value, uint8_t flags, void *conn, void *user)
{
	struct answer *answer = answer_of(user);
	nghttp3_vec v = nghttp3_rcbuf_get_buf(value);

	(void)http, (void)id, (void)name, (void)flags, (void)conn;
	if (!answer)
		return NGHTTP3_ERR_CALLBACK_FAILURE;
	if (token == NGHTTP3_QPACK_TOKEN__METHOD)
		answer_set_method(answer, (char *)v.base, v.len);
	else if (token == NGHTTP3_QPACK_TOKEN__PATH)
		answer_set_path(answer, (char *)v.base, v.len);
	return 0;
}

/* Bodies of requests are for others. */
static int on_data(nghttp3_conn *http, int64_t id, const uint8_t *data, size_t size,
		   void *conn, void *user)
{
	(void)http, (void)id, (void)data, (void)size, (void)conn, (void)user;
	return 0;
}

/* What libnghttp3 sends next of a body. */
static nghttp3_ssize on_wanted(nghttp3_conn *http, int64_t id, nghttp3_vec *vec, size_t count,
			       uint32_t *flags, void *conn, void *user)
{
	struct answer *answer = ((struct h3_stream *)user)->user;
	ssize_t size;

	(void)http, (void)id, (void)count, (void)conn;
	size = answer_read(answer, &vec->base);
	if (!size)
		return NGHTTP3_ERR_WOULDBLOCK; /* until on_sent() */
	if (size < 0)
		return NGHTTP3_ERR_CALLBACK_FAILURE;
	vec->len = size;
	if (!answer->left)
		*flags |= NGHTTP3_DATA_FLAG_EOF;
	return 1;
}

/* The kernel has a copy of so much of a body. */
static int on_sent(nghttp3_conn *http, int64_t id, uint64_t size, void *conn, void *user)
{
	(void)conn;
	if (answer_free_bytes(((struct h3_stream *)user)->user, size))
		return nghttp3_conn_resume_stream(http, id);
	return 0;
}

/* The request is whole: answer it. */
static int on_request(nghttp3_conn *http, int64_t id, void *conn, void *user)
{
	static const nghttp3_data_reader reader = { .read_data = on_wanted };
	struct answer *answer = answer_of(user);
	char status[4], length[24];
	nghttp3_nv fields[4];

	(void)conn;
	if (!answer)
		return NGHTTP3_ERR_CALLBACK_FAILURE;
	answer_prepare(answer);
	snprintf(status, sizeof(status), "%u", answer->status % 1000);
	snprintf(length, sizeof(length), "%llu", (unsigned long long)answer->size);
	fields[0] = compat_field(":status", status);
	fields[1] = compat_field("server", "h3serve");
	fields[2] = compat_field("content-type", answer->type);
	fields[3] = compat_field("content-length", length);
	return nghttp3_conn_submit_response(http, id, fields, 4,
					    answer->left ? &reader : NULL);
}

static void on_stream_ended(struct h3_conn *conn, struct h3_stream *stream)
{
	struct answer *answer = stream->user;

	if (!answer)
		return;
	printf("%s %s %u %llu%s\n", answer->method, answer->path, answer->status,
	       (unsigned long long)(answer->head ? 0 : answer->size - answer->left),
	       stream->sent && !conn->closed && stream->code == NGHTTP3_H3_NO_ERROR ?
	       "" : " broken off");
	answer_delete(answer);
}

static const nghttp3_callbacks callbacks = {
	.recv_header = on_field, .recv_data = on_data, .end_stream = on_request,
	.acked_stream_data = on_sent,
};

/* ---- Connections. */

static void welcome(void)
{
	struct client *client;
	int error, fd;

	while (serve.count < CLIENTS) {
		fd = accept4(serve.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		client = calloc(1, sizeof(*client));
		error = client ? quic_tls_create_server(fd, &serve.options, &client->tls) : -ENOMEM;
		if (error) {
			fprintf(stderr, "h3serve: no handshake: %s\n", quic_strerror(error));
			close(fd);
			free(client);
			continue;
		}
		client->conn = (struct h3_conn){
			.fd = fd, .server = true, .ended = on_stream_ended,
		};
		serve.clients[serve.count++] = client;
	}
}

static void dismiss(size_t number)
{
	struct client *client = serve.clients[number];

	quic_tls_destroy(client->tls);
	h3_free(&client->conn);
	free(client);
	serve.clients[number] = serve.clients[--serve.count];
}

/* Go on with a handshake: 0 it is done, 1 it waits, or a negative error. */
static int shake(struct client *client)
{
	struct quic_handshake_step *step;
	ssize_t done;
	int error;

	for (;;) {
		step = client->step;
		if (step && step->op == QUIC_HANDSHAKE_STEP_OP_SENDMSG) {
			done = sendmsg(client->conn.fd, step->s_sendmsg.msg, step->s_sendmsg.flags);
			if (done < 0 && (errno == EAGAIN || errno == EINTR))
				return 1;
			step->s_sendmsg.retval = done < 0 ? -errno : done;
		} else if (step) {
			done = recvmsg(client->conn.fd, step->s_recvmsg.msg, step->s_recvmsg.flags);
			if (done < 0 && (errno == EAGAIN || errno == EINTR))
				return 1;
			step->s_recvmsg.retval = done < 0 ? -errno : done;
		}
		error = quic_tls_step(client->tls, &client->step);
		if (error || !client->step)
			return error;
	}
}

/* Something came for a connection, or it may send. */
static void attend(struct client *client)
{
	int ret;

	if (client->tls) {
		ret = shake(client);
		if (ret > 0)
			return;
		if (!ret) {
			quic_tls_destroy(client->tls);
			client->tls = NULL;
			ret = h3_open(&client->conn, callbacks);
		}
		if (ret) {
			fprintf(stderr, "h3serve: no handshake: %s\n", quic_strerror(ret));
			client->conn.closed = true;
			return;
		}
	}
	h3_read(&client->conn);
	h3_write(&client->conn);
}

/* GOAWAY (RFC 9114, section 5.2), and the end when nothing is under way. */
static void leave(struct client *client)
{
	if (!client->tls && !client->conn.closed && !client->leaving) {
		client->leaving = true;
		if (nghttp3_conn_shutdown(client->conn.http))
			client->conn.closed = true;
		else
			h3_write(&client->conn);
	}
	if (client->tls || !client->conn.streams)
		h3_close(&client->conn, NGHTTP3_H3_NO_ERROR, "");
}

static void run(const sigset_t *mask)
{
	struct pollfd all[CLIENTS + 1];
	size_t count, i;

	while (!signals || (signals == 1 && serve.count)) {
		count = serve.count;
		for (i = 0; i < count; i++)
			all[i] = (struct pollfd){
				serve.clients[i]->conn.fd, h3_wants(&serve.clients[i]->conn), 0,
			};
		/* Who is too many waits in the listener's queue. */
		all[count] = (struct pollfd){
			signals || count == CLIENTS ? -1 : serve.listener, POLLIN, 0,
		};
		if (ppoll(all, count + 1, NULL, mask) < 0 && errno != EINTR)
			h3_die(H3_EXIT_NETWORK, "poll: %s", strerror(errno));
		if (signals && serve.listener >= 0) {
			close(serve.listener);
			serve.listener = -1;
		} else if (all[count].revents) {
			welcome();
		}
		/* From the last: dismiss() moves that to where one is missing. */
		for (i = count; i--;) {
			if (all[i].revents)
				attend(serve.clients[i]);
			if (signals)
				leave(serve.clients[i]);
			if (serve.clients[i]->conn.closed)
				dismiss(i);
		}
	}
	while (serve.count) {
		h3_close(&serve.clients[0]->conn, NGHTTP3_H3_NO_ERROR, "");
		dismiss(0);
	}
}

/* ---- The beginning. */

static void listen_at(char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *at;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char *port = strrchr(where, ':'), host[64], service[16];
	int error;

	if (!port)
		h3_die(H3_EXIT_USAGE, "%s: not HOST:PORT", where);
	*port++ = '\0';
	if (*where == '[' && port[-2] == ']') {
		port[-2] = '\0';
		where++;
	}
	error = getaddrinfo(*where ? where : NULL, port, &hints, &at);
	if (error)
		h3_die(H3_EXIT_NETWORK, "%s: %s", where, gai_strerror(error));
	serve.listener = h3_socket(at->ai_family, SOCK_NONBLOCK);
	if (serve.listener < 0)
		h3_die(H3_EXIT_NETWORK, "%s (is quic.ko loaded?)", strerror(errno));
	if (bind(serve.listener, at->ai_addr, at->ai_addrlen) || listen(serve.listener, 128))
		h3_die(H3_EXIT_NETWORK, "%s: %s", where, strerror(errno));
	freeaddrinfo(at);
	getsockname(serve.listener, (struct sockaddr *)&address, &size);
	getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), service,
		    sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
	printf(strchr(host, ':') ? "https://[%s]:%s/\n" : "https://%s:%s/\n", host, service);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	const char *cert = NULL, *key = NULL;
	char *where = strdup("localhost:4433");
	struct quic_credentials *credentials;
	sigset_t ends, before;
	int option, error;

	while ((option = getopt(argc, argv, "c:k:l:")) != -1) {
		switch (option) {
		case 'c':
			cert = optarg;
			break;
		case 'k':
			key = optarg;
			break;
		case 'l':
			where = optarg;
			break;
		default:
			optind = argc;
		}
	}
	if (optind != argc - 1 || !cert || !key)
		h3_die(H3_EXIT_USAGE, "usage: h3serve -c CERTIFICATE -k KEY [-l HOST:PORT] FOLDER");
	serve.folder = open(argv[optind], O_DIRECTORY | O_PATH | O_CLOEXEC);
	if (serve.folder < 0)
		h3_die(H3_EXIT_USAGE, "%s: %s", argv[optind], strerror(errno));
	error = quic_credentials_create_server(&credentials);
	if (!error)
		error = quic_credentials_set_certificate(credentials, cert, key);
	if (error)
		h3_die(H3_EXIT_USAGE, "%s, %s: %s", cert, key, quic_strerror(error));
	serve.options = (struct quic_handshake_options){
		.size = sizeof(serve.options), .credentials = credentials, .alpns = "h3",
	};
	/* Signals are let through while the loop waits, and nowhere else. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	listen_at(where);
	run(&before);
	quic_credentials_destroy(credentials);
	return 0;
}
