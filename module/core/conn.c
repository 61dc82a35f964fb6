// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a connection: birth, keys, transport parameters, confirmation,
 * death. What packets do to it is in conn_recv.c, what it sends in conn_send.c.
 */
#include "core.h"
#include "conn.h"

#define US_TO_NS		1000ULL
#define QUIC_MAX_WINDOW		536870911ULL

/**
 * quic_conn_setup() - defaults of a connection that does not exist yet
 * @conn: connection, any contents
 *
 * The application may then change @conn->local and @conn->config.
 */
void quic_conn_setup(struct quic_conn *conn)
{
	memset(conn, 0, sizeof(*conn));
	conn->state = QUIC_CONN_IDLE;
	conn->config.initial_rtt = 333000 * US_TO_NS;
	quic_transport_params_init(&conn->local);
	conn->local.max_idle_timeout = 30000000;
	conn->local.initial_max_data = 65535 * 32;
	conn->local.initial_max_stream_data_bidi_local = 65535 * 16;
	conn->local.initial_max_stream_data_bidi_remote = 65535 * 16;
	conn->local.initial_max_stream_data_uni = 65535 * 16;
	conn->local.initial_max_streams_bidi = 100;
	conn->local.initial_max_streams_uni = 100;
	conn->local.active_connection_id_limit = 7;
	conn->local.has_version_information = true;
	quic_transport_params_init(&conn->remote);
	conn->remote.max_udp_payload_size = 0;
	quic_deadlines_init(&conn->deadlines);
	quic_streams_init(&conn->streams, false);
	quic_datagrams_init(&conn->datagrams);
}

static struct quic_space *quic_space_create(void)
{
	struct quic_space *space = quic_host_alloc(sizeof(*space));

	if (!space)
		return NULL;
	quic_loss_init(&space->loss);
	quic_ack_policy_init(&space->ack);
	quic_ack_ranges_init(&space->received);
	quic_send_ranges_init(&space->crypto.ranges);
	INIT_LIST_HEAD(&space->crypto.buf.chunks);
	quic_reassembly_init(&space->crypto.recv, NULL);
	return space;
}

static void quic_space_free(struct quic_conn *conn, struct quic_space *space)
{
	struct quic_sent_packet packet;

	if (!space)
		return;
	while (quic_loss_next_discarded(&space->loss, &packet)) {
		if (packet.flags & QUIC_SENT_IN_FLIGHT)
			quic_cong_on_discarded(&conn->path[packet.path].cong,
					       packet.size);
		quic_sent_packet_release(&packet);
	}
	quic_host_send_release(conn, &space->crypto.buf, QUIC_VARINT_MAX);
	quic_reassembly_clear(&space->crypto.recv);
	quic_send_ranges_destroy(&space->crypto.ranges);
	quic_loss_destroy(&space->loss);
	quic_host_free(space);
}

/* Choose the next packet number to leave out. RFC 9000, section 21.4. */
void quic_conn_choose_skip(struct quic_conn *conn, u64 pn)
{
	u16 random;

	quic_host_random(&random, sizeof(random));
	conn->next_skip = pn + 256 + (random & 0x3ff);
}

/* The controller that is configured; records keep what it wants to know. */
static const struct quic_cong_ops *quic_conn_controller(struct quic_conn *conn)
{
	const struct quic_cong_ops *ops = quic_cong_find(conn->config.congestion);
	int id;

	for (id = 0; ops->on_sent && id < QUIC_SPACE_MAX; id++)
		if (conn->space[id])
			quic_sent_enable_rates(&conn->space[id]->loss.sent);
	return ops;
}

/**
 * quic_conn_open() - bring a connection to life
 * @conn: after quic_conn_setup()
 * @args: role, addresses of the protocol, time
 *
 * Return: 0, or -ENOMEM with @conn as it was.
 */
