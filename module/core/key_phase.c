// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key update by numbers alone: it says which key a packet wants and when keys
 * change, and never sees one. Keys are the host's, closing the connection is
 * the caller's. RFC 9001, section 6.
 */
#include <linux/tls.h>

#include "core.h"
#include "key_phase.h"

/* RFC 9001, section 6.6. */
#define QUIC_GCM_CONFIDENTIALITY	BIT_ULL(23)
#define QUIC_GCM_INTEGRITY		BIT_ULL(52)
#define QUIC_CCM_CONFIDENTIALITY	2965820ULL	/* 2^21.5 */
#define QUIC_CCM_INTEGRITY		2965820ULL
#define QUIC_CHACHA_INTEGRITY		BIT_ULL(36)

/* An update starts with a sixteenth of the key's uses left. */
#define QUIC_KEY_MARGIN_SHIFT		4

/* What is left of a key for CONNECTION_CLOSE; of a small limit less. */
#define QUIC_KEY_CLOSE_PACKETS		32ULL
#define QUIC_KEY_CLOSE_SHIFT		5

/* RFC 9001, section 6.5: keys before the current ones are kept that many PTOs. */
#define QUIC_KEY_RETAIN_PTOS		3

/**
 * quic_key_phase_init() - the first generation of 1-RTT keys
 * @kp:     key phase
 * @cipher: TLS_CIPHER_*; for another one the strictest limits hold
 *
 * Failures count over all keys, so they stay.
 */
void quic_key_phase_init(struct quic_key_phase *kp, u16 cipher)
{
	u64 failed = kp->failed;

	memset(kp, 0, sizeof(*kp));
	kp->failed = failed;
	switch (cipher) {
	case TLS_CIPHER_AES_GCM_128:
	case TLS_CIPHER_AES_GCM_256:
		kp->confidentiality_limit = QUIC_GCM_CONFIDENTIALITY;
		kp->integrity_limit = QUIC_GCM_INTEGRITY;
		break;
	case TLS_CIPHER_CHACHA20_POLY1305:
		kp->confidentiality_limit = ~0ULL;
		kp->integrity_limit = QUIC_CHACHA_INTEGRITY;
		break;
	default:
		kp->confidentiality_limit = QUIC_CCM_CONFIDENTIALITY;
		kp->integrity_limit = QUIC_CCM_INTEGRITY;
		break;
	}
}

/**
 * quic_key_phase_choose() - the receive key that a packet wants
 * @kp:        key phase
 * @phase_bit: its Key Phase bit
 * @pn:        its packet number
 *
 * Previous and next generation bear the same bit; numbers tell them apart. As
 * long as the peer has not followed our own update, it cannot have started
 * another. RFC 9001, section 6.5.
 *
 * Return: what to try, once; the host may have thrown the previous key away.
 */
enum quic_key_choice quic_key_phase_choose(const struct quic_key_phase *kp, bool phase_bit, u64 pn)
{
	if (likely(phase_bit == quic_key_phase_bit(kp)))
		return QUIC_KEY_CURRENT;
	if (kp->generation && (!kp->rx_seen || pn < kp->rx_first_pn))
		return QUIC_KEY_PREVIOUS;
	return QUIC_KEY_NEXT;
}

/* Key and number of a packet contradict those of another. RFC 9001, section 6.4. */
static bool quic_key_phase_is_violated(const struct quic_key_phase *kp,
				       enum quic_key_choice choice, u64 pn, u64 next_tx_pn)
{
	switch (choice) {
	case QUIC_KEY_PREVIOUS:
		return kp->rx_seen && pn > kp->rx_first_pn;
	case QUIC_KEY_CURRENT:
		return kp->generation && pn < kp->rx_previous_last_pn;
	case QUIC_KEY_NEXT:
		if (kp->rx_seen && pn < kp->rx_last_pn)
			return true;
		/*
		 * Twice in a row, while we sent nothing with the keys of the
		 * first update: RFC 9001, section 6.2.
		 */
		return kp->generation && next_tx_pn == kp->tx_first_pn;
	}
	return false;
}

/* The current generation becomes the previous one. */
static void quic_key_phase_rotate(struct quic_key_phase *kp, u64 next_tx_pn)
{
	kp->generation++;
	/* Nothing received with it: what the one before forbids stays forbidden. */
	if (kp->rx_seen)
		kp->rx_previous_last_pn = kp->rx_last_pn;
	kp->rx_seen = false;
	kp->tx_acked = false;
	kp->tx_first_pn = next_tx_pn;
	kp->encrypted = 0;
}

static u64 quic_key_phase_retire_time(u64 now, u64 pto)
{
	u64 wait = pto < ~0ULL / QUIC_KEY_RETAIN_PTOS ? pto * QUIC_KEY_RETAIN_PTOS : ~0ULL;

	return wait < ~0ULL - now ? now + wait : ~0ULL;
}

