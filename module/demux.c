// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a datagram to its socket. Connections are found by connection ID in one
 * resizable table under a secret hash; by the peer's address only where there
 * is no ID of ours: a stateless reset, an ICMP error. Listeners are found by
 * address. What a packet means is for input.c and listen.c.
 * RFC 9000, section 5.2.
 */
#include <linux/jhash.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <net/ipv6.h>

#include "alpn.h"
#include "demux.h"
#include "net.h"
#include "sock.h"
#include "stateless.h"
#include "udp.h"

/* First byte, version, connection ID with its length: what finds a connection. */
#define QUIC_DEMUX_PEEK		(1 + 4 + 1 + QUIC_CID_MAX_LEN)
/* A socket in use may queue that much beyond its buffers. */
#define QUIC_DEMUX_BACKLOG	(64 << 10)

struct quic_cid_key {
	const struct net *net;
	const u8 *cid;
	u8 len;
};

/**
 * struct quic_peer_entry - a connection in the table by peer address
 * @node: in that table
 * @addr: the peer
 * @net:  its netns
 * @qs:   the socket; the entry holds no reference
 * @rcu:  for freeing
 */
struct quic_peer_entry {
	struct rhlist_head node;
	union quic_addr addr;
	struct net *net;
	struct quic_sock *qs;
	struct rcu_head rcu;
};

struct quic_peer_key {
	const struct net *net;
	const union quic_addr *addr;
};

static siphash_key_t quic_demux_secret;
static struct rhashtable quic_cid_table;
static struct rhltable quic_peer_table;

static u32 quic_cid_hash(const struct net *net, const u8 *cid, u8 len)
{
	u64 first;

	if (likely(len == QUIC_CID_LEN))
		first = get_unaligned((const u64 *)cid);
	else
		first = siphash(cid, len, &quic_demux_secret);
	return siphash_2u64(first, (unsigned long)net, &quic_demux_secret);
}

static u32 quic_cid_key_hash(const void *data, u32 len, u32 seed)
{
	const struct quic_cid_key *key = data;

	return quic_cid_hash(key->net, key->cid, key->len);
}

static u32 quic_cid_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct quic_cid_entry *entry = data;

	return quic_cid_hash(entry->net, entry->cid.data, entry->cid.len);
}

static int quic_cid_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct quic_cid_entry *entry = obj;
	const struct quic_cid_key *key = arg->key;

	return entry->net != key->net || entry->cid.len != key->len ||
	       memcmp(entry->cid.data, key->cid, key->len);
}

static const struct rhashtable_params quic_cid_params = {
	.head_offset = offsetof(struct quic_cid_entry, node),
	.hashfn = quic_cid_key_hash,
	.obj_hashfn = quic_cid_obj_hash,
	.obj_cmpfn = quic_cid_cmp,
	.automatic_shrinking = true,
};

static u32 quic_peer_hash(const struct net *net, const union quic_addr *addr)
{
	u64 where = (u64)(__force u16)quic_addr_port(addr) << 32 ^ net_hash_mix(net);

	if (addr->sa.sa_family == AF_INET6)
		return siphash_3u64(get_unaligned((const u64 *)&addr->v6.sin6_addr.s6_addr32[0]),
				    get_unaligned((const u64 *)&addr->v6.sin6_addr.s6_addr32[2]),
				    where, &quic_demux_secret);
	return siphash_2u64((__force u32)addr->v4.sin_addr.s_addr, where, &quic_demux_secret);
}

static u32 quic_peer_key_hash(const void *data, u32 len, u32 seed)
{
	const struct quic_peer_key *key = data;

	return quic_peer_hash(key->net, key->addr);
}

static u32 quic_peer_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct quic_peer_entry *entry = data;

	return quic_peer_hash(entry->net, &entry->addr);
}

static int quic_peer_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct quic_peer_entry *entry = obj;
	const struct quic_peer_key *key = arg->key;

	return entry->net != key->net || !quic_addr_equal(&entry->addr, key->addr);
}

