// SPDX-License-Identifier: GPL-2.0-or-later
/* The receiving part of a stream. RFC 9000, sections 3.2, 3.5, 4.1 and 4.5. */
#include <uapi/linux/quic.h>

#include "quic_test.h"
#include "../core/cursor.h"
#include "../core/host.h"
#include "../core/stream_recv.h"
#include "../core/stream_send.h"

#define BYTES	10
#define WINDOW	100

enum recv_event {
	DATA,
	FIN,
	ALL_POPPED,
	RESET,
	NR_EVENTS,
};

/* BYTES bytes came in all states, but none of them in order in SIZE_KNOWN. */
static void recv_in_state(struct quic_stream_recv *recv, enum quic_stream_recv_state state)
{
	/* Whatever was there before. */
	memset(recv, 0x5a, sizeof(*recv));
	quic_stream_recv_init(recv, WINDOW, NULL);
	quic_stream_recv_account(recv, 0, BYTES, false);
	switch (state) {
	case QUIC_RECV_SIZE_KNOWN:
		quic_stream_recv_account(recv, BYTES, 0, true);
		break;
	case QUIC_RECV_RECVD:
		quic_stream_recv_account(recv, BYTES, 0, true);
		recv->reassembly.next = BYTES;
		quic_stream_recv_update(recv);
		break;
	case QUIC_RECV_RESET_RECVD:
		quic_stream_recv_reset(recv, 5, BYTES);
		break;
	default:
		break;
	}
}

/* RFC 9000, section 3.2, figure 3: every event in every state that is entered. */
static void state_machine_is_that_of_figure_3(struct kunit *test)
{
	static const struct {
		u8 state;
		u8 next[NR_EVENTS];
	} table[] = {
		{ QUIC_RECV_RECV, {
			[DATA] = QUIC_RECV_RECV,
			[FIN] = QUIC_RECV_SIZE_KNOWN,
			[ALL_POPPED] = QUIC_RECV_RECV,
			[RESET] = QUIC_RECV_RESET_RECVD,
		} },
		{ QUIC_RECV_SIZE_KNOWN, {
			[DATA] = QUIC_RECV_SIZE_KNOWN,
			[FIN] = QUIC_RECV_SIZE_KNOWN,
			[ALL_POPPED] = QUIC_RECV_RECVD,
			[RESET] = QUIC_RECV_RESET_RECVD,
		} },
		{ QUIC_RECV_RECVD, {
			[DATA] = QUIC_RECV_RECVD,
			[FIN] = QUIC_RECV_RECVD,
			[ALL_POPPED] = QUIC_RECV_RECVD,
			[RESET] = QUIC_RECV_RECVD,
		} },
		{ QUIC_RECV_RESET_RECVD, {
			[DATA] = QUIC_RECV_RESET_RECVD,
			[FIN] = QUIC_RECV_RESET_RECVD,
			[ALL_POPPED] = QUIC_RECV_RESET_RECVD,
			[RESET] = QUIC_RECV_RESET_RECVD,
		} },
	};
	struct quic_stream_recv recv;
	int i, event;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		for (event = 0; event < NR_EVENTS; event++) {
			recv_in_state(&recv, table[i].state);
			KUNIT_ASSERT_EQ(test, (int)recv.state, (int)table[i].state);
			switch (event) {
			case DATA:
				quic_stream_recv_account(&recv, 0, BYTES, false);
				break;
			case FIN:
				quic_stream_recv_account(&recv, 0, BYTES, true);
				break;
			case ALL_POPPED:
				recv.reassembly.next = BYTES;
				KUNIT_EXPECT_EQ(test, quic_stream_recv_update(&recv),
						table[i].state == QUIC_RECV_SIZE_KNOWN);
				break;
			case RESET:
				quic_stream_recv_reset(&recv, 6, BYTES);
				break;
			}
			KUNIT_EXPECT_EQ_MSG(test, (int)recv.state, (int)table[i].next[event],
					    "state %d, event %d", table[i].state, event);
			quic_stream_recv_destroy(&recv);
		}
	}
}

static void new_receiving_part_has_said_nothing(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_RECV);
	KUNIT_EXPECT_FALSE(test, recv.fin_delivered);
	KUNIT_EXPECT_EQ(test, (int)recv.stop, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, (int)recv.max_data, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, recv.stop_code, 0);
	KUNIT_EXPECT_EQ(test, recv.reset_code, 0);
	quic_stream_recv_destroy(&recv);
}

