// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol core's host in user space, its half that looks on: every report is counted, and the
 * frames that it hands out are decoded, so that sanitizers see what a report may read.
 */
#include <stdlib.h>

#include "core/core.h"
#include "trace.h"

DEFINE_STATIC_KEY_FALSE(quic_trace_key) = { true };

struct quic_test_trace quic_test_trace[2];

void quic_test_trace_reset(void)
{
	memset(quic_test_trace, 0, sizeof(quic_test_trace));
}

static struct quic_test_trace *trace_of(const struct quic_conn *conn)
{
	return &quic_test_trace[conn->is_server];
}

/* Frames up to the first that is malformed, which only a received packet may hold. */
static u32 count_frames(const u8 *data, u32 len, bool ours)
{
	struct quic_reader r;
	struct quic_frame frame;
	u32 count = 0;
	u64 code;

	quic_reader_init(&r, data, len);
	while (quic_reader_left(&r)) {
		if (quic_frame_decode(&r, &frame, &code)) {
			if (ours)
				abort();
			break;
		}
		count++;
	}
	return count;
}

void quic_host_trace_started(struct quic_conn *conn)
{
	trace_of(conn)->started++;
}

void quic_host_trace_state(struct quic_conn *conn, u8 old)
{
	if (old == conn->state)
		abort();
	trace_of(conn)->states++;
	trace_of(conn)->state = conn->state;
}

void quic_host_trace_confirmed(struct quic_conn *conn)
{
	trace_of(conn)->confirmed++;
}

void quic_host_trace_closed(struct quic_conn *conn, enum quic_close_trigger trigger)
{
	trace_of(conn)->closed++;
	trace_of(conn)->trigger = trigger;
}

void quic_host_trace_version(struct quic_conn *conn)
{
	trace_of(conn)->versions++;
}

void quic_host_trace_parameters(struct quic_conn *conn, bool remote)
{
	trace_of(conn)->parameters[remote]++;
}

void quic_host_trace_filled(struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	trace_of(conn)->frames_sent += count_frames(tx->direct ?: tx->start,
						    tx->w.pos - tx->start, true);
}

void quic_host_trace_sent(struct quic_conn *conn, const struct quic_tx_packet *tx)
{
	trace_of(conn)->packets_sent++;
}

void quic_host_trace_received(struct quic_conn *conn, const struct quic_rx_packet *rx)
{
	trace_of(conn)->packets_received++;
	trace_of(conn)->frames_received += count_frames(rx->payload, rx->len, false);
}

void quic_host_trace_lost(struct quic_conn *conn, u8 space, u64 pn,
			  const struct quic_sent_packet *packet, enum quic_loss_trigger trigger)
{
	trace_of(conn)->packets_lost++;
	trace_of(conn)->lost_pn = pn;
	trace_of(conn)->loss_trigger = trigger;
}

void quic_host_trace_recovery(struct quic_conn *conn, u8 path)
{
	if (!conn->path[path].in_use)
		abort();
	trace_of(conn)->recoveries++;
}

void quic_host_trace_migration(struct quic_conn *conn, u8 path, enum quic_migration what)
{
	if (!conn->path[path].in_use)
		abort();
	trace_of(conn)->migrations[what]++;
}

void quic_host_trace_expired(struct quic_conn *conn, u8 deadline)
{
	trace_of(conn)->expired[deadline]++;
}
