// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The UDP sockets under QUIC sockets. Receiving takes whole GRO aggregates off
 * their queues from sk_data_ready, because encap_rcv would see them segmented;
 * whom they are for is for demux.c. Sending is udp_xmit.c's.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include "demux.h"
#include "drop.h"
#include "net.h"
#include "sock.h"
#include "udp.h"

#define QUIC_UDP_RCVBUF		(8 << 20)
#define QUIC_UDP_DRAIN_MAX	64	/* datagrams or aggregates per softirq */
#define QUIC_UDP_ENCAP_TYPE	1	/* any: makes ICMP errors come to us */

/* Creating and releasing: one port is looked up and bound at a time. */
static DEFINE_MUTEX(quic_udp_mutex);
/* Of its own, as it is waited for under a socket lock. */
static struct workqueue_struct *quic_udp_wq;
/* A QUIC socket of the kernel binds one of these with its own lock held. */
static struct lock_class_key quic_udp_slock_key;
static struct lock_class_key quic_udp_lock_key;

/*
 * Receiving.
 */

/* Drops what does not check, hands on the rest. Softirq or BH off, under RCU. */
static void quic_udp_receive(struct quic_udp *udp, struct sk_buff *skb)
{
	if (unlikely(udp_lib_checksum_complete(skb))) {
		quic_drop_skb(udp->net, skb, QUIC_DROP_CHECKSUM);
		return;
	}
	skb->dev = NULL;	/* holds UDP's notes */
	skb_orphan(skb);
	quic_demux_receive(udp, skb);
}

static void quic_udp_drain(struct quic_udp *udp, struct sock *sk)
{
	u32 budget = QUIC_UDP_DRAIN_MAX;
	struct sk_buff *skb;
	int off, err;

	while (budget--) {
		off = 0;
		skb = __skb_recv_udp(sk, MSG_DONTWAIT, &off, &err);
		if (skb) {
			quic_udp_receive(udp, skb);
			continue;
		}
		if (err == -EAGAIN)
			return;
		/* A socket error stood before the data; it is cleared now. */
	}
	queue_work(quic_udp_wq, &udp->drain);
}

static void quic_udp_data_ready(struct sock *sk)
{
	struct quic_udp *udp;

	rcu_read_lock();
	udp = rcu_dereference_sk_user_data(sk);
	if (likely(udp))
		quic_udp_drain(udp, sk);
	rcu_read_unlock();
}

static void quic_udp_drain_work(struct work_struct *work)
{
	struct quic_udp *udp = container_of(work, struct quic_udp, drain);

	local_bh_disable();
	rcu_read_lock();
	quic_udp_drain(udp, udp->sock->sk);
	rcu_read_unlock();
	local_bh_enable();
}

/*
 * An ICMP error came for a datagram of ours. Only "too big" counts, and only if it quotes a
 * connection that is there, and a packet that was bigger than that. RFC 9000, section 14.2.1.
 */
static void quic_udp_err_rcv(struct sock *sk, struct sk_buff *skb, int err, __be16 port, u32 info,
			     u8 *payload)
{
	u32 off = payload - skb->data;
	union quic_addr local, peer;
	struct udphdr *uh;
	u32 mtu, len;

	if (off < sizeof(*uh) || off > skb_headlen(skb))
		return;
	uh = (struct udphdr *)(payload - sizeof(*uh));
	memset(&local, 0, sizeof(local));
	memset(&peer, 0, sizeof(peer));

	if (((struct iphdr *)skb->data)->version == 4) {
		const struct iphdr *iph = (struct iphdr *)skb->data;

		if (icmp_hdr(skb)->type != ICMP_DEST_UNREACH ||
		    icmp_hdr(skb)->code != ICMP_FRAG_NEEDED)
			return;
		mtu = ntohs(icmp_hdr(skb)->un.frag.mtu);
		len = ntohs(iph->tot_len);
		local.v4.sin_family = AF_INET;
		local.v4.sin_addr.s_addr = iph->saddr;
		peer.v4.sin_family = AF_INET;
		peer.v4.sin_addr.s_addr = iph->daddr;
	} else {
		const struct ipv6hdr *ip6h = (struct ipv6hdr *)skb->data;

		if (icmp6_hdr(skb)->icmp6_type != ICMPV6_PKT_TOOBIG)
			return;
		mtu = ntohl(icmp6_hdr(skb)->icmp6_mtu);
		len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
		local.v6.sin6_family = AF_INET6;
		local.v6.sin6_addr = ip6h->saddr;
		local.v6.sin6_scope_id = ipv6_iface_scope_id(&ip6h->saddr, skb->skb_iif);
		peer.v6.sin6_family = AF_INET6;
		peer.v6.sin6_addr = ip6h->daddr;
		peer.v6.sin6_scope_id = ipv6_iface_scope_id(&ip6h->daddr, skb->skb_iif);
	}
	quic_addr_set_port(&local, uh->source);
	quic_addr_set_port(&peer, uh->dest);
	if (mtu < len)
		quic_demux_too_big(sock_net(sk), skb, off, &local, &peer, mtu);
}

