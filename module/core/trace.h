/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the core reports for people and tools that look on: the happenings that
 * qlog knows. The host does with it what it likes. While nobody looks, a report
 * costs a branch that is patched out. draft-ietf-quic-qlog-quic-events.
 */
#ifndef _QUIC_CORE_TRACE_H
#define _QUIC_CORE_TRACE_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct quic_conn;
struct quic_rx_packet;
struct quic_sent_packet;
struct quic_transport_params;
struct quic_tx_packet;

/* Why a connection ended. */
enum quic_close_trigger {
	QUIC_CLOSE_APPLICATION,	/* ours */
	QUIC_CLOSE_ERROR,	/* the peer broke the protocol, or we cannot go on */
	QUIC_CLOSE_PEER,
	QUIC_CLOSE_RESET,	/* stateless */
	QUIC_CLOSE_SILENT,	/* idle timeout, or nobody wants it any more */
};

/* Why a packet counts as lost. RFC 9002, section 6.1. */
enum quic_loss_trigger {
	QUIC_LOSS_REORDERING,
	QUIC_LOSS_TIME,
};

/* What becomes of a path. RFC 9000, sections 8.2 and 9. */
enum quic_migration {
	QUIC_MIGRATION_PROBED,		/* a PATH_CHALLENGE is on its way */
	QUIC_MIGRATION_UNANSWERED,	/* nobody is there */
	QUIC_MIGRATION_ANSWERED,
	QUIC_MIGRATION_BEGUN,		/* packets go there from now on */
	QUIC_MIGRATION_ABANDONED,	/* they go back to where they went before */
	QUIC_MIGRATION_COMPLETE,	/* and nothing about it is in doubt */
};

/* The host's: is anybody looking? */
DECLARE_STATIC_KEY_FALSE(quic_trace_key);

static __always_inline bool quic_trace_is_on(void)
{
	return static_branch_unlikely(&quic_trace_key);
}

/* Reports to quic_host_trace_@what(), with the arguments that follow, if anybody is looking. */
#define quic_trace(what, ...)					\
	do {							\
		if (quic_trace_is_on())				\
			quic_host_trace_##what(__VA_ARGS__);	\
	} while (0)

/* The connection was opened: its role, version and connection IDs are there. */
void quic_host_trace_started(struct quic_conn *conn);
/* It left state @old (enum quic_conn_state). */
void quic_host_trace_state(struct quic_conn *conn, u8 old);
void quic_host_trace_confirmed(struct quic_conn *conn);
/* @conn->close says more unless the end was silent or by a stateless reset. */
void quic_host_trace_closed(struct quic_conn *conn, enum quic_close_trigger trigger);
/* The version in use was settled, or has changed. */
void quic_host_trace_version(struct quic_conn *conn);
void quic_host_trace_parameters(struct quic_conn *conn, bool remote);
/* Packets: filled and not yet sealed, sent, received and not yet applied, lost. */
void quic_host_trace_filled(struct quic_conn *conn, const struct quic_tx_packet *tx);
void quic_host_trace_sent(struct quic_conn *conn, const struct quic_tx_packet *tx);
void quic_host_trace_received(struct quic_conn *conn, const struct quic_rx_packet *rx);
void quic_host_trace_lost(struct quic_conn *conn, u8 space, u64 pn,
			  const struct quic_sent_packet *packet, enum quic_loss_trigger trigger);
/* Round-trip time, window, bytes in flight or probe count of @path have changed. */
void quic_host_trace_recovery(struct quic_conn *conn, u8 path);
/* Its addresses are the host's, and there. */
void quic_host_trace_migration(struct quic_conn *conn, u8 path, enum quic_migration what);
/* A deadline (enum quic_deadline) has passed and is about to be acted upon. */
void quic_host_trace_expired(struct quic_conn *conn, u8 deadline);

#endif /* _QUIC_CORE_TRACE_H */
