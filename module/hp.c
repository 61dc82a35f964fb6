// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Header protection. The samples of a burst are encrypted by one call: ECB over
 * many blocks costs a fraction of as many single ones. When and where headers
 * are protected is for protect.c and its callers. RFC 9001, section 5.4.
 */
#include <asm/simd.h>
#include <crypto/chacha.h>
#include <crypto/internal/cipher.h>
#include <crypto/internal/simd.h>
#include <crypto/skcipher.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "core/header.h"
#include "hp.h"

/* Fewer samples than these are cheaper one by one. */
#define QUIC_HP_BATCH_MIN	4
#define QUIC_HP_REQSIZE		512	/* ECB drivers that want more per request are not used */

/**
 * struct quic_hp - header protection of one direction, which outlives key updates
 * @refs:   keys that use it
 * @aes:    AES for single samples, or NULL: ChaCha20
 * @ecb:    the same for many, or NULL
 * @ecb_is_internal: @ecb is the bare synchronous driver: only usable where crypto_simd_usable()
 * @chacha: key of ChaCha20
 */
struct quic_hp {
	refcount_t refs;
	struct crypto_cipher *aes;
	struct crypto_skcipher *ecb;
	bool ecb_is_internal;
	u32 chacha[8];
};

/**
 * struct quic_hp_cpu - what one call needs, owned by whoever has BH off
 * @block: samples, which become masks where they lie
 * @sg:    leads to @block
 * @req:   request, QUIC_HP_REQSIZE bytes of the driver's own follow
 */
struct quic_hp_cpu {
	u8 block[QUIC_BURST_MAX][QUIC_SAMPLE_LEN];
	struct scatterlist sg;
	struct skcipher_request req __aligned(CRYPTO_MINALIGN);
};

/* Scatterlists cannot lead to the per-CPU area itself. */
static DEFINE_PER_CPU(struct quic_hp_cpu *, quic_hp_cpus);

/* As for the AEAD in keys.c: the wrapper may be asynchronous, the driver below it is not. */
static struct crypto_skcipher *quic_hp_ecb(bool *is_internal)
{
	struct crypto_skcipher *ecb = crypto_alloc_skcipher("ecb(aes)", 0, 0);

	*is_internal = false;
	if (!IS_ERR(ecb) &&
	    (crypto_skcipher_tfm(ecb)->__crt_alg->cra_flags & CRYPTO_ALG_ASYNC)) {
		crypto_free_skcipher(ecb);
		ecb = crypto_alloc_skcipher("__ecb(aes)", CRYPTO_ALG_INTERNAL,
					    CRYPTO_ALG_INTERNAL | CRYPTO_ALG_ASYNC);
		*is_internal = true;
	}
	if (!IS_ERR(ecb) && crypto_skcipher_reqsize(ecb) > QUIC_HP_REQSIZE) {
		crypto_free_skcipher(ecb);
		ecb = ERR_PTR(-EOPNOTSUPP);
	}
	return ecb;
}

/**
 * quic_hp_create() - header protection with a key
 * @key:     key
 * @key_len: its length
 * @chacha:  ChaCha20 instead of AES
 *
 * RFC 9001, sections 5.4.3 and 5.4.4.
 *
 * Return: the object, with one reference, or an ERR_PTR.
 */
struct quic_hp *quic_hp_create(const u8 *key, u8 key_len, bool chacha)
{
	struct quic_hp *hp;
	u32 i;
	int err;

	hp = kzalloc_obj(*hp, GFP_KERNEL);
	if (!hp)
		return ERR_PTR(-ENOMEM);
	refcount_set(&hp->refs, 1);

	if (chacha) {
		for (i = 0; i < ARRAY_SIZE(hp->chacha); i++)
			hp->chacha[i] = get_unaligned_le32(key + 4 * i);
		return hp;
	}

	hp->aes = crypto_alloc_cipher("aes", 0, 0);
	if (IS_ERR(hp->aes)) {
		err = PTR_ERR(hp->aes);
		hp->aes = NULL;
		goto err_put;
	}
	err = crypto_cipher_setkey(hp->aes, key, key_len);
	if (err)
		goto err_put;

	/* Only faster: without it samples are encrypted one by one. */
	hp->ecb = quic_hp_ecb(&hp->ecb_is_internal);
	if (IS_ERR(hp->ecb)) {
		hp->ecb = NULL;
	} else {
		err = crypto_skcipher_setkey(hp->ecb, key, key_len);
		if (err)
			goto err_put;
	}
	return hp;

err_put:
	quic_hp_put(hp);
	return ERR_PTR(err);
}

/**
 * quic_hp_get() - one more key uses it
 * @hp: header protection
 *
 * Return: @hp.
 */
struct quic_hp *quic_hp_get(struct quic_hp *hp)
{
	refcount_inc(&hp->refs);
	return hp;
}

/**
 * quic_hp_put() - a key uses it no longer
 * @hp: header protection, or NULL
 */
