// SPDX-License-Identifier: GPL-2.0-or-later
/* Loss detection, probes and congestion control of whole connections. */
#include <kunit/test.h>

#include "sim.h"

/*
 * RFC 9002, section 6.2.2.1: a client whose Initial packets were acknowledged
 * keeps the server going, also while early data that no timer watches over is
 * in flight.
 */
static void early_data_does_not_stop_the_clients_probes(struct kunit *test)
{
	struct sim *sim = sim_create();
	struct quic_conn *conn = &sim->client.conn;
	struct quic_sent_packet packet = {
		.time = sim->now,
		.size = 1200,
		.flags = QUIC_SENT_ACK_ELICITING | QUIC_SENT_IN_FLIGHT | QUIC_SENT_0RTT,
	};
	struct quic_sent_packet first;

	sim_start(sim);
	sim->client.mute = true;
	sim_settle(&sim->client);
	while (quic_loss_next_discarded(&conn->space[QUIC_SPACE_INITIAL]->loss, &first))
		quic_sent_packet_release(&first);
	KUNIT_ASSERT_EQ(test, quic_loss_on_sent(&conn->space[QUIC_SPACE_APP]->loss, 0, &packet), 0);
	quic_conn_update_deadlines(conn, sim->now);
	KUNIT_EXPECT_LE(test, conn->deadlines.at[QUIC_DEADLINE_LOSS],
			sim->now + 1100 * SIM_MS);
	sim_destroy(sim);
}

static struct kunit_case recovery_cases[] = {
	KUNIT_CASE(early_data_does_not_stop_the_clients_probes),
	{}
};

static struct kunit_suite recovery_suite = {
	.name = "quic_recovery",
	.test_cases = recovery_cases,
};

kunit_test_suite(recovery_suite);
