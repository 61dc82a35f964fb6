// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that protect packets: registering, finding, going away, and the
 * associations that each holds. A registry of its own, since a netdev need not
 * be the one that has the hardware.
 */
#include <linux/atomic.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "net.h"
#include "offload.h"
#include "sock.h"

DEFINE_STATIC_KEY_FALSE(quic_offload_key);

static LIST_HEAD(quic_offload_devs);		/* RCU readers */
static DEFINE_MUTEX(quic_offload_mutex);	/* writers of quic_offload_devs */
static atomic_t quic_offload_epochs;
static atomic_t quic_offload_indexes;

/**
 * quic_offload_epoch() - changes whenever a device came, went, or changed its state
 */
u32 quic_offload_epoch(void)
{
	return atomic_read(&quic_offload_epochs);
}

/**
 * quic_offload_count() - count for a device and its netns
 * @dev:  device
 * @what: which counter
 * @n:    how many
 */
void quic_offload_count(struct quic_offload_dev *dev, enum quic_offload_count what, u32 n)
{
	atomic64_add(n, &dev->count[what]);
	atomic64_add(n, &dev->qn->offload_count[what]);
}

/**
 * quic_offload_count_packets() - count for a connection and its device
 * @qs:   socket, in any context
 * @dev:  device
 * @what: one of the first four counters
 * @n:    packets
 */
void quic_offload_count_packets(struct quic_sock *qs, struct quic_offload_dev *dev,
				enum quic_offload_count what, u32 n)
{
	atomic64_add(n, &qs->offload.count[what]);
	quic_offload_count(dev, what, n);
}

/**
 * quic_offload_dev_get() - the device of a netdev
 * @netdev: netdev
 *
 * Return: device, to be given back by quic_offload_dev_put(), or NULL.
 */
struct quic_offload_dev *quic_offload_dev_get(const struct net_device *netdev)
{
	struct quic_offload_dev *dev;

	rcu_read_lock();
	list_for_each_entry_rcu(dev, &quic_offload_devs, link) {
		if (READ_ONCE(dev->netdev) == netdev && refcount_inc_not_zero(&dev->refs)) {
			rcu_read_unlock();
			return dev;
		}
	}
	rcu_read_unlock();
	return NULL;
}
EXPORT_SYMBOL_GPL(quic_offload_dev_get);

/**
 * quic_offload_dev_put() - give a device back
 * @dev: device, or NULL
 */
void quic_offload_dev_put(struct quic_offload_dev *dev)
{
	if (dev && refcount_dec_and_test(&dev->refs))
		kfree_rcu(dev, rcu);
}
EXPORT_SYMBOL_GPL(quic_offload_dev_put);

/**
 * quic_offload_dev_priv() - what the driver passed when it registered
 * @dev: device
 */
void *quic_offload_dev_priv(const struct quic_offload_dev *dev)
{
	return dev->priv;
}
EXPORT_SYMBOL_GPL(quic_offload_dev_priv);

static bool quic_offload_caps_make_sense(const struct quic_offload_ops *ops,
					 const struct quic_offload_caps *caps)
{
	return ops->add && ops->rekey && ops->del && ops->resync && ops->get_stats &&
	       caps->ciphers && caps->directions &&
	       !(caps->directions & ~(BIT(QUIC_OFFLOAD_TX) | BIT(QUIC_OFFLOAD_RX))) &&
	       caps->max_assocs && caps->cid_len_min <= caps->cid_len_max &&
	       caps->cid_len_max <= QUIC_OFFLOAD_CID_MAX &&
	       (!(caps->directions & BIT(QUIC_OFFLOAD_RX)) ||
		(caps->rx_phases >= 1 && caps->rx_phases <= 2));
}

/**
 * quic_offload_dev_create() - register a device
 * @netdev: netdev whose packets it protects; must compute UDP checksums behind the encryption
 * @ops:    driver
 * @caps:   what it can do; copied
 * @priv:   for quic_offload_dev_priv()
 *
 * Process context. Connections over @netdev move to the device as they send next.
 *
 * Return: the device, or an ERR_PTR: -EINVAL, -EEXIST, -ENOMEM.
 */