void quic_hp_put(struct quic_hp *hp)
{
	if (!hp || !refcount_dec_and_test(&hp->refs))
		return;
	if (hp->aes)
		crypto_free_cipher(hp->aes);
	if (hp->ecb)
		crypto_free_skcipher(hp->ecb);
	kfree_sensitive(hp);
}

/* Turns one sample into a mask. */
static void quic_hp_one(const struct quic_hp *hp, u8 *block)
{
	struct chacha_state state;
	u8 stream[CHACHA_BLOCK_SIZE];

	if (likely(hp->aes)) {
		crypto_cipher_encrypt_one(hp->aes, block, block);
		return;
	}
	chacha_init(&state, hp->chacha, block);
	chacha20_block(&state, stream);
	memcpy(block, stream, QUIC_SAMPLE_LEN);
}

static bool quic_hp_many(struct quic_hp *hp, struct quic_hp_cpu *cpu, u32 n)
{
	struct skcipher_request *req = &cpu->req;

	if (n < QUIC_HP_BATCH_MIN || !hp->ecb || (hp->ecb_is_internal && !crypto_simd_usable()))
		return false;
	sg_set_buf(&cpu->sg, cpu->block, n * QUIC_SAMPLE_LEN);
	skcipher_request_set_tfm(req, hp->ecb);
	skcipher_request_set_callback(req, 0, NULL, NULL);
	skcipher_request_set_crypt(req, &cpu->sg, &cpu->sg, n * QUIC_SAMPLE_LEN, NULL);
	/* It fails before the first block or not at all. */
	return crypto_skcipher_encrypt(req) == 0;
}

/* The masks of @n packets, from the samples in them. */
static const struct quic_hp_cpu *quic_hp_masks(struct quic_hp *hp, const struct quic_mask *mask,
					       u32 n)
{
	struct quic_hp_cpu *cpu = this_cpu_read(quic_hp_cpus);
	u32 i;

	for (i = 0; i < n; i++)
		memcpy(cpu->block[i], mask[i].pn + 4, QUIC_SAMPLE_LEN);
	if (!quic_hp_many(hp, cpu, n))
		for (i = 0; i < n; i++)
			quic_hp_one(hp, cpu->block[i]);
	return cpu;
}

/* Bits of the first byte that are protected. RFC 9001, section 5.4.1. */
static u8 quic_hp_bits(u8 first)
{
	return quic_header_is_long(first) ? 0x0f : 0x1f;
}

static void quic_hp_xor(u8 *pn, u8 pn_len, const u8 *block)
{
	u32 bits;
	u8 i;

	if (likely(pn_len == 4)) {
		bits = get_unaligned((u32 *)pn) ^ get_unaligned((const u32 *)(block + 1));
		put_unaligned(bits, (u32 *)pn);
		return;
	}
	for (i = 0; i < pn_len; i++)
		pn[i] ^= block[1 + i];
}

/**
 * quic_hp_mask() - add header protection
 * @hp:   with which key
 * @mask: the packets, already encrypted
 * @n:    how many
 */
void quic_hp_mask(struct quic_hp *hp, const struct quic_mask *mask, u32 n)
{
	const struct quic_hp_cpu *cpu = quic_hp_masks(hp, mask, n);
	u32 i;

	for (i = 0; i < n; i++, mask++) {
		quic_hp_xor(mask->pn, (*mask->first & QUIC_HEADER_PN_LEN_MASK) + 1,
			    cpu->block[i]);
		*mask->first ^= cpu->block[i][0] & quic_hp_bits(*mask->first);
	}
}

/**
 * quic_hp_unmask() - remove header protection
 * @hp:   with which key
 * @mask: the packets; each has at least 4 + QUIC_SAMPLE_LEN bytes from the packet number on
 * @n:    how many
 */
void quic_hp_unmask(struct quic_hp *hp, const struct quic_mask *mask, u32 n)
{
	const struct quic_hp_cpu *cpu = quic_hp_masks(hp, mask, n);
	u32 i;

	for (i = 0; i < n; i++, mask++) {
		*mask->first ^= cpu->block[i][0] & quic_hp_bits(*mask->first);
		quic_hp_xor(mask->pn, (*mask->first & QUIC_HEADER_PN_LEN_MASK) + 1,
			    cpu->block[i]);
	}
}

/**
 * quic_hp_exit() - module exit
 */
void quic_hp_exit(void)
{
	int i;

	for_each_possible_cpu(i) {
		kfree_sensitive(per_cpu(quic_hp_cpus, i));
		per_cpu(quic_hp_cpus, i) = NULL;
	}
}

/**
 * quic_hp_init() - module init
 *
 * Return: 0 or -ENOMEM.
 */
int quic_hp_init(void)
{
	size_t size = sizeof(struct quic_hp_cpu) + QUIC_HP_REQSIZE;
	struct quic_hp_cpu *cpu;
	int i;

	for_each_possible_cpu(i) {
		cpu = kzalloc_node(size, GFP_KERNEL, cpu_to_node(i));
		if (!cpu) {
			quic_hp_exit();
			return -ENOMEM;
		}
		sg_init_table(&cpu->sg, 1);
		per_cpu(quic_hp_cpus, i) = cpu;
	}
	return 0;
}
