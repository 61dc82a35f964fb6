// SPDX-License-Identifier: GPL-2.0-or-later
/* Socket options: ranges, lengths, states: uapi.md, sections 1.12, 4.3 to 4.5 and 5. */
#include <linux/tls.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hello.h"

static int set(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_QUIC, option, value, len);
}

static int get(int fd, int option, void *value, socklen_t *len)
{
	return getsockopt(fd, SOL_QUIC, option, value, len);
}

TEST(unknown_options_and_directions)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	char buffer[128] = {};
	socklen_t len = sizeof(buffer);

	EXPECT_ERRNO(set(fd, 15, buffer, 8), ENOPROTOOPT);
	EXPECT_ERRNO(set(fd, -1, buffer, 8), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, 17, buffer, &len), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, 1000000, buffer, &len), ENOPROTOOPT);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_STREAM_OPEN, buffer, 16), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_STREAM_RESET, buffer, &len), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_STREAM_STOP_SENDING, buffer, &len), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_KEY_UPDATE, buffer, &len), ENOPROTOOPT);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_CRYPTO_SECRET, buffer, &len), ENOPROTOOPT);
	close(fd);
}

TEST(lengths_and_pointers_of_set)
{
	struct { struct quic_config config; char rest[100]; } longer;
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	struct quic_config config = { .version = QUIC_VERSION_V2 };
	static char big[8192];
	socklen_t len;

	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, big, 4097), EINVAL);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, big, 65536), EINVAL);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, big, (socklen_t)-1), EINVAL);
	EXPECT_ERRNO(set(fd, 99, big, 4097), EINVAL);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, (void *)8, 28), EFAULT);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, NULL, 28), EFAULT);
	/* No value at all is an all-zero struct: nothing changes. */
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONFIG, NULL, 0), 0);
	/* A shorter struct, as older programs have, and one with a tail of junk. */
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONFIG, &config, 4), 0);
	memset(&longer, 0xff, sizeof(longer));
	memset(&longer.config, 0, sizeof(longer.config));
	longer.config.stream_data_nodelay = 7;
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONFIG, &longer, sizeof(longer)), 0);
	len = sizeof(config);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, &config, &len), 0);
	EXPECT_EQ(config.version, QUIC_VERSION_V2);
	EXPECT_EQ(config.stream_data_nodelay, 1);
	close(fd);
}

TEST(lengths_and_pointers_of_get)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	struct quic_config config;
	char buffer[256];
	socklen_t len;

	len = 24;	/* the struct of older programs */
	memset(buffer, 0x55, sizeof(buffer));
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, buffer, &len), 0);
	EXPECT_EQ(len, 24);
	EXPECT_EQ(buffer[24], 0x55);
	len = sizeof(buffer);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, buffer, &len), 0);
	EXPECT_EQ(len, sizeof(config));
	len = (socklen_t)-1;
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, buffer, &len), 0);
	EXPECT_EQ(len, sizeof(config));
	len = 0;
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, buffer, &len), 0);
	EXPECT_EQ(len, 0);
	len = sizeof(config);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_CONFIG, (void *)8, &len), EFAULT);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_CONFIG, buffer, NULL), EFAULT);
	close(fd);
}

TEST(config_defaults_and_ranges)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	struct quic_config config, got;
	socklen_t len = sizeof(got);

	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, &got, &len), 0);
	EXPECT_EQ(len, 28);
	EXPECT_EQ(got.version, 0);
	EXPECT_EQ(got.initial_smoothed_rtt, 333000);
	EXPECT_EQ(got.congestion_control_algo, QUIC_CONG_ALG_RENO);
	EXPECT_EQ(got.keepalive_probe_interval, 0);

#define BAD(field, value)							\
	do {									\
		memset(&config, 0, sizeof(config));				\
		config.field = (value);						\
		EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), EINVAL); \
	} while (0)