struct quic_offload_dev *quic_offload_dev_create(struct net_device *netdev,
						 const struct quic_offload_ops *ops,
						 const struct quic_offload_caps *caps, void *priv)
{
	struct quic_offload_dev *dev, *other;

	if (!quic_offload_caps_make_sense(ops, caps) ||
	    !(netdev->features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM)))
		return ERR_PTR(-EINVAL);
	dev = kzalloc_obj(*dev, GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->netdev = netdev;
	dev->qn = quic_net(dev_net(netdev));
	dev->ops = ops;
	dev->caps = *caps;
	/* Nothing else keeps what is in clear from another device. */
	if (!IS_ENABLED(CONFIG_SOCK_VALIDATE_XMIT))
		dev->caps.directions &= ~BIT(QUIC_OFFLOAD_TX);
	dev->priv = priv;
	mutex_init(&dev->lock);
	INIT_LIST_HEAD(&dev->assocs);
	refcount_set(&dev->refs, 1);

	mutex_lock(&quic_offload_mutex);
	list_for_each_entry(other, &quic_offload_devs, link) {
		if (other->netdev == netdev) {
			mutex_unlock(&quic_offload_mutex);
			kfree(dev);
			return ERR_PTR(-EEXIST);
		}
	}
	dev_hold(netdev);
	list_add_tail_rcu(&dev->link, &quic_offload_devs);
	mutex_unlock(&quic_offload_mutex);
	static_branch_inc(&quic_offload_key);
	atomic_inc(&quic_offload_epochs);
	return dev;
}
EXPORT_SYMBOL_GPL(quic_offload_dev_create);

/* Every association of @dev is back in software when this returns. */
static void quic_offload_fall_back(struct quic_offload_dev *dev, enum quic_offload_count cause)
{
	struct quic_offload_assoc *assoc, *next;

	mutex_lock(&dev->lock);
	list_for_each_entry(assoc, &dev->assocs, link)
		WRITE_ONCE(assoc->is_dead, true);
	/* Whoever saw them alive is through with his packet, and with ops->resync. */
	synchronize_net();
	list_for_each_entry_safe(assoc, next, &dev->assocs, link) {
		list_del_init(&assoc->link);
		dev->nr--;
		dev->ops->del(dev, assoc);
		quic_offload_count(dev, QUIC_OFFLOAD_COUNT_DELS, 1);
		quic_offload_count(dev, cause, 1);
		quic_offload_assoc_put(assoc);
	}
	mutex_unlock(&dev->lock);
	atomic_inc(&quic_offload_epochs);
}

static void quic_offload_detach(struct quic_offload_dev *dev)
{
	struct net_device *netdev;

	mutex_lock(&quic_offload_mutex);
	netdev = dev->netdev;
	if (!netdev) {
		mutex_unlock(&quic_offload_mutex);
		return;
	}
	list_del_rcu(&dev->link);
	WRITE_ONCE(dev->netdev, NULL);
	mutex_unlock(&quic_offload_mutex);
	mutex_lock(&dev->lock);
	dev->is_gone = true;
	mutex_unlock(&dev->lock);
	quic_offload_fall_back(dev, QUIC_OFFLOAD_COUNT_GONE);
	dev_put(netdev);
	static_branch_dec(&quic_offload_key);
}

/**
 * quic_offload_dev_unregister() - take a device away, with traffic running
 * @dev: device, or NULL; not valid afterwards
 *
 * Process context.
 */
void quic_offload_dev_unregister(struct quic_offload_dev *dev)
{
	if (!dev)
		return;
	quic_offload_detach(dev);
	quic_offload_dev_put(dev);
}
EXPORT_SYMBOL_GPL(quic_offload_dev_unregister);