static const struct rhashtable_params quic_peer_params = {
	.head_offset = offsetof(struct quic_peer_entry, node),
	.hashfn = quic_peer_key_hash,
	.obj_hashfn = quic_peer_obj_hash,
	.obj_cmpfn = quic_peer_cmp,
	.automatic_shrinking = true,
};

/*
 * Connections.
 */

static void quic_demux_drop_peer(struct quic_sock *qs)
{
	struct quic_peer_entry *entry = qs->peer_entry;

	if (!entry)
		return;
	rhltable_remove(&quic_peer_table, &entry->node, quic_peer_params);
	kfree_rcu(entry, rcu);
	qs->peer_entry = NULL;
}

/**
 * quic_demux_set_peer() - the peer's address of a connection is known, or changed
 * @qs: locked socket, @qs->peer set
 *
 * Return: 0, or -ENOMEM: resets and ICMP errors will not find it.
 */
int quic_demux_set_peer(struct quic_sock *qs)
{
	struct net *net = sock_net(quic_sock_sk(qs));
	struct quic_peer_entry *entry;
	struct quic_peer_key key;
	int err;

	quic_demux_drop_peer(qs);
	entry = kzalloc_obj(*entry, GFP_ATOMIC);
	if (!entry)
		return -ENOMEM;
	entry->addr = qs->peer;
	entry->net = net;
	entry->qs = qs;
	key.net = net;
	key.addr = &entry->addr;
	err = rhltable_insert_key(&quic_peer_table, &key, &entry->node, quic_peer_params);
	if (err) {
		kfree(entry);
		return err;
	}
	qs->peer_entry = entry;
	return 0;
}

/**
 * quic_demux_add_cid() - packets with this connection ID are for this socket
 * @qs:  locked socket, its peer's address known
 * @cid: the ID
 *
 * Return: 0, -EEXIST if somebody has it, -ENOMEM.
 */
int quic_demux_add_cid(struct quic_sock *qs, const struct quic_cid *cid)
{
	struct net *net = sock_net(quic_sock_sk(qs));
	struct quic_cid_key key = { .net = net, .cid = cid->data, .len = cid->len };
	struct quic_cid_entry *entry;
	int err;

	/* Without it the connection works, so a lack of memory is no reason to fail. */
	if (!qs->peer_entry)
		quic_demux_set_peer(qs);

	entry = kzalloc_obj(*entry, GFP_ATOMIC);
	if (!entry)
		return -ENOMEM;
	entry->cid = *cid;
	entry->net = net;
	entry->qs = qs;
	err = rhashtable_lookup_insert_key(&quic_cid_table, &key, &entry->node, quic_cid_params);
	if (err) {
		kfree(entry);
		return err == -EEXIST ? err : -ENOMEM;
	}
	hlist_add_head(&entry->list, &qs->cids);
	return 0;
}

static void quic_demux_free_cid(struct quic_cid_entry *entry)
{
	hlist_del(&entry->list);
	rhashtable_remove_fast(&quic_cid_table, &entry->node, quic_cid_params);
	kfree_rcu(entry, rcu);
}

/**
 * quic_demux_del_cid() - a connection ID is no longer in use
 * @qs:  locked socket
 * @cid: the ID; nothing happens if it is not there
 */
void quic_demux_del_cid(struct quic_sock *qs, const struct quic_cid *cid)
{
	struct quic_cid_entry *entry;

	hlist_for_each_entry(entry, &qs->cids, list) {
		if (quic_cid_equal(&entry->cid, cid)) {
			quic_demux_free_cid(entry);
			return;
		}
	}
}

/**
 * quic_demux_del_all() - no packet finds this connection any more
 * @qs: socket, locked or not shared
 */
void quic_demux_del_all(struct quic_sock *qs)
{
	struct quic_cid_entry *entry;
	struct hlist_node *next;

	hlist_for_each_entry_safe(entry, next, &qs->cids, list)
		quic_demux_free_cid(entry);
	quic_demux_drop_peer(qs);
}