#define GOOD(field, value)							\
	do {									\
		memset(&config, 0, sizeof(config));				\
		config.field = (value);						\
		EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0); \
		len = sizeof(got);						\
		EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, &got, &len), 0);		\
		EXPECT_EQ(got.field, (value));					\
	} while (0)
	BAD(plpmtud_probe_interval, 4999999);
	BAD(plpmtud_probe_interval, 143165577);
	GOOD(plpmtud_probe_interval, 5000000);
	GOOD(plpmtud_probe_interval, 143165576);
	BAD(initial_smoothed_rtt, 999);
	BAD(initial_smoothed_rtt, 6000001);
	GOOD(initial_smoothed_rtt, 1000);
	GOOD(initial_smoothed_rtt, 6000000);
	BAD(payload_cipher_type, 50);
	BAD(payload_cipher_type, 55);
	GOOD(payload_cipher_type, TLS_CIPHER_CHACHA20_POLY1305);
	BAD(congestion_control_algo, QUIC_CONG_ALG_BBR + 1);
	GOOD(congestion_control_algo, QUIC_CONG_ALG_BBR);
	GOOD(congestion_control_algo, QUIC_CONG_ALG_CUBIC);
	BAD(keepalive_probe_interval, 1499999);
	GOOD(keepalive_probe_interval, 1500000);
	GOOD(certificate_request, 3);
	GOOD(receive_session_ticket, 5);
#undef BAD
#undef GOOD
	/* Zero leaves all of it alone. */
	memset(&config, 0, sizeof(config));
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0);
	len = sizeof(got);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONFIG, &got, &len), 0);
	EXPECT_EQ(got.congestion_control_algo, QUIC_CONG_ALG_CUBIC);
	EXPECT_EQ(got.reserved[0] | got.reserved[1] | got.reserved[2], 0);
	close(fd);
}

TEST(transport_param_defaults_and_ranges)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM), value;
	struct quic_transport_param param, got = {};
	socklen_t len = sizeof(got);

	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(len, 56);
	EXPECT_EQ(got.max_data, 65535 * 32);
	EXPECT_EQ(got.max_stream_data_uni, 65535 * 16);
	EXPECT_EQ(got.max_streams_bidi, 100);
	EXPECT_EQ(got.max_idle_timeout, 30000000);
	EXPECT_EQ(got.active_connection_id_limit, 7);
	EXPECT_EQ(got.max_udp_payload_size, 65527);
	EXPECT_EQ(got.max_datagram_frame_size, 0);

#define BAD(field, value)							\
	do {									\
		memset(&param, 0, sizeof(param));				\
		param.field = (value);						\
		EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, sizeof(param)), EINVAL); \
	} while (0)
#define GOOD(field, value)							\
	do {									\
		memset(&param, 0, sizeof(param));				\
		param.field = (value);						\
		EXPECT_EQ(set(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, sizeof(param)), 0); \
		memset(&got, 0, sizeof(got));					\
		len = sizeof(got);						\
		EXPECT_EQ(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0); \
		EXPECT_EQ(got.field, (value));					\
	} while (0)
	BAD(active_connection_id_limit, 1);
	BAD(active_connection_id_limit, 9);
	GOOD(active_connection_id_limit, 2);
	BAD(ack_delay_exponent, 21);
	GOOD(ack_delay_exponent, 20);
	BAD(max_datagram_frame_size, 1199);
	GOOD(max_datagram_frame_size, 1200);
	BAD(max_udp_payload_size, 1199);
	BAD(max_udp_payload_size, 65528);
	GOOD(max_udp_payload_size, 1200);
	BAD(max_idle_timeout, 999999);
	GOOD(max_idle_timeout, 1000000);
	BAD(max_ack_delay, 16384000);
	GOOD(max_ack_delay, 16383999);
	BAD(max_streams_bidi, 4097);
	GOOD(max_streams_bidi, 4096);
	BAD(max_data, 1199);
	BAD(max_data, 536870912);
	GOOD(max_data, 1200);
	BAD(max_stream_data_bidi_local, 268435456);
	GOOD(max_stream_data_bidi_local, 268435455);
	BAD(remote, 1);		/* no connection yet */
	GOOD(max_data, 100000);
#undef BAD
#undef GOOD
	/* All or nothing. */
	memset(&param, 0, sizeof(param));
	param.max_streams_uni = 5;
	param.ack_delay_exponent = 99;
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, sizeof(param)), EINVAL);
	len = sizeof(got);
	memset(&got, 0, sizeof(got));
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(got.max_streams_uni, 100);
	len = sizeof(value);
	EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
	EXPECT_EQ(value, 400000);
	/* Of the peer nothing is known. */
	memset(&got, 0, sizeof(got));
	got.remote = 1;
	len = sizeof(got);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(got.max_data, 0);
	EXPECT_EQ(got.max_udp_payload_size, 0);
	close(fd);
}

