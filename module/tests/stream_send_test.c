// SPDX-License-Identifier: GPL-2.0-or-later
/* The sending part of a stream. RFC 9000, sections 3.1, 3.3 and 13.3. */
#include "quic_test.h"
#include "../core/stream_send.h"

#define BYTES	10

enum send_event {
	QUEUE_NOTHING_BUT_FIN,
	RESET,
	ACK_ALL,
	LOSE_ALL,
	RESET_ACK,
	NR_EVENTS,
};

/* A sending part in @state; from SEND on it has queued and sent BYTES bytes. */
static void send_in_state(struct quic_stream_send *send, enum quic_stream_send_state state)
{
	/* Whatever was there before. */
	memset(send, 0x5a, sizeof(*send));
	quic_stream_send_init(send, 1000);
	if (state == QUIC_SEND_READY)
		return;
	quic_stream_send_queue(send, BYTES, false);
	quic_stream_send_on_sent(send, 0, BYTES, false);
	switch (state) {
	case QUIC_SEND_SENT:
	case QUIC_SEND_RECVD:
		quic_stream_send_queue(send, 0, true);
		quic_stream_send_on_sent(send, BYTES, 0, true);
		if (state == QUIC_SEND_RECVD) {
			quic_stream_send_on_acked(send, 0, BYTES, false);
			quic_stream_send_on_acked(send, BYTES, 0, true);
		}
		break;
	case QUIC_SEND_RESET_SENT:
	case QUIC_SEND_RESET_RECVD:
		quic_stream_send_reset(send, 7);
		send->reset = QUIC_CONTROL_SENT;
		if (state == QUIC_SEND_RESET_RECVD)
			quic_stream_send_on_reset_acked(send);
		break;
	default:
		break;
	}
}

/* RFC 9000, section 3.1, figure 2: every event in every state. */
static void state_machine_is_that_of_figure_2(struct kunit *test)
{
	static const u8 next[][NR_EVENTS] = {
		[QUIC_SEND_READY] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_SENT,
			[RESET] = QUIC_SEND_RESET_SENT,
			[ACK_ALL] = QUIC_SEND_READY,
			[LOSE_ALL] = QUIC_SEND_READY,
			[RESET_ACK] = QUIC_SEND_READY,
		},
		[QUIC_SEND_SEND] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_SENT,
			[RESET] = QUIC_SEND_RESET_SENT,
			[ACK_ALL] = QUIC_SEND_SEND,
			[LOSE_ALL] = QUIC_SEND_SEND,
			[RESET_ACK] = QUIC_SEND_SEND,
		},
		[QUIC_SEND_SENT] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_SENT,
			[RESET] = QUIC_SEND_RESET_SENT,
			[ACK_ALL] = QUIC_SEND_RECVD,
			[LOSE_ALL] = QUIC_SEND_SENT,
			[RESET_ACK] = QUIC_SEND_SENT,
		},
		[QUIC_SEND_RECVD] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_RECVD,
			[RESET] = QUIC_SEND_RECVD,
			[ACK_ALL] = QUIC_SEND_RECVD,
			[LOSE_ALL] = QUIC_SEND_RECVD,
			[RESET_ACK] = QUIC_SEND_RECVD,
		},
		[QUIC_SEND_RESET_SENT] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_RESET_SENT,
			[RESET] = QUIC_SEND_RESET_SENT,
			[ACK_ALL] = QUIC_SEND_RESET_SENT,
			[LOSE_ALL] = QUIC_SEND_RESET_SENT,
			[RESET_ACK] = QUIC_SEND_RESET_RECVD,
		},
		[QUIC_SEND_RESET_RECVD] = {
			[QUEUE_NOTHING_BUT_FIN] = QUIC_SEND_RESET_RECVD,
			[RESET] = QUIC_SEND_RESET_RECVD,
			[ACK_ALL] = QUIC_SEND_RESET_RECVD,
			[LOSE_ALL] = QUIC_SEND_RESET_RECVD,
			[RESET_ACK] = QUIC_SEND_RESET_RECVD,
		},
	};
	struct quic_stream_send send;
	int state, event, err;
	u32 len;
	bool fin;

	for (state = QUIC_SEND_READY; state <= QUIC_SEND_RESET_RECVD; state++) {
		for (event = 0; event < NR_EVENTS; event++) {
			send_in_state(&send, state);
			KUNIT_ASSERT_EQ(test, (int)send.state, state);
			len = state == QUIC_SEND_READY ? 0 : BYTES;
			fin = state == QUIC_SEND_SENT || state == QUIC_SEND_RECVD;
			switch (event) {
			case QUEUE_NOTHING_BUT_FIN:
				if (quic_stream_send_may_write(&send))
					quic_stream_send_queue(&send, 0, true);
				break;
			case RESET:
				err = quic_stream_send_reset(&send, 9);
				KUNIT_EXPECT_EQ(test, err,
						state < QUIC_SEND_RECVD ? 0 : -EINVAL);
				break;
			case ACK_ALL:
				quic_stream_send_on_acked(&send, 0, len, fin);
				break;
			case LOSE_ALL:
				quic_stream_send_on_lost(&send, 0, len, fin);
				break;
			case RESET_ACK:
				quic_stream_send_on_reset_acked(&send);
				break;
			}
			KUNIT_EXPECT_EQ_MSG(test, (int)send.state, (int)next[state][event],
					    "state %d, event %d", state, event);
			quic_stream_send_destroy(&send);
		}
	}
}

