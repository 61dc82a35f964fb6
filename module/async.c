// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets at AEAD drivers that complete later: the line that they wait in, the
 * memory that they cost, and bursts on their way down. What is received is
 * async_rx.c's.
 */
#include <linux/slab.h>

#include "async.h"
#include "chunk.h"
#include "net.h"
#include "protect.h"
#include "sock.h"

DEFINE_STATIC_KEY_FALSE(quic_async_key);

/**
 * quic_async_enable() - there is a key with a driver that completes later
 *
 * For good: patching the branch for each connection would cost more than it saves. Process context.
 */
void quic_async_enable(void)
{
	if (!quic_async_is_on())
		static_branch_enable(&quic_async_key);
}

/* Memory is charged as that of data to send, or of data received. */
static bool quic_async_charge(struct sock *sk, enum quic_async_direction direction, u32 size)
{
	if (direction == QUIC_ASYNC_RX)
		return quic_rmem_charge(sk, size, true);
	if (!sk_wmem_schedule(sk, size))
		return false;
	sk_wmem_queued_add(sk, size);
	sk_mem_charge(sk, size);
	return true;
}

static void quic_async_uncharge(struct sock *sk, enum quic_async_direction direction, u32 size)
{
	if (direction == QUIC_ASYNC_RX)
		quic_rmem_uncharge(sk, size);
	else
		quic_wmem_uncharge(sk, size);
}

/**
 * quic_async_job_new() - an skb whose packets will be given to a driver
 * @qs:        socket, locked
 * @skb:       the skb; stays the caller's if there is no job
 * @key:       any key of the driver
 * @direction: QUIC_ASYNC_TX or QUIC_ASYNC_RX
 * @n:         packets
 *
 * quic_async_queue() must follow.
 *
 * Return: the job, or NULL: no memory, or the socket may have no more.
 */
struct quic_async_job *quic_async_job_new(struct quic_sock *qs, struct sk_buff *skb,
					  const struct quic_key *key,
					  enum quic_async_direction direction, u32 n)
{
	u32 masks = direction == QUIC_ASYNC_TX ? n * sizeof(struct quic_mask) : 0;
	u32 size = struct_size((struct quic_async_job *)NULL, packet, n) + masks;
	u32 charged = skb->truesize + size + n * quic_protect_later_size(key);
	struct sock *sk = quic_sock_sk(qs);
	struct quic_async_job *job;

	if (!quic_async_charge(sk, direction, charged))
		return NULL;
	job = kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
	if (!job) {
		quic_async_uncharge(sk, direction, charged);
		return NULL;
	}
	sock_hold(sk);
	job->qs = qs;
	job->skb = skb;
	job->charged = charged;
	job->n = n;
	job->mask = masks ? (struct quic_mask *)&job->packet[n] : NULL;
	atomic_set(&job->pending, 1);
	qs->async.packets[direction] += n;
	return job;
}

/* Its skb is gone; what was copied from it is not. */
static void quic_async_job_free(struct quic_async_job *job)
{
	struct sock *sk = quic_sock_sk(job->qs);
	struct quic_async_packet *packet;
	u32 i;

	for (i = 0; i < job->n; i++) {
		packet = &job->packet[i];
		if (packet->datagram.skb != job->skb)
			kfree_skb(packet->datagram.skb);
		quic_host_key_dispose(packet->key);
	}
	kfree(job);
	sock_put(sk);
}

/* A driver is through with a packet. BH off. */
static void quic_async_done(void *owner, u32 index, int err)
{
	struct quic_async_job *job = owner;
	struct quic_sock *qs = job->qs;
	struct sock *sk = quic_sock_sk(qs);

	job->packet[index].err = err;
	/* From zero on the job is the lock owner's, who may be letting go of the socket, too. */
	rcu_read_lock();
	if (atomic_dec_and_test(&job->pending) && refcount_inc_not_zero(&sk->sk_refcnt) &&
	    !queue_work(quic_wq, &qs->async.work))
		sock_put(sk);
	rcu_read_unlock();
}

/**
 * quic_async_ask() - give a packet of a job to its driver
 * @job:     job
 * @i:       which packet; its key and number are set
 * @data:    the packet
 * @hdr_len: length of its header
 * @len:     bytes behind it, without the tag to seal, with it to open
 * @seal:    encrypt; else decrypt
 *
 * A driver that has no room for it does not keep it from being done. BH off.
 */
void quic_async_ask(struct quic_async_job *job, u32 i, u8 *data, u32 hdr_len, u32 len, bool seal)
{
	struct quic_async_packet *packet = &job->packet[i];
	int err;

	atomic_inc(&job->pending);
	err = quic_protect_later(packet->key, data, hdr_len, len, packet->pn, seal,
				 quic_async_done, job, i);
	if (err == -EINPROGRESS)
		return;
	atomic_dec(&job->pending);	/* not the last: ours is left */
	if (err && err != -EBADMSG)
		err = seal ? quic_protect_seal(packet->key, data, hdr_len, data + hdr_len, len,
					       packet->pn) :
			     quic_protect_open(packet->key, data, hdr_len, len, packet->pn);
	packet->err = err;
}