int quic_conn_open(struct quic_conn *conn, const struct quic_conn_open *args)
{
	const struct quic_cong_ops *ops;
	int id;

	for (id = 0; id < QUIC_SPACE_MAX; id++) {
		conn->space[id] = quic_space_create();
		if (!conn->space[id])
			goto err_spaces;
	}

	ops = quic_conn_controller(conn);
	conn->is_server = args->is_server;
	conn->version = args->version;
	conn->original_version = args->version;
	conn->original_dcid = args->original;
	conn->has_retry = args->has_retry;
	conn->retry_scid = args->retry_scid;
	conn->peer_validated = args->is_server;
	quic_local_cids_init(&conn->local_cids, &args->local);
	conn->local_cids.limit = 1;
	quic_remote_cids_init(&conn->remote_cids, &args->remote,
			      conn->local.active_connection_id_limit);
	quic_streams_init(&conn->streams, args->is_server);

	conn->active_path = 0;
	conn->quiet_path = 0;
	conn->named_path = 0;
	conn->previous_path = QUIC_PATH_NONE;
	conn->probed_path = QUIC_PATH_NONE;
	quic_path_init(&conn->path[0], args->mss, conn->config.initial_rtt, ops);
	quic_conn_set_mss(conn, args->mss);
	conn->path[0].in_use = true;
	if (!args->is_server || args->validated)
		quic_path_validate(&conn->path[0]);

	quic_flow_send_init(&conn->tx_flow, 0);
	quic_conn_apply_local_params(conn);
	quic_conn_choose_skip(conn, 0);

	conn->state = QUIC_CONN_HANDSHAKE;
	conn->last_rx = args->now;
	quic_conn_restart_idle(conn, args->now);
	quic_trace(started, conn);
	quic_trace(state, conn, QUIC_CONN_IDLE);
	return 0;

err_spaces:
	while (id--) {
		quic_space_free(conn, conn->space[id]);
		conn->space[id] = NULL;
	}
	return -ENOMEM;
}

/* Send buffers of all streams go back to the host, then the streams go. */
static void quic_conn_free_streams(struct quic_conn *conn)
{
	struct quic_stream *stream;
	struct rb_node *node;

	for (node = rb_first(&conn->streams.root); node; node = rb_next(node)) {
		stream = rb_entry(node, struct quic_stream, node);
		if (stream->has_send)
			quic_host_send_release(conn, &stream->send.buf,
					       QUIC_VARINT_MAX);
	}
	quic_streams_destroy(&conn->streams);
}

/**
 * quic_conn_destroy() - free all that a connection holds
 * @conn: connection in any state; QUIC_CONN_CLOSED afterwards
 */
void quic_conn_destroy(struct quic_conn *conn)
{
	int id;

	quic_conn_free_streams(conn);
	quic_datagrams_purge(conn);
	for (id = 0; id < QUIC_SPACE_MAX; id++) {
		quic_space_free(conn, conn->space[id]);
		conn->space[id] = NULL;
	}
	conn->tx_keys = 0;
	conn->rx_keys = 0;
	conn->state = QUIC_CONN_CLOSED;
	quic_deadlines_init(&conn->deadlines);
}

/**
 * quic_conn_restart_idle() - a packet was received, or the first one was sent since
 * @conn: connection
 * @now:  time
 *
 * The period is never shorter than three PTOs. RFC 9000, section 10.1.
 */
void quic_conn_restart_idle(struct quic_conn *conn, u64 now)
{
	u64 timeout = conn->idle_timeout;

	if (!timeout)
		return;
	timeout = max(timeout, 3 * quic_conn_pto(conn));
	quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_IDLE, now + timeout);
}

/**
 * quic_conn_on_tx_key() - the host can protect packets of a level now
 * @conn:   connection
 * @level:  enum quic_crypto_level
 * @cipher: TLS_CIPHER_*
 */