static void states_say_what_may_be_done(struct kunit *test)
{
	static const struct {
		u8 state;
		bool wants_data, is_done;
		int stop;
	} want[] = {
		{ QUIC_RECV_RECV, true, false, 0 },
		{ QUIC_RECV_SIZE_KNOWN, true, false, 0 },
		{ QUIC_RECV_RECVD, false, true, -EINVAL },
		{ QUIC_RECV_RESET_RECVD, false, true, -EINVAL },
	};
	struct quic_stream_recv recv;
	int i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		recv_in_state(&recv, want[i].state);
		KUNIT_EXPECT_EQ(test, quic_stream_recv_wants_data(&recv), want[i].wants_data);
		KUNIT_EXPECT_EQ(test, quic_stream_recv_is_done(&recv), want[i].is_done);
		KUNIT_EXPECT_EQ(test, quic_stream_recv_stop(&recv, 1), want[i].stop);
		quic_stream_recv_destroy(&recv);
	}
}

/* RFC 9000, sections 4.1, 4.5 and 19.8. */
static void frames_are_judged_by_final_size_and_credit(struct kunit *test)
{
	static const struct {
		u8 state;
		u64 offset, len;
		bool fin;
		int code;
	} table[] = {
		/* 10 of 100 bytes received, no end known */
		{ QUIC_RECV_RECV, 10, 90, false, 0 },
		{ QUIC_RECV_RECV, 10, 91, false, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
		{ QUIC_RECV_RECV, 101, 0, false, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
		{ QUIC_RECV_RECV, 100, 0, true, 0 },
		{ QUIC_RECV_RECV, 101, 0, true, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
		{ QUIC_RECV_RECV, 0, 10, true, 0 },
		{ QUIC_RECV_RECV, 0, 9, true, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RECV, 0, 9, false, 0 },
		{ QUIC_RECV_RECV, QUIC_VARINT_MAX, 1, false, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
		{ QUIC_RECV_RECV, ~0ULL, 11, false, QUIC_TRANSPORT_ERROR_FRAME_ENCODING },
		/* the end is at 10 */
		{ QUIC_RECV_SIZE_KNOWN, 0, 10, false, 0 },
		{ QUIC_RECV_SIZE_KNOWN, 0, 10, true, 0 },
		{ QUIC_RECV_SIZE_KNOWN, 10, 0, true, 0 },
		{ QUIC_RECV_SIZE_KNOWN, 0, 9, true, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_SIZE_KNOWN, 0, 11, false, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_SIZE_KNOWN, 0, 11, true, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_SIZE_KNOWN, 0, 500, false, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RECVD, 0, 10, true, 0 },
		{ QUIC_RECV_RECVD, 10, 1, false, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RECVD, 0, 9, true, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		/* so did RESET_STREAM say */
		{ QUIC_RECV_RESET_RECVD, 0, 10, true, 0 },
		{ QUIC_RECV_RESET_RECVD, 10, 1, false, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RESET_RECVD, 11, 0, true, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
	};
	struct quic_stream_recv recv, before;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		recv_in_state(&recv, table[i].state);
		before = recv;
		KUNIT_EXPECT_EQ_MSG(test,
				    quic_stream_recv_check(&recv, table[i].offset, table[i].len,
							   table[i].fin),
				    table[i].code, "row %d", i);
		KUNIT_EXPECT_MEMEQ(test, &recv, &before, sizeof(recv));
		quic_stream_recv_destroy(&recv);
	}
}

/* RFC 9000, section 19.8: 2^62-1 is the last offset there is. */
static void largest_offset_can_be_reached(struct kunit *test)
{
	struct quic_stream_recv recv;

	quic_stream_recv_init(&recv, QUIC_VARINT_MAX, NULL);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_check(&recv, QUIC_VARINT_MAX - 1, 1, false), 0);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_check(&recv, QUIC_VARINT_MAX, 0, true), 0);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_check(&recv, QUIC_VARINT_MAX, 1, false),
			QUIC_TRANSPORT_ERROR_FRAME_ENCODING);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 4.5 */
static void resets_are_judged_by_final_size_and_credit(struct kunit *test)
{
	static const struct {
		u8 state;
		u64 final_size;
		int code;
	} table[] = {
		{ QUIC_RECV_RECV, 10, 0 },
		{ QUIC_RECV_RECV, 100, 0 },
		{ QUIC_RECV_RECV, 101, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
		{ QUIC_RECV_RECV, QUIC_VARINT_MAX, QUIC_TRANSPORT_ERROR_FLOW_CONTROL },
		{ QUIC_RECV_RECV, 9, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_SIZE_KNOWN, 10, 0 },
		{ QUIC_RECV_SIZE_KNOWN, 9, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_SIZE_KNOWN, 11, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RECVD, 10, 0 },
		{ QUIC_RECV_RECVD, 11, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RESET_RECVD, 10, 0 },
		{ QUIC_RECV_RESET_RECVD, 11, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
		{ QUIC_RECV_RESET_RECVD, 9, QUIC_TRANSPORT_ERROR_FINAL_SIZE },
	};
	struct quic_stream_recv recv, before;
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		recv_in_state(&recv, table[i].state);
		before = recv;
		KUNIT_EXPECT_EQ_MSG(test,
				    quic_stream_recv_check_reset(&recv, table[i].final_size),
				    table[i].code, "row %d", i);
		KUNIT_EXPECT_MEMEQ(test, &recv, &before, sizeof(recv));
		quic_stream_recv_destroy(&recv);
	}
}

/* RFC 9000, section 4.1: the highest offset counts, not the sum of frames. */
static void only_new_offsets_count_against_credit(struct kunit *test)
{
	struct quic_stream_recv recv;

	quic_stream_recv_init(&recv, WINDOW, NULL);
	KUNIT_EXPECT_FALSE(test, recv.seen);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_delta(&recv, 30), 30);
	quic_stream_recv_account(&recv, 20, 10, false);
	KUNIT_EXPECT_TRUE(test, recv.seen);
	KUNIT_EXPECT_EQ(test, recv.flow.received, 30);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_delta(&recv, 20), 0);
	quic_stream_recv_account(&recv, 0, 20, false);
	KUNIT_EXPECT_EQ(test, recv.flow.received, 30);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_delta(&recv, 31), 1);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 3.2: no credit once the size is known. */
static void known_size_ends_max_stream_data(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_RECV);
	recv.max_data = QUIC_CONTROL_STALE;
	quic_stream_recv_account(&recv, BYTES, 5, true);
	KUNIT_EXPECT_EQ(test, recv.final_size, BYTES + 5);
	KUNIT_EXPECT_EQ(test, (int)recv.max_data, (int)QUIC_CONTROL_IDLE);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 4.5: the final size settles the connection's credit, too. */
static void reset_frees_credit_that_nobody_consumed(struct kunit *test)
{
	struct quic_stream_recv recv;

	quic_stream_recv_init(&recv, WINDOW, NULL);
	quic_stream_recv_account(&recv, 0, 40, false);
	quic_flow_recv_consume(&recv.flow, 25);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_reset(&recv, 77, 60), 60 - 25);
	KUNIT_EXPECT_EQ(test, recv.reset_code, 77);
	KUNIT_EXPECT_EQ(test, recv.final_size, 60);
	KUNIT_EXPECT_EQ(test, recv.flow.received, 60);
	KUNIT_EXPECT_EQ(test, recv.flow.consumed, 60);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_delta(&recv, 60), 0);
	/* Again: nothing twice. */
	KUNIT_EXPECT_EQ(test, quic_stream_recv_reset(&recv, 78, 60), 0);
	KUNIT_EXPECT_EQ(test, recv.reset_code, 77);
	quic_stream_recv_destroy(&recv);
}

