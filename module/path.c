// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's side of network paths: the addresses and the route of each, where
 * a packet from elsewhere belongs, and packets of path frames. Whether a path is
 * used is the core's decision (core/conn_path.c); moving on the user's or the
 * server's word is migrate.c's.
 */
#include <linux/inet.h>
#include <net/ipv6.h>

#include "demux.h"
#include "net.h"
#include "protect.h"
#include "sock.h"

/**
 * quic_route_release() - a path is of no use any more
 * @route: its route; empty afterwards
 */
void quic_route_release(struct quic_route *route)
{
	quic_udp_put(route->udp);
	dst_release(route->dst);
	memset(route, 0, sizeof(*route));
}

/**
 * quic_path_find() - the path between two addresses
 * @qs:    locked
 * @local: ours
 * @peer:  the peer's
 *
 * Return: its index, or QUIC_PATH_NONE.
 */
u8 quic_path_find(struct quic_sock *qs, const union quic_addr *local, const union quic_addr *peer)
{
	u8 i;

	for (i = 0; i < QUIC_PATHS_MAX; i++)
		if (qs->conn.path[i].in_use && quic_addr_equal(&qs->route[i].peer, peer) &&
		    quic_addr_equal(&qs->route[i].local, local))
			return i;
	return QUIC_PATH_NONE;
}

/**
 * quic_path_is_safe_peer() - may a connection go to that address?
 * @qs:   locked
 * @peer: the address
 *
 * Nobody is led to a group, to nowhere, or from the network to this machine. RFC 9000,
 * section 21.5.6.
 */
bool quic_path_is_safe_peer(struct quic_sock *qs, const union quic_addr *peer)
{
	const union quic_addr *now = &quic_sock_route(qs)->peer;

	if (!quic_addr_port(peer) || quic_addr_is_any(peer) || quic_addr_is_multicast(peer))
		return false;
	return !quic_addr_is_loopback(peer) || quic_addr_is_loopback(now);
}

static bool quic_path_is_preferred(const struct quic_sock *qs, const union quic_addr *local)
{
	return qs->preferred.udp && quic_addr_equal(&qs->preferred.local, local);
}

/**
 * quic_path_may_receive() - are packets between addresses of no path looked at?
 * @qs:    locked
 * @local: ours
 * @peer:  the peer's
 *
 * During the handshake and after the end only the one path counts, and what was forbidden is
 * dropped. RFC 9000, sections 9 #3 and 10.2.1 #2.
 */
bool quic_path_may_receive(struct quic_sock *qs, const union quic_addr *local,
			   const union quic_addr *peer)
{
	const struct quic_conn *conn = &qs->conn;

	if (conn->state != QUIC_CONN_ESTABLISHED || !conn->confirmed)
		return false;
	if (conn->local.disable_active_migration && !quic_path_is_preferred(qs, local) &&
	    !quic_addr_equal(peer, &quic_sock_route(qs)->peer))
		return false;
	return quic_path_is_safe_peer(qs, peer);
}

/**
 * quic_path_admit() - an authenticated packet came between addresses of no path
 * @qs:    locked
 * @local: where it went
 * @peer:  where it came from
 * @dcid:  connection ID that it was sent to, QUIC_CID_LEN bytes
 * @bytes: of its datagram, or of the aggregate that it came in
 * @now:   time
 *
 * Return: index of a path; QUIC_PATH_NONE: its addresses do not count.
 */