static void new_sending_part_has_said_nothing(struct kunit *test)
{
	struct quic_stream_send send;

	send_in_state(&send, QUIC_SEND_READY);
	KUNIT_EXPECT_EQ(test, (int)send.fin, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, (int)send.reset, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, (int)send.blocked, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, send.reset_code, 0);
	KUNIT_EXPECT_EQ(test, send.final_size, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&send.buf.chunks));
	KUNIT_EXPECT_NULL(test, send.buf.cursor);
	quic_stream_send_destroy(&send);
}

static void states_say_what_may_be_done(struct kunit *test)
{
	static const struct {
		bool may_write, is_done;
	} want[] = {
		[QUIC_SEND_READY] = { true, false },
		[QUIC_SEND_SEND] = { true, false },
		[QUIC_SEND_SENT] = { false, false },
		[QUIC_SEND_RECVD] = { false, true },
		[QUIC_SEND_RESET_SENT] = { false, false },
		[QUIC_SEND_RESET_RECVD] = { false, true },
	};
	struct quic_stream_send send;
	int state;

	for (state = QUIC_SEND_READY; state <= QUIC_SEND_RESET_RECVD; state++) {
		send_in_state(&send, state);
		KUNIT_EXPECT_EQ(test, quic_stream_send_may_write(&send), want[state].may_write);
		KUNIT_EXPECT_EQ(test, quic_stream_send_is_done(&send), want[state].is_done);
		KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
		quic_stream_send_destroy(&send);
	}
}

static void queued_bytes_are_sent_once_and_count_as_used(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset, len;

	quic_stream_send_init(&send, 1000);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	KUNIT_EXPECT_FALSE(test, quic_stream_send_peek(&send, &offset, &len));

	quic_stream_send_queue(&send, 300, false);
	KUNIT_EXPECT_EQ(test, send.flow.used, 300);
	KUNIT_EXPECT_EQ(test, quic_flow_send_credit(&send.flow), 700);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_has_data(&send));
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 0);
	KUNIT_EXPECT_EQ(test, len, 300);

	quic_stream_send_on_sent(&send, 0, 100, false);
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 100);
	KUNIT_EXPECT_EQ(test, len, 200);
	quic_stream_send_on_sent(&send, 100, 200, false);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	KUNIT_EXPECT_FALSE(test, quic_stream_send_is_end(&send, 300));
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 13.3: lost data goes first. */
static void lost_bytes_come_before_new_ones(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset, len;

	quic_stream_send_init(&send, 1000);
	quic_stream_send_queue(&send, 300, false);
	quic_stream_send_on_sent(&send, 0, 100, false);
	quic_stream_send_on_sent(&send, 100, 100, false);
	quic_stream_send_on_lost(&send, 0, 100, false);
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 0);
	KUNIT_EXPECT_EQ(test, len, 100);
	quic_stream_send_on_sent(&send, 0, 100, false);
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 200);
	KUNIT_EXPECT_EQ(test, len, 100);
	quic_stream_send_destroy(&send);
}