void quic_conn_on_tx_key(struct quic_conn *conn, u8 level, u16 cipher)
{
	/* RFC 9001, section 5.6 #3: a server sends no 0-RTT. */
	if (level == QUIC_CRYPTO_EARLY && conn->is_server)
		return;
	conn->tx_keys |= BIT(level);
	if (level == QUIC_CRYPTO_APP) {
		quic_key_phase_init(&conn->key_phase, cipher);
		/* RFC 9001, section 5.6 #5; RFC 9000, section 17.2.3 #2 */
		if (conn->tx_keys & BIT(QUIC_CRYPTO_EARLY))
			quic_conn_early_discard(conn);
	}
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_WAKE_WRITE;
}

/*
 * TLS moves on to another level: of those before it nothing may be left that it has not seen.
 * RFC 9001, section 4.1.3 #3.
 */
static void quic_conn_check_leftovers(struct quic_conn *conn, u8 level)
{
	static const u8 before[] = { QUIC_SPACE_INITIAL, QUIC_SPACE_HANDSHAKE };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(before) && before[i] != level; i++)
		if (conn->space[before[i]] && conn->space[before[i]]->crypto.recv.count)
			quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION,
				       QUIC_FRAME_CRYPTO, "crypto data left behind");
}

/**
 * quic_conn_on_rx_key() - the host can open packets of a level now
 * @conn:   connection
 * @level:  enum quic_crypto_level
 * @cipher: TLS_CIPHER_*
 */
void quic_conn_on_rx_key(struct quic_conn *conn, u8 level, u16 cipher)
{
	/* RFC 9001, section 5.6 #4: a client receives no 0-RTT. */
	if (level == QUIC_CRYPTO_EARLY && !conn->is_server)
		return;
	if (level != QUIC_CRYPTO_EARLY)
		quic_conn_check_leftovers(conn, level);
	conn->rx_keys |= BIT(level);
	if (level == QUIC_CRYPTO_APP && !(conn->tx_keys & BIT(level)))
		quic_key_phase_init(&conn->key_phase, cipher);
}

/**
 * quic_conn_complete() - both 1-RTT secrets are there
 * @conn: connection in QUIC_CONN_HANDSHAKE
 * @now:  time
 *
 * The handshake is complete, and confirmed for a server, which says so.
 * RFC 9001, sections 4.1.1 and 4.1.2.
 *
 * Return: 0, or -EPROTO if the connection is not in a state to be completed.
 */
int quic_conn_complete(struct quic_conn *conn, u64 now)
{
	if (conn->state != QUIC_CONN_HANDSHAKE)
		return -EPROTO;
	conn->state = QUIC_CONN_ESTABLISHED;
	quic_trace(state, conn, QUIC_CONN_HANDSHAKE);
	/* Readers: of 0-RTT data that came before. */
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_STATE | QUIC_TODO_WAKE_WRITE | QUIC_TODO_WAKE_READ;
	/* RFC 9000, section 19.20 #1 */
	if (conn->is_server) {
		conn->handshake_done = QUIC_CONTROL_STALE;
		if (conn->token_len)
			conn->new_token = QUIC_CONTROL_STALE;
		quic_conn_confirm(conn);
	}
	quic_conn_issue_cids(conn);
	quic_conn_restart_idle(conn, now);
	return 0;
}

/**
 * quic_conn_confirm() - the handshake is confirmed
 * @conn: connection
 *
 * Handshake keys are discarded. RFC 9001, sections 4.1.2 and 4.9.2. A client whose Finished TLS
 * has seen owns its address, though no Handshake packet of it may be left to show that.
 */
void quic_conn_confirm(struct quic_conn *conn)
{
	conn->confirmed = true;
	conn->peer_validated = true;
	quic_trace(confirmed, conn);
	if (conn->is_server)
		quic_path_validate(quic_conn_path(conn));
	/* RFC 9000, section 9.6.1 */
	if (conn->remote.has_preferred_address)
		conn->todo |= QUIC_TODO_MOVE;
	quic_conn_discard_space(conn, QUIC_SPACE_INITIAL);
	quic_conn_discard_space(conn, QUIC_SPACE_HANDSHAKE);
}

