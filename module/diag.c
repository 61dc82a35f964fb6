// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sock_diag: QUIC sockets for ss(8) and the like. The module is a handler of
 * inet_diag, whose requests name protocols beyond 255 in an attribute.
 * include/uapi/linux/quic_diag.h says what is told.
 */
#include <linux/inet_diag.h>
#include <linux/rculist.h>
#include <linux/sock_diag.h>
#include <net/ipv6.h>
#include <net/netlink.h>
#include <uapi/linux/quic_diag.h>

#include "diag.h"
#include "net.h"
#include "sock.h"

/* A v6 socket may speak IPv4. */
static void quic_diag_address(const struct sock *sk, const union quic_addr *addr, __be32 *to)
{
	if (addr->sa.sa_family == AF_INET6)
		memcpy(to, &addr->v6.sin6_addr, sizeof(addr->v6.sin6_addr));
	else if (sk->sk_family == AF_INET6)
		ipv6_addr_set_v4mapped(addr->v4.sin_addr.s_addr, (struct in6_addr *)to);
	else
		to[0] = addr->v4.sin_addr.s_addr;
}

/* The socket's spinlock is held. */
static void quic_diag_addresses(struct quic_sock *qs, struct inet_diag_sockid *id)
{
	const union quic_addr *local = &qs->bound, *peer;
	struct sock *sk = quic_sock_sk(qs);

	if (sk->sk_state != TCP_LISTEN && qs->was_open) {
		local = &quic_sock_route(qs)->local;
		peer = &quic_sock_route(qs)->peer;
		id->idiag_dport = quic_addr_port(peer);
		quic_diag_address(sk, peer, id->idiag_dst);
	}
	id->idiag_sport = quic_addr_port(local);
	quic_diag_address(sk, local, id->idiag_src);
}

static void quic_diag_cid(struct quic_diag_cid *to, const struct quic_cid *cid)
{
	to->len = min_t(u8, cid->len, sizeof(to->data));
	memcpy(to->data, cid->data, to->len);
}

/* Who knows its IDs can disturb a connection from afar: they are not for everybody. */
static void quic_diag_cids(struct quic_conn *conn, struct quic_diag_info *info)
{
	const struct quic_local_cid *local;

	quic_diag_cid(&info->original_dcid, &conn->original_dcid);
	quic_diag_cid(&info->remote_cid, &quic_remote_cids_active(&conn->remote_cids)->cid);
	local = quic_local_cids_find(&conn->local_cids, conn->local_cids.active);
	if (local)
		quic_diag_cid(&info->local_cid, &local->cid);
}

static u8 quic_diag_flags(struct quic_sock *qs)
{
	const struct quic_conn *conn = &qs->conn;
	const struct quic_cong *cong = &quic_conn_path(&qs->conn)->cong;

	return (conn->is_server ? QUIC_DIAG_SERVER : 0) |
	       (conn->confirmed ? QUIC_DIAG_CONFIRMED : 0) |
	       (conn->plaintext ? QUIC_DIAG_PLAINTEXT : 0) |
	       (sock_flag(quic_sock_sk(qs), SOCK_DEAD) ? QUIC_DIAG_ORPHAN : 0) |
	       (cong->app_limited ? QUIC_DIAG_APP_LIMITED : 0) |
	       (quic_cong_in_slow_start(cong) ? QUIC_DIAG_SLOW_START : 0) |
	       (quic_offload_does(qs, QUIC_OFFLOAD_TX) ? QUIC_DIAG_OFFLOAD_TX : 0) |
	       (quic_offload_does(qs, QUIC_OFFLOAD_RX) ? QUIC_DIAG_OFFLOAD_RX : 0);
}

static void quic_diag_streams(const struct quic_streams *streams, struct quic_diag_info *info)
{
	int uni;

	for (uni = 0; uni < 2; uni++) {
		const struct quic_streams_local *local = &streams->local[uni];

		info->streams_open[uni] = local->open;
		info->streams_open[2 + uni] = streams->remote[uni].open;
		info->streams_credit[uni] = local->limit - min(local->next, local->limit);
	}
}

