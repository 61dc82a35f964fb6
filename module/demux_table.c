// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables in which packets find their connection: by connection ID, in one
 * resizable table under a secret hash; by the peer's address, where there is no
 * ID of ours in the packet. RFC 9000, section 5.2.
 */
#include <linux/jhash.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <net/ipv6.h>

#include "demux.h"
#include "sock.h"

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
 * @qs: locked socket, its peer's address set
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
	entry->addr = quic_sock_route(qs)->peer;
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

/**
 * quic_demux_find_peer() - a connection by its peer's address
 * @net:   netns
 * @peer:  the address
 * @match: is it this one? Called without a lock: a hint
 * @arg:   for @match
 *
 * Under RCU.
 *
 * Return: a held socket, or NULL.
 */
struct quic_sock *quic_demux_find_peer(struct net *net, const union quic_addr *peer,
				       bool (*match)(struct quic_sock *qs, const void *arg),
				       const void *arg)
{
	struct quic_peer_key key = { .net = net, .addr = peer };
	struct rhlist_head *list, *pos;
	struct quic_peer_entry *entry;

	list = rhltable_lookup(&quic_peer_table, &key, quic_peer_params);
	rhl_for_each_entry_rcu(entry, pos, list, node)
		if (match(entry->qs, arg) &&
		    refcount_inc_not_zero(&quic_sock_sk(entry->qs)->sk_refcnt))
			return entry->qs;
	return NULL;
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