/**
 * quic_demux_find_cid() - the socket of a connection ID
 * @net: netns
 * @cid: the ID
 * @len: its length
 *
 * Under RCU.
 *
 * Return: a held socket, or NULL.
 */
struct quic_sock *quic_demux_find_cid(struct net *net, const u8 *cid, u8 len)
{
	struct quic_cid_key key = { .net = net, .cid = cid, .len = len };
	struct quic_cid_entry *entry;

	entry = rhashtable_lookup(&quic_cid_table, &key, quic_cid_params);
	if (!entry || !refcount_inc_not_zero(&quic_sock_sk(entry->qs)->sk_refcnt))
		return NULL;
	return entry->qs;
}

/*
 * Listeners.
 */

/* How well does a listener suit a datagram to @local? 0: not at all. */
static int quic_listener_score(const struct quic_sock *qs, const struct quic_udp *udp,
			       const union quic_addr *local)
{
	const union quic_addr *addr = &qs->bound;
	const struct sock *sk = &qs->inet.sk;

	if (qs->udp != udp || quic_addr_port(addr) != quic_addr_port(local))
		return 0;
	if (quic_addr_equal(addr, local))
		return 3;
	if (!quic_addr_is_any(addr))
		return 0;
	if (addr->sa.sa_family == local->sa.sa_family)
		return 2;
	return addr->sa.sa_family == AF_INET6 && !ipv6_only_sock(sk) ? 1 : 0;
}

/* May a listener serve a client that offers @name; @name NULL: one without ALPN? */
static bool quic_listener_speaks(const struct quic_sock *qs, const u8 *name, u8 len)
{
	if (!name)
		return !qs->alpn_len;
	return quic_alpn_has(qs->alpn, qs->alpn_len, (const char *)name, len);
}

/* The best of those that @speak, or of all; among equals the peer's address decides. */
static struct quic_sock *quic_listener_best(struct net *net, const struct quic_udp *udp,
					    const union quic_addr *local,
					    const union quic_addr *peer, bool any_alpn,
					    const u8 *name, u8 len)
{
	struct quic_sock *qs, *best = NULL;
	int best_score = 0;
	u32 matches = 0;
	u32 hash = 0;

	hlist_for_each_entry_rcu(qs, &quic_net(net)->listeners, listener_node) {
		int score = quic_listener_score(qs, udp, local);

		if (!score || score < best_score ||
		    (!any_alpn && !quic_listener_speaks(qs, name, len)))
			continue;
		if (score > best_score) {
			best_score = score;
			best = qs;
			matches = 1;
			hash = quic_addr_hash(peer, (u32)quic_demux_secret.key[0]);
		} else if (qs->inet.sk.sk_reuseport) {
			matches++;
			if (!reciprocal_scale(hash, matches))
				best = qs;
			hash = jhash_1word(hash, matches);
		}
	}
	return best;
}

/**
 * quic_demux_find_listener() - the listener for a datagram of no connection
 * @net:      netns
 * @udp:      socket it came in on
 * @local:    where it went
 * @peer:     where it came from
 * @alpn:     the client's protocols, each with a length byte in front; NULL: not known
 * @alpn_len: bytes in @alpn; 0: the client offers none
 *
 * Under RCU. uapi.md, section 4.11.
 *
 * Return: a held listener, or NULL.
 */
struct quic_sock *quic_demux_find_listener(struct net *net, struct quic_udp *udp,
					   const union quic_addr *local,
					   const union quic_addr *peer,
					   const u8 *alpn, u32 alpn_len)
{
	struct quic_sock *qs = NULL;
	u32 i;

	if (!alpn || !alpn_len) {
		qs = quic_listener_best(net, udp, local, peer, !alpn, NULL, 0);
	} else {
		for (i = 0; !qs && i < alpn_len && alpn_len - i > alpn[i]; i += 1 + alpn[i])
			qs = quic_listener_best(net, udp, local, peer, false, &alpn[i + 1],
						alpn[i]);
	}
	if (!qs || !refcount_inc_not_zero(&quic_sock_sk(qs)->sk_refcnt))
		return NULL;
	return qs;
}

