/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams with a descriptor of their own. */
#ifndef _QUIC_PEELOFF_H
#define _QUIC_PEELOFF_H

#include <linux/list.h>
#include <linux/sockptr.h>

struct quic_sock;
struct sock;

struct list_head *quic_peeloff_queue(void *host);
void quic_peeloff_on_reset(void *host);
void quic_peeloff_wake(struct quic_sock *qs, bool all, bool write);
int quic_get_stream_peeloff(struct sock *sk, sockptr_t optval, sockptr_t optlen);
int quic_peeloff_init(void);
void quic_peeloff_exit(void);

#endif /* _QUIC_PEELOFF_H */
