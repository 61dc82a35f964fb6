// SPDX-License-Identifier: GPL-2.0-or-later
/* The search for the MTU of a path. RFC 8899, section 5. */
#include "quic_test.h"
#include "../core/pmtud.h"

#define INTERVAL	5000

struct mtu_run {
	struct quic_pmtud pmtud;
	u64 now;
	u32 probes;
};

static void run_init(struct mtu_run *run, u32 max)
{
	memset(run, 0, sizeof(*run));
	run->now = 1;
	run->pmtud.max = max;
}

/* Sends what is due over a path of that MTU, lets time pass, until nothing more happens. */
static void run_over(struct mtu_run *run, u32 mtu, u32 steps)
{
	struct quic_pmtud *pmtud = &run->pmtud;

	while (steps-- && pmtud->state != QUIC_PMTUD_COMPLETE) {
		if (pmtud->due) {
			run->probes++;
			quic_pmtud_on_sent(pmtud, run->now);
			if (pmtud->size <= mtu) {
				quic_pmtud_on_acked(pmtud, pmtud->size);
				continue;
			}
		}
		run->now = pmtud->at;
		quic_pmtud_on_timeout(pmtud, run->now);
	}
}

static void disabled_takes_the_bound(struct kunit *test)
{
	struct quic_pmtud pmtud = {};

	quic_pmtud_set_max(&pmtud, 1472);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(&pmtud), 1472);
	quic_pmtud_set_max(&pmtud, 1300);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(&pmtud), 1300);
	KUNIT_EXPECT_FALSE(test, pmtud.due);
}

/* What is found, by path and bound, and with how many probes. */
static const struct {
	u32 max, mtu, found, probes;
} searches[] = {
	{ 1200, 9000, 1200, 1 },		/* base only */
	{ 1232, 9000, 1232, 2 },
	{ 1472, 9000, 1472, 1 + 9 },		/* the last step is shorter */
	{ 1472, 1471, 1468, 1 + 8 + 3 + 3 },		/* 1456, not 1472; 1460, 1464, 1468 */
	{ 1472, 1200, 1200, 1 + 3 + 3 },	/* not 1232, not 1204 */
	{ 1472, 1231, 1228, 1 + 3 + 7 },
	{ 1472, 1400, 1400, 1 + 6 + 3 + 2 + 3 },
	{ 9000, 8972, 8972, 1 + 242 + 3 + 7 },
};

static void search_finds_the_size(struct kunit *test)
{
	struct mtu_run run;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(searches); i++) {
		run_init(&run, searches[i].max);
		quic_pmtud_start(&run.pmtud, INTERVAL);
		KUNIT_EXPECT_EQ(test, quic_pmtud_mss(&run.pmtud), QUIC_PMTUD_BASE);
		run_over(&run, searches[i].mtu, 2000);
		KUNIT_EXPECT_EQ(test, run.pmtud.state, QUIC_PMTUD_COMPLETE);
		KUNIT_EXPECT_EQ_MSG(test, quic_pmtud_mss(&run.pmtud), searches[i].found, "row %u", i);
		KUNIT_EXPECT_EQ_MSG(test, run.probes, searches[i].probes, "row %u", i);
	}
}

/* RFC 8899, section 5.1.1: PROBE_TIMER, and PMTU_RAISE_TIMER after that. */
static void timers_keep_their_distance(struct kunit *test)
{
	struct quic_pmtud *pmtud;
	struct mtu_run run;
	u64 end;

	run_init(&run, 1472);
	pmtud = &run.pmtud;
	quic_pmtud_start(pmtud, INTERVAL);
	quic_pmtud_on_sent(pmtud, 100);
	quic_pmtud_on_acked(pmtud, QUIC_PMTUD_BASE);
	quic_pmtud_on_sent(pmtud, 200);
	KUNIT_EXPECT_EQ(test, pmtud->at, 200 + INTERVAL);
	quic_pmtud_on_timeout(pmtud, 200 + INTERVAL - 1);
	KUNIT_EXPECT_FALSE(test, pmtud->due);
	quic_pmtud_on_timeout(pmtud, 200 + INTERVAL);
	KUNIT_EXPECT_TRUE(test, pmtud->due);
	KUNIT_EXPECT_EQ(test, pmtud->size, 1232);
	run_over(&run, 1300, 1000);
	KUNIT_ASSERT_EQ(test, pmtud->state, QUIC_PMTUD_COMPLETE);
	KUNIT_EXPECT_EQ(test, pmtud->good, 1300);

	end = run.now;
	quic_pmtud_arm(pmtud, end);
	quic_pmtud_arm(pmtud, end + 5);
	KUNIT_EXPECT_EQ(test, pmtud->at, end + 30 * INTERVAL);
	quic_pmtud_on_timeout(pmtud, pmtud->at);
	KUNIT_EXPECT_EQ(test, pmtud->state, QUIC_PMTUD_SEARCH);
	KUNIT_EXPECT_EQ(test, pmtud->size, 1332);
	/* The path has grown meanwhile. */
	run_over(&run, 1472, 1000);
	KUNIT_EXPECT_EQ(test, pmtud->good, 1472);
}