static void fin_stands_on_the_frame_that_ends_the_data(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset, len;

	quic_stream_send_init(&send, 1000);
	quic_stream_send_queue(&send, 300, true);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_is_end(&send, 299));
	KUNIT_EXPECT_TRUE(test, quic_stream_send_is_end(&send, 300));
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, len, 300);
	quic_stream_send_on_sent(&send, 0, 300, true);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	/* All is acknowledged in one step. */
	KUNIT_EXPECT_TRUE(test, quic_stream_send_on_acked(&send, 0, 300, true));
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RECVD);
	quic_stream_send_destroy(&send);
}

static void fin_after_the_data_takes_an_empty_frame(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset = 1, len = 1;

	quic_stream_send_init(&send, 1000);
	quic_stream_send_queue(&send, 300, false);
	quic_stream_send_on_sent(&send, 0, 300, false);
	quic_stream_send_queue(&send, 0, true);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_has_data(&send));
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 300);
	KUNIT_EXPECT_EQ(test, len, 0);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_is_end(&send, offset));
	quic_stream_send_on_sent(&send, 300, 0, true);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_peek(&send, &offset, &len));
	quic_stream_send_destroy(&send);
}

static void empty_stream_ends_with_a_fin_at_zero(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset = 1, len = 1;

	quic_stream_send_init(&send, 0);
	quic_stream_send_queue(&send, 0, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_SENT);
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, 0);
	KUNIT_EXPECT_EQ(test, len, 0);
	quic_stream_send_on_sent(&send, 0, 0, true);
	quic_stream_send_on_acked(&send, 0, 0, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RECVD);
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 13.3 */
static void lost_fin_is_sent_again(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset, len;

	send_in_state(&send, QUIC_SEND_SENT);
	quic_stream_send_on_lost(&send, BYTES, 0, true);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_has_data(&send));
	KUNIT_ASSERT_TRUE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, BYTES);
	KUNIT_EXPECT_EQ(test, len, 0);
	quic_stream_send_on_sent(&send, BYTES, 0, true);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	quic_stream_send_destroy(&send);
}

