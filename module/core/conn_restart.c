// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client's handshake begins again, with the same TLS messages: a server
 * wants to see an address validated first (Retry), or speaks other versions
 * (Version Negotiation). Both come before any other packet of the server, or
 * not at all. New Initial keys are for the host. RFC 9000, sections 6.2 and
 * 17.2.5.
 */
#include "core.h"
#include "conn.h"

/* Is our first flight all that has happened? RFC 9000, sections 6.2 #2 and 17.2.5.2 #1 #2. */
static bool quic_conn_may_restart(const struct quic_conn *conn)
{
	const struct quic_space *space = conn->space[QUIC_SPACE_INITIAL];

	return !conn->is_server && conn->state == QUIC_CONN_HANDSHAKE && !conn->has_retry &&
	       !conn->has_server_cid && space && space->loss.sent.next &&
	       !space->received.count;
}

/* Was it sent in answer to our first flight? Only who saw that knows both IDs. */
static bool quic_conn_is_answer(struct quic_conn *conn, const struct quic_header *hdr)
{
	const struct quic_local_cid *local = quic_local_cids_find(&conn->local_cids, 0);

	return local && quic_cid_equal(&hdr->dcid, &local->cid);
}

/* What is in flight will neither be acknowledged nor was it lost. */
static void quic_restart_space(struct quic_conn *conn, enum quic_space_id id)
{
	struct quic_space *space = conn->space[id];
	struct quic_sent_packet packet;

	if (!space)
		return;
	while (quic_loss_next_discarded(&space->loss, &packet)) {
		if (packet.flags & QUIC_SENT_IN_FLIGHT)
			quic_cong_on_discarded(&conn->path[packet.path].cong, packet.size);
		quic_conn_packet_lost(conn, id, &packet);
	}
	space->probes = 0;
}

/*
 * All that was sent is sent again, under new numbers: RFC 9000, sections 17.2.3 #1 and 17.2.5.3 #1
 * #2. Congestion control and loss recovery begin anew; the server's answer to the first flight is a
 * sample of the round-trip time if there was but one. RFC 9002, section 6.3.
 */
static void quic_conn_restart(struct quic_conn *conn, u64 now)
{
	struct quic_sent *sent = &conn->space[QUIC_SPACE_INITIAL]->loss.sent;
	struct quic_path *path = quic_conn_path(conn);
	u64 rtt = conn->config.initial_rtt;
	struct quic_sent_packet *first;
	u64 pn = sent->oldest;

	first = quic_sent_next_from(sent, &pn, sent->next);
	if (first && !conn->pto_count && now > first->time)
		rtt = max(now - first->time, QUIC_RTT_GRANULARITY);
	quic_restart_space(conn, QUIC_SPACE_INITIAL);
	quic_restart_space(conn, QUIC_SPACE_APP);
	conn->pto_count = 0;
	conn->last_probe = 0;
	conn->last_rx = now;
	quic_conn_apply_config(conn);
	quic_rtt_init(&path->rtt, rtt);
	quic_deadline_clear(&conn->deadlines, QUIC_DEADLINE_LOSS);
	conn->todo |= QUIC_TODO_TX | QUIC_TODO_TIMER;
}

/**
 * quic_conn_accepts_retry() - may this Retry packet be for us?
 * @conn: connection
 * @hdr:  its header
 *
 * Worth looking at its integrity tag, that is. RFC 9000, section 17.2.5.2; RFC 9369, section 4.1:
 * a Retry of another version is ignored.
 */
bool quic_conn_accepts_retry(struct quic_conn *conn, const struct quic_header *hdr)
{
	return quic_conn_may_restart(conn) && quic_conn_is_answer(conn, hdr) &&
	       hdr->version == conn->version &&
	       /* RFC 9000, section 17.2.5.2 #4 */
	       hdr->token_len &&
	       /* RFC 9000, section 17.2.5.1 #2 */
	       !quic_cid_equal(&hdr->scid, &quic_remote_cids_active(&conn->remote_cids)->cid);
}

/**
 * quic_conn_on_retry() - the server wants the token back that came with a Retry packet
 * @conn: connection
 * @hdr:  header that quic_conn_accepts_retry() liked, its tag verified
 * @now:  time
 *
 * The host derives Initial keys from @conn->retry_scid and puts the token into Initial packets.
 * RFC 9000, sections 17.2.5.1 #3 and 17.2.5.3.
 */
void quic_conn_on_retry(struct quic_conn *conn, const struct quic_header *hdr, u64 now)
{
	conn->has_retry = true;
	conn->retry_scid = hdr->scid;
	quic_remote_cids_active(&conn->remote_cids)->cid = hdr->scid;
	quic_conn_restart(conn, now);
}

/**
 * quic_conn_accepts_version_negotiation() - is this Version Negotiation packet to be acted on?
 * @conn: connection
 * @hdr:  its header
 *
 * RFC 9000, section 6.2 #2 #3; RFC 9368, sections 2.1 and 4 #1 #2.
 */
bool quic_conn_accepts_version_negotiation(struct quic_conn *conn, const struct quic_header *hdr)
{
	return quic_conn_may_restart(conn) && !conn->has_version_negotiation &&
	       quic_conn_is_answer(conn, hdr) &&
	       quic_cid_equal(&hdr->scid, &conn->original_dcid) &&
	       !quic_version_is_listed(hdr->token, hdr->token_len, conn->version);
}

/**
 * quic_conn_on_version_negotiation() - the server does not speak our version
 * @conn: connection
 * @hdr:  header that quic_conn_accepts_version_negotiation() liked
 * @now:  time
 *
 * The attempt goes on in the best version that both speak, for which the host derives Initial keys;
 * or the connection is closed, and nobody is told who would not understand it. The ClientHello
 * offers its application protocols anew, which are the same for all versions.
 * RFC 9368, sections 2.1 #2 #3 #4 and 6 #2.
 *
 * Return: true if it goes on.
 */
bool quic_conn_on_version_negotiation(struct quic_conn *conn, const struct quic_header *hdr,
				      u64 now)
{
	u32 version = quic_version_choose(hdr->token, hdr->token_len);

	if (!version) {
		quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION, 0,
			       "no common version");
		conn->close_frames = QUIC_CONTROL_SENT;
		return false;
	}
	conn->has_version_negotiation = true;
	conn->version = version;
	conn->original_version = version;
	quic_trace(version, conn);
	/* Early data belongs to the version that was given up. */
	conn->tx_keys &= ~BIT(QUIC_CRYPTO_EARLY);
	quic_conn_restart(conn, now);
	return true;
}
