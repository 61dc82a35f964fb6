// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where listeners are told apart by protocol, a client's first datagrams wait
 * here until its ClientHello is complete, which may take several; it is
 * decrypted and read in process context, because Initial keys must be derived.
 * Then they go to the listener, which makes a request of them (listen.c).
 * uapi.md, section 4.11.
 */
#include <linux/jhash.h>
#include <linux/workqueue.h>

#include "core/client_hello.h"
#include "demux.h"
#include "demux_hello.h"
#include "drop.h"
#include "net.h"
#include "protect.h"
#include "sock.h"
#include "udp.h"

#define QUIC_HELLO_BUCKETS	256
#define QUIC_HELLO_PACKETS	4096		/* waiting in a netns */
#define QUIC_HELLO_BYTES	(16 << 20)	/* their memory */
#define QUIC_HELLO_ONE_BYTES	(128 << 10)	/* memory of one client's */
#define QUIC_HELLO_TIME		(10 * HZ)	/* for the rest to come */

/**
 * struct quic_hello - a client whose ClientHello is being gathered
 * @node:    in the table, by connection ID and address
 * @age:     in the table, oldest first
 * @ready:   in the table while there is something to do, else empty
 * @udp:     socket that they came in on, held
 * @local:   where they went
 * @peer:    where they came from
 * @dcid:    the client's first destination connection ID
 * @version: of its packets
 * @fresh:   datagrams not looked at, guarded by the table's lock
 * @read:    those that were; the work's
 * @key:     opens Initial packets of the client; the work's
 * @message: what they contain; the work's
 * @expires: jiffies
 * @packets: its datagrams
 * @bytes:   their memory
 * @is_over: to be dropped
 */
struct quic_hello {
	struct hlist_node node;
	struct list_head age;
	struct list_head ready;
	struct quic_udp *udp;
	union quic_addr local;
	union quic_addr peer;
	struct quic_cid dcid;
	u32 version;
	struct sk_buff_head fresh;
	struct sk_buff_head read;
	struct quic_key *key;
	struct quic_client_hello message;
	unsigned long expires;
	u32 packets;
	u32 bytes;
	bool is_over;
};

/**
 * struct quic_hello_table - all of them in a netns
 * @lock:    guards all but @net, innermost
 * @net:     the netns
 * @work:    the only one who frees what is in the table
 * @age:     all, oldest first
 * @ready:   those with something to do
 * @packets: datagrams in the table
 * @bytes:   their memory
 * @seed:    of the hash
 * @bucket:  all, by connection ID and address
 */
struct quic_hello_table {
	spinlock_t lock;	/* see above */
	struct net *net;
	struct delayed_work work;
	struct list_head age;
	struct list_head ready;
	u32 packets;
	u32 bytes;
	u32 seed;
	struct hlist_head bucket[QUIC_HELLO_BUCKETS];
};

/* Of its own, as it has to outlive all network namespaces. */
static struct workqueue_struct *quic_hello_wq;

static struct hlist_head *quic_hello_bucket(struct quic_hello_table *table,
					    const struct quic_cid *dcid,
					    const union quic_addr *peer)
{
	u32 hash = jhash(dcid->data, dcid->len, quic_addr_hash(peer, table->seed));

	return &table->bucket[hash % QUIC_HELLO_BUCKETS];
}

/* Lock held. */
static struct quic_hello *quic_hello_find(struct quic_hello_table *table,
					  const struct quic_udp *udp,
					  const struct quic_header *hdr,
					  const union quic_addr *local,
					  const union quic_addr *peer)
{
	struct quic_hello *hello;

	hlist_for_each_entry(hello, quic_hello_bucket(table, &hdr->dcid, peer), node) {
		if (hello->udp == udp && hello->version == hdr->version &&
		    quic_cid_equal(&hello->dcid, &hdr->dcid) &&
		    quic_addr_equal(&hello->peer, peer) && quic_addr_equal(&hello->local, local))
			return hello;
	}
	return NULL;
}

/* Lock held. */
static struct quic_hello *quic_hello_new(struct quic_hello_table *table, struct quic_udp *udp,
					 const struct quic_header *hdr,
					 const union quic_addr *local,
					 const union quic_addr *peer)
{
	struct quic_hello *hello;

	hello = kzalloc_obj(*hello, GFP_ATOMIC | __GFP_NOWARN);
	if (!hello)
		return NULL;
	if (!refcount_inc_not_zero(&udp->refs)) {
		kfree(hello);
		return NULL;
	}
	hello->udp = udp;
	hello->local = *local;
	hello->peer = *peer;
	hello->dcid = hdr->dcid;
	hello->version = hdr->version;
	__skb_queue_head_init(&hello->fresh);
	__skb_queue_head_init(&hello->read);
	quic_client_hello_init(&hello->message);
	INIT_LIST_HEAD(&hello->ready);
	hello->expires = jiffies + QUIC_HELLO_TIME;
	list_add_tail(&hello->age, &table->age);
	hlist_add_head(&hello->node, quic_hello_bucket(table, &hdr->dcid, peer));
	return hello;
}

