// SPDX-License-Identifier: GPL-2.0-or-later
/* TLS messages after the handshake: however they are cut, a forbidden one is found. */
#include <uapi/linux/quic.h>

#include "quic_test.h"
#include "../core/core.h"
#include "../core/tls_messages.h"

#define TICKET(n)	4, 0, 0, (n)
#define UNEXPECTED	(QUIC_TRANSPORT_ERROR_CRYPTO + 10)

static u64 check(const u8 *data, u32 len, u32 piece)
{
	struct quic_tls_messages tm = {};
	u64 code = 0;
	u32 n;

	while (len && !code) {
		n = min(piece, len);
		code = quic_tls_messages_check(&tm, data, n);
		data += n;
		len -= n;
	}
	return code;
}

static void tickets_are_fine(struct kunit *test)
{
	/* The body looks like the header of a KeyUpdate. */
	static const u8 data[] = { TICKET(5), 24, 0, 0, 1, 0, TICKET(0), TICKET(4), 13, 13, 24, 24 };
	u32 piece;

	for (piece = 1; piece <= sizeof(data); piece++)
		KUNIT_EXPECT_EQ(test, check(data, sizeof(data), piece), 0);
}

/* RFC 9001, section 6 #2 */
static void key_update_is_an_unexpected_message(struct kunit *test)
{
	static const u8 data[] = { TICKET(3), 1, 2, 3, 24, 0, 0, 1, 0 };
	u32 piece;

	for (piece = 1; piece <= sizeof(data); piece++)
		KUNIT_EXPECT_EQ(test, check(data, sizeof(data), piece), UNEXPECTED);
	/* A header that is not complete says nothing yet. */
	KUNIT_EXPECT_EQ(test, check(data, 10, 10), 0);
	KUNIT_EXPECT_EQ(test, check(data, 11, 11), UNEXPECTED);
}

/* RFC 9001, section 4.4 #3 */
static void certificate_request_is_a_violation(struct kunit *test)
{
	static const u8 data[] = { 13, 0, 0, 3, 0, 0, 0 };
	u32 piece;

	for (piece = 1; piece <= sizeof(data); piece++)
		KUNIT_EXPECT_EQ(test, check(data, sizeof(data), piece),
				QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
}

static struct kunit_case tls_messages_cases[] = {
	KUNIT_CASE(tickets_are_fine),
	KUNIT_CASE(key_update_is_an_unexpected_message),
	KUNIT_CASE(certificate_request_is_a_violation),
	{}
};

static struct kunit_suite tls_messages_suite = {
	.name = "quic_tls_messages",
	.test_cases = tls_messages_cases,
};

kunit_test_suite(tls_messages_suite);
