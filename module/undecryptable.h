/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that wait for their keys. RFC 9001, section 5.7. */
#ifndef _QUIC_UNDECRYPTABLE_H
#define _QUIC_UNDECRYPTABLE_H

#include <linux/types.h>

struct quic_conn;
struct quic_sock;

void quic_undecryptable_keep(struct quic_sock *qs, const u8 *packet, u32 len, u8 ecn);
bool quic_undecryptable_may_wait(const struct quic_conn *conn, u8 level);
void quic_undecryptable_resume(struct quic_sock *qs);

#endif /* _QUIC_UNDECRYPTABLE_H */