static void put_out_of_order(struct kunit *test, struct quic_stream_recv *recv)
{
	struct quic_rx_chunk *chunk = quic_test_chunk(5, "abcde", 5);

	KUNIT_ASSERT_NOT_NULL(test, chunk);
	KUNIT_ASSERT_EQ(test, quic_reassembly_insert(&recv->reassembly, chunk, 16), 0);
	KUNIT_ASSERT_EQ(test, recv->reassembly.count, 1);
}

static void what_waits_for_a_gap_is_dropped_with_the_stream(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_RECV);
	put_out_of_order(test, &recv);
	quic_stream_recv_destroy(&recv);
	KUNIT_EXPECT_EQ(test, recv.reassembly.count, 0);

	recv_in_state(&recv, QUIC_RECV_RECV);
	put_out_of_order(test, &recv);
	recv.max_data = QUIC_CONTROL_STALE;
	quic_stream_recv_reset(&recv, 1, BYTES);
	KUNIT_EXPECT_EQ(test, recv.reassembly.count, 0);
	/* RFC 9000, section 3.3: no credit after a reset. */
	KUNIT_EXPECT_EQ(test, (int)recv.max_data, (int)QUIC_CONTROL_IDLE);
	quic_stream_recv_destroy(&recv);

	recv_in_state(&recv, QUIC_RECV_RECV);
	put_out_of_order(test, &recv);
	KUNIT_ASSERT_EQ(test, quic_stream_recv_stop(&recv, 1), 0);
	KUNIT_EXPECT_EQ(test, recv.reassembly.count, 0);
	/* What must be given back: nothing was delivered. */
	KUNIT_EXPECT_EQ(test, recv.flow.received - recv.reassembly.next, BYTES);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 3.5 */
