// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What outlives a connection: the encoded form of a session that a client
 * saves, and the memory of a server that keeps 0-RTT from being replayed. The
 * tickets themselves are made and read by the TLS library.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include "internal.h"

/* ---- Saved sessions ------------------------------------------------------ */

/*
 * "QUICSES" and a version byte, SHA-256 of all that follows, then fields: type
 * (1 byte), length (2 bytes, big endian), value. Unknown types are skipped.
 * The hash is there because GnuTLS trusts its part blindly: a damaged file must
 * not reach it.
 */
static const uint8_t quic_saved_magic[8] = { 'Q', 'U', 'I', 'C', 'S', 'E', 'S', 1 };

#define QUIC_SAVED_HASH_SIZE	32
#define QUIC_SAVED_START	(sizeof(quic_saved_magic) + QUIC_SAVED_HASH_SIZE)

enum {
	QUIC_SAVED_VERIFIED	= 1,
	QUIC_SAVED_HOSTNAME	= 2,
	QUIC_SAVED_ALPN		= 3,
	QUIC_SAVED_TLS		= 4,
	QUIC_SAVED_TOKEN	= 5,
	QUIC_SAVED_PARAMS	= 6,
};

#define QUIC_SAVED_HEADER	3

struct quic_saved_writer {
	uint8_t			*data;	/* NULL: only measure */
	size_t			room;
	size_t			used;
};

static void quic_saved_put(struct quic_saved_writer *w, uint8_t type,
			   const void *value, size_t size)
{
	if (w->data && w->room - w->used >= QUIC_SAVED_HEADER + size) {
		w->data[w->used] = type;
		w->data[w->used + 1] = (uint8_t)(size >> 8);
		w->data[w->used + 2] = (uint8_t)size;
		if (size)
			memcpy(w->data + w->used + QUIC_SAVED_HEADER, value,
			       size);
	}
	w->used += QUIC_SAVED_HEADER + size;
}

static int quic_saved_hash(const uint8_t *data, size_t size, uint8_t *hash)
{
	int ret = gnutls_hash_fast(GNUTLS_DIG_SHA256, data + QUIC_SAVED_START,
				   size - QUIC_SAVED_START, hash);

	return ret ? quic_error_from_tls(ret) : 0;
}

static size_t quic_saved_size(const struct quic_saved_session *saved)
{
	size_t size = QUIC_SAVED_START;

	if (saved->verified)
		size += QUIC_SAVED_HEADER;
	size += QUIC_SAVED_HEADER + saved->tls_size;
	if (saved->hostname_size)
		size += QUIC_SAVED_HEADER + saved->hostname_size;
	if (saved->alpn_size)
		size += QUIC_SAVED_HEADER + saved->alpn_size;
	if (saved->token_size)
		size += QUIC_SAVED_HEADER + saved->token_size;
	if (saved->has_params)
		size += QUIC_SAVED_HEADER + sizeof(saved->params);
	return size;
}

int quic_saved_session_encode(const struct quic_saved_session *saved,
			      void *data, size_t *size)
{
	struct quic_saved_writer w = { .data = data, .room = *size };
	size_t need = quic_saved_size(saved);
	int ret;

	if (saved->tls_size > UINT16_MAX || saved->hostname_size > UINT16_MAX)
		return -EOVERFLOW;
	if (!data) {
		*size = need;
		return 0;
	}
	if (*size < need) {
		*size = need;
		return -ENOSPC;
	}
	memcpy(w.data, quic_saved_magic, sizeof(quic_saved_magic));
	w.used = QUIC_SAVED_START;
	if (saved->verified)
		quic_saved_put(&w, QUIC_SAVED_VERIFIED, NULL, 0);
	if (saved->hostname_size)
		quic_saved_put(&w, QUIC_SAVED_HOSTNAME, saved->hostname,
			       saved->hostname_size);
	if (saved->alpn_size)
		quic_saved_put(&w, QUIC_SAVED_ALPN, saved->alpn,
			       saved->alpn_size);
	quic_saved_put(&w, QUIC_SAVED_TLS, saved->tls, saved->tls_size);
	if (saved->token_size)
		quic_saved_put(&w, QUIC_SAVED_TOKEN, saved->token,
			       saved->token_size);
	if (saved->has_params)
		quic_saved_put(&w, QUIC_SAVED_PARAMS, &saved->params,
			       sizeof(saved->params));
	ret = quic_saved_hash(w.data, w.used, w.data + sizeof(quic_saved_magic));
	if (ret)
		return ret;
	*size = w.used;
	return 0;
}