/**
 * quic_demux_needs_alpn() - does the client's ALPN list decide who listens
 * @net:   netns
 * @udp:   socket that the datagram came in on
 * @local: where it went
 *
 * Under RCU.
 */
bool quic_demux_needs_alpn(struct net *net, struct quic_udp *udp, const union quic_addr *local)
{
	struct quic_sock *qs;

	hlist_for_each_entry_rcu(qs, &quic_net(net)->listeners, listener_node) {
		if (qs->alpn_len && quic_listener_score(qs, udp, local))
			return true;
	}
	return false;
}

static bool quic_listener_conflicts(const struct quic_sock *a, const struct quic_sock *b)
{
	if (a->udp != b->udp || !quic_addr_equal(&a->bound, &b->bound))
		return false;
	if (a->alpn_len == b->alpn_len && !memcmp(a->alpn, b->alpn, a->alpn_len))
		return !a->inet.sk.sk_reuseport || !b->inet.sk.sk_reuseport;
	return quic_alpn_overlaps(a->alpn, a->alpn_len, b->alpn, b->alpn_len);
}

/**
 * quic_demux_add_listener() - datagrams without a connection may go to this socket
 * @qs: locked, bound socket
 *
 * Return: 0, or -EADDRINUSE: uapi.md, section 2.6.
 */
int quic_demux_add_listener(struct quic_sock *qs)
{
	struct quic_net *qn = quic_net(sock_net(quic_sock_sk(qs)));
	struct quic_sock *other;
	int err = 0;

	spin_lock_bh(&qn->lock);
	hlist_for_each_entry(other, &qn->listeners, listener_node) {
		if (quic_listener_conflicts(qs, other)) {
			err = -EADDRINUSE;
			break;
		}
	}
	if (!err)
		hlist_add_head_rcu(&qs->listener_node, &qn->listeners);
	spin_unlock_bh(&qn->lock);
	return err;
}

/**
 * quic_demux_del_listener() - no more datagrams for this listener
 * @qs: locked socket; nothing happens if it does not listen
 */
void quic_demux_del_listener(struct quic_sock *qs)
{
	struct quic_net *qn = quic_net(sock_net(quic_sock_sk(qs)));

	spin_lock_bh(&qn->lock);
	if (!hlist_unhashed(&qs->listener_node))
		hlist_del_init_rcu(&qs->listener_node);
	spin_unlock_bh(&qn->lock);
}

/*
 * Datagrams.
 */

static void quic_demux_drop(const struct quic_udp *udp, struct sk_buff *skb, enum quic_mib field)
{
	QUIC_INC_STATS(udp->net, field);
	kfree_skb(skb);
}

/* Takes over @skb and the reference. */
static void quic_demux_deliver(struct quic_udp *udp, struct quic_sock *qs, struct sk_buff *skb)
{
	struct sock *sk = quic_sock_sk(qs);

	bh_lock_sock_nested(sk);
	if (likely(!sock_owned_by_user(sk))) {
		QUIC_INC_STATS(udp->net, QUIC_MIB_PKT_RCVFASTPATHS);
		quic_input(qs, skb);
		quic_sock_settle(qs);
	} else if (!sk_add_backlog(sk, skb, READ_ONCE(sk->sk_rcvbuf) + READ_ONCE(sk->sk_sndbuf) +
				   QUIC_DEMUX_BACKLOG)) {
		QUIC_INC_STATS(udp->net, QUIC_MIB_PKT_RCVBACKLOGS);
	} else {
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_RCVDROP);
	}
	bh_unlock_sock(sk);
	sock_put(sk);
}

/*
 * A datagram that may be a stateless reset: whose peer sends from there and gave that token? The
 * look at the tokens is a hint, as it takes no lock; input.c decides. RFC 9000, section 10.3.1.
 */
static struct quic_sock *quic_demux_find_reset(struct net *net, const struct sk_buff *skb)
{
	union quic_addr local, peer;
	struct quic_peer_key key = { .net = net, .addr = &peer };
	struct rhlist_head *list, *pos;
	struct quic_peer_entry *entry;
	u8 token[QUIC_STATELESS_TOKEN_LEN];

