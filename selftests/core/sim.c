// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated world of sim.h: link and clock, and what leaves and arrives. Its
 * ends are sim_host.c's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim_host.h"
#include "tests/quic_test.h"

#define SIM_HEADER	30	/* bytes that header and tag take on the wire */
#define SIM_MSS		1472

static bool sim_chance(struct sim *sim, u32 percent)
{
	return percent && quic_test_rand(&sim->random) % 100 < percent;
}

/* As input.c does: the key that phase and number ask for either fits or not. */
static bool sim_opens(struct sim_end *end, const struct sim_packet *packet)
{
	struct quic_conn *conn = &end->conn;
	enum quic_key_choice choice;
	bool fits;

	choice = quic_key_phase_choose(&conn->key_phase, packet->generation & 1, packet->pn);
	switch (choice) {
	case QUIC_KEY_PREVIOUS:
		fits = end->has_previous && packet->generation + 1 == end->generation;
		break;
	case QUIC_KEY_NEXT:
		fits = packet->generation == end->generation + 1;
		break;
	default:
		fits = packet->generation == end->generation;
	}
	if (!fits) {
		end->forged++;
		quic_conn_on_forgery(conn);
		return false;
	}
	return quic_conn_is_duplicate(conn, QUIC_CRYPTO_APP, packet->pn) ||
	       quic_conn_on_key(conn, choice, packet->pn, end->sim->now);
}

/* The link. */

/* What the network makes of a codepoint. */
static u8 sim_remark(struct sim *sim, u8 ecn)
{
	if (!ecn || sim->bleach)
		return QUIC_ECN_NOT_ECT;
	return sim_chance(sim, sim->ce) ? QUIC_ECN_CE : ecn;
}

static void sim_fly(struct sim *sim, struct sim_end *from, const struct quic_tx_packet *tx,
		    const struct quic_cid *dcid)
{
	u32 size = quic_writer_used(&tx->w) + SIM_HEADER;
	const struct sim_route *route = &from->route[tx->path];
	int copies = 1 + sim_chance(sim, sim->duplicate);
	u64 *busy = &sim->link->busy_until[from == &sim->client];
	u32 source = from->spoof ?: route->local + from->nat;
	struct sim_packet *packet;

	if (sim->mtu && size > sim->mtu) {
		from->too_large++;
		return;
	}
	/* The host pads a client's Initial packets. */
	if (tx->level == QUIC_CRYPTO_INITIAL)
		size = QUIC_INITIAL_MIN_SIZE;
	from->spoof = 0;
	if (route->peer == from->watched)
		from->watched_tx += size;
	*busy = max(*busy, sim->now);
	if (from->mute || sim_chance(sim, sim->loss) ||
	    (sim->queue && (*busy - sim->now) * sim->rate / SIM_SECOND > sim->queue) ||
	    (from->dead && (from->dead == route->peer || from->dead == route->local)) ||
	    (from->narrow && from->narrow_addr == route->peer && size > from->narrow)) {
		sim->lost++;
		return;
	}
	if (sim->rate)
		*busy += size * SIM_SECOND / sim->rate;
	while (copies--) {
		packet = malloc(sizeof(*packet) + quic_writer_used(&tx->w));
		if (!packet)
			abort();
		packet->to = from->peer;
		packet->level = tx->level;
		packet->generation = from->generation;
		packet->from = source;
		packet->dest = route->peer;
		packet->dcid = *dcid;
		packet->size = size;
		packet->pn = tx->pn;
		packet->ecn = sim_remark(sim, tx->ecn);
		packet->len = quic_writer_used(&tx->w);
		memcpy(packet->payload, tx->w.start, packet->len);
		packet->at = *busy + sim->delay;
		if (sim_chance(sim, sim->reorder))
			packet->at += quic_test_rand(&sim->random) % (sim->delay + 1);
		list_add_tail(&packet->link, &sim->flying);
	}
}

static bool sim_send_one(struct sim_end *end, u8 level)
{
	struct quic_conn *conn = &end->conn;
	u32 mss = quic_conn_path(conn)->mss;
	struct quic_tx_packet tx;
	u8 wire[QUIC_PMTUD_MAX];

	if (level != QUIC_CRYPTO_APP && conn->small_handshake)
		mss = QUIC_MIN_DATAGRAM_SIZE;
	if (!quic_conn_wants_tx(conn, level, end->sim->now) ||
	    quic_path_allowance(quic_conn_path(conn)) < QUIC_MIN_DATAGRAM_SIZE)
		return false;
	quic_writer_init(&tx.w, wire, min_t(u64, mss, quic_path_allowance(quic_conn_path(conn))) -
					    SIM_HEADER);
	if (quic_conn_tx_begin(conn, &tx, level) || !quic_conn_tx_fill(conn, &tx, end->sim->now))
		return false;
	if (level == QUIC_CRYPTO_APP)
		tx.ecn = quic_ecn_mark(&quic_conn_path(conn)->ecn, tx.eliciting);
	end->marked_tx += tx.ecn != QUIC_ECN_NOT_ECT;
	quic_conn_tx_commit(conn, &tx, quic_writer_used(&tx.w) + SIM_HEADER, end->sim->now);
	end->largest_tx = max(end->largest_tx, quic_writer_used(&tx.w) + SIM_HEADER);
	end->packets_tx++;
	if (level == QUIC_CRYPTO_EARLY)
		end->early_tx++;
	sim_fly(end->sim, end, &tx, &quic_remote_cids_active(&conn->remote_cids)->cid);
	return true;
}