TEST(remote_parameters_after_the_handshake)
{
	struct pair pair = {
		.client_param = { .max_data = 123456, .max_streams_uni = 9 },
		.server_param = { .max_idle_timeout = 7654000, .grease_quic_bit = 1 },
	};
	struct quic_transport_param got = { .remote = 1 };
	socklen_t len = sizeof(got);

	pair_open(&pair, AF_INET);
	EXPECT_EQ(get(pair.server, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(got.remote, 1);
	EXPECT_EQ(got.max_data, 123456);
	EXPECT_EQ(got.max_streams_uni, 9);
	EXPECT_EQ(got.ack_delay_exponent, 3);
	EXPECT_EQ(got.max_ack_delay, 25000);
	memset(&got, 0, sizeof(got));
	got.remote = 1;
	len = sizeof(got);
	EXPECT_EQ(get(pair.client, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, &len), 0);
	EXPECT_EQ(got.max_idle_timeout, 7654000);
	EXPECT_EQ(got.grease_quic_bit, 1);
	EXPECT_EQ(got.max_data, 65535 * 32);
	got.remote = 0;
	EXPECT_ERRNO(set(pair.client, QUIC_SOCKOPT_TRANSPORT_PARAM, &got, sizeof(got)), EINVAL);
	pair_close(&pair);
}

TEST(config_of_an_established_connection)
{
	struct quic_config config;
	struct pair pair = {};
	socklen_t len = sizeof(config);

	pair_open(&pair, AF_INET);
	EXPECT_EQ(get(pair.server, QUIC_SOCKOPT_CONFIG, &config, &len), 0);
	EXPECT_EQ(set(pair.server, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0);
	config.stream_data_nodelay = 1;
	EXPECT_ERRNO(set(pair.server, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), EINVAL);
	pair_close(&pair);
}

TEST(accepted_socket_inherits)
{
	struct quic_transport_param param = { .max_data = 222222 };
	struct quic_config config = { .keepalive_probe_interval = 3000000 };
	struct quic_event_option event = { .type = QUIC_EVENT_KEY_UPDATE };
	union address address;
	int listener = quic_socket(AF_INET, SOCK_STREAM), client, server, value;
	socklen_t len = sizeof(address);
	char alpn[16] = {};

	loopback(AF_INET, 0, &address);
	EXPECT_EQ(set(listener, QUIC_SOCKOPT_ALPN, "smb, h3", 7), 0);
	ASSERT_EQ(bind(listener, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(listen(listener, 4), 0);
	EXPECT_ERRNO(set(listener, QUIC_SOCKOPT_ALPN, "h3", 2), EINVAL);
	EXPECT_EQ(set(listener, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, sizeof(param)), 0);
	EXPECT_EQ(set(listener, QUIC_SOCKOPT_CONFIG, &config, sizeof(config)), 0);
	EXPECT_EQ(set_event(listener, QUIC_EVENT_KEY_UPDATE, true), 0);
	ASSERT_EQ(getsockname(listener, &address.sa, &len), 0);
	client = hello_connect(&address, "h3", 0);
	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	memset(&param, 0, sizeof(param));
	len = sizeof(param);
	EXPECT_EQ(get(server, QUIC_SOCKOPT_TRANSPORT_PARAM, &param, &len), 0);
	EXPECT_EQ(param.max_data, 222222);
	len = sizeof(value);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
	EXPECT_EQ(value, 4 * 222222);
	EXPECT_EQ(getsockopt(server, SOL_SOCKET, SO_TYPE, &value, &len), 0);
	EXPECT_EQ(value, SOCK_STREAM);
	len = sizeof(config);
	EXPECT_EQ(get(server, QUIC_SOCKOPT_CONFIG, &config, &len), 0);
	EXPECT_EQ(config.keepalive_probe_interval, 3000000);
	len = sizeof(event);
	EXPECT_EQ(get(server, QUIC_SOCKOPT_EVENT, &event, &len), 0);
	EXPECT_EQ(event.on, 1);
	len = sizeof(alpn);
	EXPECT_EQ(get(server, QUIC_SOCKOPT_ALPN, alpn, &len), 0);
	EXPECT_EQ(len, 6);
	EXPECT_TRUE(!memcmp(alpn, "smb,h3", 6));
	EXPECT_EQ(set(server, QUIC_SOCKOPT_ALPN, "smb", 3), 0);
	close(client);
	close(server);
	close(listener);
}

TEST(alpn_text)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	char buffer[256], text[129];
	socklen_t len;

	len = sizeof(buffer);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_ALPN, buffer, &len), 0);
	EXPECT_EQ(len, 0);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_ALPN, "", 0), EINVAL);
	memset(text, 'a', sizeof(text));
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_ALPN, text, 129), EINVAL);
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_ALPN, text, 128), 0);
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_ALPN, "  h3,  h3-29,,x y", 17), 0);
	len = sizeof(buffer);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_ALPN, buffer, &len), 0);
	EXPECT_EQ(len, 13);
	EXPECT_TRUE(!memcmp(buffer, "h3,h3-29,,x y", 13));
	/* One byte more than the string is wanted. */
	len = 13;
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_ALPN, buffer, &len), EINVAL);
	EXPECT_EQ(len, 13);
	len = 14;
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_ALPN, buffer, &len), 0);
	close(fd);
}

