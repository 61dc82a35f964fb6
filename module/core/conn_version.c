// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The version of a connection: what each end says of versions in its transport
 * parameters, the switch to a compatible one, and the checks against a
 * downgrade. RFC 9368, section 8 #2; RFC 9369, section 4.
 */
#include "core.h"
#include "conn.h"

static int quic_conn_version_fail(struct quic_conn *conn, const char *reason)
{
	return quic_conn_fail(conn, QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION,
			      QUIC_FRAME_CRYPTO, reason);
}

static bool quic_versions_has(const struct quic_transport_params *tp, u32 version)
{
	u8 i;

	for (i = 0; i < tp->version_count; i++)
		if (tp->versions[i] == version)
			return true;
	return false;
}

static void quic_versions_add(struct quic_transport_params *tp, u32 version)
{
	if (!quic_versions_has(tp, version))
		tp->versions[tp->version_count++] = version;
}

/**
 * quic_conn_put_versions() - what we say of versions
 * @conn: connection
 * @tp:   our transport parameters, about to be encoded
 *
 * All that we speak, what the application prefers first, and one that nobody speaks. The chosen one
 * is in use; if nobody speaks that, it is where Version Negotiation will lead, for the ClientHello
 * cannot be changed then. RFC 9368, section 3 #2.
 */
void quic_conn_put_versions(struct quic_conn *conn, struct quic_transport_params *tp)
{
	u32 random;

	tp->chosen_version = quic_version_is_supported(conn->version) ? conn->version :
								       quic_version_best();
	tp->version_count = 0;
	if (quic_version_is_supported(conn->config.version))
		quic_versions_add(tp, conn->config.version);
	quic_versions_add(tp, QUIC_VERSION_V2);
	quic_versions_add(tp, QUIC_VERSION_V1);
	quic_host_random(&random, sizeof(random));
	quic_versions_add(tp, quic_version_reserve(random, conn->version));
}

/*
 * RFC 9368, sections 2.2 #1, 2.3 #1 #2 #4 and 4 #8 #9 #10; RFC 9369, section 4 #1. Versions 1 and 2
 * are compatible by RFC 9369, and their first flights are the same but for their protection.
 */
static int quic_server_check_versions(struct quic_conn *conn,
				      const struct quic_transport_params *tp)
{
	const u8 later = BIT(QUIC_CRYPTO_HANDSHAKE) | BIT(QUIC_CRYPTO_APP);
	u32 wanted = conn->config.version;

	if (!tp->has_version_information)
		return 0;
	if (tp->chosen_version != conn->version)
		return quic_conn_version_fail(conn, "chosen version is not the one in use");
	/* Keys of later levels belong to a version: it is too late to choose another. */
	if (!conn->local.has_version_information || ((conn->tx_keys | conn->rx_keys) & later))
		return 0;
	if (quic_version_is_supported(wanted) && quic_versions_has(tp, wanted))
		conn->version = wanted;
	quic_trace(version, conn);
	return 0;
}

/*
 * Would we have attempted the same version if Version Negotiation had listed what the server really
 * speaks? RFC 9368, section 4 #14 #15 #16.
 */
static bool quic_client_was_downgraded(const struct quic_conn *conn,
				       const struct quic_transport_params *tp)
{
	u32 best = quic_version_best();

	if (!tp->version_count)
		return true;
	return conn->original_version != best && quic_versions_has(tp, best);
}

static int quic_client_check_versions(struct quic_conn *conn,
				      const struct quic_transport_params *tp)
{
	if (!tp->has_version_information) {
		/* RFC 9368, sections 4 #11 #13 and 8 #1: a server that speaks version 1 only. */
		if (conn->has_version_negotiation && conn->version != QUIC_VERSION_V1)
			return quic_conn_version_fail(conn, "no version information");
		/* Nobody vouches for the version that we were led to. */
		if (conn->version != conn->original_version)
			return quic_conn_version_fail(conn, "version changed without a word");
		return 0;
	}
	/* RFC 9368, section 4 #12 #17: we offered all that we speak. */
	if (tp->chosen_version != conn->version)
		return quic_conn_version_fail(conn, "chosen version is not the one in use");
	if (conn->has_version_negotiation && quic_client_was_downgraded(conn, tp))
		return quic_conn_version_fail(conn, "version downgraded");
	return 0;
}

/**
 * quic_conn_check_versions() - what the peer says of versions
 * @conn: connection
 * @tp:   the peer's transport parameters
 *
 * A server switches to the version that its application prefers, if the client offered it: the host
 * then derives Initial keys for @conn->version, and keeps receiving those of the original one.
 *
 * Return: 0, or -EPROTO when the connection was closed with VERSION_NEGOTIATION_ERROR.
 */
int quic_conn_check_versions(struct quic_conn *conn, const struct quic_transport_params *tp)
{
	return conn->is_server ? quic_server_check_versions(conn, tp) :
				 quic_client_check_versions(conn, tp);
}

/**
 * quic_conn_version_use() - what to do with a long header packet, by its version
 * @conn:    connection
 * @level:   QUIC_CRYPTO_INITIAL, QUIC_CRYPTO_EARLY or QUIC_CRYPTO_HANDSHAKE
 * @version: of its header
 *
 * RFC 9369, section 4.1 #4 #5 #6 #7: a server tells its choice by the version of its packets, and
 * goes on to take Initial packets of the original one; all later packets are of the negotiated one.
 */
enum quic_version_use quic_conn_version_use(const struct quic_conn *conn, u8 level, u32 version)
{
	if (level == QUIC_CRYPTO_EARLY)
		return version == conn->original_version ? QUIC_VERSION_CURRENT :
							   QUIC_VERSION_DROP;
	if (version == conn->version)
		return QUIC_VERSION_CURRENT;
	if (version == conn->original_version)
		return level == QUIC_CRYPTO_INITIAL ? QUIC_VERSION_OTHER : QUIC_VERSION_DROP;
	/* No other version, RFC 9000, section 5.2.1 #1; but a client may not know the choice yet. */
	if (conn->is_server || conn->version_settled || conn->version != conn->original_version ||
	    !conn->local.has_version_information || !quic_version_is_supported(version))
		return QUIC_VERSION_DROP;
	return level == QUIC_CRYPTO_INITIAL ? QUIC_VERSION_OTHER : QUIC_VERSION_EARLY;
}

/**
 * quic_conn_follow_version() - an authentic Initial packet shows the server's choice
 * @conn:    client
 * @version: of that packet, for which quic_conn_version_use() said QUIC_VERSION_OTHER
 *
 * RFC 9369, section 4.1: the first version that differs from the original one is it.
 *
 * Return: true if the connection now uses it, and the host shall exchange the Initial keys.
 */
bool quic_conn_follow_version(struct quic_conn *conn, u32 version)
{
	if (conn->is_server || version == conn->original_version)
		return false;
	conn->version = version;
	conn->version_settled = true;
	quic_trace(version, conn);
	return true;
}