/* Lock held; the work does the rest. */
static void quic_hello_end(struct quic_hello_table *table, struct quic_hello *hello)
{
	hello->is_over = true;
	list_move_tail(&hello->ready, &table->ready);
}

/* Lock held. Room for one more? If not, the oldest has waited long enough. */
static bool quic_hello_has_room(struct quic_hello_table *table, const struct sk_buff *skb)
{
	if (table->packets < QUIC_HELLO_PACKETS && table->bytes + skb->truesize <= QUIC_HELLO_BYTES)
		return true;
	if (!list_empty(&table->age))
		quic_hello_end(table, list_first_entry(&table->age, struct quic_hello, age));
	return false;
}

/* Lock held. */
static void quic_hello_count(struct quic_hello_table *table, struct quic_hello *hello, int packets,
			     int bytes)
{
	hello->packets += packets;
	hello->bytes += bytes;
	table->packets += packets;
	table->bytes += bytes;
}

/* Lock held. Takes @skb over if it fits. */
static bool quic_hello_store(struct quic_hello_table *table, struct quic_hello *hello,
			     struct sk_buff *skb)
{
	if (hello->is_over || hello->bytes + skb->truesize > QUIC_HELLO_ONE_BYTES)
		return false;
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb->dev = NULL;
	quic_hello_count(table, hello, 1, skb->truesize);
	__skb_queue_tail(&hello->fresh, skb);
	list_move_tail(&hello->ready, &table->ready);
	return true;
}

/**
 * quic_hello_receive() - a datagram of a client that has no listener yet
 * @udp: socket that it came in on
 * @skb: datagram or GRO aggregate, the first datagram linear; taken over
 * @hdr: header of its first packet, a supported version
 *
 * Softirq, under RCU.
 */
void quic_hello_receive(struct quic_udp *udp, struct sk_buff *skb, const struct quic_header *hdr)
{
	struct quic_hello_table *table = quic_net(udp->net)->hellos;
	union quic_addr local, peer;
	struct quic_sock *listener;
	struct quic_hello *hello;
	bool is_stored = false;

	quic_addr_from_skb(skb, &local, &peer);
	listener = quic_demux_find_request(udp->net, udp, hdr, &local, &peer);
	if (listener) {
		quic_listen_receive(listener, udp, skb, hdr);
		sock_put(quic_sock_sk(listener));
		return;
	}

	spin_lock_bh(&table->lock);
	if (quic_hello_has_room(table, skb)) {
		hello = quic_hello_find(table, udp, hdr, &local, &peer);
		/* 0-RTT packets may overtake the first Initial: RFC 9000, section 5.2.2. */
		if (!hello && hdr->type != QUIC_PACKET_HANDSHAKE &&
		    hdr->dcid.len >= QUIC_INITIAL_MIN_DCID)
			hello = quic_hello_new(table, udp, hdr, &local, &peer);
		is_stored = hello && quic_hello_store(table, hello, skb);
	}
	if (!list_empty(&table->ready))
		mod_delayed_work(quic_hello_wq, &table->work, 0);
	spin_unlock_bh(&table->lock);

	if (!is_stored)
		quic_drop_skb(udp->net, skb, QUIC_DROP_LISTENER_FULL);
}

