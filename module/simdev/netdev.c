// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets through a pair of simulated devices. What leaves one is copied,
 * segmented and encrypted as the wire would have it; what reaches the other is
 * decrypted if there is an association for it, marked, and handed up by way of
 * GRO.
 */
#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "simdev.h"

static uint pairs = 1;
module_param(pairs, uint, 0444);
MODULE_PARM_DESC(pairs, "pairs of devices: qsim0 is linked with qsim1, and so on");

#define SIMDEV_PAIRS_MAX	16

static struct simdev *simdev_all[2 * SIMDEV_PAIRS_MAX];
static struct dentry *simdev_root;

static void simdev_count(struct simdev *sim, u64 *count)
{
	spin_lock_bh(&sim->lock);
	(*count)++;
	spin_unlock_bh(&sim->lock);
}

/* Is the @nth of what is counted by @counter? */
static bool simdev_is_nth(u32 *counter, u32 nth)
{
	return nth && ++*counter % nth == 0;
}

/*
 * Receiving.
 */

/* Where the UDP payload begins, if that is what the frame holds; 0 otherwise. */
static u32 simdev_payload(const struct sk_buff *skb, struct sockaddr_storage *to)
{
	const struct ipv6hdr *ip6h = (const struct ipv6hdr *)skb->data;
	const struct iphdr *iph = (const struct iphdr *)skb->data;
	const struct udphdr *uh;
	u32 offset;

	if (skb->protocol == htons(ETH_P_IP)) {
		if (skb->len < sizeof(*iph) + sizeof(*uh) || iph->protocol != IPPROTO_UDP ||
		    ip_is_fragment(iph) || skb->len != ntohs(iph->tot_len))
			return 0;
		offset = iph->ihl * 4;
		to->ss_family = AF_INET;
		((struct sockaddr_in *)to)->sin_addr.s_addr = iph->daddr;
	} else if (skb->protocol == htons(ETH_P_IPV6)) {
		if (skb->len < sizeof(*ip6h) + sizeof(*uh) || ip6h->nexthdr != IPPROTO_UDP)
			return 0;
		offset = sizeof(*ip6h);
		to->ss_family = AF_INET6;
		((struct sockaddr_in6 *)to)->sin6_addr = ip6h->daddr;
	} else {
		return 0;
	}
	if (skb->len < offset + sizeof(*uh))
		return 0;
	uh = (const struct udphdr *)(skb->data + offset);
	/* The port lies at the same place in both. */
	((struct sockaddr_in *)to)->sin_port = uh->dest;
	return offset + sizeof(*uh);
}

static bool simdev_is_to(const struct quic_offload_assoc *assoc, const struct sockaddr_storage *to)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&assoc->local;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&assoc->local;

	if (assoc->local.ss_family != to->ss_family ||
	    four->sin_port != ((const struct sockaddr_in *)to)->sin_port)
		return false;
	return to->ss_family == AF_INET ?
		       four->sin_addr.s_addr == ((const struct sockaddr_in *)to)->sin_addr.s_addr :
		       ipv6_addr_equal(&six->sin6_addr,
				       &((const struct sockaddr_in6 *)to)->sin6_addr);
}

static struct simdev_assoc *simdev_find(struct simdev *sim, const struct sockaddr_storage *to,
					const u8 *packet, u32 len)
{
	struct simdev_assoc *sa;

	list_for_each_entry_rcu(sa, &sim->assocs, link)
		if (sa->assoc->direction == QUIC_OFFLOAD_RX && simdev_is_to(sa->assoc, to) &&
		    len > 1 + sa->assoc->cid_len &&
		    !memcmp(packet + 1, sa->assoc->cid, sa->assoc->cid_len))
			return sa;
	return NULL;
}

/* Marks what was opened, and lies about it if told so. */
static void simdev_mark(struct simdev *sim, struct sk_buff *skb, struct quic_offload_assoc *assoc,
			u32 generation, enum quic_offload_rx_status status)
{
	struct quic_offload_assoc other = { .index = assoc->index + 1 };

	if (status == QUIC_OFFLOAD_RX_DONE &&
	    simdev_is_nth(&sim->nr_received, READ_ONCE(sim->knobs.lie_nth))) {
		if (sim->knobs.lie == SIMDEV_LIE_INDEX)
			assoc = &other;
		else if (sim->knobs.lie == SIMDEV_LIE_GENERATION)
			generation++;
	}
	quic_offload_rx_mark(skb, assoc, generation, status);
}

