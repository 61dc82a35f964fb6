// SPDX-License-Identifier: GPL-2.0-or-later
/* Which transport parameters an end announces: uapi.md, section 4.4. */
#include <string.h>
#include <unistd.h>

#include "pair.h"

/* Bytes that older programs have room for. */
#define ROOM	256
#define ABSENT	(-1)

struct params {
	uint8_t data[4096];
	socklen_t len;
};

static uint64_t varint(const uint8_t **p)
{
	size_t len = 1 << (**p >> 6), i;
	uint64_t value = *(*p)++ & 0x3f;

	for (i = 1; i < len; i++)
		value = value << 8 | *(*p)++;
	return value;
}

/* The length of a parameter, and where its value stands; ABSENT. */
static long find(const struct params *params, uint64_t id, const uint8_t **value)
{
	const uint8_t *p = params->data, *end = p + params->len;
	long found = ABSENT;

	while (p < end) {
		uint64_t this = varint(&p), len = varint(&p);

		ASSERT_TRUE(p + len <= end);
		if (this == id) {
			EXPECT_EQ(found, ABSENT);
			found = len;
			*value = p;
		}
		p += len;
	}
	return found;
}

/* The value of a number; ABSENT. */
static long long number(const struct params *params, uint64_t id)
{
	const uint8_t *value;
	long len = find(params, id, &value);

	if (len == ABSENT)
		return ABSENT;
	EXPECT_EQ(len, 1 << (*value >> 6));
	return varint(&value);
}

static long length(const struct params *params, uint64_t id)
{
	const uint8_t *value;

	return find(params, id, &value);
}

static void announced(int fd, struct params *params)
{
	params->len = sizeof(params->data);
	ASSERT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params->data,
			     &params->len), 0);
	EXPECT_LE(params->len, ROOM);
}

static void set(int fd, const struct quic_transport_param *param)
{
	ASSERT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, param, sizeof(*param)), 0);
}

static void open_both(struct pair *pair)
{
	pair->listener = make_listener(AF_INET, &pair->address);
	pair->client = make_client(&pair->address);
	pair->server = accept(pair->listener, NULL, NULL);
	ASSERT_GE(pair->server, 0);
}

static void close_both(struct pair *pair)
{
	close(pair->client);
	close(pair->server);
	close(pair->listener);
}

TEST(what_is_announced)
{
	static const uint8_t v1[] = { 0, 0, 0, 1 }, v2[] = { 0x6b, 0x33, 0x43, 0xcf };
	const uint8_t *value = NULL;
	int known[2] = {}, i;
	struct pair pair = {};
	struct params params;
	long len;

	open_both(&pair);
	announced(pair.client, &params);
	EXPECT_EQ(length(&params, 0x00), ABSENT);
	EXPECT_EQ(length(&params, 0x02), ABSENT);
	EXPECT_EQ(length(&params, 0x0d), ABSENT);
	EXPECT_EQ(length(&params, 0x0f), 8);
	EXPECT_EQ(length(&params, 0x10), ABSENT);
	EXPECT_EQ(number(&params, 0x01), 30000);
	EXPECT_EQ(number(&params, 0x03), ABSENT);
	EXPECT_EQ(number(&params, 0x04), 65535 * 32);
	EXPECT_EQ(number(&params, 0x05), 65535 * 16);
	EXPECT_EQ(number(&params, 0x06), 65535 * 16);
	EXPECT_EQ(number(&params, 0x07), 65535 * 16);
	EXPECT_EQ(number(&params, 0x08), 100);
	EXPECT_EQ(number(&params, 0x09), 100);
	EXPECT_EQ(number(&params, 0x0a), ABSENT);
	EXPECT_EQ(number(&params, 0x0b), ABSENT);
	EXPECT_EQ(length(&params, 0x0c), ABSENT);
	EXPECT_EQ(number(&params, 0x0e), 7);
	EXPECT_EQ(number(&params, 0x20), ABSENT);
	EXPECT_EQ(length(&params, 0xbaad), ABSENT);
	EXPECT_EQ(length(&params, 0x2ab2), ABSENT);
	/* The version in use, then both, and one that is reserved: RFC 9368, section 3. */
	len = find(&params, 0x11, &value);
	ASSERT_GE(len, 12);
	EXPECT_EQ(len % 4, 0);
	EXPECT_TRUE(!memcmp(value, v1, 4));
	for (i = 4; i < len; i += 4) {
		known[0] += !memcmp(value + i, v1, 4);
		known[1] += !memcmp(value + i, v2, 4);
		EXPECT_TRUE(!memcmp(value + i, v1, 4) || !memcmp(value + i, v2, 4) ||
			    ((value[i] & value[i + 1] & value[i + 2] & value[i + 3]) & 0x0f) == 0x0a);
	}
	EXPECT_EQ(known[0], 1);
	EXPECT_EQ(known[1], 1);

	/* A server adds what the client sent first, and gives no token unasked. */
	announced(pair.server, &params);
	EXPECT_EQ(length(&params, 0x00), 8);
	EXPECT_EQ(length(&params, 0x0f), 8);
	EXPECT_EQ(length(&params, 0x02), ABSENT);
	close_both(&pair);
}

TEST(what_is_set_is_announced)
{
	struct quic_transport_param param = {
		.disable_active_migration = 1, .grease_quic_bit = 1, .stateless_reset = 1,
		.disable_1rtt_encryption = 1, .disable_compatible_version = 1,
		.active_connection_id_limit = 2, .ack_delay_exponent = 5,
		.max_datagram_frame_size = 1300, .max_udp_payload_size = 1500,
		.max_idle_timeout = 1000001, .max_ack_delay = 30001,
		.max_streams_bidi = 3, .max_streams_uni = 4, .max_data = 5000,
		.max_stream_data_bidi_local = 1201, .max_stream_data_bidi_remote = 1202,
		.max_stream_data_uni = 1203,
	};
	struct pair pair = {};
	struct params params;

	open_both(&pair);
	set(pair.client, &param);
	announced(pair.client, &params);
	/* Milliseconds, rounded up. */
	EXPECT_EQ(number(&params, 0x01), 1001);
	EXPECT_EQ(number(&params, 0x0b), 31);
	EXPECT_EQ(number(&params, 0x03), 1500);
	EXPECT_EQ(number(&params, 0x04), 5000);
	EXPECT_EQ(number(&params, 0x05), 1201);
	EXPECT_EQ(number(&params, 0x06), 1202);
	EXPECT_EQ(number(&params, 0x07), 1203);
	EXPECT_EQ(number(&params, 0x08), 3);
	EXPECT_EQ(number(&params, 0x09), 4);
	EXPECT_EQ(number(&params, 0x0a), 5);
	EXPECT_EQ(length(&params, 0x0c), 0);
	EXPECT_EQ(number(&params, 0x0e), ABSENT);
	EXPECT_EQ(length(&params, 0x11), ABSENT);
	EXPECT_EQ(number(&params, 0x20), 1300);
	EXPECT_EQ(length(&params, 0xbaad), 0);
	EXPECT_EQ(length(&params, 0x2ab2), 0);
	/* A client has no token to give. */
	EXPECT_EQ(length(&params, 0x02), ABSENT);
	set(pair.server, &param);
	announced(pair.server, &params);
	EXPECT_EQ(length(&params, 0x02), 16);
	close_both(&pair);
}