/* One packet of path frames. */
static bool sim_send_path(struct sim_end *end)
{
	struct quic_conn *conn = &end->conn;
	u8 i = quic_conn_path_next_tx(conn);
	u8 wire[QUIC_MIN_DATAGRAM_SIZE];
	struct quic_tx_packet tx;

	if (i == QUIC_PATH_NONE)
		return false;
	quic_writer_init(&tx.w, wire, quic_conn_path_room(conn, i) - SIM_HEADER);
	if (quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP) ||
	    !quic_conn_path_fill(conn, &tx, i, end->sim->now))
		return false;
	quic_conn_path_commit(conn, &tx, quic_writer_used(&tx.w) + SIM_HEADER, end->sim->now);
	end->packets_tx++;
	sim_fly(end->sim, end, &tx, quic_conn_path_cid(conn, i));
	return true;
}

static void sim_send_mtu_probe(struct sim_end *end)
{
	struct quic_conn *conn = &end->conn;
	u32 size = quic_conn_path(conn)->pmtud.size;
	struct quic_tx_packet tx;
	u8 wire[QUIC_PMTUD_MAX];

	quic_writer_init(&tx.w, wire, size - SIM_HEADER);
	if (quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP))
		return;
	quic_conn_fill_mtu_probe(conn, &tx);
	quic_conn_tx_commit(conn, &tx, size, end->sim->now);
	quic_conn_mtu_probe_sent(conn, &tx, end->sim->now);
	end->mtu_probes++;
	sim_fly(end->sim, end, &tx, &quic_remote_cids_active(&conn->remote_cids)->cid);
}

void sim_settle(struct sim_end *end)
{
	static const u8 order[] = {
		QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_EARLY, QUIC_CRYPTO_HANDSHAKE, QUIC_CRYPTO_APP
	};
	struct quic_conn *conn = &end->conn;
	u32 i;

	if (conn->todo & QUIC_TODO_TX) {
		if (conn->tx_keys & BIT(QUIC_CRYPTO_APP))
			quic_conn_has_keys(conn, end->sim->now);
		quic_conn_tx_start(conn);
		while (conn->paths_due && quic_conn_is_open(conn) && sim_send_path(end))
			;
		for (i = 0; i < ARRAY_SIZE(order); i++)
			while (!quic_conn_path_is_too_small(conn) && sim_send_one(end, order[i]))
				if (conn->state == QUIC_CONN_CLOSING)
					break;
		if (quic_conn_may_probe_mtu(conn))
			sim_send_mtu_probe(end);
		quic_conn_tx_done(conn);
	}
	conn->todo = 0;
	quic_conn_update_deadlines(conn, end->sim->now);
}

static int sim_receive(struct sim_end *to, u8 level, u8 path, u64 pn, u8 ecn, const void *payload,
		       u32 len)
{
	struct quic_rx_packet rx = {
		.level = level,
		.path = path,
		.ecn = ecn,
		.pn = pn,
		.now = to->sim->now,
		.payload = payload,
		.len = len,
	};
	u32 before = to->crypto_rx[level];
	struct quic_conn *conn = &to->conn;
	int err;

	to->packets_rx++;
	err = quic_conn_recv_packet(conn, &rx);
	if (conn->state == QUIC_CONN_HANDSHAKE && to->crypto_rx[level] != before)
		sim_handshake_step(to, level);
	return err;
}

static bool sim_may_receive(struct sim_end *to, u8 level, u64 pn)
{
	struct quic_conn *conn = &to->conn;

	return (conn->rx_keys & BIT(level)) &&
	       (level != QUIC_CRYPTO_APP || conn->state != QUIC_CONN_HANDSHAKE) &&
	       !quic_conn_is_duplicate(conn, level, pn);
}

int sim_inject(struct sim_end *to, u8 level, u64 pn, const void *payload, u32 len)
{
	if (!sim_may_receive(to, level, pn))
		return 0;
	return sim_receive(to, level, to->conn.active_path, pn, QUIC_ECN_NOT_ECT, payload, len);
}