/* Decrypts a frame where it lies; its link header was just taken off. */
static void simdev_decrypt(struct simdev *sim, struct sk_buff *skb)
{
	enum quic_offload_rx_status status;
	struct sockaddr_storage to = {};
	u32 offset = simdev_payload(skb, &to);
	struct simdev_assoc *sa;
	u32 generation = 0;
	bool flip;
	u8 *packet;

	if (!offset || offset >= skb->len)
		return;
	packet = skb->data + offset;
	if (packet[0] & 0x80)
		return;
	rcu_read_lock();
	sa = simdev_find(sim, &to, packet, skb->len - offset);
	/* Without room for the mark the packet stays as it is. */
	if (!sa || skb_cow_head(skb, ETH_HLEN + QUIC_OFFLOAD_RX_HEADROOM))
		goto out;
	packet = skb->data + offset;
	flip = simdev_is_nth(&sim->nr_received, READ_ONCE(sim->knobs.flip_phase_nth));
	status = simdev_open(sa, packet, skb->len - offset, flip, &generation);
	if (status == QUIC_OFFLOAD_RX_DONE)
		simdev_count(sim, &sim->counts.rx_opened);
	else if (status == QUIC_OFFLOAD_RX_AUTH_FAILED)
		simdev_count(sim, &sim->counts.rx_auth_failed);
	else if (status == QUIC_OFFLOAD_RX_PHASE_MISMATCH)
		simdev_count(sim, &sim->counts.rx_phase_mismatch);
	if (status != QUIC_OFFLOAD_RX_NONE)
		simdev_mark(sim, skb, sa->assoc, generation, status);
out:
	rcu_read_unlock();
}

static void simdev_receive(struct simdev *sim, struct sk_buff *skb)
{
	u32 len = skb->len;

	if (!netif_running(sim->netdev)) {
		kfree_skb(skb);
		return;
	}
	skb_scrub_packet(skb, true);
	skb->protocol = eth_type_trans(skb, sim->netdev);
	/* The sum was right on the wire; behind the decryption it is not any more. */
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	simdev_decrypt(sim, skb);
	dev_sw_netstats_rx_add(sim->netdev, len);
	if (!simdev_vector_receive(sim, skb))
		gro_cells_receive(&sim->cells, skb);
}

/*
 * The wire.
 */

static void simdev_wire(struct simdev *sim, struct sk_buff *frame)
{
	struct simdev *peer = netdev_priv(sim->peer);
	struct simdev_knobs *knobs = &sim->knobs;
	struct sk_buff *late = NULL;

	if (get_random_u32() % 100 < READ_ONCE(knobs->loss_percent)) {
		simdev_count(sim, &sim->counts.wire_lost);
		kfree_skb(frame);
		return;
	}
	spin_lock_bh(&sim->lock);
	sim->nr_frames++;
	if (knobs->corrupt_nth && sim->nr_frames % knobs->corrupt_nth == 0) {
		frame->data[frame->len - 1] ^= 0xff;
		sim->counts.wire_corrupted++;
	}
	swap(late, sim->held);
	if (!late && knobs->reorder_nth && sim->nr_frames % knobs->reorder_nth == 0) {
		sim->held = frame;
		sim->counts.wire_reordered++;
		frame = NULL;
	}
	spin_unlock_bh(&sim->lock);
	if (frame)
		simdev_receive(peer, frame);
	if (late)
		simdev_receive(peer, late);
}

/*
 * Sending.
 */

/* The UDP payload of a frame of ours. */
static u32 simdev_udp_offset(const struct sk_buff *skb)
{
	return skb_transport_offset(skb) + sizeof(struct udphdr);
}

/* Is @frame what the kernel made of the segment that begins at @offset of @skb? */
static void simdev_compare(struct simdev *sim, const struct sk_buff *skb, u32 offset,
			   const struct sk_buff *frame)
{
	u32 from = simdev_udp_offset(frame), len = frame->len - from;
	u8 *copy = kmalloc(len, GFP_ATOMIC);
	bool equal;

	if (!copy)
		return;
	equal = !skb_copy_bits(skb, offset, copy, len) && !memcmp(copy, frame->data + from, len);
	simdev_count(sim, equal ? &sim->counts.verify_equal : &sim->counts.verify_different);
	kfree(copy);
}

