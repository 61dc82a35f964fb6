// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets of any frames for a whole connection, established or in the midst of
 * its handshake, with data on the way both ways. Each input is a row of
 * packets: a byte for the level and how far the number jumps, one for the time
 * that passes, a length, and that many bytes of frames.
 */
#include "fuzz.h"
#include "sim.h"

static void check(const struct sim_end *end)
{
	const struct quic_conn *conn = &end->conn;
	const struct quic_space *space;
	int id;

	FUZZ_CHECK(conn->state <= QUIC_CONN_CLOSED);
	FUZZ_CHECK(conn->rx_flow.received <= conn->rx_flow.limit);
	FUZZ_CHECK(conn->rx_flow.consumed <= conn->rx_flow.received);
	FUZZ_CHECK(conn->tx_flow.used <= conn->tx_flow.limit);
	/* An underflow would be near the top. */
	FUZZ_CHECK(conn->path[0].cong.bytes_in_flight < 1ULL << 40);
	FUZZ_CHECK(conn->streams.remote[0].open <= 100 && conn->streams.remote[1].open <= 100);
	FUZZ_CHECK(conn->remote_cids.nr_retire <= QUIC_CIDS_RETIRE_MAX);
	for (id = 0; id < QUIC_SPACE_MAX; id++) {
		space = conn->space[id];
		if (!space)
			continue;
		FUZZ_CHECK(space->crypto.recv.count <= QUIC_CRYPTO_GAPS_MAX + 1);
		FUZZ_CHECK(space->received.count <= QUIC_ACK_RANGES_MAX);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 levels[] = {
		QUIC_CRYPTO_APP, QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_EARLY
	};
	struct fuzz_input in = { data, size };
	struct sim *sim = sim_create();
	struct sim_end *end;
	u8 how = fuzz_u8(&in);
	u64 pn = 100;
	const u8 *frames;
	u8 what, time;
	size_t len;

	sim->loose = true;
	sim->random = how;
	if (how & 1) {
		sim_start(sim);
		sim_settle(&sim->client);
		sim_run_for(sim, (how >> 4) * 4 * SIM_MS);
		if (how & 4)
			quic_conn_on_rx_key(&sim->server.conn, QUIC_CRYPTO_EARLY, 51);
	} else {
		FUZZ_CHECK(sim_handshake(sim));
		sim_send(&sim->client, 0, 3000, false);
		sim_send(&sim->server, 1, 3000, true);
		sim_run_for(sim, (how >> 4) * 4 * SIM_MS);
	}
	end = how & 2 ? &sim->client : &sim->server;
	while (in.size && end->conn.state != QUIC_CONN_CLOSED) {
		what = fuzz_u8(&in);
		time = fuzz_u8(&in);
		frames = fuzz_bytes(&in, fuzz_u8(&in), &len);
		pn += 1 + (what >> 2);
		sim_inject(end, levels[what & 3], pn, frames, len);
		check(end);
		sim_settle(end);
		if (time)
			sim_run_for(sim, time * SIM_MS);
		check(&sim->client);
		check(&sim->server);
	}
	sim_destroy(sim);
	return 0;
}
