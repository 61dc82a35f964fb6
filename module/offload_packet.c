// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets that a device protects: marked on their way down, so that nothing but
 * that device gets to see them in clear, and checked on their way up.
 */
#include <linux/slab.h>
#include <linux/udp.h>

#include "offload.h"
#include "protect.h"
#include "sock.h"

/**
 * struct quic_offload_packet - of an skb in clear, found through its destructor_arg
 * @assoc: association; holds a reference
 * @key:   what encrypts it in software if it has to be; holds a reference
 * @pn:    packet number of the first segment
 * @n:     segments
 */
struct quic_offload_packet {
	struct quic_offload_assoc *assoc;
	struct quic_key *key;
	u64 pn;
	u32 n;
};

/* In front of a received packet's link header, where GRO compares it. */
struct quic_offload_mark {
	u32 magic;
	u32 index;
	u32 generation;
	u32 status;
};

#define QUIC_OFFLOAD_MAGIC	0x51554943	/* "QUIC" */

static_assert(sizeof(struct quic_offload_mark) == QUIC_OFFLOAD_RX_HEADROOM);

/**
 * quic_offload_tx_begin() - may a device encrypt the next burst?
 * @qs:  socket, locked, BH off
 * @key: key that is used now
 *
 * Return: the association, which the caller may use until it unlocks the socket, or NULL.
 */
struct quic_offload_assoc *quic_offload_tx_begin(struct quic_sock *qs, const struct quic_key *key)
{
	struct quic_offload_assoc *assoc = qs->offload.assoc[QUIC_OFFLOAD_TX];

	quic_offload_look(qs);
	if (!assoc || READ_ONCE(assoc->is_dead) || assoc->newest != key->generation ||
	    assoc->path != qs->conn.active_path ||
	    assoc->cid_len != quic_remote_cids_active(&qs->conn.remote_cids)->cid.len)
		return NULL;
	return assoc;
}

#ifdef CONFIG_SOCK_VALIDATE_XMIT
static void quic_offload_packet_free(struct quic_offload_packet *packet)
{
	quic_offload_assoc_put(packet->assoc);
	quic_host_key_dispose(packet->key);
	kfree(packet);
}

static void quic_offload_destruct(struct sk_buff *skb)
{
	quic_offload_packet_free(skb_shinfo(skb)->destructor_arg);
	skb_shinfo(skb)->destructor_arg = NULL;
	sock_wfree(skb);
}

static struct quic_offload_packet *quic_offload_packet(const struct sk_buff *skb)
{
	return skb->decrypted && skb->destructor == quic_offload_destruct ?
		       skb_shinfo(skb)->destructor_arg : NULL;
}

/* Encrypts where the packet lies: nobody but us has its pages yet. */
static int quic_offload_encrypt(struct sk_buff *skb, const struct quic_offload_packet *packet)
{
	u32 offset = skb_transport_offset(skb) + sizeof(struct udphdr);
	u32 size = skb_is_gso(skb) ? skb_shinfo(skb)->gso_size : skb->len - offset;
	u32 cid_len = packet->assoc->cid_len;
	struct quic_mask mask;
	u32 i, len, hdr_len;
	int err = 0;
	u8 *data;

	data = kmalloc(size, GFP_ATOMIC | __GFP_NOWARN);
	if (!data)
		return -ENOMEM;
	for (i = 0; !err && i < packet->n; i++, offset += len) {
		len = min(size, skb->len - offset);
		err = skb_copy_bits(skb, offset, data, len);
		if (err)
			break;
		hdr_len = 1 + cid_len + (data[0] & QUIC_HEADER_PN_LEN_MASK) + 1;
		err = quic_protect_seal(packet->key, data, hdr_len, data + hdr_len,
					len - hdr_len - QUIC_TAG_LEN, packet->pn + i);
		if (err)
			break;
		mask.first = data;
		mask.pn = data + 1 + cid_len;
		quic_protect_mask(packet->key, &mask, 1);
		err = skb_store_bits(skb, offset, data, len);
	}
	kfree_sensitive(data);
	if (!err && offset != skb->len)
		err = -EINVAL;
	if (!err)
		skb->decrypted = 0;
	return err;
}

/*
 * The last gate before a netdev, which every packet of the socket passes: in clear they go to their
 * device, and to no other. BH off, under RCU.
 */
static struct sk_buff *quic_offload_validate(struct sock *sk, struct net_device *netdev,
					     struct sk_buff *skb)
{
	struct quic_offload_packet *packet = quic_offload_packet(skb);
	enum quic_offload_count cause;
	struct quic_offload_dev *dev;