TEST(token)
{
	char token[121], got[256];
	struct pair pair = {};
	socklen_t len = sizeof(got);
	int fd = quic_socket(AF_INET, SOCK_DGRAM);

	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TOKEN, got, &len), 0);
	EXPECT_EQ(len, 0);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_TOKEN, NULL, 0), EINVAL);
	fill_pattern(token, sizeof(token), 0, 1);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_TOKEN, token, 121), EINVAL);
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_TOKEN, token, 120), 0);
	len = 119;
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_TOKEN, got, &len), EINVAL);
	len = sizeof(got);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TOKEN, got, &len), 0);
	EXPECT_TRUE(len == 120 && !memcmp(got, token, 120));
	close(fd);

	/* That it fails is how a server is known. */
	pair_open(&pair, AF_INET);
	len = sizeof(got);
	EXPECT_ERRNO(get(pair.listener, QUIC_SOCKOPT_TOKEN, got, &len), EINVAL);
	EXPECT_ERRNO(get(pair.server, QUIC_SOCKOPT_TOKEN, got, &len), EINVAL);
	EXPECT_ERRNO(set(pair.listener, QUIC_SOCKOPT_TOKEN, NULL, 0), EINVAL);
	EXPECT_ERRNO(set(pair.client, QUIC_SOCKOPT_TOKEN, NULL, 0), EINVAL);
	pair_close(&pair);
}