/* All packets of a burst are sealed: off it goes, if its path still is the one. */
static void quic_async_send(struct quic_sock *qs, struct quic_async_job *job)
{
	struct quic_route *route = &qs->route[job->path];
	u32 i;

	for (i = 0; i < job->n; i++)
		if (job->packet[i].err)
			break;
	if (i < job->n || !qs->conn.path[job->path].in_use ||
	    !quic_addr_equal(&route->local, &job->local) ||
	    !quic_addr_equal(&route->peer, &job->peer)) {
		QUIC_ADD_STATS(sock_net(quic_sock_sk(qs)), QUIC_MIB_PKT_ENCDROP, job->n);
		kfree_skb(job->skb);
		return;
	}
	local_bh_disable();
	quic_protect_mask(job->packet[0].key, job->mask, job->n);
	local_bh_enable();
	quic_udp_xmit(qs, route, job->skb, job->gso_size, job->ecn);
}

/* Goes on with those that are at the head of their line and done. */
static void quic_async_run(struct quic_sock *qs, enum quic_async_direction direction)
{
	struct list_head *jobs = &qs->async.jobs[direction];
	struct quic_async_job *job;

	while (!list_empty(jobs)) {
		job = list_first_entry(jobs, struct quic_async_job, link);
		if (atomic_read_acquire(&job->pending))
			break;
		list_del(&job->link);
		qs->async.packets[direction] -= job->n;
		quic_async_uncharge(quic_sock_sk(qs), direction, job->charged);
		if (direction == QUIC_ASYNC_RX)
			quic_input_resume(qs, job->skb, job);
		else if (qs->is_dead)
			kfree_skb(job->skb);
		else
			quic_async_send(qs, job);
		quic_async_job_free(job);
	}
}

/**
 * quic_async_queue() - put a job in line, all of whose packets are with the driver
 * @job:       job; not the caller's any more
 * @direction: QUIC_ASYNC_TX or QUIC_ASYNC_RX
 *
 * The socket is locked. If the driver was done at once, so is the job.
 */
void quic_async_queue(struct quic_async_job *job, enum quic_async_direction direction)
{
	struct quic_sock *qs = job->qs;

	list_add_tail(&job->link, &qs->async.jobs[direction]);
	if (atomic_dec_and_test(&job->pending))
		quic_async_run(qs, direction);
}

/**
 * quic_async_has_room() - may another burst be given to a driver?
 * @qs: socket, locked
 *
 * If not, what is to be sent is sent when there is.
 */
bool quic_async_has_room(struct quic_sock *qs)
{
	qs->async.is_full = qs->async.packets[QUIC_ASYNC_TX] >= QUIC_ASYNC_PACKETS;
	return !qs->async.is_full;
}

/**
 * quic_async_seal() - send a burst that is in clear yet
 * @qs:       socket, locked, BH off
 * @key:      that protects it
 * @skb:      payload, room for the tags included; consumed
 * @mask:     its packets, where they lie, unless in the linear part of @skb
 * @n:        how many
 * @pn:       number of the first; the others follow one by one
 * @gso_size: as for quic_udp_xmit()
 * @ecn:      as for quic_udp_xmit()
 *
 * Return: 0; -ENOBUFS: @skb was taken, no more must come for the moment; -ENOMEM: it was dropped.
 */
int quic_async_seal(struct quic_sock *qs, struct quic_key *key, struct sk_buff *skb,
		    const struct quic_mask *mask, u32 n, u64 pn, u32 gso_size, u8 ecn)
{
	struct quic_async_job *job = quic_async_job_new(qs, skb, key, QUIC_ASYNC_TX, n);
	const struct quic_route *route = quic_sock_route(qs);
	u32 i, hdr_len, len;
	u8 *data;

	if (!job) {
		kfree_skb(skb);
		return -ENOMEM;
	}
	job->gso_size = gso_size;
	job->ecn = ecn;
	job->path = qs->conn.active_path;
	job->local = route->local;
	job->peer = route->peer;
	for (i = 0; i < n; i++) {
		data = skb_shinfo(skb)->nr_frags ? mask[i].first : skb->data;
		job->mask[i].first = data;
		job->mask[i].pn = data + (mask[i].pn - mask[i].first);
		job->packet[i].key = quic_key_get(key);
		job->packet[i].pn = pn + i;
		hdr_len = job->mask[i].pn - data + (data[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
		len = i + 1 < n ? gso_size : skb->len - i * gso_size;
		quic_async_ask(job, i, data, hdr_len, len - hdr_len - QUIC_TAG_LEN, true);
	}
	quic_async_queue(job, QUIC_ASYNC_TX);
	return quic_async_has_room(qs) ? 0 : -ENOBUFS;
}

static void quic_async_work(struct work_struct *work)
{
	struct quic_sock *qs = container_of(work, struct quic_sock, async.work);
	struct sock *sk = quic_sock_sk(qs);

	lock_sock(sk);
	quic_async_run(qs, QUIC_ASYNC_RX);
	quic_async_run(qs, QUIC_ASYNC_TX);
	qs->conn.todo |= QUIC_TODO_WAKE_SPACE;
	if (qs->async.is_full && quic_async_has_room(qs))
		qs->conn.todo |= QUIC_TODO_TX;
	quic_sock_settle(qs);
	release_sock(sk);
	sock_put(sk);
}

/**
 * quic_async_init() - a new socket has nothing at drivers
 * @qs: socket
 */
void quic_async_init(struct quic_sock *qs)
{
	INIT_LIST_HEAD(&qs->async.jobs[QUIC_ASYNC_TX]);
	INIT_LIST_HEAD(&qs->async.jobs[QUIC_ASYNC_RX]);
	INIT_WORK(&qs->async.work, quic_async_work);
}
