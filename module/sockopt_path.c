// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Socket options about the way that packets take: connection IDs, migration.
 * uapi.md, sections 5.5 and 5.7.
 */
#include "sockopt.h"

/**
 * quic_set_connection_id() - set QUIC_SOCKOPT_CONNECTION_ID
 * @qs:   locked
 * @data: struct quic_connection_id_info
 * @len:  unused
 *
 * Return: 0, -EINVAL or -EAGAIN.
 */
int quic_set_connection_id(struct quic_sock *qs, void *data, u32 len)
{
	if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
		return -EINVAL;
	return quic_conn_set_cids(&qs->conn, data);
}

/**
 * quic_get_connection_id() - get QUIC_SOCKOPT_CONNECTION_ID
 * @qs:   locked
 * @data: struct quic_connection_id_info, in and out
 * @len:  unused
 *
 * Return: 0, or -EINVAL.
 */
int quic_get_connection_id(struct quic_sock *qs, void *data, u32 *len)
{
	struct quic_connection_id_info *info = data;
	u8 dest = info->dest;

	if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
		return -EINVAL;
	quic_conn_get_cids(&qs->conn, dest, info);
	info->dest = dest;
	return 0;
}

/**
 * quic_set_connection_migration() - set QUIC_SOCKOPT_CONNECTION_MIGRATION
 * @qs:   locked
 * @data: socket address
 * @len:  its length
 *
 * Return: 0, or a negative errno: uapi.md, section 5.7.
 */
int quic_set_connection_migration(struct quic_sock *qs, void *data, u32 len)
{
	union quic_addr addr;
	int err;

	err = quic_addr_from_user(quic_sock_sk(qs), data, len, false, &addr);
	if (err)
		return err;
	if (!quic_addr_port(&addr))
		return -EINVAL;
	return quic_migrate(qs, &addr);
}