static void stop_is_asked_once(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_RECV);
	recv.max_data = QUIC_CONTROL_STALE;
	KUNIT_EXPECT_EQ(test, quic_stream_recv_stop(&recv, 11), 0);
	KUNIT_EXPECT_EQ(test, (int)recv.stop, (int)QUIC_CONTROL_STALE);
	KUNIT_EXPECT_EQ(test, recv.stop_code, 11);
	KUNIT_EXPECT_EQ(test, (int)recv.max_data, (int)QUIC_CONTROL_IDLE);
	KUNIT_EXPECT_EQ(test, quic_stream_recv_stop(&recv, 12), -EAGAIN);
	KUNIT_EXPECT_EQ(test, recv.stop_code, 11);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 3.5: unnecessary once all data or a reset came. */
static void finished_stream_does_not_ask_to_stop(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_RECV);
	KUNIT_ASSERT_EQ(test, quic_stream_recv_stop(&recv, 11), 0);
	quic_stream_recv_reset(&recv, 1, BYTES);
	KUNIT_EXPECT_NE(test, (int)recv.stop, (int)QUIC_CONTROL_STALE);
	quic_stream_recv_destroy(&recv);

	recv_in_state(&recv, QUIC_RECV_SIZE_KNOWN);
	KUNIT_ASSERT_EQ(test, quic_stream_recv_stop(&recv, 11), 0);
	recv.reassembly.next = BYTES;
	KUNIT_EXPECT_TRUE(test, quic_stream_recv_update(&recv));
	KUNIT_EXPECT_NE(test, (int)recv.stop, (int)QUIC_CONTROL_STALE);
	quic_stream_recv_destroy(&recv);
}

/* RFC 9000, section 3.5: a sender that had sent all need not reset. */
static void stopped_stream_ends_without_a_reset(struct kunit *test)
{
	struct quic_stream_recv recv;

	recv_in_state(&recv, QUIC_RECV_SIZE_KNOWN);
	KUNIT_ASSERT_EQ(test, quic_stream_recv_stop(&recv, 11), 0);
	recv.stop = QUIC_CONTROL_SENT;
	KUNIT_EXPECT_FALSE(test, quic_stream_recv_update(&recv));
	recv.stop = QUIC_CONTROL_ACKED;
	KUNIT_EXPECT_TRUE(test, quic_stream_recv_update(&recv));
	KUNIT_EXPECT_TRUE(test, quic_stream_recv_is_done(&recv));
	quic_stream_recv_destroy(&recv);

	/* While the size is unknown, more may come that must be counted. */
	recv_in_state(&recv, QUIC_RECV_RECV);
	KUNIT_ASSERT_EQ(test, quic_stream_recv_stop(&recv, 11), 0);
	recv.stop = QUIC_CONTROL_ACKED;
	KUNIT_EXPECT_FALSE(test, quic_stream_recv_update(&recv));
	quic_stream_recv_destroy(&recv);
}

static struct kunit_case stream_recv_cases[] = {
	KUNIT_CASE(state_machine_is_that_of_figure_3),
	KUNIT_CASE(new_receiving_part_has_said_nothing),
	KUNIT_CASE(states_say_what_may_be_done),
	KUNIT_CASE(frames_are_judged_by_final_size_and_credit),
	KUNIT_CASE(largest_offset_can_be_reached),
	KUNIT_CASE(resets_are_judged_by_final_size_and_credit),
	KUNIT_CASE(only_new_offsets_count_against_credit),
	KUNIT_CASE(known_size_ends_max_stream_data),
	KUNIT_CASE(reset_frees_credit_that_nobody_consumed),
	KUNIT_CASE(what_waits_for_a_gap_is_dropped_with_the_stream),
	KUNIT_CASE(stop_is_asked_once),
	KUNIT_CASE(finished_stream_does_not_ask_to_stop),
	KUNIT_CASE(stopped_stream_ends_without_a_reset),
	{}
};

static struct kunit_suite stream_recv_suite = {
	.name = "quic_stream_recv",
	.test_cases = stream_recv_cases,
};

kunit_test_suite(stream_recv_suite);
