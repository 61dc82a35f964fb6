/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key update: which generation a packet belongs to, when an update may start,
 * how often a key may be used. It holds no key. RFC 9001, section 6.
 */
#ifndef _QUIC_CORE_KEY_PHASE_H
#define _QUIC_CORE_KEY_PHASE_H

#include <linux/types.h>

enum quic_key_choice {
	QUIC_KEY_CURRENT,
	QUIC_KEY_PREVIOUS,
	QUIC_KEY_NEXT,
};

/**
 * struct quic_key_phase - state of the 1-RTT keys
 * @generation:   number of updates done, its lowest bit is the phase on the wire
 * @rx_first_pn:  lowest packet number received with the current generation
 * @rx_last_pn:   highest one
 * @rx_previous_last_pn: highest packet number received with the generation before
 * @tx_first_pn:  first packet number sent with it
 * @rx_seen:      a packet of the current generation was received
 * @tx_acked:     a packet sent with it was acknowledged
 * @update_local: we started the update in progress
 * @retire_at:    when the previous receive key is thrown away, ns; 0: there is none;
 *                U64_MAX: not before the peer has followed our update
 * @encrypted:    packets protected with the current send key
 * @failed:       packets of the whole connection that did not authenticate
 * @confidentiality_limit: no more than that may be protected with one key
 * @integrity_limit:       no more than that may fail
 */
struct quic_key_phase {
	u32 generation;
	bool rx_seen;
	bool tx_acked;
	bool update_local;
	u64 rx_first_pn;
	u64 rx_last_pn;
	u64 rx_previous_last_pn;
	u64 tx_first_pn;
	u64 retire_at;
	u64 encrypted;
	u64 failed;
	u64 confidentiality_limit;
	u64 integrity_limit;
};

void quic_key_phase_init(struct quic_key_phase *kp, u16 cipher);
enum quic_key_choice quic_key_phase_choose(const struct quic_key_phase *kp, bool phase_bit, u64 pn);
/*
 * A packet authenticated under @choice. True: the peer updated, the host must
 * switch keys now. @violation: close with KEY_UPDATE_ERROR; nothing changed then.
 */
bool quic_key_phase_on_received(struct quic_key_phase *kp, enum quic_key_choice choice,
				u64 pn, u64 next_tx_pn, u64 now, u64 pto, bool *violation);
void quic_key_phase_on_acked(struct quic_key_phase *kp, u64 pn);
bool quic_key_phase_may_update(const struct quic_key_phase *kp, bool confirmed, u64 now);
/* We start an update, quic_key_phase_may_update(); the host switches keys. */
void quic_key_phase_update(struct quic_key_phase *kp, u64 next_tx_pn);
/* The previous receive key is gone: @retire_at passed. */
void quic_key_phase_on_retired(struct quic_key_phase *kp);
bool quic_key_phase_needs_update(const struct quic_key_phase *kp);
/* Limits are reached: close with AEAD_LIMIT_REACHED. */
bool quic_key_phase_is_spent(const struct quic_key_phase *kp);
bool quic_key_phase_is_forged(const struct quic_key_phase *kp);

static inline bool quic_key_phase_bit(const struct quic_key_phase *kp)
{
	return kp->generation & 1;
}

#endif /* _QUIC_CORE_KEY_PHASE_H */
