// SPDX-License-Identifier: GPL-2.0-or-later
/* The fixed bit, cleared where the peer allows it. RFC 9287. */
#include <sys/random.h>
#include <unistd.h>

#include "proxy.h"

/* Datagrams by direction: how many began with the bit set, and how many without. */
struct count {
	int bit[2][2];		/* of short headers */
	int handshake[2][2];
	int initial_cleared;
};

static bool count_bits(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len)
{
	struct count *count = proxy->arg;
	struct long_header hdr;
	bool set = data[0] & 0x40;

	if (!read_long(data, *len, &hdr))
		count->bit[to_server][set]++;
	else if ((hdr.first >> 4 & 3) == type_bits(hdr.version, HANDSHAKE))
		count->handshake[to_server][set]++;
	else if (!set)
		count->initial_cleared++;
	return true;
}

static void allow(struct quic_transport_param *param)
{
	param->grease_quic_bit = 1;
}

/* A connection with enough packets each way to see chance at work. */
static void talk(int listener, const union address *address, struct count *count,
		 bool client_allows, bool server_allows)
{
	struct pair pair = { .listener = listener, .address = *address };
	struct proxy proxy;
	char buffer[16];
	int i;

	memset(count, 0, sizeof(*count));
	proxy_open(&proxy, &pair.address, count_bits, count);
	pair.client = make_client(&proxy.address);
	pair.server = accept(pair.listener, NULL, NULL);
	ASSERT_GE(pair.server, 0);
	if (client_allows)
		allow(&pair.client_param);
	if (server_allows)
		allow(&pair.server_param);
	pair_handshake(&pair);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(stream_send(pair.client, "ping", 4, 0, i ? 0 : MSG_QUIC_STREAM_NEW, 0), 4);
		ASSERT_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);
		ASSERT_EQ(stream_send(pair.server, "pong", 4, 0, 0, 0), 4);
		ASSERT_EQ(recv(pair.client, buffer, sizeof(buffer), 0), 4);
	}
	close(pair.client);
	close(pair.server);
	proxy_close(&proxy);
	/* RFC 9287, section 3.1 #1: no client of ours knows enough for that. */
	EXPECT_EQ(count->initial_cleared, 0);
}

/* RFC 9287, sections 3 #2 and 3.1 #1 #2 #4. */
TEST(bit_is_cleared_where_the_peer_allows)
{
	union address address;
	struct count count;
	int listener = make_listener(AF_INET, &address);

	talk(listener, &address, &count, false, false);
	EXPECT_EQ(count.bit[0][0] + count.bit[1][0], 0);
	EXPECT_EQ(count.handshake[0][0] + count.handshake[1][0], 0);
	EXPECT_GE(count.bit[0][1], 20);

	/* The server may, the client may not. */
	talk(listener, &address, &count, true, false);
	EXPECT_GE(count.bit[false][0], 5);
	EXPECT_GE(count.bit[false][1], 5);
	EXPECT_EQ(count.bit[true][0], 0);
	EXPECT_EQ(count.handshake[true][0], 0);

	talk(listener, &address, &count, true, true);
	EXPECT_GE(count.bit[false][0], 5);
	EXPECT_GE(count.bit[false][1], 5);
	EXPECT_GE(count.bit[true][0], 5);
	EXPECT_GE(count.bit[true][1], 5);

	/* RFC 9287, section 3.1 #3: what another connection allowed counts for nothing. */
	talk(listener, &address, &count, false, true);
	EXPECT_EQ(count.bit[false][0] + count.handshake[false][0], 0);
	EXPECT_GE(count.bit[true][0], 5);
	close(listener);
}

/* RFC 9287, section 3 #2; RFC 9000, section 17.2 #1: a client may know from an earlier connection. */
TEST(first_packet_without_the_bit)
{
	struct quic_transport_param param = { .grease_quic_bit = 1 };
	uint8_t data[1200], dcid[8];
	union address address;
	int listener = make_listener(AF_INET, &address), server;
	int fd = udp_socket(AF_INET, &address, NULL);

	ASSERT_EQ(getrandom(dcid, sizeof(dcid), 0), sizeof(dcid));
	make_initial(data, sizeof(data), QUIC_VERSION_V1, dcid, 8, "client", 6, NULL, 0);
	data[0] &= ~0x40;
	ASSERT_EQ(send(fd, data, sizeof(data), 0), sizeof(data));
	EXPECT_TRUE(!wait_for(listener, POLLIN, 100));
	ASSERT_EQ(setsockopt(listener, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &param,
			     sizeof(param)), 0);
	ASSERT_EQ(send(fd, data, sizeof(data), 0), sizeof(data));
	ASSERT_TRUE(wait_for(listener, POLLIN, 5000));
	server = accept(listener, NULL, NULL);
	EXPECT_GE(server, 0);
	close(server);
	close(fd);
	close(listener);
}