/**
 * quic_conn_discard_space() - a packet number space has served its time
 * @conn: connection
 * @id:   QUIC_SPACE_INITIAL or QUIC_SPACE_HANDSHAKE
 *
 * Its packets leave the flight without being acknowledged or lost.
 * RFC 9001, section 4.9; RFC 9002, sections 6.2.2 and 6.4.
 */
void quic_conn_discard_space(struct quic_conn *conn, enum quic_space_id id)
{
	struct quic_space *space = conn->space[id];

	if (!space)
		return;
	conn->space[id] = NULL;
	conn->tx_keys &= ~BIT(id);
	conn->rx_keys &= ~BIT(id);
	quic_space_free(conn, space);
	conn->pto_count = 0;
	quic_host_keys_discard(conn, id);
}

/**
 * quic_conn_encode_params() - the body of our quic_transport_parameters extension
 * @conn: connection
 * @w:    where to
 *
 * Return: 0, or -EINVAL if it does not fit.
 */
int quic_conn_encode_params(struct quic_conn *conn, struct quic_writer *w)
{
	struct quic_transport_params *tp = &conn->local;
	const struct quic_local_cid *cid = quic_local_cids_find(&conn->local_cids, 0);
	bool version_information = tp->has_version_information;
	int err;

	tp->has_initial_scid = true;
	tp->initial_scid = cid->cid;
	tp->has_original_dcid = conn->is_server;
	tp->original_dcid = conn->original_dcid;
	tp->has_retry_scid = conn->is_server && conn->has_retry;
	tp->retry_scid = conn->retry_scid;
	if (tp->has_stateless_reset_token)
		memcpy(tp->stateless_reset_token, cid->token,
		       sizeof(tp->stateless_reset_token));
	/* A server speaks of versions only to a client that did: RFC 9368, section 3. */
	if (conn->is_server && !conn->remote.has_version_information)
		tp->has_version_information = false;
	quic_conn_put_versions(conn, tp);

	err = quic_transport_params_encode(tp, w);
	quic_trace(parameters, conn, false);
	tp->has_version_information = version_information;
	return err;
}

static int quic_conn_check_params(struct quic_conn *conn,
				  const struct quic_transport_params *tp)
{
	const struct quic_remote_cid *remote;

	/* RFC 9000, section 7.3: the IDs seen must be the IDs meant. */
	remote = quic_remote_cids_active(&conn->remote_cids);
	if (!tp->has_initial_scid || !quic_cid_equal(&tp->initial_scid, &remote->cid))
		return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM,
				      QUIC_FRAME_CRYPTO, "initial_source_connection_id");
	if (!conn->is_server) {
		if (!tp->has_original_dcid ||
		    !quic_cid_equal(&tp->original_dcid, &conn->original_dcid))
			return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM,
					      QUIC_FRAME_CRYPTO,
					      "original_destination_connection_id");
		if (tp->has_retry_scid != conn->has_retry ||
		    (conn->has_retry && !quic_cid_equal(&tp->retry_scid, &conn->retry_scid)))
			return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM,
					      QUIC_FRAME_CRYPTO, "retry_source_connection_id");
	}
	return 0;
}

/**
 * quic_conn_set_remote_params() - the peer's transport parameters arrived
 * @conn: connection in QUIC_CONN_HANDSHAKE
 * @data: body of the extension
 * @len:  its length
 *
 * Return: 0; -EINVAL for values that closed the connection with
 * TRANSPORT_PARAMETER_ERROR, -EPROTONOSUPPORT with VERSION_NEGOTIATION_ERROR.
 */