static void acknowledged_fin_is_not_sent_again(struct kunit *test)
{
	struct quic_stream_send send;

	send_in_state(&send, QUIC_SEND_SENT);
	quic_stream_send_on_acked(&send, BYTES, 0, true);
	/* An older copy of it is declared lost. */
	quic_stream_send_on_lost(&send, BYTES, 0, true);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	/* A copy sent with repeated data does not reopen the question. */
	quic_stream_send_on_lost(&send, 0, BYTES, true);
	quic_stream_send_on_sent(&send, 0, BYTES, true);
	KUNIT_EXPECT_EQ(test, (int)send.fin, (int)QUIC_CONTROL_ACKED);
	quic_stream_send_on_acked(&send, 0, BYTES, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RECVD);
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 3.1: Data Recvd needs all data and the end. */
static void stream_is_received_when_all_bytes_and_fin_are(struct kunit *test)
{
	struct quic_stream_send send;

	send_in_state(&send, QUIC_SEND_SENT);
	quic_stream_send_on_acked(&send, BYTES, 0, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_SENT);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_on_acked(&send, 5, BYTES - 5, false));
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_SENT);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_on_acked(&send, 0, 5, false));
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RECVD);
	quic_stream_send_destroy(&send);

	send_in_state(&send, QUIC_SEND_SENT);
	KUNIT_EXPECT_TRUE(test, quic_stream_send_on_acked(&send, 0, BYTES, false));
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_SENT);
	quic_stream_send_on_acked(&send, BYTES, 0, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RECVD);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_on_acked(&send, 0, BYTES, true));
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 4.5: the final size is what was taken of the credit. */
static void reset_reports_all_that_was_queued(struct kunit *test)
{
	struct quic_stream_send send;

	quic_stream_send_init(&send, 1000);
	quic_stream_send_queue(&send, 300, false);
	quic_stream_send_on_sent(&send, 0, 100, false);
	KUNIT_ASSERT_EQ(test, quic_stream_send_reset(&send, 42), 0);
	KUNIT_EXPECT_EQ(test, send.final_size, 300);
	KUNIT_EXPECT_EQ(test, send.reset_code, 42);
	KUNIT_EXPECT_EQ(test, (int)send.reset, (int)QUIC_CONTROL_STALE);
	/* A second one does not change the first. */
	KUNIT_EXPECT_EQ(test, quic_stream_send_reset(&send, 43), -EINVAL);
	KUNIT_EXPECT_EQ(test, send.reset_code, 42);
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 3.3: no STREAM and no STREAM_DATA_BLOCKED after a reset. */
static void reset_stream_sends_no_more_data(struct kunit *test)
{
	struct quic_stream_send send;
	u64 offset, len;

	quic_stream_send_init(&send, 1000);
	quic_stream_send_queue(&send, 300, true);
	quic_stream_send_on_sent(&send, 0, 100, false);
	send.blocked = QUIC_CONTROL_STALE;
	KUNIT_ASSERT_EQ(test, quic_stream_send_reset(&send, 42), 0);
	quic_stream_send_on_lost(&send, 0, 100, false);
	KUNIT_EXPECT_FALSE(test, quic_stream_send_has_data(&send));
	KUNIT_EXPECT_FALSE(test, quic_stream_send_peek(&send, &offset, &len));
	KUNIT_EXPECT_FALSE(test, quic_stream_send_is_end(&send, 300));
	KUNIT_EXPECT_EQ(test, (int)send.blocked, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, (int)send.fin, (int)QUIC_CONTROL_IDLE);
	/* Even all of it acknowledged: the peer was told of a reset. */
	quic_stream_send_on_acked(&send, 0, 100, false);
	quic_stream_send_on_acked(&send, 100, 200, true);
	KUNIT_EXPECT_EQ(test, (int)send.state, (int)QUIC_SEND_RESET_SENT);
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 13.3: not sent again once acknowledged. */
static void acknowledged_reset_is_settled(struct kunit *test)
{
	struct quic_stream_send send;

	send_in_state(&send, QUIC_SEND_RESET_SENT);
	quic_stream_send_on_reset_acked(&send);
	KUNIT_EXPECT_EQ(test, (int)send.reset, (int)QUIC_CONTROL_ACKED);
	quic_stream_send_destroy(&send);
}

/* RFC 9000, section 3.1: credit is of no interest once FIN is queued. */
static void queueing_fin_ends_being_blocked(struct kunit *test)
{
	struct quic_stream_send send;

	quic_stream_send_init(&send, 10);
	quic_stream_send_queue(&send, 10, false);
	send.blocked = QUIC_CONTROL_STALE;
	quic_stream_send_queue(&send, 0, true);
	KUNIT_EXPECT_EQ(test, (int)send.blocked, (int)QUIC_CONTROL_IDLE);
	quic_stream_send_destroy(&send);
}

static struct kunit_case stream_send_cases[] = {
	KUNIT_CASE(state_machine_is_that_of_figure_2),
	KUNIT_CASE(new_sending_part_has_said_nothing),
	KUNIT_CASE(states_say_what_may_be_done),
	KUNIT_CASE(queued_bytes_are_sent_once_and_count_as_used),
	KUNIT_CASE(lost_bytes_come_before_new_ones),
	KUNIT_CASE(fin_stands_on_the_frame_that_ends_the_data),
	KUNIT_CASE(fin_after_the_data_takes_an_empty_frame),
	KUNIT_CASE(empty_stream_ends_with_a_fin_at_zero),
	KUNIT_CASE(lost_fin_is_sent_again),
	KUNIT_CASE(acknowledged_fin_is_not_sent_again),
	KUNIT_CASE(stream_is_received_when_all_bytes_and_fin_are),
	KUNIT_CASE(reset_reports_all_that_was_queued),
	KUNIT_CASE(reset_stream_sends_no_more_data),
	KUNIT_CASE(acknowledged_reset_is_settled),
	KUNIT_CASE(queueing_fin_ends_being_blocked),
	{}
};

static struct kunit_suite stream_send_suite = {
	.name = "quic_stream_send",
	.test_cases = stream_send_cases,
};

kunit_test_suite(stream_send_suite);
