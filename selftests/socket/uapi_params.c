// SPDX-License-Identifier: GPL-2.0-or-later
/* Transport parameters, announced and taken: uapi.md, sections 4.4 and 4.5. */
#include <stddef.h>
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

static void append_varint(struct params *params, uint64_t value)
{
	int len = value < 64 ? 1 : value < 16384 ? 2 : value < 1 << 30 ? 4 : 8, i;

	for (i = len - 1; i >= 0; i--)
		params->data[params->len++] = (value >> (8 * i) & 0xff) |
					      (i == len - 1 ? (len == 8 ? 3 : len / 2) << 6 : 0);
}

static void append(struct params *params, uint64_t id, const void *value, size_t len)
{
	append_varint(params, id);
	append_varint(params, len);
	memcpy(params->data + params->len, value, len);
	params->len += len;
}

static void append_number(struct params *params, uint64_t id, uint64_t value)
{
	struct params bytes = {};

	append_varint(&bytes, value);
	append(params, id, bytes.data, bytes.len);
}

static void drop(struct params *params, uint64_t id)
{
	struct params rest = {};
	const uint8_t *p = params->data, *end = p + params->len;

	while (p < end) {
		uint64_t this = varint(&p), len = varint(&p);

		if (this != id)
			append(&rest, this, p, len);
		p += len;
	}
	*params = rest;
}

enum change { APPEND, REPLACE, REPLACE_NUMBER, DROP };

/* One change to what the peer announces, and what comes of it. */
struct announcement {
	const char *what;
	enum change change;
	uint64_t id, number;
	const void *value;
	size_t len;
	int err;		/* of setsockopt(), 0: taken */
	int code;		/* of the close, TRANSPORT_PARAM if 0 */
};

static int announce(int fd, struct params params, const struct announcement *a)
{
	if (a->change != APPEND)
		drop(&params, a->id);
	if (a->change == REPLACE_NUMBER)
		append_number(&params, a->id, a->number);
	else if (a->change != DROP)
		append(&params, a->id, a->value, a->len);
	return setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, params.data, params.len);
}

static void remote(int fd, struct quic_transport_param *param)
{
	socklen_t len = sizeof(*param);

	memset(param, 0, sizeof(*param));
	param->remote = 1;
	EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, param, &len), 0);
}

/* A server with the client's first message read, or a client with the server's. */
static void open_until(struct pair *pair, bool client, struct params *params)
{
	open_both(pair);
	expect_handshake(pair->server, QUIC_CRYPTO_INITIAL, "client hello", 12);
	if (client) {
		move_params(pair->client, pair->server);
		ASSERT_EQ(send_handshake(pair->server, QUIC_CRYPTO_INITIAL, "server hello", 12, 0), 12);
		expect_handshake(pair->client, QUIC_CRYPTO_INITIAL, "server hello", 12);
	}
	announced(client ? pair->server : pair->client, params);
}

static void try_all(bool client, const struct announcement *list, size_t n)
{
	struct quic_connection_close info;
	struct params params;
	socklen_t len;
	int fd, ret;
	size_t i;

	for (i = 0; i < n; i++) {
		struct pair pair = {};

		open_until(&pair, client, &params);
		fd = client ? pair.client : pair.server;
		ret = announce(fd, params, &list[i]);
		if (list[i].err ? ret != -1 || errno != list[i].err : ret)
			test_fail(__FILE__, __LINE__, "%s gave %d, %s", list[i].what, ret,
				  ret ? strerror(errno) : "success");
		len = sizeof(info);
		EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, &len), 0);
		ret = !list[i].err ? 0 : list[i].code ?: QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM;
		if ((int)info.errcode != ret)
			test_fail(__FILE__, __LINE__, "%s closed with %#x", list[i].what, info.errcode);
		close_both(&pair);
	}
}

#define TRY_ALL(client, list)	try_all(client, list, sizeof(list) / sizeof(list[0]))

