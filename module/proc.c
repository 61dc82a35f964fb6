// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/net/quic: counters, connections, listeners. uapi.md, section 7.3. */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>
#include <net/snmp.h>

#include "net.h"
#include "offload.h"
#include "sock.h"

static const char * const quic_mib_names[QUIC_MIB_MAX] = {
	[QUIC_MIB_CONN_CURRENTESTABS]	= "QuicConnCurrentEstabs",
	[QUIC_MIB_CONN_PASSIVEESTABS]	= "QuicConnPassiveEstabs",
	[QUIC_MIB_CONN_ACTIVEESTABS]	= "QuicConnActiveEstabs",
	[QUIC_MIB_PKT_RCVFASTPATHS]	= "QuicPktRcvFastpaths",
	[QUIC_MIB_PKT_DECFASTPATHS]	= "QuicPktDecFastpaths",
	[QUIC_MIB_PKT_ENCFASTPATHS]	= "QuicPktEncFastpaths",
	[QUIC_MIB_PKT_RCVBACKLOGS]	= "QuicPktRcvBacklogs",
	[QUIC_MIB_PKT_DECBACKLOGS]	= "QuicPktDecBacklogs",
	[QUIC_MIB_PKT_ENCBACKLOGS]	= "QuicPktEncBacklogs",
	[QUIC_MIB_PKT_INVHDRDROP]	= "QuicPktInvHdrDrop",
	[QUIC_MIB_PKT_INVNUMDROP]	= "QuicPktInvNumDrop",
	[QUIC_MIB_PKT_INVFRMDROP]	= "QuicPktInvFrmDrop",
	[QUIC_MIB_PKT_RCVDROP]		= "QuicPktRcvDrop",
	[QUIC_MIB_PKT_DECDROP]		= "QuicPktDecDrop",
	[QUIC_MIB_PKT_ENCDROP]		= "QuicPktEncDrop",
	[QUIC_MIB_FRM_RCVBUFDROP]	= "QuicFrmRcvBufDrop",
	[QUIC_MIB_FRM_RETRANS]		= "QuicFrmRetrans",
	[QUIC_MIB_FRM_OUTCLOSES]	= "QuicFrmOutCloses",
	[QUIC_MIB_FRM_INCLOSES]		= "QuicFrmInCloses",
	[QUIC_MIB_UDP_OUTBURSTS]	= "QuicUdpOutBursts",
	[QUIC_MIB_UDP_OUTDATAGRAMS]	= "QuicUdpOutDatagrams",
	[QUIC_MIB_UDP_INBURSTS]		= "QuicUdpInBursts",
	[QUIC_MIB_UDP_INDATAGRAMS]	= "QuicUdpInDatagrams",
	[QUIC_MIB_PKT_RCVCOPIES]	= "QuicPktRcvCopies",
	[QUIC_MIB_PKT_WIREPAGES]	= "QuicPktWirePages",
	[QUIC_MIB_PKT_RCVPOSTPONED]	= "QuicPktRcvPostponed",
};

static int quic_proc_snmp_show(struct seq_file *seq, void *v)
{
	struct quic_net *qn = quic_net(seq->private);
	unsigned long sum;
	int i, cpu;

	for (i = 0; i < QUIC_MIB_MAX; i++) {
		sum = 0;
		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu_ptr(qn->stat, cpu)->mibs[i]);
		seq_printf(seq, "%-32s\t%lu\n", quic_mib_names[i], sum);
	}
	return 0;
}

static void quic_proc_addr(struct seq_file *seq, const union quic_addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		seq_printf(seq, "\t%pI4:%u", &addr->v4.sin_addr, ntohs(addr->v4.sin_port));
	else
		seq_printf(seq, "\t%pI6c:%u", &addr->v6.sin6_addr, ntohs(addr->v6.sin6_port));
}

static void quic_proc_owner(struct seq_file *seq, struct sock *sk)
{
	seq_printf(seq, "\t%u\t%llu\n",
		   from_kuid_munged(seq_user_ns(seq), sk->sk_uid), (u64)sock_i_ino(sk));
}

/*
 * Numbers that change under a reader are as good as any other moment's; what
 * must be whole (addresses) is read under the socket lock's spinlock.
 */
static void quic_proc_conn_show(struct seq_file *seq, struct sock *sk)
{
	union quic_addr local, peer, udp = {};
	struct quic_sock *qs = quic_sk(sk);
	struct quic_route *route;
	u64 cwnd, in_flight;
	u32 mss;

	spin_lock_bh(&sk->sk_lock.slock);
	route = quic_sock_route(qs);
	local = route->local;
	peer = route->peer;
	if (route->udp)
		udp = route->udp->addr;
	cwnd = quic_conn_path(&qs->conn)->cong.cwnd;
	in_flight = quic_conn_path(&qs->conn)->cong.bytes_in_flight;
	mss = quic_conn_path(&qs->conn)->mss;
	spin_unlock_bh(&sk->sk_lock.slock);

	seq_printf(seq, "%pK\t%d", sk, sk->sk_state);
	quic_proc_addr(seq, &local);
	quic_proc_addr(seq, &peer);
	quic_proc_addr(seq, &udp);
	seq_printf(seq, "\t%llu\t%u\t%llu\t%d\t%d\t%d\t%d", cwnd, mss, in_flight,
		   READ_ONCE(sk->sk_wmem_queued), sk_rmem_alloc_get(sk),
		   READ_ONCE(sk->sk_sndbuf), READ_ONCE(sk->sk_rcvbuf));
	quic_proc_owner(seq, sk);
}

