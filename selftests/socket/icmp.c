// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "Too big" from raw sockets, true and forged: RFC 9000, section 14.2.1; hardening.md, section 2.5.
 * The largest datagram that the socket takes tells the size of its packets.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <unistd.h>

#include "pair.h"

#define DATAGRAM	MSG_QUIC_DATAGRAM
#define OVERHEAD	(1 + 8 + 4 + 16 + 1 + 2)	/* packet and frame around a large payload */

struct quoted {
	struct pair pair;
	int family;
	int tap;
	int raw;
	uint8_t packet[2048];	/* the begin of a packet of the client, IP header first */
	size_t ip_len;
	size_t size;		/* of all of it */
};

/* Catches a packet from the client to the server that is larger than @min. */
static void catch_packet(struct quoted *q, size_t min)
{
	union address client;
	socklen_t len = sizeof(client);
	struct udphdr *udp;
	ssize_t n;

	q->ip_len = q->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	udp = (struct udphdr *)(q->packet + q->ip_len);
	ASSERT_EQ(getsockname(q->pair.client, &client.sa, &len), 0);
	for (;;) {
		n = recv(q->tap, q->packet, sizeof(q->packet), MSG_TRUNC);
		ASSERT_GE(n, 0);
		if (n > (ssize_t)min && q->packet[0] >> 4 == (q->family == AF_INET ? 4 : 6) &&
		    ntohs(udp->source) == address_port(&client) &&
		    ntohs(udp->dest) == address_port(&q->pair.address))
			break;
	}
	q->size = n;
}