/*
 * Finding, creating, releasing.
 */

static int quic_udp_ifindex(const struct sock *sk, const union quic_addr *addr)
{
	if (sk->sk_bound_dev_if)
		return sk->sk_bound_dev_if;
	return addr->sa.sa_family == AF_INET6 ? addr->v6.sin6_scope_id : 0;
}

/* Would @udp get what is sent to @addr? */
static bool quic_udp_covers(const struct quic_udp *udp, const union quic_addr *addr, bool v6only)
{
	if (quic_addr_port(&udp->addr) != quic_addr_port(addr))
		return false;
	/* A socket without IPv4 is no match for one that wants it. */
	if (quic_addr_equal(&udp->addr, addr))
		return addr->sa.sa_family == AF_INET || !udp->v6only || v6only;
	if (!quic_addr_is_any(&udp->addr))
		return false;
	if (udp->addr.sa.sa_family == addr->sa.sa_family)
		return !quic_addr_is_any(addr);
	return udp->addr.sa.sa_family == AF_INET6 && !udp->v6only;
}

/* quic_udp_mutex held. A held one, NULL, or -EAGAIN: it is just being released. */
static struct quic_udp *quic_udp_find(struct net *net, const union quic_addr *addr, int ifindex,
				      bool v6only)
{
	struct quic_udp *udp;

	hlist_for_each_entry(udp, &quic_net(net)->udp_socks, node) {
		if (udp->ifindex != ifindex || !quic_udp_covers(udp, addr, v6only))
			continue;
		return refcount_inc_not_zero(&udp->refs) ? udp : ERR_PTR(-EAGAIN);
	}
	return NULL;
}

static bool quic_udp_port_in_use(struct net *net, __be16 port)
{
	struct quic_udp *udp;

	hlist_for_each_entry(udp, &quic_net(net)->udp_socks, node) {
		if (quic_addr_port(&udp->addr) == port)
			return true;
	}
	return false;
}

/*
 * Sockets of ours on one port may overlap, a wildcard and one of its addresses; those of others
 * may not. Hence our sockets are reusable only while one of them is being bound.
 */
static void quic_udp_set_reuse(struct net *net, __be16 port, u8 reuse)
{
	struct quic_udp *udp;

	hlist_for_each_entry(udp, &quic_net(net)->udp_socks, node) {
		if (quic_addr_port(&udp->addr) == port)
			udp->sock->sk->sk_reuse = reuse;
	}
}

static int quic_udp_bind_port(struct socket *sock, union quic_addr *addr)
{
	int len = addr->sa.sa_family == AF_INET6 ? sizeof(addr->v6) : sizeof(addr->v4);
	struct net *net = sock_net(sock->sk);
	__be16 port = quic_addr_port(addr);
	int err;

	quic_udp_set_reuse(net, port, SK_CAN_REUSE);
	sock->sk->sk_reuse = SK_CAN_REUSE;
	err = kernel_bind(sock, (struct sockaddr_unsized *)addr, len);
	sock->sk->sk_reuse = SK_NO_REUSE;
	quic_udp_set_reuse(net, port, SK_NO_REUSE);
	return err;
}

