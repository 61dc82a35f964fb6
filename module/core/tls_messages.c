// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TLS messages that QUIC forbids after the handshake, when nobody in user space
 * reads them any more. Only their headers are looked at.
 */
#include <uapi/linux/quic.h>

#include "core.h"
#include "cursor.h"
#include "tls_messages.h"

/* RFC 8446, section 4 and section 6. */
#define QUIC_TLS_CERTIFICATE_REQUEST	13
#define QUIC_TLS_KEY_UPDATE		24
#define QUIC_TLS_UNEXPECTED_MESSAGE	10
#define QUIC_TLS_NEW_SESSION_TICKET	4
#define QUIC_TLS_EXT_EARLY_DATA		42

static u64 quic_tls_message_code(u8 type)
{
	switch (type) {
	case QUIC_TLS_KEY_UPDATE:
		/* RFC 9001, section 6 #2 */
		return QUIC_TRANSPORT_ERROR_CRYPTO + QUIC_TLS_UNEXPECTED_MESSAGE;
	case QUIC_TLS_CERTIFICATE_REQUEST:
		/* RFC 9001, section 4.4 #3 */
		return QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION;
	default:
		return 0;
	}
}

/**
 * quic_tls_messages_check() - bytes of CRYPTO frames after the handshake, in order
 * @tm:   zeroed at first
 * @data: bytes that follow those of the last call
 * @len:  how many
 *
 * Return: 0, or the transport error code to close with.
 */
u64 quic_tls_messages_check(struct quic_tls_messages *tm, const u8 *data, u32 len)
{
	u32 n;
	u64 code;

	while (len) {
		if (tm->left) {
			n = min(len, tm->left);
			tm->left -= n;
			data += n;
			len -= n;
			continue;
		}
		tm->header[tm->have++] = *data++;
		len--;
		if (tm->have < QUIC_TLS_HEADER_LEN)
			continue;
		tm->have = 0;
		code = quic_tls_message_code(tm->header[0]);
		if (code)
			return code;
		tm->left = tm->header[1] << 16 | tm->header[2] << 8 | tm->header[3];
	}
	return 0;
}

/**
 * quic_tls_ticket_is_ok() - may a client keep this session ticket?
 * @message: a whole TLS message with its header
 * @len:     its length
 *
 * RFC 9001, section 4.6.1 #2; the form is that of RFC 8446, section 4.6.1. What
 * does not have it is not judged: that is for TLS to do.
 *
 * Return: false: close with PROTOCOL_VIOLATION.
 */
bool quic_tls_ticket_is_ok(const u8 *message, u32 len)
{
	struct quic_reader r;
	u32 type, size;

	if (len < QUIC_TLS_HEADER_LEN || message[0] != QUIC_TLS_NEW_SESSION_TICKET)
		return true;
	quic_reader_init(&r, message + QUIC_TLS_HEADER_LEN, len - QUIC_TLS_HEADER_LEN);
	quic_read_bytes(&r, 8);			/* ticket_lifetime, ticket_age_add */
	quic_read_bytes(&r, quic_read_u8(&r));	/* ticket_nonce */
	quic_read_bytes(&r, quic_read_u16(&r));	/* ticket */
	quic_read_u16(&r);
	while (!r.failed && quic_reader_left(&r)) {
		type = quic_read_u16(&r);
		size = quic_read_u16(&r);
		if (type == QUIC_TLS_EXT_EARLY_DATA && size == 4)
			return quic_read_u32(&r) == ~0U || r.failed;
		quic_read_bytes(&r, size);
	}
	return true;
}
