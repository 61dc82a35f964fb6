// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The associations of a connection. What it needs of devices follows from its
 * route, its path, its keys and its connection IDs; whenever one of them has
 * changed, work brings the associations in line. Packets are protected in
 * software until that is done.
 */
#include <net/lwtunnel.h>
#include <net/xfrm.h>

#include "net.h"
#include "offload.h"
#include "protect.h"
#include "sock.h"

/* The key that comes next for an association, and whether there is one. */
struct quic_offload_next {
	struct quic_offload_key key;
	bool is_due;
};

static const struct net_device *quic_offload_netdev(struct quic_sock *qs)
{
	const struct dst_entry *dst = quic_sock_route(qs)->dst;

	/* What transforms packets before they reach the device would do so in clear. */
	return dst && !dst_xfrm(dst) && !dst->lwtstate ? dst->dev : NULL;
}

static u64 quic_offload_remote_cid(struct quic_sock *qs)
{
	return quic_remote_cids_active(&qs->conn.remote_cids)->seq;
}

static bool quic_offload_is_in_line(struct quic_sock *qs)
{
	const struct quic_offload_state *state = &qs->offload;

	return state->epoch == quic_offload_epoch() && state->path == qs->conn.active_path &&
	       state->generation == qs->conn.key_phase.generation && state->dcid == qs->rx_dcid &&
	       state->has_previous == !!qs->rx_previous && state->has_next == !!qs->rx_next &&
	       state->remote_cid == quic_offload_remote_cid(qs) &&
	       state->netdev == quic_offload_netdev(qs);
}

static void quic_offload_queue(struct quic_sock *qs)
{
	sock_hold(quic_sock_sk(qs));
	if (!queue_work(quic_wq, &qs->offload.work))
		sock_put(quic_sock_sk(qs));
}

/**
 * quic_offload_look() - has anything changed that devices should know?
 * @qs: socket, locked
 */
void quic_offload_look(struct quic_sock *qs)
{
	if (unlikely(!quic_offload_is_in_line(qs)))
		quic_offload_queue(qs);
}

/* May the connection use that device in that direction? */
static bool quic_offload_suits(struct quic_sock *qs, const struct quic_offload_dev *dev,
			       enum quic_offload_direction direction)
{
	const struct quic_offload_caps *caps = &dev->caps;
	const struct quic_key *key = qs->tx_key[QUIC_CRYPTO_APP];
	u8 cid_len = direction == QUIC_OFFLOAD_TX ?
			     quic_remote_cids_active(&qs->conn.remote_cids)->cid.len :
			     QUIC_CID_LEN;

	return (caps->directions & BIT(direction)) && key && (caps->ciphers & BIT_ULL(key->cipher)) &&
	       cid_len >= caps->cid_len_min && cid_len <= caps->cid_len_max &&
	       (direction == QUIC_OFFLOAD_TX || (qs->rx_dcid && !qs->offload.is_distrusted));
}

/* The device that the connection should be with now; a reference. */
static struct quic_offload_dev *quic_offload_wanted(struct quic_sock *qs)
{
	const struct net_device *netdev = quic_offload_netdev(qs);

	if (qs->is_dead || qs->conn.state != QUIC_CONN_ESTABLISHED || qs->conn.plaintext ||
	    qs->offload.is_off || !netdev || !READ_ONCE(quic_net(sock_net(quic_sock_sk(qs)))->offload))
		return NULL;
	return quic_offload_dev_get(netdev);
}

static void quic_offload_key_fill(struct quic_offload_key *to, const struct quic_key *from)
{
	to->cipher = from->cipher;
	to->len = from->len;
	to->phase = from->generation & 1;
	to->generation = from->generation;
	memcpy(to->key, from->key, from->len);
	memcpy(to->iv, from->iv, sizeof(to->iv));
	memcpy(to->hp, from->hp_key, from->len);
}

static void quic_offload_fill(struct quic_sock *qs, struct quic_offload_assoc *assoc,
			      struct quic_offload_key *key)
{
	struct quic_conn *conn = &qs->conn;
	const struct quic_route *route = &qs->route[conn->active_path];
	bool tx = assoc->direction == QUIC_OFFLOAD_TX;
	const struct quic_cid *cid;