/* An ephemeral port that neither UDP nor any of our sockets uses. */
static int quic_udp_bind_any(struct sock *sk, struct socket *sock, union quic_addr *addr)
{
	struct net *net = sock_net(sk);
	int low, high, range, offset, i;
	__be16 port;
	int err;

	inet_sk_get_local_port_range(sk, &low, &high);
	range = high - low + 1;
	offset = get_random_u32() % range;
	for (i = 0; i < range; i++) {
		int candidate = low + (offset + i) % range;

		port = htons(candidate);
		if (inet_is_local_reserved_port(net, candidate) || quic_udp_port_in_use(net, port))
			continue;
		quic_addr_set_port(addr, port);
		err = kernel_bind(sock, (struct sockaddr_unsized *)addr,
				  addr->sa.sa_family == AF_INET6 ? sizeof(addr->v6) :
								   sizeof(addr->v4));
		if (err != -EADDRINUSE)
			return err;
		if (!(i & 0xff))
			cond_resched();
	}
	return -EADDRINUSE;
}

static void quic_udp_close(struct quic_udp *udp)
{
	struct sock *sk = udp->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = udp->data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	/* After a grace period nobody receives from it but the work. */
	synchronize_rcu();
	cancel_work_sync(&udp->drain);
	udp_tunnel_sock_release(sk);
}

static void quic_udp_release_work(struct work_struct *work)
{
	struct quic_udp *udp = container_of(work, struct quic_udp, release);

	mutex_lock(&quic_udp_mutex);
	hlist_del(&udp->node);
	mutex_unlock(&quic_udp_mutex);

	quic_udp_close(udp);
	kfree_rcu(udp, rcu);
}

/* Makes a bound UDP socket ours. */
static int quic_udp_attach(struct quic_udp *udp)
{
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = udp,
		.encap_type = QUIC_UDP_ENCAP_TYPE,
		.encap_err_rcv = quic_udp_err_rcv,
	};
	struct socket *sock = udp->sock;
	struct sock *sk = sock->sk;
	int one = 1;
	int err;

	/* Aggregates are queued whole where encap_rcv is not set and UDP_GRO is on. */
	err = sock->ops->setsockopt(sock, SOL_UDP, UDP_GRO, KERNEL_SOCKPTR(&one), sizeof(one));
	if (err)
		return err;

	sk->sk_userlocks |= SOCK_RCVBUF_LOCK;
	WRITE_ONCE(sk->sk_rcvbuf, QUIC_UDP_RCVBUF);
#ifdef CONFIG_NET_RX_BUSY_POLL
	WRITE_ONCE(sk->sk_ll_usec, 0);	/* no polling inside softirq */
#endif
	/* Replies without a connection are small; they must not be fragmented all the same. */
	inet_sk(sk)->pmtudisc = IP_PMTUDISC_PROBE;
	if (sk->sk_family == AF_INET6)
		inet6_sk(sk)->pmtudisc = IPV6_PMTUDISC_PROBE;

	setup_udp_tunnel_sock(sock_net(sk), sk, &cfg);
	write_lock_bh(&sk->sk_callback_lock);
	udp->data_ready = sk->sk_data_ready;
	sk->sk_data_ready = quic_udp_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);

	/* What came between bind and here. */
	local_bh_disable();
	quic_udp_data_ready(sk);
	local_bh_enable();
	return 0;
}

