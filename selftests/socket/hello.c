// SPDX-License-Identifier: GPL-2.0-or-later
/* ClientHello messages: see hello.h. */
#include "hello.h"

static uint8_t *put16(uint8_t *p, size_t value)
{
	*p++ = value >> 8;
	*p++ = value;
	return p;
}

/* Names with a length byte in front of each; returns what is behind them. */
static uint8_t *put_names(uint8_t *p, const char *alpn)
{
	size_t len;

	for (;;) {
		len = strcspn(alpn, ",");
		*p++ = len;
		memcpy(p, alpn, len);
		p += len;
		if (!alpn[len])
			return p;
		alpn += len + 1;
	}
}

size_t hello_write(uint8_t *out, const char *alpn, size_t padding)
{
	uint8_t *p = out, *extensions, *end;

	memset(out, 0, HELLO_MAX);
	*p = 1;
	p = put16(p + 4, 0x0303) + 32;
	*p++ = 0;			/* no session ID */
	p = put16(put16(p, 2), 0x1301);
	*p++ = 1;
	*p++ = 0;			/* no compression */
	extensions = p;
	p += 2;
	if (padding) {
		p = put16(put16(p, 21), padding);
		p += padding;
	}
	if (alpn) {
		end = put_names(p + 6, alpn);
		put16(put16(put16(p, 16), end - p - 4), end - p - 6);
		p = end;
	}
	put16(extensions, p - extensions - 2);
	put16(out + 2, p - out - 4);
	return p - out;
}

int hello_connect(const union address *address, const char *alpn, size_t padding)
{
	int fd = quic_socket(address->sa.sa_family, SOCK_DGRAM);
	static uint8_t message[HELLO_MAX];
	ssize_t len = hello_write(message, alpn, padding);

	ASSERT_EQ(connect(fd, &address->sa, address_len(address)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, message, len, 0), len);
	return fd;
}
