// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dropped packets and datagrams. Each drop has a reason, each reason a counter;
 * the reasons are finer. They are not those of kfree_skb_reason(): most drops
 * are of a packet inside a datagram that lives on.
 */
#include <linux/skbuff.h>

#include "drop.h"
#include "net.h"
#include "sock.h"

static const u8 quic_drop_mib[QUIC_DROP_MAX] = {
	[QUIC_DROP_HEADER]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_FIXED_BIT]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_RESERVED_BITS]	= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_VERSION]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_TYPE]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_TOO_SHORT]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_SMALL_INITIAL]	= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_OTHER_DCID]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_SOURCE_CID]		= QUIC_MIB_PKT_INVHDRDROP,
	[QUIC_DROP_PACKET_NUMBER]	= QUIC_MIB_PKT_INVNUMDROP,
	[QUIC_DROP_DUPLICATE]		= QUIC_MIB_PKT_INVNUMDROP,
	[QUIC_DROP_FRAME]		= QUIC_MIB_PKT_INVFRMDROP,
	[QUIC_DROP_KEY_PHASE]		= QUIC_MIB_PKT_DECDROP,
	[QUIC_DROP_AUTHENTICATION]	= QUIC_MIB_PKT_DECDROP,
	[QUIC_DROP_KEY_UNAVAILABLE]	= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_CIPHER_BUSY]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_OFFLOAD]		= QUIC_MIB_PKT_DECDROP,
	[QUIC_DROP_WAITING_FULL]	= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_RECEIVE_BUFFER]	= QUIC_MIB_FRM_RCVBUFDROP,
	[QUIC_DROP_BACKLOG_FULL]	= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_LISTENER_FULL]	= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_VALIDATION]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_NO_MEMORY]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_CHECKSUM]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_NO_CONNECTION]	= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_NO_LISTENER]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_ADDRESS]		= QUIC_MIB_PKT_RCVDROP,
	[QUIC_DROP_CLOSED]		= QUIC_MIB_PKT_RCVDROP,
};

void quic_drop_packet(struct quic_sock *qs, enum quic_drop_reason reason, u32 len)
{
	QUIC_INC_STATS(sock_net(quic_sock_sk(qs)), quic_drop_mib[reason]);
	trace_quic_packet_dropped(&qs->conn, reason, len);
}

void quic_drop_stray(struct net *net, enum quic_drop_reason reason, u32 len)
{
	QUIC_INC_STATS(net, quic_drop_mib[reason]);
	trace_quic_packet_dropped(NULL, reason, len);
}

void quic_drop_skb(struct net *net, struct sk_buff *skb, enum quic_drop_reason reason)
{
	quic_drop_stray(net, reason, skb->len);
	kfree_skb(skb);
}