static void quic_diag_recovery(struct quic_conn *conn, struct quic_diag_info *info)
{
	const struct quic_path *path = quic_conn_path(conn);

	info->min_rtt = path->rtt.min_rtt;
	info->smoothed_rtt = path->rtt.smoothed_rtt;
	info->latest_rtt = path->rtt.latest_rtt;
	info->rttvar = path->rtt.rttvar;
	info->cwnd = path->cong.cwnd;
	info->ssthresh = path->cong.ssthresh;
	info->bytes_in_flight = path->cong.bytes_in_flight;
	info->pacing_rate = path->pacer.rate;
	info->mss = path->mss;
	info->pto_count = conn->pto_count;
}

/* The socket's spinlock is held; a user who owns it may change numbers meanwhile. */
static void quic_diag_info(struct quic_sock *qs, bool net_admin, struct quic_diag_info *info)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_conn *conn = &qs->conn;
	const atomic64_t *count = qs->offload.count;

	BUILD_BUG_ON((int)QUIC_DIAG_CONN_ESTABLISHED != (int)QUIC_CONN_ESTABLISHED);
	BUILD_BUG_ON((int)QUIC_DIAG_CONN_CLOSED != (int)QUIC_CONN_CLOSED);

	info->version = conn->version;
	info->conn_state = conn->state;
	info->flags = quic_diag_flags(qs);
	info->path = conn->active_path;
	info->key_generation = conn->key_phase.generation;
	info->sndbuf = READ_ONCE(sk->sk_sndbuf);
	info->rcvbuf = READ_ONCE(sk->sk_rcvbuf);
	info->udp_port = quic_sock_route(qs)->udp ?
			 ntohs(quic_addr_port(&quic_sock_route(qs)->udp->addr)) : 0;
	info->tx_packets = qs->tx_packets;
	info->tx_bytes = qs->tx_bytes;
	info->rx_packets = qs->rx_packets;
	info->rx_bytes = qs->rx_bytes;
	info->lost_packets = conn->lost_packets;
	info->retransmitted_frames = conn->retransmitted_frames;
	info->send_credit = quic_flow_send_credit(&conn->tx_flow);
	info->recv_credit = conn->rx_flow.limit - min(conn->rx_flow.received, conn->rx_flow.limit);
	info->idle_timeout = conn->idle_timeout;
	info->nr_local_cids = quic_local_cids_count(&conn->local_cids);
	info->nr_remote_cids = quic_remote_cids_count(&conn->remote_cids, U64_MAX);
	info->alpn_len = min_t(u8, qs->alpn_len, sizeof(info->alpn));
	memcpy(info->alpn, qs->alpn, info->alpn_len);
	info->cipher = qs->tx_secret.cipher;
	info->offload_tx_device = atomic64_read(&count[QUIC_OFFLOAD_COUNT_TX_DEVICE]);
	info->offload_tx_software = atomic64_read(&count[QUIC_OFFLOAD_COUNT_TX_SOFTWARE]);
	info->offload_rx_device = atomic64_read(&count[QUIC_OFFLOAD_COUNT_RX_DEVICE]);
	info->offload_rx_software = atomic64_read(&count[QUIC_OFFLOAD_COUNT_RX_SOFTWARE]);
	info->offload_fallbacks = qs->offload.fallbacks;
	quic_diag_recovery(conn, info);
	quic_diag_streams(&conn->streams, info);
	if (net_admin)
		quic_diag_cids(conn, info);
}

static int quic_diag_put_info(struct quic_sock *qs, struct sk_buff *skb, u8 ext, bool net_admin)
{
	const struct quic_cong_ops *ops = quic_conn_path(&qs->conn)->cong.ops;
	struct nlattr *attr;

	if (ops && (ext & BIT(INET_DIAG_CONG - 1)) &&
	    nla_put_string(skb, INET_DIAG_CONG, ops->name))
		return -EMSGSIZE;
	if (!(ext & BIT(INET_DIAG_INFO - 1)))
		return 0;
	attr = nla_reserve_64bit(skb, INET_DIAG_INFO, sizeof(struct quic_diag_info),
				 INET_DIAG_PAD);
	if (!attr)
		return -EMSGSIZE;
	memset(nla_data(attr), 0, sizeof(struct quic_diag_info));
	spin_lock_bh(&quic_sock_sk(qs)->sk_lock.slock);
	quic_diag_info(qs, net_admin, nla_data(attr));
	spin_unlock_bh(&quic_sock_sk(qs)->sk_lock.slock);
	return 0;
}