/* uapi.md, sections 4.5 and 13: what a server takes of its client. */
TEST(what_a_client_may_announce)
{
	static const uint8_t bytes[64];
	static const struct announcement list[] = {
		{ "nothing new", DROP, 0x7abc },
		{ "a repeated one", APPEND, 0x01, .value = "\x01", .len = 1, .err = EINVAL },
		{ "an unknown one", APPEND, 0x7abc, .value = bytes, .len = 3 },
		{ "an original ID", APPEND, 0x00, .value = bytes, .len = 8, .err = EINVAL },
		{ "a Retry's ID", APPEND, 0x10, .value = bytes, .len = 8, .err = EINVAL },
		{ "a reset token", APPEND, 0x02, .value = bytes, .len = 16, .err = EINVAL },
		{ "an address", APPEND, 0x0d, .value = bytes, .len = 49, .err = EINVAL },
		{ "no ID", DROP, 0x0f, .err = EINVAL },
		{ "another ID", REPLACE, 0x0f, .value = bytes, .len = 8, .err = EINVAL },
		{ "an ID too long", REPLACE, 0x0f, .value = bytes, .len = 21, .err = EINVAL },
		{ "a payload of 1199", REPLACE_NUMBER, 0x03, 1199, .err = EINVAL },
		{ "an exponent of 21", REPLACE_NUMBER, 0x0a, 21, .err = EINVAL },
		{ "a delay of 2^14 ms", REPLACE_NUMBER, 0x0b, 16384, .err = EINVAL },
		{ "one ID at a time", REPLACE_NUMBER, 0x0e, 1, .err = EINVAL },
		{ "2^60 and more streams", REPLACE_NUMBER, 0x08, (1ULL << 60) + 1, .err = EINVAL },
		{ "immobility with a value", APPEND, 0x0c, .value = bytes, .len = 1, .err = EINVAL },
		{ "grease with a value", APPEND, 0x2ab2, .value = bytes, .len = 1, .err = EINVAL },
		{ "no encryption, with a value", APPEND, 0xbaad, .value = bytes, .len = 1 },
		{ "a number too long", REPLACE, 0x04, .value = "\x01\x02", .len = 2, .err = EINVAL },
		{ "a number too short", REPLACE, 0x04, .value = "\x40", .len = 1, .err = EINVAL },
		{ "versions of 7 bytes", REPLACE, 0x11, .value = "\0\0\0\1\0\0\0", .len = 7,
		  .err = EINVAL },
		{ "version zero", REPLACE, 0x11, .value = "\0\0\0\1\0\0\0\0", .len = 8, .err = EINVAL },
		{ "a version that is not on offer", REPLACE, 0x11,
		  .value = "\0\0\0\1\x6b\x33\x43\xcf", .len = 8, .err = EINVAL },
		{ "a version that is not in use", REPLACE, 0x11,
		  .value = "\x6b\x33\x43\xcf\x6b\x33\x43\xcf", .len = 8, .err = EPROTONOSUPPORT,
		  .code = QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION },
		{ "no versions", DROP, 0x11 },
		{ "many versions", REPLACE, 0x11,
		  .value = "\0\0\0\1\0\0\0\1" "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
			   "yyyyyyyyyyyyyyyyyyyyyyyy", .len = 88 },
	};

	TRY_ALL(false, list);
}

/* The same for a client and its server. */
TEST(what_a_server_may_announce)
{
	static const uint8_t bytes[64];
	/* An address of each family, then the ID's length: uapi.md, section 4.5. */
	static const uint8_t address[49] = { 127, 0, 0, 1, 0, 7, [21] = 1, 0, 7, 8, 1, 2, 3 };
	static const struct announcement list[] = {
		{ "nothing new", DROP, 0x7abc },
		{ "no original ID", DROP, 0x00, .err = EINVAL },
		{ "another original ID", REPLACE, 0x00, .value = bytes, .len = 8, .err = EINVAL },
		{ "a Retry's ID without Retry", APPEND, 0x10, .value = bytes, .len = 8, .err = EINVAL },
		{ "no ID", DROP, 0x0f, .err = EINVAL },
		{ "another ID", REPLACE, 0x0f, .value = bytes, .len = 8, .err = EINVAL },
		{ "a token of 16 bytes", APPEND, 0x02, .value = bytes, .len = 16 },
		{ "a token of 15 bytes", APPEND, 0x02, .value = bytes, .len = 15, .err = EINVAL },
		{ "an address", APPEND, 0x0d, .value = address, .len = 49 },
		{ "an address too short", APPEND, 0x0d, .value = address, .len = 48, .err = EINVAL },
		{ "an address without ID", APPEND, 0x0d, .value = bytes, .len = 41, .err = EINVAL },
		{ "no encryption, with a value", APPEND, 0xbaad, .value = bytes, .len = 1,
		  .err = EINVAL },
		{ "no list of versions", REPLACE, 0x11, .value = "\0\0\0\1", .len = 4 },
		{ "a version unheard of", REPLACE, 0x11, .value = "\0\0\0\7\0\0\0\7", .len = 8,
		  .err = EPROTONOSUPPORT, .code = QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION },
	};

	TRY_ALL(true, list);
}

