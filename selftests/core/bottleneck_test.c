// SPDX-License-Identifier: GPL-2.0-or-later
/* What congestion controllers make of a bottleneck: throughput under loss, queues, fairness. */
#include <kunit/test.h>

#include "sim.h"

#define RATE	(10 * 1000 * 1000ULL)	/* bytes per second */
#define RTT	(20 * SIM_MS)
#define BDP	(RATE / 50)

static const char *const names[] = {
	[QUIC_CONG_ALG_RENO] = "reno",
	[QUIC_CONG_ALG_CUBIC] = "cubic",
	[QUIC_CONG_ALG_BBR] = "bbr",
};

static struct sim *begin(struct kunit *test, u8 algo, u32 loss, u64 queue, u64 seed)
{
	struct sim *sim = sim_create();

	sim->client.conn.config.congestion = algo;
	sim->random = seed;
	sim->rate = RATE;
	sim->delay = RTT / 2;
	sim->queue = queue;
	KUNIT_ASSERT_TRUE(test, sim_handshake(sim));
	sim->loss = loss;
	return sim;
}

static void feed(struct sim *sim)
{
	sim_send(&sim->client, 0, 1 << 20, false);
	sim_settle(&sim->client);
}

/* The share of the link in percent that one flow has over @seconds after the first two. */
static u64 share(struct kunit *test, u8 algo, u32 loss, u64 queue, u32 seconds)
{
	struct sim *sim = begin(test, algo, loss, queue, 7);
	u64 before = 0, percent;
	u32 ms;

	for (ms = 0; ms < (seconds + 2) * 1000; ms++) {
		if (ms == 2000)
			before = sim->server.received[0];
		feed(sim);
		sim_run_for(sim, SIM_MS);
	}
	KUNIT_EXPECT_EQ(test, sim->server.bad_bytes, 0);
	percent = (sim->server.received[0] - before) * 100 / (RATE * seconds);
	kunit_info(test, "%s, %u %% loss, queue of %llu: %llu %%, %llu lost", names[algo], loss,
		   (unsigned long long)queue, (unsigned long long)percent,
		   (unsigned long long)sim->client.conn.lost_packets);
	sim_destroy(sim);
	return percent;
}

/* Without loss but what the queue drops; 95 % of a packet are payload. */
static void link_is_filled_without_loss(struct kunit *test)
{
	u8 algo;

	for (algo = QUIC_CONG_ALG_RENO; algo <= QUIC_CONG_ALG_BBR; algo++)
		KUNIT_EXPECT_GE(test, share(test, algo, 0, BDP, 8), 85ULL);
}

/* Losses that no queue explains do not slow BBR down much; a small share is what others get. */
static void bbr_bears_random_loss(struct kunit *test)
{
	KUNIT_EXPECT_GE(test, share(test, QUIC_CONG_ALG_BBR, 1, BDP, 8), 85ULL);
	KUNIT_EXPECT_GE(test, share(test, QUIC_CONG_ALG_BBR, 5, BDP, 8), 70ULL);
	KUNIT_EXPECT_LE(test, share(test, QUIC_CONG_ALG_CUBIC, 5, BDP, 8), 20ULL);
}

/* A queue of a tenth of what the path holds: no standing loss of more than a few percent. */
static void bbr_respects_a_small_queue(struct kunit *test)
{
	struct sim *sim = begin(test, QUIC_CONG_ALG_BBR, 0, BDP / 10, 3);
	u64 sent, lost;
	u32 ms;

	for (ms = 0; ms < 2000; ms++) {
		feed(sim);
		sim_run_for(sim, SIM_MS);
	}
	sent = sim->client.packets_tx;
	lost = sim->client.conn.lost_packets;
	for (ms = 0; ms < 8000; ms++) {
		feed(sim);
		sim_run_for(sim, SIM_MS);
	}
	sent = sim->client.packets_tx - sent;
	lost = sim->client.conn.lost_packets - lost;
	kunit_info(test, "%llu of %llu packets lost", (unsigned long long)lost,
		   (unsigned long long)sent);
	KUNIT_EXPECT_GE(test, sent, 8 * RATE / 1472 * 7 / 10);
	KUNIT_EXPECT_LE(test, lost * 100, sent * 5);
	sim_destroy(sim);
}

/* BBR empties the queue: its round trips are short, where CUBIC's fill the buffer. */
static void bbr_keeps_the_queue_short(struct kunit *test)
{
	u64 rtt[2];
	u8 i;

	for (i = 0; i < 2; i++) {
		struct sim *sim = begin(test, i ? QUIC_CONG_ALG_BBR : QUIC_CONG_ALG_CUBIC, 0,
					4 * BDP, 5);
		u64 sum = 0;
		u32 ms;

		for (ms = 0; ms < 6000; ms++) {
			feed(sim);
			sim_run_for(sim, SIM_MS);
			if (ms >= 2000)
				sum += sim->client.conn.path[0].rtt.latest_rtt;
		}
		rtt[i] = sum / 4000;
		kunit_info(test, "%s: %llu us", names[i ? QUIC_CONG_ALG_BBR : QUIC_CONG_ALG_CUBIC],
			   (unsigned long long)(rtt[i] / 1000));
		sim_destroy(sim);
	}
	KUNIT_EXPECT_LE(test, rtt[1], RTT * 2);
	KUNIT_EXPECT_GE(test, rtt[0], rtt[1]);
}

/*
 * Two flows of one kind over one link; the second comes a second later. What
 * is usual is 0.95 and more; who loses when the queue overflows is chance, and
 * without noise of any kind it may be the same one for long.
 */
static void two_flows_share_the_link(struct kunit *test)
{
	u8 algo;

	for (algo = QUIC_CONG_ALG_RENO; algo <= QUIC_CONG_ALG_BBR; algo++) {
		struct sim *one = begin(test, algo, 0, BDP, 11);
		struct sim *other = begin(test, algo, 0, BDP, 12);
		u64 x = 0, y = 0, jain;
		u32 ms;

		other->now = one->now = max(one->now, other->now);
		other->link = one->link;
		for (ms = 0; ms < 40000; ms++) {
			feed(one);
			if (ms >= 1000)
				feed(other);
			sim_run_pair(one, other, SIM_MS);
			if (ms == 10000) {
				x = one->server.received[0];
				y = other->server.received[0];
			}
		}
		x = (one->server.received[0] - x) >> 10;
		y = (other->server.received[0] - y) >> 10;
		jain = (x + y) * (x + y) * 1000 / (2 * (x * x + y * y));
		kunit_info(test, "%s: %llu and %llu KiB, Jain %llu / 1000", names[algo],
			   (unsigned long long)x, (unsigned long long)y,
			   (unsigned long long)jain);
		KUNIT_EXPECT_GE(test, jain, 850ULL);
		KUNIT_EXPECT_GE(test, (x + y) << 10, RATE * 30 * 85 / 100);
		sim_destroy(one);
		sim_destroy(other);
	}
}

static struct kunit_case bottleneck_cases[] = {
	KUNIT_CASE(link_is_filled_without_loss),
	KUNIT_CASE(bbr_bears_random_loss),
	KUNIT_CASE(bbr_respects_a_small_queue),
	KUNIT_CASE(bbr_keeps_the_queue_short),
	KUNIT_CASE(two_flows_share_the_link),
	{}
};

static struct kunit_suite bottleneck_suite = {
	.name = "quic_bottleneck",
	.test_cases = bottleneck_cases,
};

kunit_test_suite(bottleneck_suite);