/* One socket as a message; -EMSGSIZE when it does not fit. */
static int quic_diag_fill(struct sock *sk, struct sk_buff *skb, struct netlink_callback *cb,
			  const struct inet_diag_req_v2 *req, u16 flags, bool net_admin)
{
	struct quic_sock *qs = quic_sk(sk);
	struct inet_diag_msg *msg;
	struct nlmsghdr *nlh;

	nlh = nlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, cb->nlh->nlmsg_type,
			sizeof(*msg), flags);
	if (!nlh)
		return -EMSGSIZE;
	msg = nlmsg_data(nlh);
	memset(msg, 0, sizeof(*msg));
	msg->idiag_family = sk->sk_family;
	msg->idiag_state = sk->sk_state;
	msg->id.idiag_if = sk->sk_bound_dev_if;
	sock_diag_save_cookie(sk, msg->id.idiag_cookie);
	spin_lock_bh(&sk->sk_lock.slock);
	quic_diag_addresses(qs, &msg->id);
	spin_unlock_bh(&sk->sk_lock.slock);
	if (sk->sk_state == TCP_LISTEN) {
		msg->idiag_rqueue = READ_ONCE(sk->sk_ack_backlog);
		msg->idiag_wqueue = READ_ONCE(sk->sk_max_ack_backlog);
	} else {
		msg->idiag_rqueue = sk_rmem_alloc_get(sk);
		msg->idiag_wqueue = READ_ONCE(sk->sk_wmem_queued);
	}

	if (inet_diag_msg_attrs_fill(sk, skb, msg, req->idiag_ext,
				     sk_user_ns(NETLINK_CB(cb->skb).sk), net_admin))
		goto cancel;
	if (sk->sk_state != TCP_LISTEN && qs->was_open &&
	    quic_diag_put_info(qs, skb, req->idiag_ext, net_admin))
		goto cancel;
	nlmsg_end(skb, nlh);
	return 0;

cancel:
	nlmsg_cancel(skb, nlh);
	return -EMSGSIZE;
}

/* Is it one that was asked for? */
static bool quic_diag_is_wanted(struct sock *sk, const struct inet_diag_req_v2 *req)
{
	const struct inet_sock *inet = inet_sk(sk);

	return !quic_sk(sk)->is_dead && (req->idiag_states & (1 << sk->sk_state)) &&
	       (req->sdiag_family == AF_UNSPEC || req->sdiag_family == sk->sk_family) &&
	       (!req->id.idiag_sport || req->id.idiag_sport == inet->inet_sport) &&
	       (!req->id.idiag_dport || req->id.idiag_dport == inet->inet_dport);
}

/*
 * Two lists, connections and listeners: cb->args[0] is the one to go on with,
 * cb->args[1] how many of it were passed.
 */
enum {
	QUIC_DIAG_CONNS,
	QUIC_DIAG_LISTENERS,
	QUIC_DIAG_DONE,
};

/* -EMSGSIZE: @skb is full, the next call goes on with this socket. */
static int quic_diag_dump_sock(struct sock *sk, struct sk_buff *skb, struct netlink_callback *cb,
			       const struct inet_diag_req_v2 *req, bool net_admin)
{
	struct inet_diag_dump_data *data = cb->data;

	if (!quic_diag_is_wanted(sk, req) || !inet_diag_bc_sk(data, sk))
		return 0;
	return quic_diag_fill(sk, skb, cb, req, NLM_F_MULTI, net_admin);
}

static int quic_diag_dump_list(struct quic_net *qn, struct sk_buff *skb,
			       struct netlink_callback *cb, const struct inet_diag_req_v2 *req)
{
	bool net_admin = netlink_net_capable(cb->skb, CAP_NET_ADMIN);
	struct quic_sock *qs;
	long at = 0;