/* The path between these addresses; QUIC_PATH_NONE. */
static u8 sim_find_path(struct sim_end *end, u32 local, u32 peer)
{
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++)
		if (end->route[i].local == local && end->route[i].peer == peer)
			return i;
	return QUIC_PATH_NONE;
}

static bool sim_has_address(struct sim_end *end, u32 local)
{
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++)
		if (end->route[i].local == local)
			return true;
	return local == end->preferred;
}

/* What input.c and path.c do with a packet from elsewhere. */
static u8 sim_accept_path(struct sim_end *to, const struct sim_packet *packet, u32 local)
{
	struct sim_route *active = &to->route[to->conn.active_path];
	const struct quic_local_cid *cid;
	struct quic_path_args args = {
		.mss = SIM_MSS,
		.local = local != active->local,
		.same_hosts = local >> 16 == active->local >> 16 &&
			      packet->from >> 16 == active->peer >> 16,
	};
	u8 i;

	if (args.local && local != to->preferred)
		return QUIC_PATH_NONE;
	cid = quic_local_cids_match(&to->conn.local_cids, packet->dcid.data, packet->dcid.len);
	args.local_seq = cid ? cid->seq : 0;
	i = quic_conn_path_accept(&to->conn, &args, to->sim->now);
	if (i != QUIC_PATH_NONE) {
		to->route[i].local = local;
		to->route[i].peer = packet->from;
		quic_conn_on_datagram(&to->conn, i, packet->size, to->sim->now);
	}
	return i;
}

static void sim_arrive_at(struct sim_packet *packet)
{
	struct sim_end *to = packet->to;
	u32 local = packet->dest - to->nat;
	u8 i = sim_find_path(to, local, packet->from);

	if (!sim_has_address(to, local) || (i == QUIC_PATH_NONE && !to->conn.confirmed))
		return;
	if (packet->from == to->watched)
		to->watched_rx += packet->size;
	if (packet->level == QUIC_CRYPTO_APP && to->conn.state == QUIC_CONN_ESTABLISHED &&
	    !sim_opens(to, packet))
		return;
	quic_conn_on_datagram(&to->conn, i, packet->size, to->sim->now);
	if (!sim_may_receive(to, packet->level, packet->pn))
		return;
	if (i == QUIC_PATH_NONE)
		i = sim_accept_path(to, packet, local);
	sim_receive(to, packet->level, i, packet->pn, packet->ecn, packet->payload, packet->len);
	quic_conn_on_dcid(&to->conn, i, packet->dcid.data, packet->dcid.len);
}

static void sim_arrive(struct sim_packet *packet)
{
	struct sim_end *to = packet->to;

	list_del(&packet->link);
	sim_arrive_at(packet);
	free(packet);
	sim_settle(to);
}

int sim_move(struct sim_end *end, u32 local, u32 peer)
{
	const struct sim_route *active = &end->route[end->conn.active_path];
	struct quic_path_args args = {
		.mss = SIM_MSS,
		.local = local != active->local,
		.same_hosts = local >> 16 == active->local >> 16 &&
			      peer >> 16 == active->peer >> 16,
	};
	int i = quic_conn_path_probe(&end->conn, &args, 0, end->sim->now);

	if (i < 0)
		return i;
	end->route[i].local = local;
	end->route[i].peer = peer;
	sim_settle(end);
	return 0;
}

static struct sim_packet *sim_first(struct sim *sim)
{
	struct sim_packet *packet, *first = NULL;

	list_for_each_entry(packet, &sim->flying, link)
		if (!first || packet->at < first->at)
			first = packet;
	return first;
}

/* One thing happens: the next packet arrives or the next deadline passes. */
static bool sim_step(struct sim *sim, u64 until)
{
	struct sim_packet *packet = sim_first(sim);
	u64 client = quic_deadlines_earliest(&sim->client.conn.deadlines);
	u64 server = quic_deadlines_earliest(&sim->server.conn.deadlines);
	struct sim_end *end = client <= server ? &sim->client : &sim->server;
	u64 timer = min(client, server);

	if ((!packet || packet->at > until) && timer > until) {
		sim->now = max(sim->now, until);
		return false;
	}
	if (packet && packet->at <= timer) {
		sim->now = max(sim->now, packet->at);
		sim_arrive(packet);
	} else {
		/* A deadline that stands again as soon as it has passed is a busy timer. */
		if (timer <= sim->now && ++sim->idle_steps > 1000) {
			fprintf(stderr, "busy timer\n");
			abort();
		}
		if (timer > sim->now)
			sim->idle_steps = 0;
		sim->now = max(sim->now, timer);
		quic_conn_on_timeout(&end->conn, sim->now);
		end->conn.todo |= QUIC_TODO_TX;
		sim_settle(end);
	}
	return true;
}