int quic_saved_session_decode(struct quic_saved_session *saved,
			      const void *data, size_t size)
{
	uint8_t hash[QUIC_SAVED_HASH_SIZE];
	size_t off = QUIC_SAVED_START;
	const uint8_t *p = data;
	int ret;

	memset(saved, 0, sizeof(*saved));
	if (size < off || memcmp(p, quic_saved_magic, sizeof(quic_saved_magic)))
		return QUIC_ERR_SESSION_DATA;
	ret = quic_saved_hash(p, size, hash);
	if (ret)
		return ret;
	if (memcmp(p + sizeof(quic_saved_magic), hash, sizeof(hash)))
		return QUIC_ERR_SESSION_DATA;
	while (off < size) {
		const uint8_t *value;
		uint8_t type;
		size_t len;

		if (size - off < QUIC_SAVED_HEADER)
			return QUIC_ERR_SESSION_DATA;
		type = p[off];
		len = (size_t)p[off + 1] << 8 | p[off + 2];
		off += QUIC_SAVED_HEADER;
		if (len > size - off)
			return QUIC_ERR_SESSION_DATA;
		value = p + off;
		off += len;
		switch (type) {
		case QUIC_SAVED_VERIFIED:
			saved->verified = true;
			break;
		case QUIC_SAVED_HOSTNAME:
			saved->hostname = value;
			saved->hostname_size = len;
			break;
		case QUIC_SAVED_ALPN:
			saved->alpn = value;
			saved->alpn_size = len;
			break;
		case QUIC_SAVED_TLS:
			saved->tls = value;
			saved->tls_size = len;
			break;
		case QUIC_SAVED_TOKEN:
			saved->token = value;
			saved->token_size = len;
			break;
		case QUIC_SAVED_PARAMS:
			if (len != sizeof(saved->params))
				break;
			memcpy(&saved->params, value, len);
			saved->has_params = true;
			break;
		default:
			break;
		}
	}
	return saved->tls_size ? 0 : QUIC_ERR_SESSION_DATA;
}

/* ---- Replay of 0-RTT ------------------------------------------------------ */

/*
 * RFC 8446, section 8.2: within the window each ClientHello with early data is
 * accepted once. The memory is one for the process, since tickets are good for
 * any of its connections; when it is full early data is refused, which costs
 * the client a round trip and nothing else.
 */
#define QUIC_REPLAY_SLOTS	4096
#define QUIC_REPLAY_PROBES	16
#define QUIC_REPLAY_KEY_SIZE	32

struct quic_replay_entry {
	time_t			expires;	/* 0: free */
	uint8_t			size;
	uint8_t			key[QUIC_REPLAY_KEY_SIZE];
};

static pthread_mutex_t quic_replay_lock = PTHREAD_MUTEX_INITIALIZER;
static struct quic_replay_entry *quic_replay_table;	/* under the lock */
static gnutls_anti_replay_t quic_replay;		/* set once, under it */

/* The key is a hash already, cut short or not. */
static int quic_replay_insert(time_t expires, const gnutls_datum_t *key)
{
	struct quic_replay_entry *room = NULL;
	uint8_t size = key->size < QUIC_REPLAY_KEY_SIZE ?
		       (uint8_t)key->size : QUIC_REPLAY_KEY_SIZE;
	time_t now = time(NULL);
	uint32_t slot = 0;
	unsigned int i;

	memcpy(&slot, key->data, size < sizeof(slot) ? size : sizeof(slot));
	for (i = 0; i < QUIC_REPLAY_PROBES; i++) {
		struct quic_replay_entry *e =
			&quic_replay_table[(slot + i) % QUIC_REPLAY_SLOTS];

		if (e->expires < now) {
			if (!room)
				room = e;
			continue;
		}
		if (e->size == size && !memcmp(e->key, key->data, size))
			return GNUTLS_E_DB_ENTRY_EXISTS;
	}
	if (!room)
		return GNUTLS_E_DB_ENTRY_EXISTS;
	room->expires = expires;
	room->size = size;
	memcpy(room->key, key->data, size);
	return 0;
}

static int quic_replay_add(void *arg, time_t expires, const gnutls_datum_t *key,
			   const gnutls_datum_t *data)
{
	int ret;

	(void)arg;
	(void)data;
	if (!key->size)
		return GNUTLS_E_DB_ENTRY_EXISTS;
	pthread_mutex_lock(&quic_replay_lock);
	if (!quic_replay_table)
		quic_replay_table = calloc(QUIC_REPLAY_SLOTS,
					   sizeof(*quic_replay_table));
	ret = quic_replay_table ? quic_replay_insert(expires, key) :
				  GNUTLS_E_DB_ENTRY_EXISTS;
	pthread_mutex_unlock(&quic_replay_lock);
	return ret;
}

/* Without it GnuTLS refuses early data. */
/* RFC 9001, section 9.2 #1: a ClientHello opens early data once. */
int quic_replay_enable(gnutls_session_t session)
{
	int ret = 0;

	pthread_mutex_lock(&quic_replay_lock);
	if (!quic_replay) {
		ret = gnutls_anti_replay_init(&quic_replay);
		if (!ret)
			gnutls_anti_replay_set_add_function(quic_replay,
							    quic_replay_add);
	}
	if (!ret)
		gnutls_anti_replay_enable(session, quic_replay);
	pthread_mutex_unlock(&quic_replay_lock);
	return ret ? quic_error_from_tls(ret) : 0;
}

__attribute__((destructor)) static void quic_replay_unload(void)
{
	if (quic_replay)
		gnutls_anti_replay_deinit(quic_replay);
	quic_replay = NULL;
	free(quic_replay_table);
	quic_replay_table = NULL;
}