	if (!packet)
		return skb;
	dev = packet->assoc->dev;
	if (READ_ONCE(packet->assoc->is_dead))
		cause = QUIC_OFFLOAD_COUNT_LATE;
	else if (READ_ONCE(dev->netdev) != netdev)
		cause = QUIC_OFFLOAD_COUNT_REROUTED;
	else if ((skb_is_gso(skb) &&
		  !(dev->caps.gso && (netdev->features & NETIF_F_GSO_UDP_L4))) ||
		 (dev->ops->xmit_ok && !dev->ops->xmit_ok(dev, packet->assoc, skb)))
		cause = QUIC_OFFLOAD_COUNT_DECLINED;
	else
		return skb;
	quic_offload_count(dev, cause, packet->n);
	quic_offload_count_packets(quic_sk(sk), dev, QUIC_OFFLOAD_COUNT_TX_SOFTWARE, packet->n);
	if (!quic_offload_encrypt(skb, packet))
		return skb;
	kfree_skb(skb);
	return NULL;
}

/**
 * quic_offload_tx_mark() - a burst in clear, to be encrypted by a device
 * @skb:   payload: packets, the header of none of them protected
 * @assoc: association
 * @key:   key of the generation that the headers name
 * @pn:    packet number of the first; those behind it follow one by one
 * @n:     how many
 *
 * quic_offload_tx_own() completes it, or quic_offload_tx_unmark() undoes it.
 *
 * Return: 0, or -ENOMEM: @skb must not be sent.
 */
int quic_offload_tx_mark(struct sk_buff *skb, struct quic_offload_assoc *assoc,
			 struct quic_key *key, u64 pn, u32 n)
{
	struct quic_offload_packet *packet = kmalloc_obj(*packet, GFP_ATOMIC | __GFP_NOWARN);

	if (!packet)
		return -ENOMEM;
	refcount_inc(&assoc->refs);
	packet->assoc = assoc;
	packet->key = quic_key_get(key);
	packet->pn = pn;
	packet->n = n;
	skb_shinfo(skb)->destructor_arg = packet;
	skb->decrypted = 1;
	return 0;
}

/**
 * quic_offload_tx_own() - tie a marked skb to its socket
 * @skb: marked, and just charged to the socket
 */
void quic_offload_tx_own(struct sk_buff *skb)
{
	skb->sk->sk_validate_xmit_skb = quic_offload_validate;
	skb->destructor = quic_offload_destruct;
}

/**
 * quic_offload_tx_unmark() - a marked skb will not be sent
 * @skb: the skb, about to be freed
 */
void quic_offload_tx_unmark(struct sk_buff *skb)
{
	quic_offload_packet_free(skb_shinfo(skb)->destructor_arg);
	skb_shinfo(skb)->destructor_arg = NULL;
}

/**
 * quic_offload_tx() - what is to be done with a packet
 * @skb: of ndo_start_xmit
 * @tx:  how to encrypt it, if that is the answer
 *
 * Return: QUIC_OFFLOAD_NOT_OURS, QUIC_OFFLOAD_ENCRYPT or QUIC_OFFLOAD_DISCARD.
 */
enum quic_offload_verdict quic_offload_tx(const struct sk_buff *skb, struct quic_offload_tx *tx)
{
	struct quic_offload_packet *packet;

	if (!skb->decrypted)
		return QUIC_OFFLOAD_NOT_OURS;
	packet = quic_offload_packet(skb);
	if (!packet)	/* of kTLS, or a copy that lost its owner */
		return skb->sk && skb->sk->sk_protocol != IPPROTO_QUIC ? QUIC_OFFLOAD_NOT_OURS :
									QUIC_OFFLOAD_DISCARD;
	if (READ_ONCE(packet->assoc->is_dead))
		return QUIC_OFFLOAD_DISCARD;
	tx->assoc = packet->assoc;
	tx->pn = packet->pn;
	tx->generation = packet->key->generation;
	quic_offload_count_packets(quic_sk(skb->sk), packet->assoc->dev,
				   QUIC_OFFLOAD_COUNT_TX_DEVICE, packet->n);
	return QUIC_OFFLOAD_ENCRYPT;
}
EXPORT_SYMBOL_GPL(quic_offload_tx);

/**
 * quic_offload_tx_software() - encrypt in software what a device was to encrypt
 * @skb: packet for which quic_offload_tx() said QUIC_OFFLOAD_ENCRYPT, not yet changed
 *
 * For a driver that cannot do it after all; its checksum is still to be computed. BH off.
 *
 * Return: 0, or a negative errno: it must be dropped.
 */
int quic_offload_tx_software(struct sk_buff *skb)
{
	struct quic_offload_packet *packet = quic_offload_packet(skb);

	if (!packet)
		return -EINVAL;
	quic_offload_count(packet->assoc->dev, QUIC_OFFLOAD_COUNT_DECLINED, packet->n);
	quic_offload_count_packets(quic_sk(skb->sk), packet->assoc->dev,
				   QUIC_OFFLOAD_COUNT_TX_SOFTWARE, packet->n);
	return quic_offload_encrypt(skb, packet);
}
EXPORT_SYMBOL_GPL(quic_offload_tx_software);

#else

int quic_offload_tx_mark(struct sk_buff *skb, struct quic_offload_assoc *assoc,
			 struct quic_key *key, u64 pn, u32 n)
{
	return -EOPNOTSUPP;
}

void quic_offload_tx_own(struct sk_buff *skb)
{
}