	if (cb->args[0] == QUIC_DIAG_CONNS) {
		hlist_for_each_entry_rcu(qs, &qn->conns, conn_node) {
			if (at++ < cb->args[1])
				continue;
			if (quic_diag_dump_sock(quic_sock_sk(qs), skb, cb, req, net_admin))
				return -EMSGSIZE;
			cb->args[1] = at;
		}
	} else {
		hlist_for_each_entry_rcu(qs, &qn->listeners, listener_node) {
			if (at++ < cb->args[1])
				continue;
			if (quic_diag_dump_sock(quic_sock_sk(qs), skb, cb, req, net_admin))
				return -EMSGSIZE;
			cb->args[1] = at;
		}
	}
	return 0;
}

static void quic_diag_dump(struct sk_buff *skb, struct netlink_callback *cb,
			   const struct inet_diag_req_v2 *req)
{
	struct quic_net *qn = quic_net(sock_net(skb->sk));

	rcu_read_lock();
	while (cb->args[0] < QUIC_DIAG_DONE && !quic_diag_dump_list(qn, skb, cb, req)) {
		cb->args[0]++;
		cb->args[1] = 0;
	}
	rcu_read_unlock();
}

/* A held socket, by its cookie. */
static struct sock *quic_diag_find(struct net *net, const struct inet_diag_req_v2 *req)
{
	struct quic_net *qn = quic_net(net);
	struct quic_sock *qs;
	struct sock *sk;

	rcu_read_lock();
	hlist_for_each_entry_rcu(qs, &qn->conns, conn_node) {
		sk = quic_sock_sk(qs);
		if (!sock_diag_check_cookie(sk, req->id.idiag_cookie) &&
		    refcount_inc_not_zero(&sk->sk_refcnt))
			goto found;
	}
	hlist_for_each_entry_rcu(qs, &qn->listeners, listener_node) {
		sk = quic_sock_sk(qs);
		if (!sock_diag_check_cookie(sk, req->id.idiag_cookie) &&
		    refcount_inc_not_zero(&sk->sk_refcnt))
			goto found;
	}
	sk = NULL;
found:
	rcu_read_unlock();
	return sk;
}

static int quic_diag_dump_one(struct netlink_callback *cb, const struct inet_diag_req_v2 *req)
{
	struct sk_buff *in_skb = cb->skb;
	struct net *net = sock_net(in_skb->sk);
	bool net_admin = netlink_net_capable(in_skb, CAP_NET_ADMIN);
	struct sk_buff *reply;
	int err = -ENOMEM;
	struct sock *sk;

	/* Without a cookie an address could be that of many: connections share UDP ports. */
	if (req->id.idiag_cookie[0] == INET_DIAG_NOCOOKIE &&
	    req->id.idiag_cookie[1] == INET_DIAG_NOCOOKIE)
		return -EINVAL;
	sk = quic_diag_find(net, req);
	if (!sk)
		return -ENOENT;
	reply = nlmsg_new(NLMSG_ALIGN(sizeof(struct inet_diag_msg)) +
			  inet_diag_msg_attrs_size() + nla_total_size(32) +
			  nla_total_size_64bit(sizeof(struct quic_diag_info)), GFP_KERNEL);
	if (!reply)
		goto put;
	err = quic_diag_fill(sk, reply, cb, req, 0, net_admin);
	if (err) {
		WARN_ON_ONCE(err == -EMSGSIZE);
		nlmsg_free(reply);
		goto put;
	}
	err = nlmsg_unicast(net->diag_nlsk, reply, NETLINK_CB(in_skb).portid);
put:
	sock_put(sk);
	return err;
}

static const struct inet_diag_handler quic_diag_handler = {
	.owner		= THIS_MODULE,
	.dump		= quic_diag_dump,
	.dump_one	= quic_diag_dump_one,
	.idiag_type	= IPPROTO_QUIC,
};

/**
 * quic_diag_init() - module init
 */
int quic_diag_init(void)
{
	return inet_diag_register(&quic_diag_handler);
}

/**
 * quic_diag_exit() - module exit
 */
void quic_diag_exit(void)
{
	inet_diag_unregister(&quic_diag_handler);
}

/* PF_NETLINK, NETLINK_SOCK_DIAG, AF_INET - IPPROTO_QUIC */
MODULE_ALIAS_NET_PF_PROTO_TYPE(PF_NETLINK, NETLINK_SOCK_DIAG, 2-261);
