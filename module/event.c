// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events: from what the connection reports to what recvmsg() hands out with
 * MSG_QUIC_NOTIFICATION. uapi.md, section 6.
 */
#include "sock.h"

/**
 * quic_event_queue() - queue an event if the user asked for its kind
 * @qs:      locked
 * @type:    QUIC_EVENT_*
 * @payload: struct that belongs to it
 * @len:     its size
 *
 * Without memory or room in the receive buffer the event is lost, as the
 * interface says.
 */
void quic_event_queue(struct quic_sock *qs, u8 type, const void *payload, u32 len)
{
	struct quic_recv_chunk *chunk;

	if (qs->is_shut || !(qs->events & BIT(type)))
		return;
	chunk = quic_recv_chunk_new(qs, QUIC_RECV_EVENT, 1 + len);
	if (!chunk)
		return;
	chunk->rx.data[0] = type;
	memcpy(chunk->rx.data + 1, payload, len);
	list_add_tail(&chunk->rx.link, &qs->event_queue);
	qs->conn.todo |= QUIC_TODO_WAKE_READ;
}
