// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's side of associations: what quic_offload_ops asks for.
 */
#include <linux/delay.h>
#include <linux/rtnetlink.h>
#include <linux/tls.h>

#include "simdev.h"

static struct simdev_assoc *simdev_assoc(struct quic_offload_assoc *assoc)
{
	return (struct simdev_assoc *)assoc->driver;
}

static int simdev_add(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
		      const struct quic_offload_key *key, struct netlink_ext_ack *extack)
{
	struct simdev *sim = quic_offload_dev_priv(dev);
	struct simdev_assoc *sa = simdev_assoc(assoc), *other;
	u32 n = 0;
	int err;

	if (sim->knobs.add_delay_ms)
		msleep(sim->knobs.add_delay_ms);
	if (sim->knobs.add_errno) {
		NL_SET_ERR_MSG_MOD(extack, "told to refuse");
		return -(int)sim->knobs.add_errno;
	}
	list_for_each_entry(other, &sim->assocs, link)
		n++;
	if (n >= sim->knobs.capacity) {
		NL_SET_ERR_MSG_MOD(extack, "the table is full");
		return -ENOSPC;
	}
	sa->assoc = assoc;
	sa->largest = (s64)assoc->next_pn - 1;
	err = simdev_crypt_init(sa, key);
	if (err)
		return err;
	spin_lock_bh(&sim->lock);
	list_add_tail_rcu(&sa->link, &sim->assocs);
	spin_unlock_bh(&sim->lock);
	return 0;
}

static int simdev_rekey(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
			const struct quic_offload_key *key)
{
	struct simdev *sim = quic_offload_dev_priv(dev);

	if (sim->knobs.rekey_errno)
		return -(int)sim->knobs.rekey_errno;
	return simdev_crypt_rekey(simdev_assoc(assoc), key);
}

static void simdev_del(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc)
{
	struct simdev *sim = quic_offload_dev_priv(dev);
	struct simdev_assoc *sa = simdev_assoc(assoc);

	spin_lock_bh(&sim->lock);
	list_del_rcu(&sa->link);
	spin_unlock_bh(&sim->lock);
	synchronize_net();
	simdev_crypt_exit(sa);
}

static void simdev_resync(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
			  u64 next_pn)
{
	struct simdev_assoc *sa = simdev_assoc(assoc);

	spin_lock_bh(&sa->lock);
	sa->largest = (s64)next_pn - 1;
	spin_unlock_bh(&sa->lock);
}

static bool simdev_xmit_ok(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
			   const struct sk_buff *skb)
{
	struct simdev *sim = quic_offload_dev_priv(dev);
	u32 nth = READ_ONCE(sim->knobs.decline_nth);

	return !nth || atomic_inc_return(&sim->nr_asked) % nth;
}

static void simdev_get_stats(struct quic_offload_dev *dev, struct quic_offload_dev_stats *stats)
{
	struct simdev *sim = quic_offload_dev_priv(dev);

	spin_lock_bh(&sim->lock);
	stats->tx_packets = sim->counts.tx_encrypted;
	stats->rx_packets = sim->counts.rx_opened;
	stats->rx_auth_failed = sim->counts.rx_auth_failed;
	stats->rx_phase_mismatch = sim->counts.rx_phase_mismatch;
	spin_unlock_bh(&sim->lock);
}

static const struct quic_offload_ops simdev_ops = {
	.add = simdev_add,
	.rekey = simdev_rekey,
	.del = simdev_del,
	.resync = simdev_resync,
	.xmit_ok = simdev_xmit_ok,
	.get_stats = simdev_get_stats,
};

/**
 * simdev_register() - begin to protect packets
 * @sim: device
 *
 * Return: 0, or a negative errno; -EEXIST if it does already.
 */
int simdev_register(struct simdev *sim)
{
	struct quic_offload_caps caps = {
		.ciphers = BIT_ULL(TLS_CIPHER_AES_GCM_128) | BIT_ULL(TLS_CIPHER_AES_GCM_256) |
			   BIT_ULL(TLS_CIPHER_AES_CCM_128) | BIT_ULL(TLS_CIPHER_CHACHA20_POLY1305),
		.directions = sim->knobs.directions,
		.max_assocs = 1 << 16,
		.cid_len_min = 0,
		.cid_len_max = QUIC_OFFLOAD_CID_MAX,
		.rx_phases = sim->knobs.rx_phases,
		.gso = sim->knobs.gso,
		.assoc_size = sizeof(struct simdev_assoc),
	};
	struct quic_offload_dev *quic;
	int err = -EEXIST;

	mutex_lock(&sim->register_lock);
	if (!sim->quic) {
		quic = quic_offload_dev_create(sim->netdev, &simdev_ops, &caps, sim);
		err = PTR_ERR_OR_ZERO(quic);
		if (!err)
			sim->quic = quic;
	}
	mutex_unlock(&sim->register_lock);
	return err;
}

/**
 * simdev_unregister() - protect no more packets
 * @sim: device
 */
void simdev_unregister(struct simdev *sim)
{
	mutex_lock(&sim->register_lock);
	quic_offload_dev_unregister(sim->quic);
	sim->quic = NULL;
	mutex_unlock(&sim->register_lock);
}