int quic_conn_set_remote_params(struct quic_conn *conn, const u8 *data, u32 len)
{
	struct quic_transport_params tp;

	quic_transport_params_init(&tp);
	if (quic_transport_params_decode(&tp, data, len, !conn->is_server)) {
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM,
			       QUIC_FRAME_CRYPTO, "malformed transport parameters");
		return -EINVAL;
	}
	if (quic_conn_check_params(conn, &tp))
		return -EINVAL;
	if (quic_conn_check_versions(conn, &tp))
		return -EPROTONOSUPPORT;

	if (tp.has_preferred_address && quic_conn_add_preferred_cid(conn, &tp.preferred_address))
		return -EINVAL;

	if (unlikely(conn->early.remembered))
		quic_conn_early_on_params(conn, &tp);
	conn->remote = tp;
	conn->has_remote_params = true;
	/* By this connection's word only: RFC 9287, section 3.1 #3 #4. */
	conn->grease = tp.grease_quic_bit;
	quic_trace(parameters, conn, true);
	quic_conn_apply_remote_params(conn);
	return 0;
}

/**
 * quic_conn_apply_remote_params() - let @conn->remote take effect
 * @conn: connection
 */
void quic_conn_apply_remote_params(struct quic_conn *conn)
{
	const struct quic_transport_params *tp = &conn->remote;
	struct quic_path *path = quic_conn_path(conn);
	struct quic_remote_cid *cid;

	quic_flow_send_raise(&conn->tx_flow, tp->initial_max_data);
	quic_streams_set_remote_params(&conn->streams, tp);
	conn->local_cids.limit = min_t(u64, tp->active_connection_id_limit,
				       QUIC_CIDS_MAX);
	conn->plaintext = tp->disable_1rtt_encryption &&
			  conn->local.disable_1rtt_encryption;
	if (tp->has_stateless_reset_token) {
		cid = quic_remote_cids_active(&conn->remote_cids);
		memcpy(cid->token, tp->stateless_reset_token, sizeof(cid->token));
		cid->has_token = true;
	}
	path->cong.max_window = min(tp->initial_max_data, QUIC_MAX_WINDOW);
	if (path->cong.max_window < 2 * path->mss)
		path->cong.max_window = QUIC_MAX_WINDOW;
	quic_conn_set_mss(conn, path->link);
	quic_conn_update_idle_timeout(conn);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_WAKE_WRITE;
}

/* The smaller one of both sides' periods that are set. RFC 9000, section 10.1. */
void quic_conn_update_idle_timeout(struct quic_conn *conn)
{
	u64 timeout = conn->local.max_idle_timeout;

	if (conn->has_remote_params && conn->remote.max_idle_timeout &&
	    (!timeout || conn->remote.max_idle_timeout < timeout))
		timeout = conn->remote.max_idle_timeout;
	conn->idle_timeout = timeout * US_TO_NS;
}

/**
 * quic_conn_apply_local_params() - let @conn->local take effect
 * @conn: connection
 *
 * May be called again until the parameters were sent to the peer.
 */
void quic_conn_apply_local_params(struct quic_conn *conn)
{
	quic_streams_set_local_params(&conn->streams, &conn->local);
	quic_flow_recv_init(&conn->rx_flow, conn->local.initial_max_data);
	conn->remote_cids.limit = conn->local.active_connection_id_limit;
	quic_conn_update_idle_timeout(conn);
}

/**
 * quic_conn_apply_config() - let @conn->config take effect
 * @conn: connection
 *
 * Restarts congestion control and the RTT estimate of the active path.
 */
void quic_conn_apply_config(struct quic_conn *conn)
{
	struct quic_path *path = quic_conn_path(conn);
	u64 in_flight = path->cong.bytes_in_flight;

	if (!quic_conn_is_open(conn))
		return;
	quic_rtt_init(&path->rtt, conn->config.initial_rtt);
	quic_cong_init(&path->cong, quic_conn_controller(conn), path->mss);
	path->cong.bytes_in_flight = in_flight;
	if (conn->config.keepalive)
		quic_deadline_set(&conn->deadlines, QUIC_DEADLINE_KEEPALIVE,
				  conn->last_rx + conn->config.keepalive);
}