	assoc->version = conn->version;
	assoc->path = conn->active_path;
	memcpy(&assoc->local, &route->local, sizeof(route->local));
	memcpy(&assoc->peer, &route->peer, sizeof(route->peer));
	if (tx) {
		cid = &quic_remote_cids_active(&conn->remote_cids)->cid;
		assoc->cid_len = cid->len;
		memcpy(assoc->cid, cid->data, cid->len);
		assoc->next_pn = conn->space[QUIC_SPACE_APP]->loss.sent.next;
	} else {
		assoc->cid_len = QUIC_CID_LEN;
		memcpy(assoc->cid, &qs->rx_dcid, QUIC_CID_LEN);
		assoc->next_pn = quic_conn_largest_received(conn, QUIC_CRYPTO_APP) + 1;
	}
	quic_offload_key_fill(key, tx ? qs->tx_key[QUIC_CRYPTO_APP] : qs->rx_key[QUIC_CRYPTO_APP]);
	assoc->newest = key->generation;
}

/* Does @assoc still describe the connection? Its keys may be behind. */
static bool quic_offload_fits(struct quic_sock *qs, const struct quic_offload_assoc *assoc,
			      const struct quic_offload_dev *dev)
{
	struct quic_conn *conn = &qs->conn;
	const struct quic_cid *remote;

	if (READ_ONCE(assoc->is_dead) || assoc->dev != dev || assoc->path != conn->active_path ||
	    !quic_offload_suits(qs, dev, assoc->direction) ||
	    !quic_addr_equal((const union quic_addr *)&assoc->local,
			     &qs->route[conn->active_path].local) ||
	    !quic_addr_equal((const union quic_addr *)&assoc->peer,
			     &qs->route[conn->active_path].peer))
		return false;
	if (assoc->direction == QUIC_OFFLOAD_RX)
		return !memcmp(assoc->cid, &qs->rx_dcid, QUIC_CID_LEN);
	remote = &quic_remote_cids_active(&conn->remote_cids)->cid;
	return remote->len == assoc->cid_len && !memcmp(remote->data, assoc->cid, assoc->cid_len);
}

/* RX gets the next key before its first packet, but not over one that is still in use. */
static void quic_offload_next_key(const struct quic_sock *qs,
				  const struct quic_offload_assoc *assoc,
				  struct quic_offload_next *next)
{
	const struct quic_key *key = assoc->direction == QUIC_OFFLOAD_TX ?
					     qs->tx_key[QUIC_CRYPTO_APP] :
					     qs->rx_key[QUIC_CRYPTO_APP];

	next->is_due = false;
	if (!key || qs->is_dead)
		return;
	if (assoc->newest == key->generation && assoc->direction == QUIC_OFFLOAD_RX &&
	    !qs->rx_previous && assoc->dev->caps.rx_phases > 1)
		key = qs->rx_next;
	if (!key || assoc->newest >= key->generation)
		return;
	quic_offload_key_fill(&next->key, key);
	next->is_due = true;
}

/* Lets go of an association; the socket is locked. The caller ends what comes back. */
static struct quic_offload_assoc *quic_offload_drop(struct quic_sock *qs,
						    enum quic_offload_direction direction)
{
	struct quic_offload_assoc *assoc = qs->offload.assoc[direction];

	qs->offload.assoc[direction] = NULL;
	if (assoc && READ_ONCE(assoc->is_dead))
		qs->offload.fallbacks++;
	if (assoc && direction == QUIC_OFFLOAD_RX)
		qs->offload.rx_before = assoc->index;
	return assoc;
}

/* A new association, offered to the device; only then is it the connection's. */
static void quic_offload_begin(struct quic_sock *qs, struct quic_offload_dev *dev,
			       enum quic_offload_direction direction)
{
	struct quic_offload_assoc *assoc = quic_offload_assoc_new(dev, direction);
	struct sock *sk = quic_sock_sk(qs);
	struct quic_offload_key key = {};
	bool fits = false;
	int err;

	if (!assoc)
		return;
	lock_sock(sk);
	if (!qs->is_dead && qs->conn.state == QUIC_CONN_ESTABLISHED &&
	    quic_offload_suits(qs, dev, direction)) {
		quic_offload_fill(qs, assoc, &key);
		fits = true;
	}
	release_sock(sk);
	err = fits ? quic_offload_assoc_add(assoc, &key) : -ECANCELED;
	memzero_explicit(&key, sizeof(key));
	if (err) {
		quic_offload_assoc_put(assoc);
		return;
	}
	lock_sock(sk);
	fits = !qs->is_dead && quic_offload_fits(qs, assoc, dev);
	if (fits)
		qs->offload.assoc[direction] = assoc;
	release_sock(sk);
	if (!fits)
		quic_offload_assoc_end(assoc);
}