bool sim_run(struct sim *sim, bool (*done)(struct sim *sim), u64 limit)
{
	u64 until = sim->now + limit;

	sim_settle(&sim->client);
	sim_settle(&sim->server);
	while (!done(sim)) {
		if (!sim_step(sim, until))
			return false;
	}
	return true;
}

void sim_run_for(struct sim *sim, u64 time)
{
	u64 until = sim->now + time;

	sim_settle(&sim->client);
	sim_settle(&sim->server);
	while (sim_step(sim, until))
		;
}

/* When something happens next. */
static u64 sim_next(struct sim *sim)
{
	struct sim_packet *packet = sim_first(sim);
	u64 timer = min(quic_deadlines_earliest(&sim->client.conn.deadlines),
			quic_deadlines_earliest(&sim->server.conn.deadlines));

	return packet ? min(packet->at, timer) : timer;
}

void sim_run_pair(struct sim *one, struct sim *other, u64 time)
{
	u64 until = one->now + time;
	bool more = true;

	while (more)
		more = sim_step(sim_next(one) <= sim_next(other) ? one : other, until);
	one->now = until;
	other->now = until;
}

u64 sim_send(struct sim_end *end, u64 id, u64 bytes, bool fin)
{
	struct quic_conn *conn = &end->conn;
	struct quic_stream *stream = quic_streams_find(&conn->streams, id);
	u64 n;
	int err;

	if (!stream) {
		if (!quic_streams_may_open(&conn->streams, id))
			return 0;
		stream = quic_streams_open(&conn->streams, id, &err);
		if (!stream)
			return 0;
	}
	n = min(bytes, quic_conn_stream_credit(conn, stream));
	if (!n && bytes)
		return 0;
	quic_conn_stream_queued(conn, stream, n, fin && n == bytes);
	return n;
}

void sim_read(struct sim_end *end, u64 id, u64 bytes)
{
	bytes = min(bytes, end->unread[id]);
	end->unread[id] -= bytes;
	quic_conn_stream_consumed(&end->conn, id, bytes);
}

struct sim *sim_create(void)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	struct sim_end *end;

	if (!sim)
		abort();
	INIT_LIST_HEAD(&sim->flying);
	sim->link = &sim->own;
	sim->now = SIM_SECOND;
	sim->delay = 10 * SIM_MS;
	sim->random = 42;
	for (end = &sim->client; end; end = end == &sim->client ? &sim->server : NULL) {
		end->sim = sim;
		end->peer = end == &sim->client ? &sim->server : &sim->client;
		end->auto_read = true;
		quic_conn_setup(&end->conn);
		end->conn.nodelay = true;
	}
	return sim;
}

/* Opens both connections; the client's first bytes are queued. */
void sim_start(struct sim *sim)
{
	struct quic_conn_open args = { .version = QUIC_VERSION_V1, .mss = SIM_MSS };

	args.now = sim->now;
	if (sim->mss)
		args.mss = sim->mss;
	quic_cid_set(&args.original, (const u8 *)"original", 8);
	quic_cid_set(&args.local, (const u8 *)"client00", 8);
	args.remote = args.original;
	if (quic_conn_open(&sim->client.conn, &args))
		abort();
	args.is_server = true;
	quic_cid_set(&args.local, (const u8 *)"server00", 8);
	quic_cid_set(&args.remote, (const u8 *)"client00", 8);
	if (quic_conn_open(&sim->server.conn, &args))
		abort();
	sim->client.route[0] = (struct sim_route){ SIM_CLIENT, SIM_SERVER };
	sim->server.route[0] = (struct sim_route){ SIM_SERVER, SIM_CLIENT };
	/* What input.c learns from the server's first packet. */
	quic_remote_cids_find(&sim->client.conn.remote_cids, 0)->cid = args.local;
	sim_keys(&sim->client.conn, QUIC_CRYPTO_INITIAL);
	sim_keys(&sim->server.conn, QUIC_CRYPTO_INITIAL);
	if (sim->early != SIM_EARLY_OFF) {
		if (quic_conn_remember_params(&sim->client.conn, &sim->remembered))
			abort();
		quic_conn_on_tx_key(&sim->client.conn, QUIC_CRYPTO_EARLY, 51);
	}
	sim_put(&sim->client.conn, QUIC_CRYPTO_INITIAL, SIM_CLIENT_HELLO);
}

bool sim_is_established(struct sim *sim)
{
	return sim->client.conn.confirmed && sim->server.conn.confirmed;
}

bool sim_handshake(struct sim *sim)
{
	sim_start(sim);
	return sim_run(sim, sim_is_established, 60 * SIM_SECOND);
}

void sim_destroy(struct sim *sim)
{
	struct sim_packet *packet, *next;

	list_for_each_entry_safe(packet, next, &sim->flying, link)
		free(packet);
	quic_conn_destroy(&sim->client.conn);
	quic_conn_destroy(&sim->server.conn);
	free(sim);
}
