/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet protection by devices: what a driver registers, is asked for, and
 * finds at the packets. docs/offload-driver.md leads through it.
 */
#ifndef _LINUX_QUIC_OFFLOAD_H
#define _LINUX_QUIC_OFFLOAD_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/refcount.h>
#include <linux/socket.h>

#define QUIC_OFFLOAD_CID_MAX	20
#define QUIC_OFFLOAD_KEY_MAX	32
#define QUIC_OFFLOAD_IV_LEN	12
#define QUIC_OFFLOAD_TAG_LEN	16

struct quic_offload_dev;

enum quic_offload_direction {
	QUIC_OFFLOAD_TX,
	QUIC_OFFLOAD_RX,
	QUIC_OFFLOAD_DIRECTIONS,
};

/**
 * struct quic_offload_caps - what a device can do
 * @ciphers:     a bit for each, BIT(TLS_CIPHER_*)
 * @directions:  a bit for each, BIT(QUIC_OFFLOAD_TX), BIT(QUIC_OFFLOAD_RX)
 * @max_assocs:  most associations at a time, both directions together
 * @cid_len_min: shortest connection ID that it looks up or skips
 * @cid_len_max: longest one
 * @rx_phases:   key phases that a receiving association holds, 1 or 2
 * @gso:         a packet with gso_size may come; its segments have room for their tags. It also
 *               needs NETIF_F_GSO_UDP_L4.
 * @assoc_size:  bytes of the driver's own in each association
 */
struct quic_offload_caps {
	u64 ciphers;
	u8 directions;
	u32 max_assocs;
	u8 cid_len_min;
	u8 cid_len_max;
	u8 rx_phases;
	bool gso;
	u16 assoc_size;
};

/**
 * struct quic_offload_key - a key of one generation
 * @cipher:     TLS_CIPHER_*
 * @len:        of @key and @hp
 * @key:        AEAD key. RFC 9001, section 5.3
 * @iv:         base of its nonces
 * @hp:         header protection key, the same for all generations. RFC 9001, section 5.4
 * @phase:      key phase bit of packets protected with it. RFC 9001, section 6
 * @generation: updates before it; its lowest bit is @phase
 *
 * Valid during the call that passes it; what the driver keeps of it, it wipes.
 */
struct quic_offload_key {
	u16 cipher;
	u8 len;
	u8 phase;
	u32 generation;
	u8 key[QUIC_OFFLOAD_KEY_MAX];
	u8 iv[QUIC_OFFLOAD_IV_LEN];
	u8 hp[QUIC_OFFLOAD_KEY_MAX];
};

/**
 * struct quic_offload_assoc - one direction of one path of a connection
 * @dev:       device that it is for
 * @direction: QUIC_OFFLOAD_TX or QUIC_OFFLOAD_RX
 * @index:     unique in the machine; what received packets are marked with
 * @version:   of QUIC
 * @path:      number of the path
 * @cid_len:   length of @cid
 * @cid:       destination connection ID of its packets
 * @local:     our address and UDP port
 * @peer:      the peer's
 * @next_pn:   TX: the next packet number; RX: one above the largest received
 * @driver:    quic_offload_caps.assoc_size bytes of the driver's own, zeroed
 */
struct quic_offload_assoc {
	struct quic_offload_dev *dev;
	enum quic_offload_direction direction;
	u32 index;
	u32 version;
	u8 path;
	u8 cid_len;
	u8 cid[QUIC_OFFLOAD_CID_MAX];
	struct sockaddr_storage local;
	struct sockaddr_storage peer;
	u64 next_pn;

	/* private: */
	struct list_head link;	/* of its device: ops->del is due */
	refcount_t refs;
	bool is_dead;		/* no more packets go through it */
	u32 newest;		/* generation of the key given last; under the socket's lock */
	struct rcu_head rcu;

	/* public: */
	u8 driver[] __aligned(8);
};

/**
 * struct quic_offload_dev_stats - what a device counted, of which only it knows
 * @tx_packets:    encrypted
 * @rx_packets:    decrypted
 * @rx_auth_failed: tags that were wrong
 * @rx_phase_mismatch: packets of a phase that it has no key for
 */
