// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Initial packets of a client nobody knows: what is read from its ClientHello lies within it and
 * is a list of names. The input is packets, each with two bytes of length in front.
 */
#include "core/client_hello.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct quic_client_hello hello;
	const u8 *alpn;
	size_t at, n;
	u32 len, i;

	quic_client_hello_init(&hello);
	for (at = 0; at + 2 <= size; at += n) {
		n = data[at] << 8 | data[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		if (quic_client_hello_add_packet(&hello, data + at, n))
			break;
		if (quic_client_hello_find_alpn(&hello, &alpn, &len))
			continue;
		FUZZ_CHECK(len <= QUIC_CLIENT_HELLO_ALPN_MAX);
		FUZZ_CHECK(alpn >= hello.data && alpn + len <= hello.data + hello.room);
		for (i = 0; i < len; i += 1 + alpn[i])
			FUZZ_CHECK(alpn[i] && i + 1 + alpn[i] <= len);
	}
	FUZZ_CHECK(hello.room <= QUIC_CLIENT_HELLO_MAX);
	FUZZ_CHECK(hello.got.count <= QUIC_CLIENT_HELLO_HOLES + 1);
	quic_client_hello_destroy(&hello);
	return 0;
}