static void quoted_open(struct quoted *q, int family)
{
	static char data[20000];
	int room = 64 << 20;
	char got[20000];

	/* The kernel keeps for minutes what it was told about a destination. */
	fresh_loopback();
	memset(q, 0, sizeof(*q));
	q->family = family;
	q->pair.client_param.max_datagram_frame_size = 65535;
	q->pair.server_param.max_datagram_frame_size = 65535;
	q->tap = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	ASSERT_GE(q->tap, 0);
	set_timeout(q->tap, SO_RCVTIMEO, 5000 * test_slow());
	ASSERT_EQ(setsockopt(q->tap, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	q->raw = family == AF_INET ? socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) :
				     socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	ASSERT_GE(q->raw, 0);
	pair_open(&q->pair, family);
	ASSERT_EQ(send(q->pair.client, data, sizeof(data), DATAGRAM), sizeof(data));
	ASSERT_EQ(recv(q->pair.server, got, sizeof(got), 0), sizeof(data));
	catch_packet(q, sizeof(data));
	/* Copies of what it sees would need memory in large pieces: packets might be lost. */
	close(q->tap);
}

static void quoted_close(struct quoted *q)
{
	close(q->raw);
	pair_close(&q->pair);
}

/* Does the client take a payload of that length? It is held back, so that nothing is sent. */
static bool holds(struct quoted *q, int len)
{
	static char data[66000];

	return send(q->pair.client, data, len, DATAGRAM | MSG_MORE | MSG_DONTWAIT) >= 0 ||
	       errno == EAGAIN;
}

/* The largest payload that the client takes. */
static int largest(struct quoted *q)
{
	int low = 1, high = 66000, middle;

	while (low < high - 1) {
		middle = (low + high) / 2;
		if (holds(q, middle))
			low = middle;
		else
			high = middle;
	}
	return low;
}

#define EXPECT_LIMIT(q, len)						\
	do {								\
		EXPECT_TRUE(holds(q, len));				\
		EXPECT_TRUE(!holds(q, (len) + 1));			\
	} while (0)

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (; len > 1; len -= 2)
		sum += *words++;
	if (len)
		sum += htons(*(const uint8_t *)words << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A router says that its next link takes @mtu, and quotes @quote bytes of the packet. */
static void too_big(struct quoted *q, uint32_t mtu, size_t quote)
{
	union address to;
	uint8_t message[8 + 600] = {};
	struct icmphdr *icmp = (struct icmphdr *)message;
	struct icmp6_hdr *icmp6 = (struct icmp6_hdr *)message;

	loopback(q->family, 0, &to);
	memcpy(message + 8, q->packet, quote);
	if (q->family == AF_INET) {
		icmp->type = ICMP_DEST_UNREACH;
		icmp->code = ICMP_FRAG_NEEDED;
		icmp->un.frag.mtu = htons(mtu);
		icmp->checksum = checksum(message, 8 + quote);
	} else {
		icmp6->icmp6_type = ICMP6_PACKET_TOO_BIG;
		icmp6->icmp6_mtu = htonl(mtu);
	}
	ASSERT_EQ(sendto(q->raw, message, 8 + quote, 0, &to.sa, address_len(&to)), 8 + quote);
}

static void believed(int family)
{
	int overhead = (family == AF_INET ? 28 : 48) + OVERHEAD;
	struct quoted q;

	quoted_open(&q, family);
	ASSERT_GE(largest(&q), 60000);
	too_big(&q, 4000, 100);
	EXPECT_LIMIT(&q, 4000 - overhead);
	/* RFC 9000, section 14.2.1 #3: never more. */
	too_big(&q, 6000, 100);
	EXPECT_LIMIT(&q, 4000 - overhead);
	too_big(&q, 1500, 100);
	EXPECT_LIMIT(&q, 1500 - overhead);
	quoted_close(&q);
}

TEST(believed_v4)
{
	believed(AF_INET);
}

TEST(believed_v6)
{
	believed(AF_INET6);
}

static void not_believed(int family)
{
	size_t ip_len, udp, dcid;
	struct quoted q;
	int size, overhead;

	quoted_open(&q, family);
	size = largest(&q);
	ASSERT_GE(size, 60000);
	ip_len = q.ip_len;
	udp = ip_len;
	dcid = ip_len + 8 + 1;
	overhead = ip_len + 8;

	/* #1: less than QUIC needs. */
	too_big(&q, 1200 + overhead - 1, 100);
	EXPECT_LIMIT(&q, size);
	too_big(&q, 68, 100);
	EXPECT_LIMIT(&q, size);
	too_big(&q, 0, 100);
	EXPECT_LIMIT(&q, size);
	/* The packet was not too big for that. */
	too_big(&q, q.size, 100);
	EXPECT_LIMIT(&q, size);
	/* #2: another connection ID, another port, another peer. */
	q.packet[dcid + 3] ^= 1;
	too_big(&q, 4000, 100);
	q.packet[dcid + 3] ^= 1;
	EXPECT_LIMIT(&q, size);
	q.packet[udp + 3] ^= 1;
	too_big(&q, 4000, 100);
	q.packet[udp + 3] ^= 1;
	EXPECT_LIMIT(&q, size);
	q.packet[udp - 1] ^= 2;
	too_big(&q, 4000, 100);
	q.packet[udp - 1] ^= 2;
	EXPECT_LIMIT(&q, size);
	/* Too little of the packet to tell. */
	too_big(&q, 4000, ip_len + 8);
	EXPECT_LIMIT(&q, size);
	too_big(&q, 4000, dcid + 7);
	EXPECT_LIMIT(&q, size);
	/* And all the same the real one. */
	too_big(&q, 4000, dcid + 8);
	EXPECT_LIMIT(&q, 4000 - overhead - OVERHEAD);
	quoted_close(&q);
}

TEST(not_believed_v4)
{
	not_believed(AF_INET);
}

TEST(not_believed_v6)
{
	not_believed(AF_INET6);
}

/* uapi.md, section 2.13: who looks at the device alone does not hear of the way. */
TEST(refused_by_option)
{
	int how = IP_PMTUDISC_INTERFACE;
	struct quoted q;
	int size;

	quoted_open(&q, AF_INET);
	size = largest(&q);
	ASSERT_EQ(setsockopt(q.pair.client, SOL_IP, IP_MTU_DISCOVER, &how, sizeof(how)), 0);
	too_big(&q, 4000, 100);
	EXPECT_LIMIT(&q, size);
	quoted_close(&q);
}

/* Data shaped for large packets leaves in small ones. */
TEST(data_goes_on)
{
	static uint8_t data[100000], got[100000];
	size_t done = 0;
	uint32_t flags;
	struct quoted q;
	int64_t id;
	ssize_t n;

	quoted_open(&q, AF_INET);
	fill_pattern(data, sizeof(data), 0, 7);
	ASSERT_EQ(stream_send(q.pair.client, data, 50000, 0, MSG_QUIC_STREAM_NEW, MSG_MORE), 50000);
	too_big(&q, 1400, 100);
	ASSERT_EQ(stream_send(q.pair.client, data + 50000, 50000, 0, MSG_QUIC_STREAM_FIN, 0), 50000);
	while (done < sizeof(data)) {
		n = stream_recv(q.pair.server, got + done, sizeof(got) - done, &id, &flags, 0);
		ASSERT_GE(n, 1);
		done += n;
	}
	EXPECT_TRUE(check_pattern(got, sizeof(got), 0, 7));
	quoted_close(&q);
}