struct quic_offload_dev_stats {
	u64 tx_packets;
	u64 rx_packets;
	u64 rx_auth_failed;
	u64 rx_phase_mismatch;
};

/**
 * struct quic_offload_ops - what a driver does
 * @add:     begin an association. May take its time, and sleep; the connection goes on in software
 *           meanwhile. An errno refuses, which is normal: -ENOSPC where the table is full.
 * @rekey:   one more key. A sending association gets packets of the old generation until its queue
 *           has drained, so both slots stay valid until the next key takes the older one's. A
 *           receiving one is given the next key ahead of its first packet. May sleep.
 * @del:     end it; no packet is marked with it from then on. May sleep.
 * @resync:  the receiver has lost track: @next_pn is one above the largest packet number. Softirq.
 * @xmit_ok: may this packet go through the device? Softirq; NULL: always.
 * @get_stats: what the device counted; may sleep
 *
 * @add, @rekey and @del of a device never run side by side, and may not take the RTNL.
 */
struct quic_offload_ops {
	int (*add)(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
		   const struct quic_offload_key *key, struct netlink_ext_ack *extack);
	int (*rekey)(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
		     const struct quic_offload_key *key);
	void (*del)(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc);
	void (*resync)(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc, u64 next_pn);
	bool (*xmit_ok)(struct quic_offload_dev *dev, struct quic_offload_assoc *assoc,
			const struct sk_buff *skb);
	void (*get_stats)(struct quic_offload_dev *dev, struct quic_offload_dev_stats *stats);
};

/* The device of a netdev. Process context, not under the RTNL's netdev locks. */
struct quic_offload_dev *quic_offload_dev_create(struct net_device *netdev,
						 const struct quic_offload_ops *ops,
						 const struct quic_offload_caps *caps, void *priv);
/* All its connections are back in software, and ops->del was called for each, when it returns. */
void quic_offload_dev_unregister(struct quic_offload_dev *dev);
struct quic_offload_dev *quic_offload_dev_get(const struct net_device *netdev);
void quic_offload_dev_put(struct quic_offload_dev *dev);
void *quic_offload_dev_priv(const struct quic_offload_dev *dev);

/* What ndo_start_xmit has to do with a packet. */
enum quic_offload_verdict {
	QUIC_OFFLOAD_NOT_OURS,	/* send it as it is */
	QUIC_OFFLOAD_ENCRYPT,	/* each segment is a 1-RTT packet in clear, its last 16 bytes are for the tag */
	QUIC_OFFLOAD_DISCARD,	/* in clear, but the association is gone: must not be sent */
};

/**
 * struct quic_offload_tx - what a packet to be encrypted is
 * @assoc:      the association
 * @pn:         packet number of the first segment; each of the following has one more
 * @generation: of the key; its lowest bit is the phase
 */
struct quic_offload_tx {
	struct quic_offload_assoc *assoc;
	u64 pn;
	u32 generation;
};

/* Under RCU, as ndo_start_xmit is; @tx->assoc may not be used behind it. */
enum quic_offload_verdict quic_offload_tx(const struct sk_buff *skb, struct quic_offload_tx *tx);
/* The same packet encrypted by the kernel instead. 0 or an errno: drop it then. */
int quic_offload_tx_software(struct sk_buff *skb);

enum quic_offload_rx_status {
	QUIC_OFFLOAD_RX_NONE,
	QUIC_OFFLOAD_RX_DONE,		/* in clear, header and payload; the tag is still there */
	QUIC_OFFLOAD_RX_AUTH_FAILED,	/* this and all others: as on the wire */
	QUIC_OFFLOAD_RX_PHASE_MISMATCH,
};

/*
 * Marks a received packet, after eth_type_trans(). -ENOMEM: it has less than
 * QUIC_OFFLOAD_RX_HEADROOM bytes in front; leave it as it was on the wire then.
 */
#define QUIC_OFFLOAD_RX_HEADROOM	16
int quic_offload_rx_mark(struct sk_buff *skb, const struct quic_offload_assoc *assoc,
			 u32 generation, enum quic_offload_rx_status status);

#endif /* _LINUX_QUIC_OFFLOAD_H */