/* Frames of their own, linear, that nobody else reads. */
static struct sk_buff *simdev_segments(struct sk_buff *skb)
{
	if (skb_is_gso(skb))
		return skb_gso_segment(skb, NETIF_F_HW_CSUM);
	return skb_copy(skb, GFP_ATOMIC);
}

static bool simdev_encrypt(struct simdev *sim, struct sk_buff *frame,
			   const struct quic_offload_tx *tx, u64 pn)
{
	struct simdev_assoc *sa = (struct simdev_assoc *)tx->assoc->driver;
	u32 offset = simdev_udp_offset(frame);

	frame->decrypted = 0;
	if (simdev_seal(sa, frame->data + offset, frame->len - offset, pn, tx->generation)) {
		simdev_count(sim, &sim->counts.tx_failed);
		return false;
	}
	simdev_count(sim, &sim->counts.tx_encrypted);
	return true;
}

static netdev_tx_t simdev_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct simdev *sim = netdev_priv(netdev);
	enum quic_offload_verdict verdict;
	struct sk_buff *frame, *next;
	struct quic_offload_tx tx;
	u32 offset, i = 0;
	bool verify;

	verdict = quic_offload_tx(skb, &tx);
	if (verdict == QUIC_OFFLOAD_DISCARD) {
		simdev_count(sim, &sim->counts.tx_discarded);
		goto drop;
	}
	if (verdict == QUIC_OFFLOAD_NOT_OURS)
		simdev_count(sim, &sim->counts.tx_not_ours);
	offset = skb_transport_header_was_set(skb) ? simdev_udp_offset(skb) : 0;
	frame = simdev_segments(skb);
	if (IS_ERR_OR_NULL(frame))
		goto drop;
	verify = verdict == QUIC_OFFLOAD_ENCRYPT && READ_ONCE(sim->knobs.verify);
	if (verify && quic_offload_tx_software(skb)) {
		/* In a softirq that interrupted a user of vector registers. */
		simdev_count(sim, &sim->counts.verify_skipped);
		verify = false;
	}
	dev_sw_netstats_tx_add(netdev, 1, skb->len);
	for (; frame; frame = next) {
		next = frame->next;
		skb_mark_not_on_list(frame);
		if (verdict == QUIC_OFFLOAD_ENCRYPT) {
			if (!simdev_encrypt(sim, frame, &tx, tx.pn + i++)) {
				kfree_skb(frame);
				continue;
			}
			if (verify)
				simdev_compare(sim, skb, offset, frame);
			offset += frame->len - simdev_udp_offset(frame);
		}
		if (frame->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(frame)) {
			kfree_skb(frame);
			continue;
		}
		simdev_wire(sim, frame);
	}
	consume_skb(skb);
	return NETDEV_TX_OK;

drop:
	DEV_STATS_INC(netdev, tx_dropped);
	kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int simdev_init(struct net_device *netdev)
{
	struct simdev *sim = netdev_priv(netdev);
	int err;

	netdev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	if (!netdev->tstats)
		return -ENOMEM;
	err = gro_cells_init(&sim->cells, netdev);
	if (err)
		free_percpu(netdev->tstats);
	return err;
}

static void simdev_uninit(struct net_device *netdev)
{
	struct simdev *sim = netdev_priv(netdev);

	gro_cells_destroy(&sim->cells);
	free_percpu(netdev->tstats);
}

static int simdev_open_netdev(struct net_device *netdev)
{
	netif_carrier_on(netdev);
	return 0;
}

static int simdev_stop_netdev(struct net_device *netdev)
{
	struct simdev *sim = netdev_priv(netdev);
	struct sk_buff *held;

	netif_carrier_off(netdev);
	spin_lock_bh(&sim->lock);
	held = sim->held;
	sim->held = NULL;
	spin_unlock_bh(&sim->lock);
	kfree_skb(held);
	return 0;
}