TEST(session_ticket)
{
	static char blob[4097], got[4096], again[64];
	struct pair pair = {};
	union address address;
	int listener, client, server, second;
	socklen_t len;

	listener = make_listener(AF_INET, &address);
	len = sizeof(got);
	EXPECT_ERRNO(get(listener, QUIC_SOCKOPT_SESSION_TICKET, got, &len), EPIPE);
	client = make_client(&address);
	len = sizeof(got);
	EXPECT_EQ(get(client, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_EQ(len, 0);
	fill_pattern(blob, sizeof(blob), 0, 3);
	EXPECT_ERRNO(set(client, QUIC_SOCKOPT_SESSION_TICKET, blob, 63), EINVAL);
	EXPECT_ERRNO(set(client, QUIC_SOCKOPT_SESSION_TICKET, blob, 4097), EINVAL);
	EXPECT_EQ(set(client, QUIC_SOCKOPT_SESSION_TICKET, blob, 4096), 0);
	len = sizeof(got);
	EXPECT_EQ(get(client, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_TRUE(len == 4096 && !memcmp(got, blob, 4096));

	/* A server has a key, the same for the same client address. */
	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	len = 63;
	EXPECT_ERRNO(get(server, QUIC_SOCKOPT_SESSION_TICKET, got, &len), EINVAL);
	len = 64;
	EXPECT_EQ(get(server, QUIC_SOCKOPT_SESSION_TICKET, again, &len), 0);
	EXPECT_EQ(len, 64);
	close(client);
	client = make_client(&address);
	second = accept(listener, NULL, NULL);
	ASSERT_GE(second, 0);
	len = 64;
	EXPECT_EQ(get(second, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_TRUE(!memcmp(got, again, 64));
	close(client);
	close(server);
	close(second);
	close(listener);

	/* Other listeners have other keys. */
	pair_open(&pair, AF_INET);
	len = 64;
	EXPECT_EQ(get(pair.server, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_TRUE(memcmp(got, again, 64));
	pair_close(&pair);
}

TEST(session_ticket_arrives_after_the_handshake)
{
	char message[4 + 300], got[4096];
	union quic_event event;
	struct pair pair = {};
	socklen_t len = sizeof(got);

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.client, QUIC_EVENT_NEW_SESSION_TICKET, true), 0);
	EXPECT_EQ(get(pair.client, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_EQ(len, 0);
	fill_pattern(message, sizeof(message), 0, 9);
	memcpy(message, "\4\0\1\54", 4);	/* NewSessionTicket, 300 bytes */
	/* In two pieces, the second with more behind it. */
	EXPECT_EQ(send_handshake(pair.server, QUIC_CRYPTO_APP, message, 100, 0), 100);
	usleep(50000);
	len = sizeof(got);
	EXPECT_EQ(get(pair.client, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_EQ(len, 0);
	EXPECT_EQ(send_handshake(pair.server, QUIC_CRYPTO_APP, message + 100, 204, 0), 204);
	EXPECT_TRUE(wait_event(pair.client, QUIC_EVENT_NEW_SESSION_TICKET, &event, 304));
	len = sizeof(got);
	EXPECT_EQ(get(pair.client, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_EQ(len, 304);
	EXPECT_TRUE(!memcmp(got, message, 304));
	pair_close(&pair);
}

TEST(event_option)
{
	struct quic_event_option event = {};
	int fd = quic_socket(AF_INET, SOCK_DGRAM), type;
	socklen_t len;

	EXPECT_ERRNO(set_event(fd, QUIC_EVENT_NONE, true), EINVAL);
	EXPECT_ERRNO(set_event(fd, QUIC_EVENT_MAX, true), EINVAL);
	len = sizeof(event);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_EVENT, &event, &len), EINVAL);
	for (type = 1; type < QUIC_EVENT_MAX; type++) {
		event.type = type;
		len = sizeof(event);
		EXPECT_EQ(get(fd, QUIC_SOCKOPT_EVENT, &event, &len), 0);
		EXPECT_EQ(event.on, 0);
		EXPECT_EQ(set_event(fd, type, true), 0);
		len = sizeof(event);
		EXPECT_EQ(get(fd, QUIC_SOCKOPT_EVENT, &event, &len), 0);
		EXPECT_EQ(event.on, 1);
		EXPECT_EQ(set_event(fd, type, false), 0);
		len = sizeof(event);
		EXPECT_EQ(get(fd, QUIC_SOCKOPT_EVENT, &event, &len), 0);
		EXPECT_EQ(event.on, 0);
	}
	close(fd);
}

TEST(connection_close_option)
{
	struct quic_connection_close info = {}, got;
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	socklen_t len = sizeof(got);

	memset(&got, 0xff, sizeof(got));
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONNECTION_CLOSE, &got, &len), 0);
	EXPECT_EQ(len, 72);
	EXPECT_TRUE(!memcmp(&got, &info, sizeof(got)));
	info.errcode = 77;
	info.frame = 5;
	memset(info.phrase, 'p', sizeof(info.phrase));
	EXPECT_EQ(set(fd, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, sizeof(info)), 0);
	len = sizeof(got);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_CONNECTION_CLOSE, &got, &len), 0);
	EXPECT_EQ(got.errcode, 77);
	EXPECT_EQ(got.frame, 0);
	EXPECT_EQ(got.phrase[62], 'p');
	EXPECT_EQ(got.phrase[63], 0);
	close(fd);
}

TEST(options_in_wrong_states)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	struct quic_crypto_secret secret = { .level = QUIC_CRYPTO_APP, .type = 51 };
	struct quic_stream_info info = { .stream_id = -1 };
	socklen_t len = sizeof(info);
	char buffer[256];
	union address address;

	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_STREAM_OPEN, &info, &len), EPIPE);
	EXPECT_ERRNO(stream_reset(fd, 0, 1), EINVAL);
	EXPECT_ERRNO(stream_stop(fd, 0, 1), EINVAL);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0), EPIPE);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret)), EINVAL);
	len = sizeof(buffer);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer, &len), EINVAL);
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer, 10), EINVAL);

	loopback(AF_INET, 4433, &address);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	len = sizeof(info);
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_STREAM_OPEN, &info, &len), EINVAL);
	secret.level = QUIC_CRYPTO_INITIAL;
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret)), EINVAL);
	secret.level = QUIC_CRYPTO_MAX;
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret)), EINVAL);
	secret.level = QUIC_CRYPTO_HANDSHAKE;
	secret.type = 50;
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret)), EINVAL);
	secret.type = 55;
	EXPECT_ERRNO(set(fd, QUIC_SOCKOPT_CRYPTO_SECRET, &secret, sizeof(secret)), EINVAL);
	len = 10;
	EXPECT_ERRNO(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer, &len), EINVAL);
	len = sizeof(buffer);
	EXPECT_EQ(get(fd, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, buffer, &len), 0);
	EXPECT_GE(len, 20);
	EXPECT_LE(len, 256);
	close(fd);
}