/* uapi.md, sections 4.5 and 13: beyond our limits is cut, absent is the default. */
TEST(what_is_beyond_is_cut)
{
	static const struct {
		uint64_t id, number;
		size_t offset, size;
		uint64_t is;
	} cases[] = {
#define CUT(id, number, field, is) \
	{ id, number, offsetof(struct quic_transport_param, field), \
	  sizeof(((struct quic_transport_param *)0)->field), is }
		CUT(0x01, 500, max_idle_timeout, 500000),
		CUT(0x01, 1ULL << 60, max_idle_timeout, UINT32_MAX),
		CUT(0x03, 1200, max_udp_payload_size, 1200),
		CUT(0x03, 70000, max_udp_payload_size, 65527),
		CUT(0x04, 0, max_data, 0),
		CUT(0x04, 1ULL << 61, max_data, 1ULL << 61),
		CUT(0x05, 77, max_stream_data_bidi_local, 77),
		CUT(0x06, 78, max_stream_data_bidi_remote, 78),
		CUT(0x07, 79, max_stream_data_uni, 79),
		CUT(0x08, 5000, max_streams_bidi, 4096),
		CUT(0x09, 1ULL << 60, max_streams_uni, 4096),
		CUT(0x0a, 20, ack_delay_exponent, 20),
		CUT(0x0b, 16383, max_ack_delay, 16383000),
		CUT(0x0e, 2, active_connection_id_limit, 2),
		CUT(0x0e, 64, active_connection_id_limit, 8),
		CUT(0x20, 100, max_datagram_frame_size, 100),
		CUT(0x20, 70000, max_datagram_frame_size, 65535),
	};
	struct quic_transport_param param;
	struct params params, only = {};
	struct pair pair = {};
	const uint8_t *id;
	uint64_t is;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct announcement a = { "", REPLACE_NUMBER, cases[i].id, cases[i].number };

		open_until(&pair, false, &params);
		EXPECT_EQ(announce(pair.server, params, &a), 0);
		remote(pair.server, &param);
		is = 0;
		memcpy(&is, (char *)&param + cases[i].offset, cases[i].size);
		if (is != cases[i].is)
			test_fail(__FILE__, __LINE__, "%#llx of %llu became %llu",
				  (long long)a.id, (long long)a.number, (long long)is);
		close_both(&pair);
	}

	open_until(&pair, false, &params);
	ASSERT_EQ(find(&params, 0x0f, &id), 8);
	append(&only, 0x0f, id, 8);
	EXPECT_EQ(setsockopt(pair.server, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, only.data,
			     only.len), 0);
	remote(pair.server, &param);
	EXPECT_EQ(param.max_idle_timeout, 0);
	EXPECT_EQ(param.max_udp_payload_size, 65527);
	EXPECT_EQ(param.ack_delay_exponent, 3);
	EXPECT_EQ(param.max_ack_delay, 25000);
	EXPECT_EQ(param.active_connection_id_limit, 2);
	EXPECT_EQ(param.max_datagram_frame_size, 0);
	EXPECT_EQ(param.max_data, 0);
	EXPECT_EQ(param.max_streams_bidi, 0);
	EXPECT_EQ(param.max_streams_uni, 0);
	EXPECT_EQ(param.disable_active_migration | param.grease_quic_bit |
		  param.disable_1rtt_encryption, 0);
	close_both(&pair);
}