/* Opens one Initial packet, a copy, and reads its frames. -EBADMSG: it is not the client's. */
static int quic_hello_open(struct quic_hello *hello, u8 *packet, const struct quic_header *hdr)
{
	struct quic_mask mask = { packet, packet + hdr->pn_offset };
	u32 truncated = 0, hdr_len, len;
	u8 pn_len, i;
	int err;
	u64 pn;

	if (!quic_header_has_sample(hdr))
		return -EBADMSG;
	local_bh_disable();
	quic_protect_unmask(hello->key, &mask, 1);
	pn_len = (packet[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
	for (i = 0; i < pn_len; i++)
		truncated = truncated << 8 | packet[hdr->pn_offset + i];
	pn = quic_pn_expand(-1, truncated, pn_len);
	hdr_len = hdr->pn_offset + pn_len;
	len = hdr->packet_len - hdr_len;
	err = quic_protect_open(hello->key, packet, hdr_len, len, pn);
	local_bh_enable();
	if (err)
		return -EBADMSG;
	err = quic_client_hello_add_packet(&hello->message, packet + hdr_len, len - QUIC_TAG_LEN);
	/* What a client itself broke is no forgery. */
	return err == -EBADMSG ? -EPROTO : err;
}

/* The Initial packets of one datagram, a copy. */
static int quic_hello_read_datagram(struct quic_hello *hello, u8 *data, u32 len)
{
	bool is_opened = false, is_forged = false;
	struct quic_header hdr;
	int err;

	while (len && !quic_header_decode(data, len, QUIC_CID_LEN, &hdr)) {
		if (hdr.type == QUIC_PACKET_INITIAL && hdr.version == hello->version &&
		    quic_cid_equal(&hdr.dcid, &hello->dcid)) {
			err = quic_hello_open(hello, data, &hdr);
			if (err && err != -EBADMSG)
				return err;
			is_opened |= !err;
			is_forged |= err;
		}
		data += hdr.packet_len;
		len -= hdr.packet_len;
	}
	return is_forged && !is_opened ? -EBADMSG : 0;
}

static int quic_hello_read_skb(struct quic_hello *hello, const struct sk_buff *skb)
{
	u32 size = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : skb->len;
	int err = 0;
	u8 *copy;
	u32 at;

	/* The connection will decrypt the packet once more, in its own place. */
	copy = kmalloc(min(size, skb->len), GFP_KERNEL | __GFP_NOWARN);
	if (!copy)
		return -ENOMEM;
	for (at = 0; !err && at < skb->len; at += size) {
		u32 len = min(size, skb->len - at);

		err = skb_copy_bits(skb, at, copy, len) ? -EBADMSG :
		      quic_hello_read_datagram(hello, copy, len);
	}
	kfree(copy);
	return err;
}

/* Looks at what came. 0: the message is complete; -EAGAIN: not yet; else there is none. */
static int quic_hello_read(struct quic_hello_table *table, struct quic_hello *hello,
			   struct sk_buff_head *fresh, const u8 **alpn, u32 *len)
{
	struct sk_buff *skb;
	int err = 0;

	if (!hello->key)
		err = quic_keys_initial(hello->version, &hello->dcid, true, NULL, &hello->key);
	while (!err && (skb = __skb_dequeue(fresh))) {
		err = quic_hello_read_skb(hello, skb);
		if (err != -EBADMSG) {
			__skb_queue_tail(&hello->read, skb);
			continue;
		}
		/* Anybody could have sent that: it does not spoil the rest. */
		spin_lock_bh(&table->lock);
		quic_hello_count(table, hello, -1, -(int)skb->truesize);
		spin_unlock_bh(&table->lock);
		quic_drop_skb(table->net, skb, QUIC_DROP_AUTHENTICATION);
		err = 0;
	}
	if (err)
		return err;
	if (skb_queue_empty(&hello->read))
		return -EBADMSG;
	err = quic_client_hello_find_alpn(&hello->message, alpn, len);
	if (err == -EAGAIN && hello->message.is_probed) {
		/*
		 * A part was lost, and the client will not send it again before
		 * it sees an acknowledgment, which takes a connection: RFC 9002,
		 * section 6.2.4. Who listens is then chosen without the list.
		 */
		*alpn = NULL;
		*len = 0;
		return 0;
	}
	return err;
}

/* Hands @queue to @listener, or drops it: NULL. */
static void quic_hello_hand_over(struct quic_hello *hello, struct sk_buff_head *queue,
				 struct quic_sock *listener)
{
	struct quic_header hdr;
	struct sk_buff *skb;
	u32 len;

	while ((skb = __skb_dequeue(queue))) {
		len = skb_is_gso(skb) ? min_t(u32, skb_shinfo(skb)->gso_size, skb->len) : skb->len;
		if (listener && !quic_header_decode(skb->data, len, QUIC_CID_LEN, &hdr)) {
			quic_listen_receive(listener, hello->udp, skb, &hdr);
			continue;
		}
		quic_drop_skb(hello->udp->net, skb, QUIC_DROP_NO_LISTENER);
	}
}

static void quic_hello_free(struct quic_hello *hello)
{
	quic_client_hello_destroy(&hello->message);
	quic_key_free(hello->key);
	quic_udp_put(hello->udp);
	kfree(hello);
}

/* The end of the wait: @listener gets all datagrams, or nobody does. BH off. */
static void quic_hello_finish(struct quic_hello_table *table, struct quic_hello *hello,
			      struct quic_sock *listener)
{
	/* First those that were read, so that later ones find the request. */
	quic_hello_hand_over(hello, &hello->read, listener);
	spin_lock(&table->lock);
	hlist_del(&hello->node);
	list_del(&hello->age);
	list_del(&hello->ready);
	quic_hello_count(table, hello, -(int)hello->packets, -(int)hello->bytes);
	spin_unlock(&table->lock);
	quic_hello_hand_over(hello, &hello->fresh, listener);
}

static void quic_hello_work_on(struct quic_hello_table *table, struct quic_hello *hello,
			       struct sk_buff_head *fresh, bool is_over)
{
	struct quic_sock *listener = NULL;
	const u8 *alpn;
	u32 len;
	int err;

	err = is_over ? -ETIMEDOUT : quic_hello_read(table, hello, fresh, &alpn, &len);
	if (err == -EAGAIN)
		return;
	skb_queue_splice_tail_init(fresh, &hello->read);

	local_bh_disable();
	rcu_read_lock();
	if (!err)
		listener = quic_demux_find_listener(table->net, hello->udp, &hello->local,
						    &hello->peer, skb_peek(&hello->read), alpn, len);
	quic_hello_finish(table, hello, listener);
	rcu_read_unlock();
	local_bh_enable();

	if (listener)
		sock_put(quic_sock_sk(listener));
	quic_hello_free(hello);
}

/* Lock held. Ends those that have waited too long; false: nothing is left to do. */
static bool quic_hello_expire(struct quic_hello_table *table)
{
	struct quic_hello *hello;

	list_for_each_entry(hello, &table->age, age) {
		if (time_before(jiffies, hello->expires))
			break;
		quic_hello_end(table, hello);
	}
	return !list_empty(&table->ready);
}

static void quic_hello_work(struct work_struct *work)
{
	struct quic_hello_table *table = container_of(to_delayed_work(work),
						      struct quic_hello_table, work);
	struct sk_buff_head fresh;
	struct quic_hello *hello;
	bool is_over;

	__skb_queue_head_init(&fresh);
	spin_lock_bh(&table->lock);
	while (quic_hello_expire(table)) {
		hello = list_first_entry(&table->ready, struct quic_hello, ready);
		list_del_init(&hello->ready);
		is_over = hello->is_over;
		skb_queue_splice_tail_init(&hello->fresh, &fresh);
		spin_unlock_bh(&table->lock);
		quic_hello_work_on(table, hello, &fresh, is_over);
		cond_resched();
		spin_lock_bh(&table->lock);
	}
	hello = list_first_entry_or_null(&table->age, struct quic_hello, age);
	/* Whoever has something to do by now has queued the work already. */
	if (hello)
		queue_delayed_work(quic_hello_wq, &table->work,
				   max_t(long, hello->expires - jiffies, 1));
	spin_unlock_bh(&table->lock);
}

/**
 * quic_hello_flush() - nobody listens behind a UDP socket any more
 * @udp: the UDP socket, which those who wait must not keep
 */
void quic_hello_flush(struct quic_udp *udp)
{
	struct quic_hello_table *table = quic_net(udp->net)->hellos;
	struct quic_hello *hello;

	spin_lock_bh(&table->lock);
	list_for_each_entry(hello, &table->age, age) {
		if (hello->udp == udp)
			quic_hello_end(table, hello);
	}
	if (!list_empty(&table->ready))
		mod_delayed_work(quic_hello_wq, &table->work, 0);
	spin_unlock_bh(&table->lock);
}

/**
 * quic_hello_net_init() - a netns begins
 * @net: the netns
 *
 * Return: 0, or -ENOMEM.
 */
int quic_hello_net_init(struct net *net)
{
	struct quic_hello_table *table;

	table = kzalloc_obj(*table, GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	spin_lock_init(&table->lock);
	table->net = net;
	INIT_DELAYED_WORK(&table->work, quic_hello_work);
	INIT_LIST_HEAD(&table->age);
	INIT_LIST_HEAD(&table->ready);
	table->seed = get_random_u32();
	quic_net(net)->hellos = table;
	return 0;
}

/**
 * quic_hello_net_exit() - a netns ends; nobody listens in it
 * @net: the netns
 */
void quic_hello_net_exit(struct net *net)
{
	struct quic_hello_table *table = quic_net(net)->hellos;
	struct quic_hello *hello;

	spin_lock_bh(&table->lock);
	list_for_each_entry(hello, &table->age, age)
		quic_hello_end(table, hello);
	spin_unlock_bh(&table->lock);
	/* The last run frees all of them: no datagram comes any more. */
	mod_delayed_work(quic_hello_wq, &table->work, 0);
	flush_delayed_work(&table->work);
	cancel_delayed_work_sync(&table->work);
	WARN_ON_ONCE(!list_empty(&table->age));
	kfree(table);
}

/**
 * quic_hello_init() - module init
 *
 * Return: 0, or -ENOMEM.
 */
int quic_hello_init(void)
{
	quic_hello_wq = alloc_workqueue("quic_hello", WQ_UNBOUND, 0);
	return quic_hello_wq ? 0 : -ENOMEM;
}

/**
 * quic_hello_exit() - module exit, when no netns is left
 */
void quic_hello_exit(void)
{
	destroy_workqueue(quic_hello_wq);
}
