/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the core reported to those who look on: counted and kept for tests to see. */
#ifndef _SELFTESTS_CORE_TRACE_H
#define _SELFTESTS_CORE_TRACE_H

#include "core/conn.h"

/**
 * struct quic_test_trace - reports of one role since quic_test_trace_reset()
 * @started, @confirmed: of each kind how many, like the following
 * @packets_sent:  equals what @frames_sent stands for but for abandoned packets
 * @frames_sent:   frames in filled packets; bytes that do not decode end the test
 * @state:         the state that it was left in last
 * @trigger:       of the close
 * @loss_trigger:  of the last lost packet, @lost_pn
 */
struct quic_test_trace {
	u32 started;
	u32 confirmed;
	u32 states;
	u32 closed;
	u32 versions;
	u32 parameters[2];	/* ours, the peer's */
	u32 packets_sent;
	u32 packets_received;
	u32 packets_lost;
	u32 frames_sent;
	u32 frames_received;
	u32 recoveries;
	u32 migrations[6];	/* by enum quic_migration */
	u32 expired[QUIC_DEADLINE_MAX];
	u8 state;
	enum quic_close_trigger trigger;
	enum quic_loss_trigger loss_trigger;
	u64 lost_pn;
};

/* Of the client and of the server. */
extern struct quic_test_trace quic_test_trace[2];

void quic_test_trace_reset(void);

#endif /* _SELFTESTS_CORE_TRACE_H */
