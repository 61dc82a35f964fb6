/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet protection by devices, as the module sees it: offload_dev.c keeps the
 * devices, offload_conn.c the associations of a connection, offload_packet.c
 * deals with packets on their way. While no device is registered all of it
 * costs one branch that is patched out.
 */
#ifndef _QUIC_OFFLOAD_H
#define _QUIC_OFFLOAD_H

#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/quic_offload.h>
#include <linux/seq_file.h>

struct quic_key;
struct quic_net;
struct quic_sock;

/* What is counted for each device, and each netns; the first four for each connection as well. */
enum quic_offload_count {
	QUIC_OFFLOAD_COUNT_TX_DEVICE,	/* packets handed to the device in clear */
	QUIC_OFFLOAD_COUNT_TX_SOFTWARE,	/* laid out for it, but encrypted by the kernel */
	QUIC_OFFLOAD_COUNT_RX_DEVICE,
	QUIC_OFFLOAD_COUNT_RX_SOFTWARE,	/* decrypted by the kernel although there is an association */
	QUIC_OFFLOAD_COUNT_PACKETS,	/* the four above */
	QUIC_OFFLOAD_COUNT_ADDS = QUIC_OFFLOAD_COUNT_PACKETS,
	QUIC_OFFLOAD_COUNT_REFUSED,
	QUIC_OFFLOAD_COUNT_DELS,
	QUIC_OFFLOAD_COUNT_REKEYS,
	QUIC_OFFLOAD_COUNT_RESYNCS,
	/* Associations that fell back, by cause; the connection may get another one. */
	QUIC_OFFLOAD_COUNT_DOWN,
	QUIC_OFFLOAD_COUNT_GONE,
	QUIC_OFFLOAD_COUNT_REKEY_FAILED,
	QUIC_OFFLOAD_COUNT_DISTRUSTED,
	/* Packets that fell back, by cause: sum up to TX_SOFTWARE. */
	QUIC_OFFLOAD_COUNT_REROUTED,
	QUIC_OFFLOAD_COUNT_LATE,	/* the association had gone */
	QUIC_OFFLOAD_COUNT_DECLINED,	/* by ops->xmit_ok, or segments were too much */
	QUIC_OFFLOAD_COUNT_AUTH_FAILED,
	QUIC_OFFLOAD_COUNT_PHASE_MISMATCH,
	QUIC_OFFLOAD_COUNT_WRONG,	/* marked by what cannot have opened them: dropped */
	QUIC_OFFLOAD_COUNT_MAX,
};

/**
 * struct quic_offload_dev - a device that protects packets
 * @link:    in the list of all
 * @netdev:  its netdev; NULL once it is detached
 * @qn:      of its netns, which is that of all its connections; not to be looked at without one
 * @ops:     driver
 * @caps:    what it can do
 * @priv:    the driver's own
 * @lock:    one call of @ops at a time; guards @assocs and @nr
 * @assocs:  associations that ops->add took
 * @nr:      how many
 * @is_gone: detached: takes no more
 * @refs:    whoever has a pointer
 * @count:   statistics
 */
struct quic_offload_dev {
	struct list_head link;
	struct net_device *netdev;
	struct quic_net *qn;
	const struct quic_offload_ops *ops;
	struct quic_offload_caps caps;
	void *priv;
	struct mutex lock;	/* see above */
	struct list_head assocs;
	u32 nr;
	bool is_gone;
	refcount_t refs;
	atomic64_t count[QUIC_OFFLOAD_COUNT_MAX];
	struct rcu_head rcu;
};

/**
 * struct quic_offload_state - what a connection has of devices; under the socket's lock
 * @assoc:     its associations, by direction
 * @rx_before: index of the receiving association before, whose packets may still be queued
 * @work:      brings associations in line with the connection; holds a reference to the socket
 * @epoch:     of the registry, when it was looked at
 * @path:      and the path,
 * @generation: keys,
 * @has_previous: whether the keys before were still there,
 * @has_next:  whether the keys after were,
 * @dcid:      connection ID that the peer sends to,
 * @remote_cid: sequence number of the one that we send to,
 * @netdev:    device of the route, only to compare
 * @count:      packets; not under the lock
 * @fallbacks:  associations that were taken away by their device
 * @is_off:    QUIC_SOCKOPT_OFFLOAD forbids
 * @is_distrusted: a device marked packets with what is not true: not for receiving any more
 */
struct quic_offload_state {
	struct quic_offload_assoc *assoc[QUIC_OFFLOAD_DIRECTIONS];
	u32 rx_before;
	struct work_struct work;
	u32 epoch;
	u32 generation;
	u64 dcid;
	u64 remote_cid;
	const struct net_device *netdev;
	atomic64_t count[QUIC_OFFLOAD_COUNT_PACKETS];
	u64 fallbacks;
	u8 path;
	bool has_previous;
	bool has_next;
	bool is_off;
	bool is_distrusted;
};

DECLARE_STATIC_KEY_FALSE(quic_offload_key);

static inline bool quic_offload_is_on(void)
{
	return static_branch_unlikely(&quic_offload_key);
}

/* offload_dev.c */
int quic_offload_init(void);
void quic_offload_exit(void);
u32 quic_offload_epoch(void);
void quic_offload_count(struct quic_offload_dev *dev, enum quic_offload_count what, u32 n);
void quic_offload_count_packets(struct quic_sock *qs, struct quic_offload_dev *dev,
				enum quic_offload_count what, u32 n);
void quic_offload_show(struct seq_file *seq, struct net *net);
void quic_offload_switch_net(struct net *net, bool on);
struct quic_offload_assoc *quic_offload_assoc_new(struct quic_offload_dev *dev,
						  enum quic_offload_direction direction);
int quic_offload_assoc_add(struct quic_offload_assoc *assoc, const struct quic_offload_key *key);
int quic_offload_assoc_rekey(struct quic_offload_assoc *assoc, const struct quic_offload_key *key);
void quic_offload_assoc_end(struct quic_offload_assoc *assoc);	/* may sleep; drops a reference */
void quic_offload_assoc_put(struct quic_offload_assoc *assoc);

/* offload_conn.c */
void quic_offload_state_init(struct quic_sock *qs);
void quic_offload_look(struct quic_sock *qs);
void quic_offload_release(struct quic_sock *qs);
void quic_offload_switch(struct quic_sock *qs, bool on);
bool quic_offload_does(const struct quic_sock *qs, enum quic_offload_direction direction);
void quic_offload_distrust(struct quic_sock *qs);

/* offload_packet.c */
struct quic_offload_assoc *quic_offload_tx_begin(struct quic_sock *qs, const struct quic_key *key);
int quic_offload_tx_mark(struct sk_buff *skb, struct quic_offload_assoc *assoc,
			 struct quic_key *key, u64 pn, u32 n);
void quic_offload_tx_own(struct sk_buff *skb);
void quic_offload_tx_unmark(struct sk_buff *skb);
int quic_offload_rx(struct quic_sock *qs, const struct sk_buff *skb, u32 *generation);
void quic_offload_rx_opened(struct quic_sock *qs, u32 n, bool by_device);

/* Is @skb in clear, to be encrypted on its way? */
static inline bool quic_offload_is_marked(const struct sk_buff *skb)
{
#ifdef CONFIG_SOCK_VALIDATE_XMIT
	return quic_offload_is_on() && skb->decrypted;
#else
	return false;
#endif
}

#endif /* _QUIC_OFFLOAD_H */