	if (skb_copy_bits(skb, skb->len - sizeof(token), token, sizeof(token)))
		return NULL;
	quic_addr_from_skb(skb, &local, &peer);
	list = rhltable_lookup(&quic_peer_table, &key, quic_peer_params);
	rhl_for_each_entry_rcu(entry, pos, list, node) {
		struct quic_sock *qs = entry->qs;

		if (quic_remote_cids_is_reset(&qs->conn.remote_cids, token) &&
		    refcount_inc_not_zero(&quic_sock_sk(qs)->sk_refcnt))
			return qs;
	}
	return NULL;
}

/* A short header, at @data, with an ID that nobody has. */
static void quic_demux_short(struct quic_udp *udp, struct sk_buff *skb, const u8 *data)
{
	union quic_addr local, peer;
	struct quic_sock *qs;

	if (!(data[0] & QUIC_HEADER_FIXED_BIT) || skb->len < QUIC_STATELESS_RESET_MIN) {
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_INVHDRDROP);
		return;
	}
	qs = quic_demux_find_reset(udp->net, skb);
	if (qs) {
		quic_demux_deliver(udp, qs, skb);
		return;
	}
	quic_addr_from_skb(skb, &local, &peer);
	qs = quic_demux_find_listener(udp->net, udp, &local, &peer, NULL, 0);
	if (qs) {
		quic_stateless_reset(udp, skb, data + 1, qs->secret, skb->len);
		sock_put(quic_sock_sk(qs));
	}
	quic_demux_drop(udp, skb, QUIC_MIB_PKT_RCVDROP);
}

/* A long header with an ID that nobody has; the first datagram is @len bytes. */
static void quic_demux_long(struct quic_udp *udp, struct sk_buff *skb, u32 len)
{
	union quic_addr local, peer;
	struct quic_header hdr;
	struct quic_sock *qs;

	skb = skb_unshare(skb, GFP_ATOMIC);
	if (!skb) {
		QUIC_INC_STATS(udp->net, QUIC_MIB_PKT_RCVDROP);
		return;
	}
	if (!pskb_may_pull(skb, len) ||
	    quic_header_decode(skb->data, len, QUIC_CID_LEN, &hdr)) {
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_INVHDRDROP);
		return;
	}
	switch (hdr.type) {
	case QUIC_PACKET_UNKNOWN_VERSION:
		break;
	case QUIC_PACKET_INITIAL:
		/* RFC 9000, sections 7.2 and 14.1. */
		if (hdr.dcid.len < QUIC_INITIAL_MIN_DCID || len < QUIC_INITIAL_MIN_SIZE)
			goto invalid;
		fallthrough;
	case QUIC_PACKET_0RTT:
	case QUIC_PACKET_HANDSHAKE:
		if (!(hdr.first & QUIC_HEADER_FIXED_BIT))
			goto invalid;
		break;
	default:
		/* A server takes no Version Negotiation and no Retry. */
		goto invalid;
	}

	quic_addr_from_skb(skb, &local, &peer);
	qs = quic_demux_find_listener(udp->net, udp, &local, &peer, NULL, 0);
	if (!qs) {
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_RCVDROP);
		return;
	}
	if (hdr.type != QUIC_PACKET_UNKNOWN_VERSION) {
		quic_listen_receive(qs, udp, skb, &hdr);
	} else {
		/* RFC 9000, section 5.2.2. */
		if (len >= QUIC_INITIAL_MIN_SIZE)
			quic_stateless_version_negotiation(udp, skb, &hdr);
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_INVHDRDROP);
	}
	sock_put(quic_sock_sk(qs));
	return;

invalid:
	quic_demux_drop(udp, skb, QUIC_MIB_PKT_INVHDRDROP);
}

