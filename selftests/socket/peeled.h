/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams that have a descriptor of their own, and how descriptors reach other processes. */
#ifndef _PEELED_H
#define _PEELED_H

#include "pair.h"

/* A descriptor, with time limits on its blocking calls; -1 and errno. */
int peel(int fd, int64_t id, uint32_t flags);
/*
 * Opens @pair, whose fields set before are obeyed, with stream 0, of which each
 * side has a descriptor; "ping" was sent by the client.
 */
void open_peeled(struct pair *pair, int *client, int *server);
/* All of @text comes next. */
void expect_read(int fd, const char *text);

/* Over a Unix socket; -1 if none came. */
void send_descriptor(int to, int fd);
int recv_descriptor(int from);

#endif /* _PEELED_H */
