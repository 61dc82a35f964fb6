/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ClientHello of a connection that nobody has accepted yet: gathered from
 * CRYPTO frames in any order, and read as far as choosing a listener needs it.
 * Bounded and strict, as its bytes are a stranger's.
 */
#ifndef _QUIC_CORE_CLIENT_HELLO_H
#define _QUIC_CORE_CLIENT_HELLO_H

#include "core.h"
#include "range_set.h"

#define QUIC_CLIENT_HELLO_MAX		16384	/* bytes; what comes behind is not looked at */
#define QUIC_CLIENT_HELLO_HOLES		64
#define QUIC_CLIENT_HELLO_EXTENSIONS	128
#define QUIC_CLIENT_HELLO_ALPN_MAX	128	/* bytes of the list */

/**
 * struct quic_client_hello - as much of it as has come
 * @got:  which bytes are there
 * @data: the bytes, or NULL
 * @room: how many fit
 * @is_probed: a packet came with PING and none of it
 */
struct quic_client_hello {
	struct quic_range_set got;
	u8 *data;
	u32 room;
	bool is_probed;
};

void quic_client_hello_init(struct quic_client_hello *hello);
void quic_client_hello_destroy(struct quic_client_hello *hello);
int quic_client_hello_add_packet(struct quic_client_hello *hello, const u8 *payload, u32 len);
int quic_client_hello_find_alpn(const struct quic_client_hello *hello, const u8 **alpn, u32 *len);

#endif /* _QUIC_CORE_CLIENT_HELLO_H */