static void single_losses_do_not_end_the_search(struct kunit *test)
{
	struct quic_pmtud *pmtud;
	struct mtu_run run;
	u32 i;

	run_init(&run, 1472);
	pmtud = &run.pmtud;
	quic_pmtud_start(pmtud, INTERVAL);
	while (pmtud->state != QUIC_PMTUD_COMPLETE) {
		/* Two of three are lost for other reasons. */
		for (i = 0; i < 2; i++) {
			quic_pmtud_on_sent(pmtud, run.now);
			run.now = pmtud->at;
			quic_pmtud_on_timeout(pmtud, run.now);
			KUNIT_ASSERT_TRUE(test, pmtud->due);
		}
		quic_pmtud_on_sent(pmtud, run.now);
		quic_pmtud_on_acked(pmtud, pmtud->size);
	}
	KUNIT_EXPECT_EQ(test, pmtud->good, 1472);
}

/* RFC 8899, section 5.2: no answer to the base is the error state, any answer its end. */
static void path_without_the_base_is_an_error(struct kunit *test)
{
	struct mtu_run run;

	run_init(&run, 1472);
	quic_pmtud_start(&run.pmtud, INTERVAL);
	run_over(&run, 1199, QUIC_PMTUD_PROBES - 1);
	KUNIT_EXPECT_EQ(test, run.pmtud.state, QUIC_PMTUD_BASE_STATE);
	run_over(&run, 1199, 1);
	KUNIT_EXPECT_EQ(test, run.pmtud.state, QUIC_PMTUD_ERROR);
	run_over(&run, 1199, 50);
	KUNIT_EXPECT_EQ(test, run.pmtud.state, QUIC_PMTUD_ERROR);
	KUNIT_EXPECT_EQ(test, run.pmtud.size, QUIC_PMTUD_BASE);
	run_over(&run, 1472, 100);
	KUNIT_EXPECT_EQ(test, run.pmtud.state, QUIC_PMTUD_COMPLETE);
	KUNIT_EXPECT_EQ(test, run.pmtud.good, 1472);
}

/* RFC 8899, section 4.6.2 */
static void bound_from_outside_is_used(struct kunit *test)
{
	struct quic_pmtud *pmtud;
	struct mtu_run run;

	run_init(&run, 1472);
	pmtud = &run.pmtud;
	quic_pmtud_start(pmtud, INTERVAL);
	run_over(&run, 1300, 6);	/* 1296 arrived, 1328 is being probed */
	KUNIT_ASSERT_EQ(test, pmtud->good, 1296);
	KUNIT_ASSERT_EQ(test, pmtud->size, 1328);
	quic_pmtud_set_max(pmtud, 1310);
	KUNIT_EXPECT_EQ(test, pmtud->size, 1310);
	KUNIT_EXPECT_TRUE(test, pmtud->due);
	quic_pmtud_set_max(pmtud, 1296);
	KUNIT_EXPECT_EQ(test, pmtud->state, QUIC_PMTUD_COMPLETE);
	KUNIT_EXPECT_FALSE(test, pmtud->due);
	quic_pmtud_set_max(pmtud, 1250);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(pmtud), 1250);
	/* A larger bound is no word about the path: only probes raise. */
	quic_pmtud_set_max(pmtud, 1472);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(pmtud), 1250);
}

static void late_answers_count(struct kunit *test)
{
	struct quic_pmtud *pmtud;
	struct mtu_run run;

	run_init(&run, 1472);
	pmtud = &run.pmtud;
	quic_pmtud_start(pmtud, INTERVAL);
	run_over(&run, 1231, 2000);
	KUNIT_ASSERT_EQ(test, pmtud->state, QUIC_PMTUD_COMPLETE);
	quic_pmtud_on_acked(pmtud, 1232);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(pmtud), 1232);
	quic_pmtud_on_acked(pmtud, 1204);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(pmtud), 1232);
	quic_pmtud_on_acked(pmtud, 1473);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(pmtud), 1232);
}

static void third_loss_is_a_black_hole(struct kunit *test)
{
	struct quic_pmtud pmtud = { .max = 1472 };

	KUNIT_EXPECT_FALSE(test, quic_pmtud_on_large_lost(&pmtud));
	KUNIT_EXPECT_FALSE(test, quic_pmtud_on_large_lost(&pmtud));
	KUNIT_EXPECT_TRUE(test, quic_pmtud_on_large_lost(&pmtud));
	quic_pmtud_start(&pmtud, INTERVAL);
	KUNIT_EXPECT_EQ(test, pmtud.holes, 0);
	KUNIT_EXPECT_EQ(test, quic_pmtud_mss(&pmtud), QUIC_PMTUD_BASE);
}

static struct kunit_case pmtud_cases[] = {
	KUNIT_CASE(disabled_takes_the_bound),
	KUNIT_CASE(search_finds_the_size),
	KUNIT_CASE(timers_keep_their_distance),
	KUNIT_CASE(single_losses_do_not_end_the_search),
	KUNIT_CASE(path_without_the_base_is_an_error),
	KUNIT_CASE(bound_from_outside_is_used),
	KUNIT_CASE(late_answers_count),
	KUNIT_CASE(third_loss_is_a_black_hole),
	{}
};

static struct kunit_suite pmtud_suite = {
	.name = "quic_pmtud",
	.test_cases = pmtud_cases,
};

kunit_test_suite(pmtud_suite);
