// SPDX-License-Identifier: GPL-2.0-or-later
/* Loading and unloading, in order. */
#include <linux/module.h>
#include <linux/net.h>

#include "chunk.h"
#include "demux.h"
#include "diag.h"
#include "demux_hello.h"
#include "keys.h"
#include "net.h"
#include "offload.h"
#include "peeloff.h"
#include "proto.h"
#include "sock.h"

static int __init quic_init(void)
{
	int err;

	err = quic_sock_module_init();
	if (err)
		return err;
	err = quic_keys_init();
	if (err)
		goto sock;
	err = quic_chunk_init();
	if (err)
		goto keys;
	err = quic_demux_init();
	if (err)
		goto chunk;
	err = quic_hello_init();
	if (err)
		goto demux;
	err = quic_udp_init();
	if (err)
		goto hello;
	err = quic_net_register();
	if (err)
		goto udp;
	err = quic_peeloff_init();
	if (err)
		goto net;
	err = quic_offload_init();
	if (err)
		goto peeloff;
	err = quic_sysctl_init();
	if (err)
		goto offload;
	err = quic_diag_init();
	if (err)
		goto sysctl;
	err = quic_proto_init();
	if (err)
		goto diag;
	pr_info("quic: init\n");
	return 0;

diag:
	quic_diag_exit();
sysctl:
	quic_sysctl_exit();
offload:
	quic_offload_exit();
peeloff:
	quic_peeloff_exit();
net:
	quic_net_unregister();
udp:
	quic_udp_exit();
hello:
	quic_hello_exit();
demux:
	quic_demux_exit();
chunk:
	quic_chunk_exit();
keys:
	quic_keys_exit();
sock:
	quic_sock_module_exit();
	return err;
}

static void __exit quic_exit(void)
{
	quic_proto_exit();
	quic_diag_exit();
	quic_sysctl_exit();
	quic_offload_exit();
	quic_peeloff_exit();
	quic_host_exit();
	/* Work that is still queued may hold the last references to UDP sockets. */
	quic_sock_module_exit();
	quic_net_unregister();
	quic_udp_exit();
	quic_hello_exit();
	quic_demux_exit();
	quic_chunk_exit();
	quic_keys_exit();
	/* Sockets and table entries are freed by RCU, with code of this module. */
	rcu_barrier();
	pr_info("quic: exit\n");
}

module_init(quic_init);
module_exit(quic_exit);

MODULE_ALIAS_NET_PF_PROTO(PF_INET, 261);
MODULE_ALIAS_NET_PF_PROTO(PF_INET6, 261);
MODULE_DESCRIPTION("QUIC transport protocol");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