TEST(bad_peer_parameters_close_the_connection)
{
	union address address;
	int listener = make_listener(AF_INET, &address), client = make_client(&address), server;
	struct quic_connection_close info;
	socklen_t len = sizeof(info);

	server = accept(listener, NULL, NULL);
	ASSERT_GE(server, 0);
	EXPECT_ERRNO(set(server, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, "\1\377", 2), EINVAL);
	EXPECT_EQ(get(server, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, &len), 0);
	EXPECT_EQ(info.errcode, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
	EXPECT_ERRNO(send_handshake(server, QUIC_CRYPTO_INITIAL, "x", 1, 0), EPIPE);
	/* The client is told, at Initial level. */
	EXPECT_TRUE(wait_for(client, POLLHUP, 2000));
	len = sizeof(info);
	EXPECT_EQ(get(client, QUIC_SOCKOPT_CONNECTION_CLOSE, &info, &len), 0);
	EXPECT_EQ(info.errcode, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM);
	close(client);
	close(server);
	close(listener);
}

TEST(every_cipher_carries_data)
{
	static const uint32_t ciphers[] = { TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_256,
					    TLS_CIPHER_AES_CCM_128, TLS_CIPHER_CHACHA20_POLY1305 };
	char buffer[64];
	uint32_t flags;
	int64_t id;
	size_t i;

	for (i = 0; i < 4; i++) {
		struct pair pair = { .cipher = ciphers[i] };

		pair_open(&pair, AF_INET);
		EXPECT_EQ(stream_send(pair.client, "sealed", 6, 0,
				      MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_FIN, 0), 6);
		EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 6);
		EXPECT_TRUE(!memcmp(buffer, "sealed", 6));
		pair_close(&pair);
	}
}

TEST(key_update)
{
	struct pair pair = {};
	union quic_event event;
	char buffer[64];
	uint32_t flags;
	int64_t id;
	int i;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(set_event(pair.server, QUIC_EVENT_KEY_UPDATE, true), 0);
	EXPECT_EQ(stream_send(pair.client, "before", 6, 0, MSG_QUIC_STREAM_NEW, 0), 6);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 6);
	/* Confirmation by HANDSHAKE_DONE may take a moment: RFC 9001, section 6.1. */
	for (i = 0; i < 100 && set(pair.client, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0); i++)
		usleep(10000);
	ASSERT_TRUE(i < 100);
	EXPECT_ERRNO(set(pair.client, QUIC_SOCKOPT_KEY_UPDATE, NULL, 0), EINVAL);
	EXPECT_EQ(stream_send(pair.client, "after", 5, 0, 0, 0), 5);
	ASSERT_TRUE(wait_event(pair.server, QUIC_EVENT_KEY_UPDATE, &event, 1));
	EXPECT_EQ(event.key_update_phase, 1);
	EXPECT_EQ(stream_recv(pair.server, buffer, sizeof(buffer), &id, &flags, 0), 5);
	EXPECT_TRUE(!memcmp(buffer, "after", 5));
	EXPECT_EQ(stream_send(pair.server, "answer", 6, 0, 0, 0), 6);
	EXPECT_EQ(stream_recv(pair.client, buffer, sizeof(buffer), &id, &flags, 0), 6);
	EXPECT_TRUE(!memcmp(buffer, "answer", 6));
	pair_close(&pair);
}
