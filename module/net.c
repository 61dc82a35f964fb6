// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Birth and death of what the module keeps per network namespace. What the
 * lists hold is for udp.c, demux.c and sock.c, the files below /proc for proc.c.
 */
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <net/net_namespace.h>

#include "demux_hello.h"
#include "net.h"
#include "sock.h"
#include "udp.h"

unsigned int quic_net_id __read_mostly;

static int __net_init quic_net_init(struct net *net)
{
	struct quic_net *qn = quic_net(net);
	int err;

	spin_lock_init(&qn->lock);
	INIT_HLIST_HEAD(&qn->listeners);
	INIT_HLIST_HEAD(&qn->conns);
	quic_udp_net_init(net);
	qn->reply_time = jiffies - HZ;
	qn->offload = true;

	qn->stat = alloc_percpu(struct quic_mibs);
	if (!qn->stat)
		return -ENOMEM;
	err = quic_hello_net_init(net);
	if (err)
		goto err_stat;
	err = quic_proc_net_init(net);
	if (err)
		goto err_hello;
	return 0;

err_hello:
	quic_hello_net_exit(net);
err_stat:
	free_percpu(qn->stat);
	qn->stat = NULL;
	return err;
}

static void __net_exit quic_net_exit(struct net *net)
{
	quic_proc_net_exit(net);
	quic_hello_net_exit(net);
	quic_udp_net_exit(net);
	free_percpu(quic_net(net)->stat);
}

static struct pernet_operations quic_net_ops = {
	.init = quic_net_init,
	.exit = quic_net_exit,
	.id = &quic_net_id,
	.size = sizeof(struct quic_net),
};

/**
 * quic_net_register() - begin in every netns
 */
int quic_net_register(void)
{
	return register_pernet_subsys(&quic_net_ops);
}

/**
 * quic_net_unregister() - end in every netns, when no socket is left
 */
void quic_net_unregister(void)
{
	unregister_pernet_subsys(&quic_net_ops);
}