static const struct net_device_ops simdev_netdev_ops = {
	.ndo_init = simdev_init,
	.ndo_uninit = simdev_uninit,
	.ndo_open = simdev_open_netdev,
	.ndo_stop = simdev_stop_netdev,
	.ndo_start_xmit = simdev_start_xmit,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = dev_get_tstats64,
};

static void simdev_setup(struct net_device *netdev)
{
	ether_setup(netdev);
	eth_hw_addr_random(netdev);
	netdev->netdev_ops = &simdev_netdev_ops;
	netdev->needed_headroom = QUIC_OFFLOAD_RX_HEADROOM;
	netdev->features |= NETIF_F_HW_CSUM | NETIF_F_SG | NETIF_F_GSO_UDP_L4 | NETIF_F_HIGHDMA;
	netdev->hw_features |= netdev->features;
	netdev->vlan_features = 0;
}

static struct simdev *simdev_create(void)
{
	struct net_device *netdev = alloc_netdev(sizeof(struct simdev), "qsim%d", NET_NAME_ENUM,
						 simdev_setup);
	struct simdev *sim;
	int err;

	if (!netdev)
		return ERR_PTR(-ENOMEM);
	sim = netdev_priv(netdev);
	sim->netdev = netdev;
	mutex_init(&sim->register_lock);
	spin_lock_init(&sim->lock);
	INIT_LIST_HEAD(&sim->assocs);
	simdev_vector_init(sim);
	sim->knobs.capacity = 1024;
	sim->knobs.gso = 1;
	sim->knobs.directions = BIT(QUIC_OFFLOAD_TX) | BIT(QUIC_OFFLOAD_RX);
	sim->knobs.rx_phases = 2;
	err = register_netdev(netdev);
	if (err) {
		free_netdev(netdev);
		return ERR_PTR(err);
	}
	netif_carrier_off(netdev);
	return sim;
}

static void simdev_destroy_all(void)
{
	int i;

	debugfs_remove_recursive(simdev_root);
	for (i = 0; i < ARRAY_SIZE(simdev_all); i++)
		if (simdev_all[i])
			simdev_unregister(simdev_all[i]);
	/* Each may hand packets to the other until both are closed. */
	rtnl_lock();
	for (i = 0; i < ARRAY_SIZE(simdev_all); i++)
		if (simdev_all[i])
			dev_close(simdev_all[i]->netdev);
	rtnl_unlock();
	synchronize_net();
	for (i = 0; i < ARRAY_SIZE(simdev_all); i++) {
		if (!simdev_all[i])
			continue;
		simdev_vector_stop(simdev_all[i]);
		unregister_netdev(simdev_all[i]->netdev);
		free_netdev(simdev_all[i]->netdev);
		simdev_all[i] = NULL;
	}
}

static int __init simdev_module_init(void)
{
	struct simdev *sim;
	int i, err;

	if (!pairs || pairs > SIMDEV_PAIRS_MAX) {
		pr_err("pairs: 1 to %d\n", SIMDEV_PAIRS_MAX);
		return -EINVAL;
	}
	simdev_root = debugfs_create_dir("quic_simdev", NULL);
	err = simdev_aead_init(simdev_root);
	if (err) {
		debugfs_remove_recursive(simdev_root);
		return err;
	}
	for (i = 0; i < 2 * pairs; i++) {
		sim = simdev_create();
		if (IS_ERR(sim)) {
			err = PTR_ERR(sim);
			goto err_destroy;
		}
		simdev_all[i] = sim;
		if (!(i % 2))
			continue;
		sim->peer = simdev_all[i - 1]->netdev;
		simdev_all[i - 1]->peer = sim->netdev;
	}
	for (i = 0; i < 2 * pairs; i++) {
		simdev_knobs_create(simdev_all[i], simdev_root);
		err = simdev_register(simdev_all[i]);
		if (err)
			goto err_destroy;
	}
	return 0;

err_destroy:
	simdev_destroy_all();
	simdev_aead_exit();
	return err;
}

static void __exit simdev_module_exit(void)
{
	simdev_destroy_all();
	simdev_aead_exit();
}

module_init(simdev_module_init);
module_exit(simdev_module_exit);

MODULE_DESCRIPTION("Simulated devices that protect QUIC packets");
MODULE_LICENSE("GPL");