/* All datagrams of @skb are for one ID; the first is @len bytes. */
static void quic_demux_one(struct quic_udp *udp, struct sk_buff *skb, u32 len)
{
	u32 peek = min_t(u32, len, QUIC_DEMUX_PEEK);
	u8 buf[QUIC_DEMUX_PEEK];
	struct quic_sock *qs;
	const u8 *data, *dcid;
	u8 dcid_len;

	/*
	 * Not pulled: that would give a clone a head of its own whose pages are
	 * still the other's, and input.c could not tell that it must not write.
	 */
	data = skb_header_pointer(skb, 0, peek, buf);
	if (unlikely(!data) ||
	    unlikely(quic_header_peek_dcid(data, peek, QUIC_CID_LEN, &dcid, &dcid_len))) {
		quic_demux_drop(udp, skb, QUIC_MIB_PKT_INVHDRDROP);
		return;
	}
	qs = quic_demux_find_cid(udp->net, dcid, dcid_len);
	if (likely(qs))
		quic_demux_deliver(udp, qs, skb);
	else if (quic_header_is_long(data[0]))
		quic_demux_long(udp, skb, len);
	else
		quic_demux_short(udp, skb, data);
}

/* Do all datagrams of an aggregate bear the ID of the first? */
static bool quic_demux_is_uniform(struct sk_buff *skb, u32 size)
{
	u8 first[QUIC_CID_MAX_LEN], buf[QUIC_DEMUX_PEEK];
	struct skb_seq_state state;
	bool is_uniform = true;
	u8 first_len = 0;
	u32 at;

	skb_prepare_seq_read(skb, 0, skb->len, &state);
	for (at = 0; is_uniform && at < skb->len; at += size) {
		u32 len = min(size, skb->len - at);
		const u8 *data, *dcid;
		u8 dcid_len;
		u32 avail;

		avail = skb_seq_read(at, &data, &state);
		if (!avail)
			return false;	/* the walk has ended by itself */
		len = min_t(u32, len, QUIC_DEMUX_PEEK);
		if (unlikely(avail < len)) {
			if (skb_copy_bits(skb, at, buf, len)) {
				is_uniform = false;
				break;
			}
			data = buf;
		}
		if (quic_header_peek_dcid(data, len, QUIC_CID_LEN, &dcid, &dcid_len)) {
			is_uniform = false;
		} else if (!at) {
			memcpy(first, dcid, dcid_len);
			first_len = dcid_len;
		} else {
			is_uniform = dcid_len == first_len && !memcmp(dcid, first, dcid_len);
		}
	}
	skb_abort_seq_read(&state);
	return is_uniform;
}

/* A datagram of an aggregate as an skb of its own, with what addr.c reads in front. */
static struct sk_buff *quic_demux_cut(const struct sk_buff *skb, u32 at, u32 len)
{
	u32 hdr_len = skb->data - skb_network_header(skb);
	struct sk_buff *part;

	part = alloc_skb(NET_SKB_PAD + hdr_len + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!part)
		return NULL;
	skb_reserve(part, NET_SKB_PAD + hdr_len);
	if (skb_copy_bits(skb, at, skb_put(part, len), len)) {
		kfree_skb(part);
		return NULL;
	}
	memcpy(part->data - hdr_len, skb_network_header(skb), hdr_len);
	skb_set_network_header(part, -(int)hdr_len);
	skb_set_transport_header(part, skb_transport_offset(skb));
	part->protocol = skb->protocol;
	part->skb_iif = skb->skb_iif;
	part->tstamp = skb->tstamp;
	part->mark = skb->mark;
	part->ip_summed = CHECKSUM_UNNECESSARY;
	return part;
}

/**
 * quic_demux_receive() - a datagram or an aggregate of datagrams came in
 * @udp: socket it came in on
 * @skb: data points to the first QUIC packet, headers in front; taken over
 *
 * Softirq or BH off, under RCU.
 */
