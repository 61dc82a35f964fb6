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

#define TICKET_START	4, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 1, 9, 0, 3, 1, 2, 3

/* RFC 9001, section 4.6.1 #2 */
static void early_data_of_a_ticket_has_no_limit(struct kunit *test)
{
	static const u8 any[] = { TICKET_START, 0, 0 };
	static const u8 good[] = { TICKET_START, 0, 8, 0, 42, 0, 4, 255, 255, 255, 255 };
	static const u8 bad[] = { TICKET_START, 0, 13, 0, 7, 0, 1, 42, 0, 42, 0, 4, 0, 0, 64, 0 };
	u32 len;

	KUNIT_EXPECT_TRUE(test, quic_tls_ticket_is_ok(any, sizeof(any)));
	KUNIT_EXPECT_TRUE(test, quic_tls_ticket_is_ok(good, sizeof(good)));
	KUNIT_EXPECT_FALSE(test, quic_tls_ticket_is_ok(bad, sizeof(bad)));
	/* What is cut short is for TLS to judge. */
	for (len = 0; len < sizeof(bad); len++)
		KUNIT_EXPECT_TRUE(test, quic_tls_ticket_is_ok(bad, len));
}

static struct kunit_case tls_messages_cases[] = {
	KUNIT_CASE(tickets_are_fine),
	KUNIT_CASE(key_update_is_an_unexpected_message),
	KUNIT_CASE(certificate_request_is_a_violation),
	KUNIT_CASE(early_data_of_a_ticket_has_no_limit),
	{}
};

static struct kunit_suite tls_messages_suite = {
	.name = "quic_tls_messages",
	.test_cases = tls_messages_cases,
};

kunit_test_suite(tls_messages_suite);
