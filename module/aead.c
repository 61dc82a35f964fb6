// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which driver of the crypto API does an AEAD: a fast one that never completes
 * later, and beside it one that does, if there is an accelerator or one was
 * asked for.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "aead.h"
#include "protect.h"

MODULE_IMPORT_NS("CRYPTO_INTERNAL");

/*
 * Who completes later: empty: the driver that the crypto API prefers, on machines that have no fast
 * one of the other kind; "preferred": on all machines; "pcrypt()": a template around it; else the
 * name of a driver.
 */
static char quic_async_aead[64];
module_param_string(async_aead, quic_async_aead, sizeof(quic_async_aead), 0644);
MODULE_PARM_DESC(async_aead,
		 "AEAD driver that completes later: its name, a template as \"pcrypt()\", or \"preferred\"; empty: only where the processor has none of its own");

static DEFINE_MUTEX(quic_aead_mutex);	/* quic_aead_alg.kind */

static bool quic_aead_is_async(struct crypto_aead *aead)
{
	return crypto_aead_tfm(aead)->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC;
}

/*
 * Which driver? Measured: the SIMD wrapper is asynchronous in 6.1 and 6.12, and asking for a
 * synchronous one yields a driver 13 times slower than what is under the wrapper.
 */
static enum quic_aead_kind quic_aead_probe(const struct quic_aead_alg *alg)
{
	enum quic_aead_kind kind = QUIC_AEAD_UNKNOWN;
	struct crypto_aead *aead;
	bool later = false;

	aead = crypto_alloc_aead(alg->name, 0, 0);
	if (!IS_ERR(aead)) {
		later = quic_aead_is_async(aead);
		crypto_free_aead(aead);
		if (!later)
			return QUIC_AEAD_PLAIN;
	}

	if (alg->internal) {
		aead = crypto_alloc_aead(alg->internal, CRYPTO_ALG_INTERNAL,
					 CRYPTO_ALG_INTERNAL | CRYPTO_ALG_ASYNC);
		if (!IS_ERR(aead)) {
			if (!crypto_aead_reqsize(aead))
				kind = QUIC_AEAD_INTERNAL;
			crypto_free_aead(aead);
			if (kind)
				return kind;
		}
	}
	return later ? QUIC_AEAD_LATER : QUIC_AEAD_SYNC;
}

/**
 * quic_aead_alloc() - the fastest driver that is done when its call returns
 * @alg:         algorithm
 * @is_internal: set: it may only be called where crypto_simd_usable()
 *
 * May sleep.
 *
 * Return: a transform, or an ERR_PTR.
 */
struct crypto_aead *quic_aead_alloc(struct quic_aead_alg *alg, bool *is_internal)
{
	enum quic_aead_kind kind = READ_ONCE(alg->kind);
	struct crypto_aead *aead;

	if (kind == QUIC_AEAD_UNKNOWN) {
		mutex_lock(&quic_aead_mutex);
		if (!alg->kind)
			WRITE_ONCE(alg->kind, quic_aead_probe(alg));
		kind = alg->kind;
		mutex_unlock(&quic_aead_mutex);
	}

	*is_internal = kind == QUIC_AEAD_INTERNAL;
	switch (kind) {
	case QUIC_AEAD_INTERNAL:
		aead = crypto_alloc_aead(alg->internal, CRYPTO_ALG_INTERNAL,
					 CRYPTO_ALG_INTERNAL | CRYPTO_ALG_ASYNC);
		break;
	case QUIC_AEAD_PLAIN:
		aead = crypto_alloc_aead(alg->name, 0, 0);
		break;
	default:
		aead = crypto_alloc_aead(alg->name, 0, CRYPTO_ALG_ASYNC);
		break;
	}
	if (IS_ERR(aead))
		return aead;

	/* A driver that was loaded meanwhile may be another one than was probed. */
	if (crypto_aead_reqsize(aead) > QUIC_PROTECT_REQSIZE ||
	    quic_aead_is_async(aead)) {
		crypto_free_aead(aead);
		*is_internal = false;
		aead = crypto_alloc_aead(alg->name, 0, CRYPTO_ALG_ASYNC);
		if (!IS_ERR(aead) && crypto_aead_reqsize(aead) > QUIC_PROTECT_REQSIZE) {
			crypto_free_aead(aead);
			return ERR_PTR(-EOPNOTSUPP);
		}
	}
	return aead;
}

/*
 * A template around the driver that is preferred of those without a flag in @mask, once: what it makes
 * of that is preferred from then on. @wrap: its name with parentheses.
 */
static struct crypto_aead *quic_aead_wrap_any(const struct quic_aead_alg *alg, const char *wrap,
					      u32 mask)
{
	struct crypto_aead *aead = crypto_alloc_aead(alg->name, 0, mask);
	size_t len = strlen(wrap) - 1;
	char name[CRYPTO_MAX_ALG_NAME];
	const char *driver;
	int n;

	if (IS_ERR(aead))
		return aead;
	driver = crypto_tfm_alg_driver_name(crypto_aead_tfm(aead));
	if (!strncmp(driver, wrap, len))
		return aead;
	n = snprintf(name, sizeof(name), "%.*s%s)", (int)len, wrap, driver);
	crypto_free_aead(aead);
	return n < sizeof(name) ? crypto_alloc_aead(name, 0, 0) : ERR_PTR(-ENAMETOOLONG);
}

/* cryptd goes around no driver that completes later by itself. */
static struct crypto_aead *quic_aead_wrap(const struct quic_aead_alg *alg, const char *wrap)
{
	struct crypto_aead *aead = quic_aead_wrap_any(alg, wrap, 0);

	if (aead == ERR_PTR(-ENOENT))
		aead = quic_aead_wrap_any(alg, wrap, CRYPTO_ALG_ASYNC);
	return aead;
}

/**
 * quic_aead_alloc_later() - the driver that completes later, as async_aead says
 * @alg: algorithm; quic_aead_alloc() was called for it
 *
 * May sleep. A driver that is named and cannot be had is told of in the log.
 *
 * Return: a transform, or NULL.
 */
struct crypto_aead *quic_aead_alloc_later(const struct quic_aead_alg *alg)
{
	char want[sizeof(quic_async_aead)];
	struct crypto_aead *aead;
	size_t len;

	kernel_param_lock(THIS_MODULE);
	strscpy(want, strim(quic_async_aead), sizeof(want));
	kernel_param_unlock(THIS_MODULE);
	len = strlen(want);
	if (!len && READ_ONCE(alg->kind) != QUIC_AEAD_LATER)
		return NULL;

	if (!len || !strcmp(want, "preferred"))
		aead = crypto_alloc_aead(alg->name, 0, 0);
	else if (len > 2 && !strcmp(want + len - 2, "()"))
		aead = quic_aead_wrap(alg, want);
	else
		aead = crypto_alloc_aead(want, 0, 0);
	if (IS_ERR(aead)) {
		pr_warn_ratelimited("quic: async_aead=%s is no driver of %s: error %ld; packets are protected synchronously\n",
				    want, alg->name, PTR_ERR(aead));
		return NULL;
	}
	/* The driver of one cipher is not that of all. */
	if (quic_aead_is_async(aead) && !strcmp(crypto_aead_tfm(aead)->__crt_alg->cra_name, alg->name))
		return aead;
	crypto_free_aead(aead);
	return NULL;
}
