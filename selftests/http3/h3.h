/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/3 over a QUIC socket of the kernel: what client and server share. The
 * kernel does packets, streams and encryption; libnghttp3 does frames, QPACK
 * and priorities; h3.c carries bytes between the two. h3get.c, where to begin
 * to read, and h3serve.c are the two ends.
 *
 * In an event loop: poll the socket for h3_wants(), then h3_read() what came
 * and h3_write() what is to go. What came is told by the callbacks of
 * libnghttp3, whose conn_user_data is a struct h3_conn and whose
 * stream_user_data is a struct h3_stream.
 */
#ifndef H3_H
#define H3_H

#include <stdbool.h>
#include <stdint.h>

#include "compat.h"

/* Exit statuses; 0 is success. */
enum {
	H3_EXIT_USAGE		= 2,	/* wrong arguments, no such file */
	H3_EXIT_NETWORK		= 3,	/* no such host, no QUIC in the kernel */
	H3_EXIT_HANDSHAKE	= 4,	/* nobody answers, or is not trusted */
	H3_EXIT_CONNECTION	= 5,	/* the connection or a request was lost */
	H3_EXIT_STATUS		= 6,	/* an answer with a status from 400 on */
};

/* A request and its answer. Both ends may keep their own things in @user. */
struct h3_stream {
	struct h3_stream	*next;
	int64_t			id;
	uint64_t		code;		/* why it was reset, if it was */
	bool			sent;		/* the peer has all of it, or it was reset */
	bool			received;	/* we have all of it, or it was reset */
	bool			stopped;	/* we take no more of it */
	void			*user;
};

/* A connection. Zero it, set @fd to @ended, then h3_open() it. */
struct h3_conn {
	int			fd;
	bool			server;
	void			*user;
	/* A stream is over, by @code if that is not NGHTTP3_H3_NO_ERROR. */
	void			(*ended)(struct h3_conn *conn, struct h3_stream *stream);
	nghttp3_conn		*http;
	struct h3_stream	*streams;
	int64_t			highest;	/* server: ID of a request */
	bool			full;		/* the socket takes no more at the moment */
	bool			closed;		/* the connection is over */
	uint64_t		code;		/* by this error */
	char			reason[128];	/* in words */
};

/* A QUIC socket set up for HTTP/3, with @flags of socket(2), or -1 and errno. */
int h3_socket(int family, int flags);

/*
 * After the handshake: open our streams of HTTP/3 itself. Of @callbacks those
 * for data, fields and ends are the caller's. Returns 0 or a negative errno.
 */
int h3_open(struct h3_conn *conn, nghttp3_callbacks callbacks);
/* Everything that belongs to the connection, and the socket. */
void h3_free(struct h3_conn *conn);

/* The events to poll the socket for. */
short h3_wants(const struct h3_conn *conn);
/* Take what came, but not for ever; sets @closed when there is an end to it. */
void h3_read(struct h3_conn *conn);
/* Send what there is, as far as the socket takes it. */
void h3_write(struct h3_conn *conn);

/* Client: open a stream for a request, NULL with errno EAGAIN if the peer allows none now. */
struct h3_stream *h3_request(struct h3_conn *conn);
/* End the connection by an error of HTTP/3 (NGHTTP3_H3_*) and a word about it. */
void h3_close(struct h3_conn *conn, uint64_t code, const char *reason);

/* Say what is wrong on standard error and exit. */
void h3_die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif /* H3_H */