void quic_demux_receive(struct quic_udp *udp, struct sk_buff *skb)
{
	u32 size = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : 0;
	struct sk_buff *part;
	u32 at;

	if (!size || size >= skb->len) {
		quic_demux_one(udp, skb, skb->len);
		return;
	}
	if (likely(quic_demux_is_uniform(skb, size))) {
		quic_demux_one(udp, skb, size);
		return;
	}
	for (at = 0; at < skb->len; at += size) {
		u32 len = min(size, skb->len - at);

		part = quic_demux_cut(skb, at, len);
		if (part)
			quic_demux_one(udp, part, len);
		else
			QUIC_INC_STATS(udp->net, QUIC_MIB_PKT_RCVDROP);
	}
	consume_skb(skb);
}

/*
 * ICMP.
 */

/* Does the quoted packet bear the ID that we send to this peer? Without a lock: a hint. */
static bool quic_demux_is_quoted(struct quic_sock *qs, const u8 *quoted, u32 len)
{
	struct quic_remote_cid *remote = quic_remote_cids_active(&qs->conn.remote_cids);
	const u8 *dcid;
	u8 dcid_len;

	if (!remote || !remote->cid.len || remote->cid.len > QUIC_CID_MAX_LEN)
		return false;
	return !quic_header_peek_dcid(quoted, len, remote->cid.len, &dcid, &dcid_len) &&
	       dcid_len == remote->cid.len && !memcmp(dcid, remote->cid.data, dcid_len);
}

static void quic_demux_update_mtu(struct quic_sock *qs)
{
	struct sock *sk = quic_sock_sk(qs);

	bh_lock_sock_nested(sk);
	if (sock_owned_by_user(sk)) {
		/* release_cb drops the reference. */
		if (!test_and_set_bit(QUIC_DEFERRED_MTU, &qs->deferred))
			sock_hold(sk);
	} else if (quic_conn_is_open(&qs->conn)) {
		quic_conn_set_mss(&qs->conn, quic_udp_mss(qs));
		quic_sock_settle(qs);
	}
	bh_unlock_sock(sk);
}

/**
 * quic_demux_too_big() - a packet was too big for a link on the way
 * @net:   netns
 * @skb:   the ICMP message
 * @off:   where in it the quoted QUIC packet is
 * @local: source of the quoted packet
 * @peer:  its destination
 *
 * Only a connection whose packet is quoted looks at its route again, in which the IP layer has
 * recorded the smaller MTU. RFC 9000, section 14.2.1.
 */
void quic_demux_too_big(struct net *net, const struct sk_buff *skb, u32 off,
			const union quic_addr *local, const union quic_addr *peer)
{
	struct quic_peer_key key = { .net = net, .addr = peer };
	struct rhlist_head *list, *pos;
	struct quic_peer_entry *entry;
	u8 quoted[QUIC_DEMUX_PEEK];
	u32 len;

	if (off >= skb->len)
		return;
	len = min_t(u32, skb->len - off, sizeof(quoted));
	if (skb_copy_bits(skb, off, quoted, len))
		return;

	rcu_read_lock();
	list = rhltable_lookup(&quic_peer_table, &key, quic_peer_params);
	rhl_for_each_entry_rcu(entry, pos, list, node) {
		struct quic_sock *qs = entry->qs;

		if (!quic_addr_equal(&qs->local, local) ||
		    !quic_demux_is_quoted(qs, quoted, len) ||
		    !refcount_inc_not_zero(&quic_sock_sk(qs)->sk_refcnt))
			continue;
		quic_demux_update_mtu(qs);
		sock_put(quic_sock_sk(qs));
		break;
	}
	rcu_read_unlock();
}

/**
 * quic_demux_init() - module init
 */
int quic_demux_init(void)
{
	int err;

	get_random_bytes(&quic_demux_secret, sizeof(quic_demux_secret));
	err = rhashtable_init(&quic_cid_table, &quic_cid_params);
	if (err)
		return err;
	err = rhltable_init(&quic_peer_table, &quic_peer_params);
	if (err)
		rhashtable_destroy(&quic_cid_table);
	return err;
}

/**
 * quic_demux_exit() - module exit, when no socket is left
 */
void quic_demux_exit(void)
{
	rhltable_destroy(&quic_peer_table);
	rhashtable_destroy(&quic_cid_table);
}
