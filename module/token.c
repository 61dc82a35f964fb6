// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Address tokens: how they are sealed, opened and judged. When one is asked
 * for is validate.c's decision, how one travels stateless.c's and the core's.
 *
 *	kind 8, nonce 96: in the clear, but authenticated
 *	time 64, version 32, family 8, address 128, port 16: encrypted
 *	original ID, Retry ID, each with its length: Retry tokens only
 *	tag 128
 *
 * Nothing in it can be told from chance but the kind, so a token cannot be
 * linked to the connection that it came from: RFC 9000, section 8.1.3 #3 #4.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tls.h>
#include <uapi/linux/quic.h>

#include "chunk.h"
#include "protect.h"
#include "token.h"

#define QUIC_TOKEN_HEADER	(1 + QUIC_IV_LEN)
#define QUIC_TOKEN_BODY		(8 + 4 + 1 + 16 + 2 + 1)	/* of a regular one */
#define QUIC_TOKEN_LABEL	"quic token"

/* uapi.md, section 4.10. */
#define QUIC_TOKEN_RETRY_LIFE	(3ULL * NSEC_PER_SEC)
#define QUIC_TOKEN_REGULAR_LIFE	(600ULL * NSEC_PER_SEC)

#define QUIC_TOKENS_USED	960	/* regular tokens whose use is remembered */

/**
 * struct quic_tokens - what seals the tokens of a listener
 * @refs: the listener and its children
 * @key:  for nothing else
 * @lock: guards @used
 * @rcu:  frees it behind readers
 * @used: nonces of regular tokens that were accepted, each where its hash says; a newer one takes
 *        the place of an older one
 */
struct quic_tokens {
	refcount_t refs;
	struct quic_key *key;
	spinlock_t lock;	/* see above */
	struct rcu_head rcu;
	u64 used[QUIC_TOKENS_USED];
};

/**
 * quic_tokens_create() - begin to give tokens
 * @secret:     nobody else's
 * @secret_len: its length
 *
 * Return: with one reference, or an ERR_PTR.
 */
struct quic_tokens *quic_tokens_create(const u8 *secret, u32 secret_len)
{
	struct quic_secret derived = { .len = 32, .cipher = TLS_CIPHER_AES_GCM_128 };
	struct quic_tokens *tokens;
	int err;

	tokens = kzalloc_obj(*tokens, GFP_KERNEL);
	if (!tokens)
		return ERR_PTR(-ENOMEM);
	refcount_set(&tokens->refs, 1);
	spin_lock_init(&tokens->lock);
	err = quic_hkdf_expand_label(derived.cipher, secret, secret_len, QUIC_TOKEN_LABEL,
				     derived.data, derived.len);
	if (!err) {
		tokens->key = quic_key_create(QUIC_VERSION_V1, &derived);
		err = PTR_ERR_OR_ZERO(tokens->key);
	}
	memzero_explicit(&derived, sizeof(derived));
	if (err) {
		kfree(tokens);
		return ERR_PTR(err);
	}
	return tokens;
}

/**
 * quic_tokens_get() - another reference
 * @tokens: held
 */
struct quic_tokens *quic_tokens_get(struct quic_tokens *tokens)
{
	refcount_inc(&tokens->refs);
	return tokens;
}

static void quic_tokens_free(struct rcu_head *rcu)
{
	struct quic_tokens *tokens = container_of(rcu, struct quic_tokens, rcu);

	quic_host_key_dispose(tokens->key);
	kfree(tokens);
}

/**
 * quic_tokens_put() - drop a reference
 * @tokens: held, or NULL
 */
void quic_tokens_put(struct quic_tokens *tokens)
{
	if (tokens && refcount_dec_and_test(&tokens->refs))
		call_rcu(&tokens->rcu, quic_tokens_free);
}

/* A port belongs to one connection: only Retry can count on it. RFC 9000, section 8.1.3. */
static void quic_token_put_addr(struct quic_writer *w, const union quic_addr *addr, bool port)
{
	bool v4 = addr->sa.sa_family == AF_INET;

	quic_write_u8(w, v4 ? 4 : 6);
	if (v4) {
		quic_write_bytes(w, &addr->v4.sin_addr, 4);
		quic_write_zeroes(w, 12);
	} else {
		quic_write_bytes(w, &addr->v6.sin6_addr, 16);
	}
	quic_write_u16(w, port ? ntohs(quic_addr_port(addr)) : 0);
}

static void quic_token_put_cid(struct quic_writer *w, const struct quic_cid *cid)
{
	quic_write_u8(w, cid->len);
	quic_write_bytes(w, cid->data, cid->len);
}

static bool quic_token_read_cid(struct quic_reader *r, struct quic_cid *cid)
{
	u8 len = quic_read_u8(r);
	const u8 *data;

	if (len > QUIC_CID_MAX_LEN)
		return false;
	data = quic_read_bytes(r, len);
	if (r->failed)
		return false;
	quic_cid_set(cid, data, len);
	return true;
}