/* quic_udp_mutex held. */
static struct quic_udp *quic_udp_create(struct sock *sk, union quic_addr *addr, int ifindex,
					bool v6only)
{
	struct net *net = sock_net(sk);
	struct quic_udp *udp;
	int err;

	udp = kzalloc_obj(*udp, GFP_KERNEL);
	if (!udp)
		return ERR_PTR(-ENOMEM);
	udp->net = net;
	udp->ifindex = ifindex;
	udp->v6only = v6only;
	refcount_set(&udp->refs, 1);
	INIT_WORK(&udp->release, quic_udp_release_work);
	INIT_WORK(&udp->drain, quic_udp_drain_work);

	err = sock_create_kern(net, addr->sa.sa_family, SOCK_DGRAM, IPPROTO_UDP, &udp->sock);
	if (err)
		goto err_free;
	sock_lock_init_class_and_name(udp->sock->sk, "slock-QUIC-UDP", &quic_udp_slock_key,
				      "sk_lock-QUIC-UDP", &quic_udp_lock_key);
	if (addr->sa.sa_family == AF_INET6 && v6only) {
		err = ip6_sock_set_v6only(udp->sock->sk);
		if (err)
			goto err_sock;
	}
	if (ifindex) {
		err = sock_bindtoindex(udp->sock->sk, ifindex, true);
		if (err)
			goto err_sock;
	}
	inet_assign_bit(FREEBIND, udp->sock->sk, inet_test_bit(FREEBIND, sk));
	inet_assign_bit(TRANSPARENT, udp->sock->sk, inet_test_bit(TRANSPARENT, sk));

	err = quic_addr_port(addr) ? quic_udp_bind_port(udp->sock, addr) :
				     quic_udp_bind_any(sk, udp->sock, addr);
	if (err)
		goto err_sock;
	udp->addr = *addr;
	err = quic_udp_attach(udp);
	if (err)
		goto err_sock;
	hlist_add_head(&udp->node, &quic_net(net)->udp_socks);
	return udp;

err_sock:
	sock_release(udp->sock);
err_free:
	kfree(udp);
	return ERR_PTR(err);
}

/**
 * quic_udp_get() - the UDP socket for a local address
 * @sk:   QUIC socket that binds
 * @addr: the address; a port of 0 is replaced by an ephemeral one
 *
 * Process context. Shared with other QUIC sockets where the address and the device are the same
 * or those of a wildcard that covers it: uapi.md, section 2.4.
 *
 * Return: a held socket, or an ERR_PTR.
 */
struct quic_udp *quic_udp_get(struct sock *sk, union quic_addr *addr)
{
	bool v6only = addr->sa.sa_family == AF_INET6 && ipv6_only_sock(sk);
	int ifindex = quic_udp_ifindex(sk, addr);
	struct net *net = sock_net(sk);
	struct quic_udp *udp = NULL;
	bool flushed = false;

again:
	mutex_lock(&quic_udp_mutex);
	if (quic_addr_port(addr))
		udp = quic_udp_find(net, addr, ifindex, v6only);
	if (!udp)
		udp = quic_udp_create(sk, addr, ifindex, v6only);
	mutex_unlock(&quic_udp_mutex);

	/* The port may be held by a socket whose release is due. */
	if (!flushed && (udp == ERR_PTR(-EAGAIN) || udp == ERR_PTR(-EADDRINUSE))) {
		flushed = true;
		flush_workqueue(quic_udp_wq);
		goto again;
	}
	return udp;
}

/**
 * quic_udp_put() - a QUIC socket no longer needs its UDP socket
 * @udp: the socket, or NULL
 *
 * Any context; the release itself happens in process context.
 */
void quic_udp_put(struct quic_udp *udp)
{
	if (udp && refcount_dec_and_test(&udp->refs))
		queue_work(quic_udp_wq, &udp->release);
}

/**
 * quic_udp_net_init() - a netns begins
 * @net: the netns
 */
void quic_udp_net_init(struct net *net)
{
	INIT_HLIST_HEAD(&quic_net(net)->udp_socks);
}

/**
 * quic_udp_net_exit() - a netns ends; all of its QUIC sockets are gone
 * @net: the netns
 */
void quic_udp_net_exit(struct net *net)
{
	flush_workqueue(quic_udp_wq);
	WARN_ON_ONCE(!hlist_empty(&quic_net(net)->udp_socks));
}

/**
 * quic_udp_init() - module init
 */
int quic_udp_init(void)
{
	quic_udp_wq = alloc_workqueue("quic_udp", WQ_UNBOUND, 0);
	return quic_udp_wq ? 0 : -ENOMEM;
}

/**
 * quic_udp_exit() - module exit, when no socket is left
 */
void quic_udp_exit(void)
{
	destroy_workqueue(quic_udp_wq);
}