u8 quic_path_admit(struct quic_sock *qs, const union quic_addr *local, const union quic_addr *peer,
		   const u8 *dcid, u32 bytes, u64 now)
{
	const struct quic_route *active = quic_sock_route(qs);
	struct quic_route route = { .local = *local, .peer = *peer };
	const struct quic_local_cid *cid;
	struct quic_path_args args = {};
	u8 i = quic_path_find(qs, local, peer);

	if (i != QUIC_PATH_NONE)
		return i;
	args.local = !quic_addr_equal(local, &active->local);
	if (args.local && !quic_path_is_preferred(qs, local))
		return QUIC_PATH_NONE;
	if (quic_udp_route(qs, &route))
		return QUIC_PATH_NONE;
	route.udp = args.local ? qs->preferred.udp : active->udp;
	refcount_inc(&route.udp->refs);

	args.mss = quic_udp_mss(qs, &route);
	args.same_hosts = !args.local && quic_addr_same_host(peer, &active->peer);
	cid = quic_local_cids_match(&qs->conn.local_cids, dcid, QUIC_CID_LEN);
	if (cid)
		args.local_seq = cid->seq;
	i = quic_conn_path_accept(&qs->conn, &args, now);
	if (i == QUIC_PATH_NONE) {
		quic_route_release(&route);
		return i;
	}
	qs->route[i] = route;
	quic_conn_on_datagram(&qs->conn, i, bytes, now);
	return i;
}

void quic_host_path_release(struct quic_conn *conn, u8 i)
{
	quic_route_release(&quic_conn_sock(conn)->route[i]);
}

void quic_host_path_use(struct quic_conn *conn, u8 i)
{
	/* Without it the connection works; resets and ICMP errors do not find it. */
	quic_demux_set_peer(quic_conn_sock(conn));
}

/**
 * quic_path_publish() - the active path is proven: show its addresses
 * @qs:    locked
 * @local: ours is another than before
 */
void quic_path_publish(struct quic_sock *qs, bool local)
{
	const struct quic_route *route = quic_sock_route(qs);
	struct sock *sk = quic_sock_sk(qs);

	if (local) {
		qs->bound = route->local;
		quic_sock_publish_local(sk, &qs->bound);
	}
	qs->peer = route->peer;
	quic_sock_publish_peer(sk, &qs->peer);
}

/* One packet of path frames along path @i; false: it could not be sent. */
static bool quic_path_output_one(struct quic_sock *qs, u8 i, u64 now)
{
	struct quic_key *key = qs->tx_key[QUIC_CRYPTO_APP];
	struct quic_conn *conn = &qs->conn;
	u32 tag = conn->plaintext ? 0 : QUIC_TAG_LEN;
	u32 room = quic_conn_path_room(conn, i);
	struct quic_tx_packet tx;
	struct quic_mask mask;
	struct sk_buff *skb;
	int size;

	skb = alloc_skb(QUIC_UDP_HEADROOM + room, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		goto later;
	skb_reserve(skb, QUIC_UDP_HEADROOM);
	quic_writer_init(&tx.w, skb->data, room - tag);
	if (quic_conn_tx_begin(conn, &tx, QUIC_CRYPTO_APP))
		goto free;
	quic_header_encode_short(&tx.w, quic_conn_path_cid(conn, i),
				 quic_key_phase_bit(&conn->key_phase), conn->grease, tx.pn,
				 tx.pn_len);
	if (!quic_conn_path_fill(conn, &tx, i, now)) {
		kfree_skb(skb);
		return false;
	}
	size = quic_output_seal(qs, key, &tx);
	if (size < 0) {
		quic_conn_tx_abandon(conn, &tx);
		goto free;
	}
	quic_conn_path_commit(conn, &tx, size, now);
	mask.first = skb->data;
	mask.pn = tx.start - tx.pn_len;
	if (!conn->plaintext)
		quic_protect_mask(key, &mask, 1);
	skb_put(skb, size);
	quic_udp_xmit(qs, &qs->route[i], skb, 0, 0);
	return true;

free:
	kfree_skb(skb);
later:
	conn->todo |= QUIC_TODO_TX;
	return false;
}

/**
 * quic_path_output() - send the path frames that are due, each on its path
 * @qs:  locked, BH off, with 1-RTT keys
 * @now: time
 */
void quic_path_output(struct quic_sock *qs, u64 now)
{
	u8 i;

	do {
		i = quic_conn_path_next_tx(&qs->conn);
	} while (i != QUIC_PATH_NONE && quic_path_output_one(qs, i, now));
}