/**
 * quic_tokens_seal() - make a token
 * @tokens: of the listener
 * @info:   what it shall say
 * @peer:   whose address it vouches for
 * @now:    time
 * @token:  result
 *
 * @token is linear memory that virt_to_page() knows, with room for QUIC_TOKEN_SEALED_MAX bytes.
 * RFC 9000, section 8.1.4 #1 #2 #3.
 *
 * Return: its length, or a negative errno.
 */
int quic_tokens_seal(struct quic_tokens *tokens, const struct quic_token_info *info,
		     const union quic_addr *peer, u64 now, u8 *token)
{
	u8 nonce[QUIC_IV_LEN];
	struct quic_writer w;
	u32 len;
	int err;

	get_random_bytes(nonce, sizeof(nonce));
	quic_writer_init(&w, token, QUIC_TOKEN_SEALED_MAX - QUIC_TAG_LEN);
	quic_write_u8(&w, info->kind);
	quic_write_bytes(&w, nonce, sizeof(nonce));
	quic_write_u32(&w, now >> 32);
	quic_write_u32(&w, now);
	quic_write_u32(&w, info->version);
	quic_token_put_addr(&w, peer, info->kind == QUIC_TOKEN_RETRY);
	if (info->kind == QUIC_TOKEN_RETRY) {
		quic_token_put_cid(&w, &info->original);
		quic_token_put_cid(&w, &info->retry);
	} else {
		quic_write_u8(&w, 0);
	}
	if (WARN_ON_ONCE(w.failed))
		return -ENOBUFS;
	len = quic_writer_used(&w);

	local_bh_disable();
	err = quic_protect_seal_nonce(tokens->key, token, QUIC_TOKEN_HEADER,
				      len - QUIC_TOKEN_HEADER, nonce);
	local_bh_enable();
	return err ?: len + QUIC_TAG_LEN;
}

/* Once only, as long as we remember. RFC 9000, section 8.1.4 #5. */
static bool quic_tokens_use(struct quic_tokens *tokens, const u8 *nonce)
{
	u64 id = get_unaligned((const u64 *)nonce);
	u64 *slot = &tokens->used[(u32)id % QUIC_TOKENS_USED];
	bool fresh;

	spin_lock_bh(&tokens->lock);
	fresh = *slot != id;
	*slot = id;
	spin_unlock_bh(&tokens->lock);
	return fresh;
}

/* What the opened token at @r says against the packet that brought it, and the clock. */
static int quic_token_judge(struct quic_reader *r, const union quic_addr *peer, u32 version,
			    u64 now, struct quic_token_info *info)
{
	bool is_retry = info->kind == QUIC_TOKEN_RETRY;
	u8 expected[1 + 16 + 2];
	struct quic_writer w;
	const u8 *addr;
	u64 time;

	time = (u64)quic_read_u32(r) << 32;
	time |= quic_read_u32(r);
	info->version = quic_read_u32(r);
	addr = quic_read_bytes(r, sizeof(expected));
	if (!quic_token_read_cid(r, &info->original) ||
	    (is_retry && !quic_token_read_cid(r, &info->retry)))
		return -EBADMSG;

	quic_writer_init(&w, expected, sizeof(expected));
	quic_token_put_addr(&w, peer, is_retry);
	/* RFC 9369, sections 4.1 #2 and 5 #2 */
	if (info->version != version || memcmp(addr, expected, sizeof(expected)))
		return -EACCES;
	if (time > now ||
	    now - time > (is_retry ? QUIC_TOKEN_RETRY_LIFE : QUIC_TOKEN_REGULAR_LIFE))
		return -EACCES;
	return 0;
}

/**
 * quic_tokens_open() - read a token that a client brought
 * @tokens: of the listener
 * @token:  as it stood in the packet
 * @len:    its length
 * @peer:   where the packet came from
 * @version: of the packet
 * @now:    time
 * @info:   what it says; @kind is valid unless the token is not ours
 *
 * RFC 9000, section 8.1.4.
 *
 * Return: 0, or a negative errno: token.h.
 */
int quic_tokens_open(struct quic_tokens *tokens, const u8 *token, u32 len,
		     const union quic_addr *peer, u32 version, u64 now,
		     struct quic_token_info *info)
{
	struct quic_reader r;
	u8 *copy;
	int err;

	if (len < QUIC_TOKEN_HEADER + QUIC_TOKEN_BODY + QUIC_TAG_LEN ||
	    len > QUIC_TOKEN_SEALED_MAX || token[0] > QUIC_TOKEN_RETRY)
		return -EBADMSG;
	copy = kmemdup(token, len, GFP_ATOMIC);
	if (!copy)
		return -ENOMEM;
	info->kind = token[0];
	local_bh_disable();
	err = quic_protect_open_nonce(tokens->key, copy, QUIC_TOKEN_HEADER,
				      len - QUIC_TOKEN_HEADER, token + 1);
	local_bh_enable();
	if (!err) {
		quic_reader_init(&r, copy + QUIC_TOKEN_HEADER,
				 len - QUIC_TOKEN_HEADER - QUIC_TAG_LEN);
		err = quic_token_judge(&r, peer, version, now, info);
	}
	if (!err && info->kind == QUIC_TOKEN_REGULAR && !quic_tokens_use(tokens, token + 1))
		err = -EALREADY;
	kfree(copy);
	return err;
}