void quic_offload_tx_unmark(struct sk_buff *skb)
{
}

enum quic_offload_verdict quic_offload_tx(const struct sk_buff *skb, struct quic_offload_tx *tx)
{
	return QUIC_OFFLOAD_NOT_OURS;
}
EXPORT_SYMBOL_GPL(quic_offload_tx);

int quic_offload_tx_software(struct sk_buff *skb)
{
	return -EOPNOTSUPP;
}
EXPORT_SYMBOL_GPL(quic_offload_tx_software);
#endif /* CONFIG_SOCK_VALIDATE_XMIT */

/**
 * quic_offload_rx_mark() - say what became of a received packet
 * @skb:        packet, its link header known
 * @assoc:      receiving association that it was matched with
 * @generation: of the key that opened it
 * @status:     what was done
 *
 * Packets that are marked differently are not aggregated. Softirq.
 *
 * Return: 0, or -ENOMEM without headroom.
 */
int quic_offload_rx_mark(struct sk_buff *skb, const struct quic_offload_assoc *assoc,
			 u32 generation, enum quic_offload_rx_status status)
{
	struct quic_offload_mark mark = {
		.magic = QUIC_OFFLOAD_MAGIC,
		.index = assoc->index,
		.generation = generation,
		.status = status,
	};

	if (skb_mac_header(skb) - skb->head < sizeof(mark))
		return -ENOMEM;
	memcpy(skb_mac_header(skb) - sizeof(mark), &mark, sizeof(mark));
	skb_metadata_set(skb, sizeof(mark));
	return 0;
}
EXPORT_SYMBOL_GPL(quic_offload_rx_mark);

/**
 * quic_offload_rx() - what a device did to a received packet, or aggregate
 * @qs:         socket, locked
 * @skb:        as it came
 * @generation: of the key that opened it
 *
 * Return: enum quic_offload_rx_status; -EBADMSG: it was marked by something that we do not trust.
 */
int quic_offload_rx(struct quic_sock *qs, const struct sk_buff *skb, u32 *generation)
{
	struct quic_offload_assoc *assoc = qs->offload.assoc[QUIC_OFFLOAD_RX];
	const struct net_device *netdev;
	struct quic_offload_mark mark;
	bool ours;

	if (skb_metadata_len(skb) != sizeof(mark) || !skb_mac_header_was_set(skb))
		return QUIC_OFFLOAD_RX_NONE;
	memcpy(&mark, skb_metadata_end(skb) - sizeof(mark), sizeof(mark));
	if (mark.magic != QUIC_OFFLOAD_MAGIC)
		return QUIC_OFFLOAD_RX_NONE;
	*generation = mark.generation;
	if (!assoc) {
		if (mark.status != QUIC_OFFLOAD_RX_DONE)
			return QUIC_OFFLOAD_RX_NONE;
		return mark.index == qs->offload.rx_before ? QUIC_OFFLOAD_RX_DONE : -EBADMSG;
	}
	if (mark.status != QUIC_OFFLOAD_RX_DONE) {
		quic_offload_count(assoc->dev, mark.status == QUIC_OFFLOAD_RX_AUTH_FAILED ?
				   QUIC_OFFLOAD_COUNT_AUTH_FAILED :
				   QUIC_OFFLOAD_COUNT_PHASE_MISMATCH, 1);
		return mark.status;
	}
	rcu_read_lock();
	netdev = READ_ONCE(assoc->dev->netdev);
	ours = mark.index == qs->offload.rx_before ||
	       (mark.index == assoc->index && (!netdev || skb->skb_iif == netdev->ifindex));
	rcu_read_unlock();
	if (!ours) {
		quic_offload_count(assoc->dev, QUIC_OFFLOAD_COUNT_WRONG, 1);
		quic_offload_distrust(qs);
		return -EBADMSG;
	}
	return QUIC_OFFLOAD_RX_DONE;
}

/**
 * quic_offload_rx_opened() - packets were decrypted
 * @qs: socket, locked, BH off
 * @n:  how many
 * @by_device: by the device, not in software
 *
 * A device that did not see them, or could not open them, learns where the connection is.
 */
void quic_offload_rx_opened(struct quic_sock *qs, u32 n, bool by_device)
{
	struct quic_offload_assoc *assoc = qs->offload.assoc[QUIC_OFFLOAD_RX];
	struct quic_offload_dev *dev;

	if (!assoc || !n)
		return;
	dev = assoc->dev;
	quic_offload_count_packets(qs, dev, by_device ? QUIC_OFFLOAD_COUNT_RX_DEVICE :
							QUIC_OFFLOAD_COUNT_RX_SOFTWARE, n);
	if (by_device)
		return;
	rcu_read_lock();
	if (!READ_ONCE(assoc->is_dead)) {
		dev->ops->resync(dev, assoc,
				 quic_conn_largest_received(&qs->conn, QUIC_CRYPTO_APP) + 1);
		quic_offload_count(dev, QUIC_OFFLOAD_COUNT_RESYNCS, 1);
	}
	rcu_read_unlock();
}