static int quic_offload_netdev_event(struct notifier_block *block, unsigned long event, void *ptr)
{
	struct quic_offload_dev *dev;

	if (event != NETDEV_DOWN && event != NETDEV_UP && event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	dev = quic_offload_dev_get(netdev_notifier_info_to_dev(ptr));
	if (!dev)
		return NOTIFY_DONE;
	if (event == NETDEV_UP)
		atomic_inc(&quic_offload_epochs);
	else if (event == NETDEV_DOWN)
		quic_offload_fall_back(dev, QUIC_OFFLOAD_COUNT_DOWN);
	else
		quic_offload_detach(dev);
	quic_offload_dev_put(dev);
	return NOTIFY_DONE;
}

static struct notifier_block quic_offload_notifier = {
	.notifier_call = quic_offload_netdev_event,
};

/*
 * Associations.
 */

/**
 * quic_offload_assoc_new() - an association that the device does not know yet
 * @dev:       device; a reference is taken
 * @direction: QUIC_OFFLOAD_TX or QUIC_OFFLOAD_RX
 *
 * Return: association with one reference, or NULL.
 */
struct quic_offload_assoc *quic_offload_assoc_new(struct quic_offload_dev *dev,
						  enum quic_offload_direction direction)
{
	struct quic_offload_assoc *assoc;

	assoc = kzalloc(struct_size(assoc, driver, dev->caps.assoc_size), GFP_KERNEL);
	if (!assoc)
		return NULL;
	refcount_inc(&dev->refs);
	assoc->dev = dev;
	assoc->direction = direction;
	assoc->index = atomic_inc_return(&quic_offload_indexes);
	INIT_LIST_HEAD(&assoc->link);
	refcount_set(&assoc->refs, 1);
	return assoc;
}

/**
 * quic_offload_assoc_put() - drop a reference
 * @assoc: association
 */
void quic_offload_assoc_put(struct quic_offload_assoc *assoc)
{
	if (!refcount_dec_and_test(&assoc->refs))
		return;
	quic_offload_dev_put(assoc->dev);
	kfree_rcu(assoc, rcu);
}

/**
 * quic_offload_assoc_add() - give an association to its device
 * @assoc: new association, filled in
 * @key:   its first key
 *
 * May take as long as the driver takes.
 *
 * Return: 0, or the errno with which it was refused.
 */
int quic_offload_assoc_add(struct quic_offload_assoc *assoc, const struct quic_offload_key *key)
{
	struct quic_offload_dev *dev = assoc->dev;
	struct netlink_ext_ack extack = {};
	struct net_device *netdev;
	int err = -ENODEV;

	mutex_lock(&dev->lock);
	/* Detaching takes the lock before it lets go of the netdev. */
	netdev = READ_ONCE(dev->netdev);
	if (netdev && !dev->is_gone && netif_running(netdev))
		err = dev->nr < dev->caps.max_assocs ? dev->ops->add(dev, assoc, key, &extack) :
						       -ENOSPC;
	if (!err) {
		refcount_inc(&assoc->refs);
		list_add_tail(&assoc->link, &dev->assocs);
		dev->nr++;
	}
	mutex_unlock(&dev->lock);
	quic_offload_count(dev, err ? QUIC_OFFLOAD_COUNT_REFUSED : QUIC_OFFLOAD_COUNT_ADDS, 1);
	if (err && extack._msg)
		pr_debug("quic: association refused: %s\n", extack._msg);
	return err;
}

/**
 * quic_offload_assoc_rekey() - one more key for an association
 * @assoc: association
 * @key:   key
 *
 * Return: 0, or a negative errno: it cannot go on.
 */
int quic_offload_assoc_rekey(struct quic_offload_assoc *assoc, const struct quic_offload_key *key)
{
	struct quic_offload_dev *dev = assoc->dev;
	int err = -ENODEV;

	mutex_lock(&dev->lock);
	if (!list_empty(&assoc->link))
		err = dev->ops->rekey(dev, assoc, key);
	mutex_unlock(&dev->lock);
	quic_offload_count(dev, err ? QUIC_OFFLOAD_COUNT_REKEY_FAILED :
				      QUIC_OFFLOAD_COUNT_REKEYS, 1);
	return err;
}

/**
 * quic_offload_assoc_end() - take an association from its device
 * @assoc: association that the connection has let go of; its reference is dropped
 */
void quic_offload_assoc_end(struct quic_offload_assoc *assoc)
{
	struct quic_offload_dev *dev = assoc->dev;

	WRITE_ONCE(assoc->is_dead, true);
	synchronize_net();
	mutex_lock(&dev->lock);
	if (!list_empty(&assoc->link)) {
		list_del_init(&assoc->link);
		dev->nr--;
		dev->ops->del(dev, assoc);
		quic_offload_count(dev, QUIC_OFFLOAD_COUNT_DELS, 1);
		quic_offload_assoc_put(assoc);
	}
	mutex_unlock(&dev->lock);
	quic_offload_assoc_put(assoc);
}

static const char *const quic_offload_names[QUIC_OFFLOAD_COUNT_MAX] = {
	[QUIC_OFFLOAD_COUNT_TX_DEVICE] = "TX_DEVICE",
	[QUIC_OFFLOAD_COUNT_TX_SOFTWARE] = "TX_SOFTWARE",
	[QUIC_OFFLOAD_COUNT_RX_DEVICE] = "RX_DEVICE",
	[QUIC_OFFLOAD_COUNT_RX_SOFTWARE] = "RX_SOFTWARE",
	[QUIC_OFFLOAD_COUNT_ADDS] = "ADDS",
	[QUIC_OFFLOAD_COUNT_REFUSED] = "REFUSED",
	[QUIC_OFFLOAD_COUNT_DELS] = "DELS",
	[QUIC_OFFLOAD_COUNT_REKEYS] = "REKEYS",
	[QUIC_OFFLOAD_COUNT_RESYNCS] = "RESYNCS",
	[QUIC_OFFLOAD_COUNT_DOWN] = "DOWN",
	[QUIC_OFFLOAD_COUNT_GONE] = "GONE",
	[QUIC_OFFLOAD_COUNT_REKEY_FAILED] = "REKEY_FAILED",
	[QUIC_OFFLOAD_COUNT_DISTRUSTED] = "DISTRUSTED",
	[QUIC_OFFLOAD_COUNT_REROUTED] = "REROUTED",
	[QUIC_OFFLOAD_COUNT_LATE] = "LATE",
	[QUIC_OFFLOAD_COUNT_DECLINED] = "DECLINED",
	[QUIC_OFFLOAD_COUNT_AUTH_FAILED] = "AUTH_FAILED",
	[QUIC_OFFLOAD_COUNT_PHASE_MISMATCH] = "PHASE_MISMATCH",
	[QUIC_OFFLOAD_COUNT_WRONG] = "WRONG",
};

static void quic_offload_show_row(struct seq_file *seq, const char *name, u32 nr, u32 most,
				  const atomic64_t *count,
				  const struct quic_offload_dev_stats *stats)
{
	int i;

	seq_printf(seq, "%s\t%u\t%u", name, nr, most);
	for (i = 0; i < QUIC_OFFLOAD_COUNT_MAX; i++)
		seq_printf(seq, "\t%llu", (u64)atomic64_read(&count[i]));
	seq_printf(seq, "\t%llu\t%llu\t%llu\t%llu\n", stats->tx_packets, stats->rx_packets,
		   stats->rx_auth_failed, stats->rx_phase_mismatch);
}

/**
 * quic_offload_show() - /proc/net/quic/offload: the devices of a netns, a line each, and their sum
 * @seq: where to
 * @net: the netns
 *
 * The sum is of what was counted here, by devices that have gone as well; but for associations, and
 * for what the hardware itself tells, which go with it.
 */
void quic_offload_show(struct seq_file *seq, struct net *net)
{
	struct quic_offload_dev_stats stats, sum = {};
	struct quic_offload_dev *dev;
	u32 nr = 0, most = 0;
	int i;

	seq_printf(seq, "offload %s\n", quic_net(net)->offload ? "on" : "off");
	seq_puts(seq, "DEVICE\tASSOCS\tMOST");
	for (i = 0; i < QUIC_OFFLOAD_COUNT_MAX; i++)
		seq_printf(seq, "\t%s", quic_offload_names[i]);
	seq_puts(seq, "\tHW_TX\tHW_RX\tHW_AUTH_FAILED\tHW_PHASE_MISMATCH\n");
	mutex_lock(&quic_offload_mutex);
	list_for_each_entry(dev, &quic_offload_devs, link) {
		if (!net_eq(dev_net(dev->netdev), net))
			continue;
		memset(&stats, 0, sizeof(stats));
		dev->ops->get_stats(dev, &stats);
		quic_offload_show_row(seq, dev->netdev->name, READ_ONCE(dev->nr),
				      dev->caps.max_assocs, dev->count, &stats);
		nr += READ_ONCE(dev->nr);
		most += dev->caps.max_assocs;
		sum.tx_packets += stats.tx_packets;
		sum.rx_packets += stats.rx_packets;
		sum.rx_auth_failed += stats.rx_auth_failed;
		sum.rx_phase_mismatch += stats.rx_phase_mismatch;
	}
	mutex_unlock(&quic_offload_mutex);
	/* No netdev has such a name. */
	quic_offload_show_row(seq, "/", nr, most, quic_net(net)->offload_count, &sum);
}

/**
 * quic_offload_switch_net() - the switch of a netns
 * @net: the netns
 * @on:  its connections may use devices
 */
void quic_offload_switch_net(struct net *net, bool on)
{
	WRITE_ONCE(quic_net(net)->offload, on);
	atomic_inc(&quic_offload_epochs);
}

/**
 * quic_offload_init() - module init
 */
int quic_offload_init(void)
{
	return register_netdevice_notifier(&quic_offload_notifier);
}

/**
 * quic_offload_exit() - module exit: drivers use this module, so none is left
 */
void quic_offload_exit(void)
{
	unregister_netdevice_notifier(&quic_offload_notifier);
}
