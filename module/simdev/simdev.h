/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Simulated devices: pairs of linked netdevs. What one transmits is what a
 * wire would carry; the other end may decrypt it on arrival. netdev.c moves
 * packets, vector.c hands them up at bad times, table.c is the
 * driver's side of associations, crypt.c the cipher hardware, knobs.c the files
 * in debugfs. aead.c is an accelerator of its own.
 */
#ifndef _QUIC_SIMDEV_H
#define _QUIC_SIMDEV_H

#include <linux/debugfs.h>
#include <linux/netdevice.h>
#include <linux/quic_offload.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <net/gro_cells.h>

#define SIMDEV_TAG_LEN	QUIC_OFFLOAD_TAG_LEN

struct crypto_aead;
struct crypto_sync_skcipher;

/* One key: a slot for each phase. */
struct simdev_key {
	struct crypto_aead *aead;
	u8 iv[QUIC_OFFLOAD_IV_LEN];
	u32 generation;
};

/**
 * struct simdev_assoc - what the device keeps of an association
 * @link:    in simdev.assocs
 * @assoc:   the association
 * @lock:    guards the rest
 * @slot:    keys, by phase
 * @hp:      header protection
 * @is_chacha: by ChaCha20, not by AES
 * @cipher:  TLS_CIPHER_*
 * @largest: RX: largest packet number that was opened, or that the kernel told
 * @packets: done
 */
struct simdev_assoc {
	struct list_head link;
	struct quic_offload_assoc *assoc;
	spinlock_t lock;	/* see above */
	struct simdev_key slot[2];
	struct crypto_sync_skcipher *hp;
	bool is_chacha;
	u16 cipher;
	s64 largest;
	u64 packets;
};

enum simdev_lie {
	SIMDEV_LIE_NONE,
	SIMDEV_LIE_INDEX,
	SIMDEV_LIE_GENERATION,
};

/* What can be set, each a file of u32. */
struct simdev_knobs {
	u32 capacity;		/* associations that fit */
	u32 add_delay_ms;
	u32 add_errno;		/* refuse with it */
	u32 rekey_errno;
	u32 decline_nth;	/* xmit_ok() says no to every nth packet */
	u32 gso;		/* these three count when the device is registered */
	u32 directions;
	u32 rx_phases;
	u32 verify;		/* compare with what the kernel would have sent */
	u32 lie;		/* enum simdev_lie, for every nth packet: @lie_nth */
	u32 lie_nth;
	u32 loss_percent;	/* of the wire */
	u32 corrupt_nth;
	u32 reorder_nth;
	u32 flip_phase_nth;	/* after header protection came off: a forged phase bit */
};

/* What is counted, each a file of u64. */
struct simdev_counts {
	u64 tx_encrypted;
	u64 tx_not_ours;
	u64 tx_discarded;
	u64 tx_failed;
	u64 verify_equal;
	u64 verify_different;
	u64 verify_skipped;	/* bursts */
	u64 rx_opened;
	u64 rx_auth_failed;
	u64 rx_phase_mismatch;
	u64 wire_lost;
	u64 wire_corrupted;
	u64 wire_reordered;
};

struct simdev {
	struct net_device *netdev;
	struct net_device *peer;
	struct gro_cells cells;
	struct quic_offload_dev *quic;
	struct mutex register_lock;	/* @quic */
	spinlock_t lock;		/* @assocs, @held, @counts, @nr_* */
	struct list_head assocs;	/* RCU readers */
	struct sk_buff *held;		/* overtaken by the next packet */
	u32 nr_frames;
	u32 nr_received;
	atomic_t nr_asked;
	struct simdev_knobs knobs;
	struct simdev_counts counts;
	struct dentry *dir;
	u32 vector_nth;			/* knob: hand up every nth frame at a bad time */
	u32 vector_nr;			/* frames handed up */
	struct sk_buff_head vector_queue;
	struct work_struct vector_work;
};

/* table.c */
int simdev_register(struct simdev *sim);
void simdev_unregister(struct simdev *sim);

/* crypt.c */
int simdev_crypt_init(struct simdev_assoc *sa, const struct quic_offload_key *key);
int simdev_crypt_rekey(struct simdev_assoc *sa, const struct quic_offload_key *key);
void simdev_crypt_exit(struct simdev_assoc *sa);
int simdev_seal(struct simdev_assoc *sa, u8 *packet, u32 len, u64 pn, u32 generation);
enum quic_offload_rx_status simdev_open(struct simdev_assoc *sa, u8 *packet, u32 len,
					bool flip_phase, u32 *generation);

/* vector.c */
bool simdev_vector_receive(struct simdev *sim, struct sk_buff *skb);
void simdev_vector_create(struct simdev *sim, struct dentry *dir);
void simdev_vector_init(struct simdev *sim);
void simdev_vector_stop(struct simdev *sim);

/* aead.c */
int simdev_aead_init(struct dentry *root);
void simdev_aead_exit(void);

/* knobs.c */
void simdev_knobs_create(struct simdev *sim, struct dentry *root);

#endif /* _QUIC_SIMDEV_H */
