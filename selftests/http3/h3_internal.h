/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What h3.c and h3_io.c know of each other. */
#ifndef H3_INTERNAL_H
#define H3_INTERNAL_H

#include "h3.h"

/* Requests that a client may have open, the kernel's default for its streams. */
#define H3_STREAMS	100

/* Requests are the client's bidirectional streams; the others never end. */
bool h3_is_request(int64_t id);
/* NULL: there is none (any more), or without memory. */
struct h3_stream *h3_find(struct h3_conn *conn, int64_t id);
struct h3_stream *h3_add(struct h3_conn *conn, int64_t id);
/* Forget a stream if both its directions are done with. */
void h3_settle(struct h3_conn *conn, struct h3_stream *stream);
/* Send no more of it, for a reason of HTTP/3's. */
void h3_reset(struct h3_conn *conn, int64_t id, uint64_t code);

/* The connection is over; the first reason counts. */
void h3_closed(struct h3_conn *conn, uint64_t code, const char *reason);
/* libnghttp3 cannot go on, which is the peer's fault or for want of memory. */
void h3_broken(struct h3_conn *conn, int error);

#endif /* H3_INTERNAL_H */