/**
 * quic_key_phase_on_received() - a packet authenticated
 * @kp:         key phase
 * @choice:     under this key
 * @pn:         its packet number
 * @next_tx_pn: number of the next packet that we send
 * @now:        ns
 * @pto:        ns
 * @violation:  set: close with KEY_UPDATE_ERROR
 *
 * RFC 9001, sections 6.2 to 6.5.
 *
 * Return: true if the peer updated: the host rotates both its keys before
 * anything else is sent.
 */
bool quic_key_phase_on_received(struct quic_key_phase *kp, enum quic_key_choice choice,
				u64 pn, u64 next_tx_pn, u64 now, u64 pto, bool *violation)
{
	bool updated = false;

	*violation = quic_key_phase_is_violated(kp, choice, pn, next_tx_pn);
	if (*violation)
		return false;

	if (choice == QUIC_KEY_PREVIOUS) {
		if (pn > kp->rx_previous_last_pn)
			kp->rx_previous_last_pn = pn;
		return false;
	}
	if (choice == QUIC_KEY_NEXT) {
		quic_key_phase_rotate(kp, next_tx_pn);
		kp->update_local = false;
		updated = true;
	}
	if (unlikely(!kp->rx_seen)) {
		kp->rx_seen = true;
		kp->rx_first_pn = pn;
		kp->rx_last_pn = pn;
		if (kp->generation)
			kp->retire_at = quic_key_phase_retire_time(now, pto);
		return updated;
	}
	if (pn < kp->rx_first_pn)
		kp->rx_first_pn = pn;
	if (pn > kp->rx_last_pn)
		kp->rx_last_pn = pn;
	return updated;
}

/**
 * quic_key_phase_on_acked() - the peer acknowledged a 1-RTT packet
 * @kp: key phase
 * @pn: its number
 */
void quic_key_phase_on_acked(struct quic_key_phase *kp, u64 pn)
{
	if (pn >= kp->tx_first_pn)
		kp->tx_acked = true;
}

/**
 * quic_key_phase_may_update() - may we start a key update?
 * @kp:        key phase
 * @confirmed: the handshake is confirmed
 * @now:       ns
 *
 * Once confirmed the first may start at any time. Later ones wait until a
 * packet of the current phase was acknowledged and the keys before it are no
 * longer needed. RFC 9001, sections 6.1 and 6.5.
 */
bool quic_key_phase_may_update(const struct quic_key_phase *kp, bool confirmed, u64 now)
{
	if (!confirmed)
		return false;
	if (!kp->generation)
		return true;
	return kp->rx_seen && kp->tx_acked && (!kp->retire_at || now >= kp->retire_at);
}

/**
 * quic_key_phase_update() - we start a key update
 * @kp:         key phase, quic_key_phase_may_update()
 * @next_tx_pn: number of the next packet that we send, the first with new keys
 *
 * The previous receive key is kept until the peer has followed and for a while
 * from then on. RFC 9001, section 6.1.
 */
void quic_key_phase_update(struct quic_key_phase *kp, u64 next_tx_pn)
{
	quic_key_phase_rotate(kp, next_tx_pn);
	kp->update_local = true;
	kp->retire_at = ~0ULL;
}

/**
 * quic_key_phase_on_retired() - the host threw the previous receive key away
 * @kp: key phase
 */
void quic_key_phase_on_retired(struct quic_key_phase *kp)
{
	kp->retire_at = 0;
	kp->update_local = false;
}

/**
 * quic_key_phase_needs_update() - is the send key nearly used up?
 * @kp: key phase
 *
 * There is still room to wait until an update is allowed. RFC 9001, section 6.6.
 */
bool quic_key_phase_needs_update(const struct quic_key_phase *kp)
{
	return kp->encrypted >= kp->confidentiality_limit -
				(kp->confidentiality_limit >> QUIC_KEY_MARGIN_SHIFT);
}

/**
 * quic_key_phase_is_spent() - is it over with the send key?
 * @kp: key phase
 *
 * RFC 9001, section 6.6.
 *
 * Return: true when only CONNECTION_CLOSE may be protected with it.
 */
bool quic_key_phase_is_spent(const struct quic_key_phase *kp)
{
	u64 limit = kp->confidentiality_limit;

	return kp->encrypted >= limit - min(QUIC_KEY_CLOSE_PACKETS, limit >> QUIC_KEY_CLOSE_SHIFT);
}

/**
 * quic_key_phase_is_forged() - did too many packets fail to authenticate?
 * @kp: key phase
 *
 * RFC 9001, section 6.6.
 */
bool quic_key_phase_is_forged(const struct quic_key_phase *kp)
{
	return kp->failed > kp->integrity_limit;
}