static void quic_proc_listener_show(struct seq_file *seq, struct sock *sk)
{
	union quic_addr local, udp = {};
	struct quic_sock *qs = quic_sk(sk);

	spin_lock_bh(&sk->sk_lock.slock);
	local = qs->bound;
	if (qs->route[0].udp)
		udp = qs->route[0].udp->addr;
	spin_unlock_bh(&sk->sk_lock.slock);

	seq_printf(seq, "%pK\t%d", sk, sk->sk_state);
	quic_proc_addr(seq, &local);
	quic_proc_addr(seq, &udp);
	quic_proc_owner(seq, sk);
}

static void *quic_proc_conns_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	rcu_read_lock();
	return seq_hlist_start_head_rcu(&quic_net(seq_file_net(seq))->conns, *pos);
}

static void *quic_proc_conns_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return seq_hlist_next_rcu(v, &quic_net(seq_file_net(seq))->conns, pos);
}

static void *quic_proc_eps_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	rcu_read_lock();
	return seq_hlist_start_head_rcu(&quic_net(seq_file_net(seq))->listeners, *pos);
}

static void *quic_proc_eps_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return seq_hlist_next_rcu(v, &quic_net(seq_file_net(seq))->listeners, pos);
}

static void quic_proc_stop(struct seq_file *seq, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

static int quic_proc_conns_show(struct seq_file *seq, void *v)
{
	struct quic_sock *qs;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "SOCK\tSTATE\tLOCAL_ADDRESS\tREMOTE_ADDRESS\tUDP_ADDRESS\tWINDOW\tMSS\t");
		seq_puts(seq, "IN_FLIGHT\tTX_QUEUE\tRX_QUEUE\tSNDBUF\tRCVBUF\tUID\tINODE\n");
		return 0;
	}
	qs = hlist_entry(v, struct quic_sock, conn_node);
	/* Until its owner closes it: uapi.md, section 7.3. */
	if (!sock_flag(quic_sock_sk(qs), SOCK_DEAD))
		quic_proc_conn_show(seq, quic_sock_sk(qs));
	return 0;
}

static int quic_proc_eps_show(struct seq_file *seq, void *v)
{
	struct quic_sock *qs;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "SOCK\tSTATE\tLOCAL_ADDRESS\tUDP_ADDRESS\tUID\tINODE\n");
		return 0;
	}
	qs = hlist_entry(v, struct quic_sock, listener_node);
	quic_proc_listener_show(seq, quic_sock_sk(qs));
	return 0;
}

static int quic_proc_offload_show(struct seq_file *seq, void *v)
{
	quic_offload_show(seq, seq->private);
	return 0;
}

/* "0": no connection of the netns uses a device, "1": it may. */
static int quic_proc_offload_write(struct file *file, char *data, size_t len)
{
	struct net *net = pde_data(file_inode(file));
	bool on;
	int err;

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	err = kstrtobool(data, &on);
	if (!err)
		quic_offload_switch_net(net, on);
	return err;
}

static const struct seq_operations quic_proc_conns_ops = {
	.start	= quic_proc_conns_start,
	.next	= quic_proc_conns_next,
	.stop	= quic_proc_stop,
	.show	= quic_proc_conns_show,
};

static const struct seq_operations quic_proc_eps_ops = {
	.start	= quic_proc_eps_start,
	.next	= quic_proc_eps_next,
	.stop	= quic_proc_stop,
	.show	= quic_proc_eps_show,
};

/**
 * quic_proc_net_init() - make /proc/net/quic of a netns
 * @net: the netns
 *
 * Return: 0, or -ENOMEM.
 */
int quic_proc_net_init(struct net *net)
{
	struct quic_net *qn = quic_net(net);

	qn->proc = proc_net_mkdir(net, "quic", net->proc_net);
	if (!qn->proc)
		return -ENOMEM;
	if (!proc_create_net_single("snmp", 0444, qn->proc, quic_proc_snmp_show, NULL) ||
	    !proc_create_net("conns", 0444, qn->proc, &quic_proc_conns_ops,
			     sizeof(struct seq_net_private)) ||
	    !proc_create_net("eps", 0444, qn->proc, &quic_proc_eps_ops,
			     sizeof(struct seq_net_private)) ||
	    !proc_create_net_single_write("offload", 0644, qn->proc, quic_proc_offload_show,
					  quic_proc_offload_write, net)) {
		quic_proc_net_exit(net);
		return -ENOMEM;
	}
	return 0;
}

/**
 * quic_proc_net_exit() - undo quic_proc_net_init()
 * @net: the netns
 */
void quic_proc_net_exit(struct net *net)
{
	remove_proc_subtree("quic", net->proc_net);
	quic_net(net)->proc = NULL;
}
