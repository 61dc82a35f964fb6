/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header protection: the masks that hide packet numbers and bits of the first
 * byte, for one packet or for many at once. RFC 9001, section 5.4.
 */
#ifndef _QUIC_HP_H
#define _QUIC_HP_H

#include <linux/types.h>

struct quic_hp;

#define QUIC_BURST_MAX	64	/* packets masked by one call */

/**
 * struct quic_mask - one packet whose header protection is due
 * @first: its first byte
 * @pn:    its packet number field; the sample starts 4 bytes behind
 */
struct quic_mask {
	u8 *first;
	u8 *pn;
};

/* May sleep. @chacha: ChaCha20 instead of AES. An ERR_PTR on failure. */
struct quic_hp *quic_hp_create(const u8 *key, u8 key_len, bool chacha);
struct quic_hp *quic_hp_get(struct quic_hp *hp);
void quic_hp_put(struct quic_hp *hp);	/* may sleep; NULL allowed */

/* Call both with BH off; at most QUIC_BURST_MAX packets. */
void quic_hp_mask(struct quic_hp *hp, const struct quic_mask *mask, u32 n);
void quic_hp_unmask(struct quic_hp *hp, const struct quic_mask *mask, u32 n);

int quic_hp_init(void);
void quic_hp_exit(void);

#endif /* _QUIC_HP_H */
