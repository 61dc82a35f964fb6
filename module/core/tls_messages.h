/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of TLS messages that come after the handshake. RFC 9001, sections 4.4 and 6. */
#ifndef _QUIC_CORE_TLS_MESSAGES_H
#define _QUIC_CORE_TLS_MESSAGES_H

#include <linux/types.h>

#define QUIC_TLS_HEADER_LEN	4

/**
 * struct quic_tls_messages - where in the messages the CRYPTO stream is
 * @left:     bytes of the current message still to come
 * @have:     bytes of the next header that are there
 * @header:   these
 */
struct quic_tls_messages {
	u32 left;
	u8 have;
	u8 header[QUIC_TLS_HEADER_LEN];
};

/* 0, or the error code to close with. */
u64 quic_tls_messages_check(struct quic_tls_messages *tm, const u8 *data, u32 len);

/* Is the early_data extension of a whole NewSessionTicket, if there is one, what QUIC allows? */
bool quic_tls_ticket_is_ok(const u8 *message, u32 len);

#endif /* _QUIC_CORE_TLS_MESSAGES_H */
