/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the module keeps per network namespace, and its counters. */
#ifndef _QUIC_NET_H
#define _QUIC_NET_H

#include <linux/proc_fs.h>
#include <linux/spinlock.h>
#include <net/netns/generic.h>
#include <net/snmp.h>

#include "offload.h"

/* Order and names of /proc/net/quic/snmp: uapi.md, section 7.3. */
enum quic_mib {
	QUIC_MIB_CONN_CURRENTESTABS,
	QUIC_MIB_CONN_PASSIVEESTABS,
	QUIC_MIB_CONN_ACTIVEESTABS,
	QUIC_MIB_PKT_RCVFASTPATHS,
	QUIC_MIB_PKT_DECFASTPATHS,
	QUIC_MIB_PKT_ENCFASTPATHS,
	QUIC_MIB_PKT_RCVBACKLOGS,
	QUIC_MIB_PKT_DECBACKLOGS,
	QUIC_MIB_PKT_ENCBACKLOGS,
	QUIC_MIB_PKT_INVHDRDROP,
	QUIC_MIB_PKT_INVNUMDROP,
	QUIC_MIB_PKT_INVFRMDROP,
	QUIC_MIB_PKT_RCVDROP,
	QUIC_MIB_PKT_DECDROP,
	QUIC_MIB_PKT_ENCDROP,
	QUIC_MIB_FRM_RCVBUFDROP,
	QUIC_MIB_FRM_RETRANS,
	QUIC_MIB_FRM_OUTCLOSES,
	QUIC_MIB_FRM_INCLOSES,
	/* Ours: how well packets travel in company, and what costs extra. */
	QUIC_MIB_UDP_OUTBURSTS,
	QUIC_MIB_UDP_OUTDATAGRAMS,
	QUIC_MIB_UDP_INBURSTS,
	QUIC_MIB_UDP_INDATAGRAMS,
	QUIC_MIB_PKT_RCVCOPIES,
	QUIC_MIB_PKT_WIREPAGES,
	QUIC_MIB_PKT_RCVPOSTPONED,
	QUIC_MIB_MAX,
};

struct quic_hello_table;

struct quic_mibs {
	unsigned long mibs[QUIC_MIB_MAX];
};

/**
 * struct quic_net - per netns state
 * @lock:      guards @udp_socks and @listeners
 * @udp_socks: shared UDP sockets
 * @listeners: sockets in LISTEN (RCU readers)
 * @conns:     sockets that connected or were accepted, for /proc
 * @hellos:    clients that have no listener yet: demux_hello.c
 * @offload:   connections may use devices
 * @offload_count: what all devices counted that are or were here
 */
struct quic_net {
	spinlock_t lock;	/* see above */
	struct hlist_head udp_socks;
	struct hlist_head listeners;
	struct hlist_head conns;
	struct quic_hello_table *hellos;
	bool offload;
	atomic64_t offload_count[QUIC_OFFLOAD_COUNT_MAX];
	DEFINE_SNMP_STAT(struct quic_mibs, stat);
	struct proc_dir_entry *proc;
	unsigned long reply_time;	/* token bucket of stateless replies */
	u32 reply_budget;
};

extern unsigned int quic_net_id;

static inline struct quic_net *quic_net(const struct net *net)
{
	return net_generic(net, quic_net_id);
}

#define QUIC_INC_STATS(net, field)	SNMP_INC_STATS(quic_net(net)->stat, field)
#define QUIC_DEC_STATS(net, field)	SNMP_DEC_STATS(quic_net(net)->stat, field)
#define QUIC_ADD_STATS(net, field, n)	SNMP_ADD_STATS(quic_net(net)->stat, field, n)

int quic_net_register(void);	/* module init */
void quic_net_unregister(void);

#endif /* _QUIC_NET_H */
