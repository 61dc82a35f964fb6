/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers of the crypto API for packet protection. RFC 9001, section 5.3.
 */
#ifndef _QUIC_AEAD_H
#define _QUIC_AEAD_H

#include <crypto/aead.h>

/* How to get the fast AEAD that never goes asynchronous; found out on first use. */
enum quic_aead_kind {
	QUIC_AEAD_UNKNOWN,
	QUIC_AEAD_PLAIN,	/* the default driver is synchronous */
	QUIC_AEAD_INTERNAL,	/* the bare driver below the SIMD wrapper */
	QUIC_AEAD_SYNC,		/* only by asking for synchronous ones */
	QUIC_AEAD_LATER,	/* likewise, and the default driver completes later: an accelerator */
};

/**
 * struct quic_aead_alg - an algorithm of the crypto API
 * @name:     its name there
 * @internal: name of the bare drivers below the SIMD wrapper, or NULL
 * @kind:     which of its drivers to take
 */
struct quic_aead_alg {
	const char *name;
	const char *internal;
	enum quic_aead_kind kind;
};

struct crypto_aead *quic_aead_alloc(struct quic_aead_alg *alg, bool *is_internal);
struct crypto_aead *quic_aead_alloc_later(const struct quic_aead_alg *alg);

#endif /* _QUIC_AEAD_H */