static void quic_offload_rekey(struct quic_sock *qs, enum quic_offload_direction direction)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_offload_assoc *assoc, *dropped = NULL;
	struct quic_offload_next next;
	int err;

	for (;;) {
		next.is_due = false;
		lock_sock(sk);
		/* Only this work lets go of it, so it stays when the lock is given up. */
		assoc = qs->offload.assoc[direction];
		if (assoc && !READ_ONCE(assoc->is_dead))
			quic_offload_next_key(qs, assoc, &next);
		release_sock(sk);
		if (!next.is_due)
			break;
		err = quic_offload_assoc_rekey(assoc, &next.key);
		lock_sock(sk);
		if (err)
			dropped = quic_offload_drop(qs, direction);
		else
			assoc->newest = next.key.generation;
		release_sock(sk);
		if (err)
			break;
	}
	memzero_explicit(&next, sizeof(next));
	if (dropped)
		quic_offload_assoc_end(dropped);
}

static void quic_offload_update(struct quic_sock *qs, enum quic_offload_direction direction)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_offload_assoc *dropped = NULL;
	struct quic_offload_dev *dev;
	bool begin;

	lock_sock(sk);
	dev = quic_offload_wanted(qs);
	if (qs->offload.assoc[direction] &&
	    (!dev || !quic_offload_fits(qs, qs->offload.assoc[direction], dev)))
		dropped = quic_offload_drop(qs, direction);
	begin = dev && !qs->offload.assoc[direction] && quic_offload_suits(qs, dev, direction);
	release_sock(sk);
	if (dropped)
		quic_offload_assoc_end(dropped);
	if (begin)
		quic_offload_begin(qs, dev, direction);
	quic_offload_rekey(qs, direction);
	quic_offload_dev_put(dev);
}

static void quic_offload_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, offload.work);
	struct quic_offload_state *state = &qs->offload;
	struct sock *sk = quic_sock_sk(qs);

	lock_sock(sk);
	/* What changes from here on is looked at again. */
	state->epoch = quic_offload_epoch();
	state->path = qs->conn.active_path;
	state->generation = qs->conn.key_phase.generation;
	state->has_previous = qs->rx_previous;
	state->has_next = qs->rx_next;
	state->dcid = qs->rx_dcid;
	state->remote_cid = quic_offload_remote_cid(qs);
	state->netdev = qs->is_dead ? NULL : quic_offload_netdev(qs);
	release_sock(sk);
	quic_offload_update(qs, QUIC_OFFLOAD_TX);
	quic_offload_update(qs, QUIC_OFFLOAD_RX);
	sock_put(sk);
}

/**
 * quic_offload_state_init() - a new socket has nothing to do with devices
 * @qs: socket
 */
void quic_offload_state_init(struct quic_sock *qs)
{
	INIT_WORK(&qs->offload.work, quic_offload_work);
}

/**
 * quic_offload_release() - the connection is over
 * @qs: socket, locked, quic_sock.is_dead set
 */
void quic_offload_release(struct quic_sock *qs)
{
	if (qs->offload.assoc[QUIC_OFFLOAD_TX] || qs->offload.assoc[QUIC_OFFLOAD_RX])
		quic_offload_queue(qs);
}

/**
 * quic_offload_switch() - the user allows devices, or forbids them
 * @qs: socket, locked
 * @on: allow
 */
void quic_offload_switch(struct quic_sock *qs, bool on)
{
	qs->offload.is_off = !on;
	if (quic_offload_is_on())
		quic_offload_queue(qs);
}

/**
 * quic_offload_does() - are packets of a direction protected by a device?
 * @qs:        socket, locked or only looked at
 * @direction: QUIC_OFFLOAD_TX or QUIC_OFFLOAD_RX
 */
bool quic_offload_does(const struct quic_sock *qs, enum quic_offload_direction direction)
{
	const struct quic_offload_assoc *assoc;
	bool does;

	rcu_read_lock();
	assoc = READ_ONCE(qs->offload.assoc[direction]);
	does = assoc && !READ_ONCE(assoc->is_dead);
	rcu_read_unlock();
	return does;
}

/**
 * quic_offload_distrust() - a device said what is not true of a received packet
 * @qs: socket, locked
 *
 * The connection takes no more packets from devices.
 */
void quic_offload_distrust(struct quic_sock *qs)
{
	if (qs->offload.is_distrusted)
		return;
	qs->offload.is_distrusted = true;
	if (qs->offload.assoc[QUIC_OFFLOAD_RX])
		quic_offload_count(qs->offload.assoc[QUIC_OFFLOAD_RX]->dev,
				   QUIC_OFFLOAD_COUNT_DISTRUSTED, 1);
	quic_offload_queue(qs);
}
