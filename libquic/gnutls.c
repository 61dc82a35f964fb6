// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * GnuTLS as the TLS library of QUIC: callbacks for messages, secrets, alerts
 * and the transport parameters extension, and the public functions that take a
 * gnutls_session_t. What to do with all that is up to handshake.c; credentials
 * and their checks are in credentials.c.
 */
#include <errno.h>
#include <linux/tls.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "internal.h"

#define QUIC_TLS_EXT_TRANSPORT_PARAMS	0x39	/* RFC 9001, section 8.2 */
/* ALPN of sessions that the caller made */
#define QUIC_ALPN_SIZE_MAX	64
#define QUIC_ALPN_COUNT_MAX	5
/* gnutls_handshake() asks to be called again on harmless events */
#define QUIC_ADVANCE_MAX	16

/* ---- Levels and ciphers ----------------------------------------------- */

static const uint8_t quic_level_of_gnutls[] = {
	[GNUTLS_ENCRYPTION_LEVEL_INITIAL]	= QUIC_CRYPTO_INITIAL,
	[GNUTLS_ENCRYPTION_LEVEL_EARLY]		= QUIC_CRYPTO_EARLY,
	[GNUTLS_ENCRYPTION_LEVEL_HANDSHAKE]	= QUIC_CRYPTO_HANDSHAKE,
	[GNUTLS_ENCRYPTION_LEVEL_APPLICATION]	= QUIC_CRYPTO_APP,
};

static gnutls_record_encryption_level_t quic_level_to_gnutls(uint8_t level)
{
	switch (level) {
	case QUIC_CRYPTO_INITIAL:
		return GNUTLS_ENCRYPTION_LEVEL_INITIAL;
	case QUIC_CRYPTO_EARLY:
		return GNUTLS_ENCRYPTION_LEVEL_EARLY;
	case QUIC_CRYPTO_HANDSHAKE:
		return GNUTLS_ENCRYPTION_LEVEL_HANDSHAKE;
	default:
		return GNUTLS_ENCRYPTION_LEVEL_APPLICATION;
	}
}

/* TLS_CIPHER_* of the kernel, 0 for those that QUIC does not have. */
static uint32_t quic_cipher_of_gnutls(gnutls_cipher_algorithm_t cipher)
{
	switch (cipher) {
	case GNUTLS_CIPHER_AES_128_GCM:
		return TLS_CIPHER_AES_GCM_128;
	case GNUTLS_CIPHER_AES_256_GCM:
		return TLS_CIPHER_AES_GCM_256;
	case GNUTLS_CIPHER_AES_128_CCM:
		return TLS_CIPHER_AES_CCM_128;
	case GNUTLS_CIPHER_CHACHA20_POLY1305:
		return TLS_CIPHER_CHACHA20_POLY1305;
	default:
		return 0;
	}
}

uint32_t quic_backend_cipher_type(gnutls_session_t session)
{
	return quic_cipher_of_gnutls(gnutls_cipher_get(session));
}

/* ---- The context on the session ---------------------------------------- */

/* The context hangs on the session as the private data of our extension. */
struct quic_handshake_ctx *quic_backend_ctx(gnutls_session_t session)
{
	gnutls_ext_priv_data_t priv = NULL;

	if (gnutls_ext_get_data(session, QUIC_TLS_EXT_TRANSPORT_PARAMS, &priv))
		return NULL;
	return priv;
}

static bool quic_alpn_is_missing(const struct quic_handshake_ctx *ctx)
{
	gnutls_datum_t alpn;

	return ctx->alpn_mandatory &&
	       gnutls_alpn_get_selected_protocol(ctx->session, &alpn);
}

/*
 * The peer's first flight, looked at when the first secret is there that
 * depends on it: RFC 9001, sections 8.1 #2 #3 #5 #6 and 8.2 #1.
 */
static int quic_check_peer_hello(struct quic_handshake_ctx *ctx)
{
	if (!ctx->has_peer_params)
		return quic_ctx_fail(ctx, QUIC_ERR_NO_TRANSPORT_PARAMS,
				     QUIC_ALERT_MISSING_EXTENSION);
	if (quic_alpn_is_missing(ctx))
		return quic_ctx_fail(ctx, QUIC_ERR_ALPN,
				     QUIC_ALERT_NO_APPLICATION_PROTOCOL);
	return 0;
}

/* ---- Callbacks --------------------------------------------------------- */

static int quic_on_secret(gnutls_session_t session,
			  gnutls_record_encryption_level_t gnutls_level,
			  const void *rx, const void *tx, size_t size)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	uint8_t level = quic_level_of_gnutls[gnutls_level];
	uint32_t cipher;

	if (!ctx || !ctx->started || ctx->complete)
		return 0;
	if (level == QUIC_CRYPTO_EARLY)
		cipher = quic_cipher_of_gnutls(gnutls_early_cipher_get(session));
	else
		cipher = quic_backend_cipher_type(session);
	if (!cipher) {
		quic_ctx_fail(ctx, quic_error_from_tls(GNUTLS_E_UNKNOWN_CIPHER_TYPE),
			      QUIC_ALERT_INTERNAL_ERROR);
		return GNUTLS_E_UNKNOWN_CIPHER_TYPE;
	}
	if (level == (ctx->server ? QUIC_CRYPTO_HANDSHAKE : QUIC_CRYPTO_APP) &&
	    quic_check_peer_hello(ctx))
		return GNUTLS_E_INTERNAL_ERROR;

	if (tx && quic_ctx_install_secret(ctx, level, true, cipher, tx, size))
		return GNUTLS_E_INTERNAL_ERROR;
	if (rx && quic_ctx_install_secret(ctx, level, false, cipher, rx, size))
		return GNUTLS_E_INTERNAL_ERROR;
	return 0;
}

/* The library "read" a message that it wants to be sent. */
static int quic_on_message(gnutls_session_t session,
			   gnutls_record_encryption_level_t level,
			   gnutls_handshake_description_t type,
			   const void *data, size_t size)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	int ret;

	if (!ctx || !ctx->started || ctx->complete)
		return 0;
	switch (type) {
	case GNUTLS_HANDSHAKE_KEY_UPDATE:		/* RFC 9001, section 6 */
	case GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC:	/* RFC 9001, section 8.4 */
	case GNUTLS_HANDSHAKE_END_OF_EARLY_DATA:	/* RFC 9001, section 8.3 #1 */
		return 0;
	case GNUTLS_HANDSHAKE_NEW_SESSION_TICKET:
		ctx->ticket_queued = true;
		break;
	default:
		break;
	}
	ret = quic_ctx_queue(ctx, quic_level_of_gnutls[level], data, size);
	if (!ret)
		return 0;
	quic_ctx_fail(ctx, ret, QUIC_ALERT_INTERNAL_ERROR);
	return GNUTLS_E_MEMORY_ERROR;
}

static int quic_on_alert(gnutls_session_t session,
			 gnutls_record_encryption_level_t level,
			 gnutls_alert_level_t alert_level,
			 gnutls_alert_description_t alert)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);

	(void)level;
	(void)alert_level;
	/* QUIC has no warnings: RFC 9001, section 4.8 #1 */
	if (ctx && ctx->alert == QUIC_ALERT_NONE)
		ctx->alert = (int)alert;
	return 0;
}

static int quic_on_peer_params(gnutls_session_t session,
			       const unsigned char *data, size_t size)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);

	if (!ctx || !ctx->started)
		return 0;
	if (quic_ctx_set_peer_params(ctx, data, size))
		return GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
	return 0;
}

static int quic_on_local_params(gnutls_session_t session, gnutls_buffer_t out)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	uint8_t *data = NULL;
	size_t size = 0;
	int ret;

	if (!ctx || !ctx->started)
		return 0;
	ret = quic_params_get_local(ctx->fd, &data, &size);
	if (ret) {
		quic_ctx_fail_kernel(ctx, ret);
		return GNUTLS_E_INTERNAL_ERROR;
	}
	ret = gnutls_buffer_append_data(out, data, size);
	free(data);
	if (ret < 0)
		return ret;
	return (int)size;
}

static void quic_on_session_end(gnutls_ext_priv_data_t priv)
{
	quic_ctx_destroy(priv);
}

/*
 * TLS bytes come by gnutls_handshake_write() alone: keep the library from the
 * socket, where it would take our handshake messages for TLS records.
 */
static ssize_t quic_on_pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
	(void)ptr;
	(void)data;
	(void)size;
	errno = EAGAIN;
	return -1;
}

static int quic_on_pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms)
{
	(void)ptr;
	(void)ms;
	return 1;
}

static ssize_t quic_on_push(gnutls_transport_ptr_t ptr, const void *data,
			    size_t size)
{
	(void)ptr;
	(void)data;
	return (ssize_t)size;
}

/* ---- For the driver ----------------------------------------------------- */

/* The context of @session, made if there is none. */
int quic_backend_attach(gnutls_session_t session,
			struct quic_handshake_ctx **pctx)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	int ret;

	if (ctx) {
		*pctx = ctx;
		return 0;
	}
	ret = gnutls_session_ext_register(session, "QUIC Transport Parameters",
					  QUIC_TLS_EXT_TRANSPORT_PARAMS,
					  GNUTLS_EXT_TLS, quic_on_peer_params,
					  quic_on_local_params,
					  quic_on_session_end, NULL, NULL,
					  GNUTLS_EXT_FLAG_TLS |
					  GNUTLS_EXT_FLAG_CLIENT_HELLO |
					  GNUTLS_EXT_FLAG_EE);
	if (ret && ret != GNUTLS_E_ALREADY_REGISTERED)
		return quic_error_from_tls(ret);
	ctx = quic_ctx_create(session);
	if (!ctx)
		return -ENOMEM;
	gnutls_ext_set_data(session, QUIC_TLS_EXT_TRANSPORT_PARAMS, ctx);
	if (quic_backend_ctx(session) != ctx) {
		quic_ctx_destroy(ctx);
		return quic_error_from_tls(GNUTLS_E_INTERNAL_ERROR);
	}
	*pctx = ctx;
	return 0;
}

void quic_backend_detach(gnutls_session_t session)
{
	/* the old value ends in quic_on_session_end() */
	if (quic_backend_ctx(session))
		gnutls_ext_set_data(session, QUIC_TLS_EXT_TRANSPORT_PARAMS,
				    NULL);
}

/* Tie session and socket together; the handshake may begin. */
int quic_backend_start(struct quic_handshake_ctx *ctx)
{
	gnutls_session_t session = ctx->session;
	int ret;

	ctx->fd = gnutls_transport_get_int(session);
	ret = quic_kernel_is_server(ctx->fd);
	if (ret < 0)
		return ret;
	ctx->server = ret;

	gnutls_transport_set_pull_function(session, quic_on_pull);
	gnutls_transport_set_pull_timeout_function(session,
						   quic_on_pull_timeout);
	gnutls_transport_set_push_function(session, quic_on_push);
	gnutls_handshake_set_secret_function(session, quic_on_secret);
	gnutls_handshake_set_read_function(session, quic_on_message);
	gnutls_alert_set_read_function(session, quic_on_alert);

	if (!ctx->server)
		return 0;
	/* the only value that QUIC allows: RFC 9001, section 4.6.1 */
	ret = gnutls_record_set_max_early_data_size(session, 0xffffffff);
	if (ret)
		return quic_error_from_tls(ret);
	return quic_replay_enable(session);
}

static int quic_backend_fail(struct quic_handshake_ctx *ctx, int code)
{
	int level, alert;

	if (!ctx->error && ctx->alert == QUIC_ALERT_NONE) {
		alert = gnutls_error_to_alert(code, &level);
		ctx->alert = alert < 0 ? QUIC_ALERT_INTERNAL_ERROR : alert;
	}
	if (!ctx->error)
		ctx->error = quic_error_from_tls(code);
	quic_log(ctx, LOG_ERR, "handshake failed: %s",
		 quic_strerror(ctx->error));
	return ctx->error;
}

/* Was something agreed on or said that TLS can live with, and QUIC not? */
static int quic_backend_check(struct quic_handshake_ctx *ctx)
{
	gnutls_protocol_t version = gnutls_protocol_get_version(ctx->session);
	bool agreed = (int)gnutls_handshake_get_last_in(ctx->session) >= 0;

	/* RFC 9001, section 4.2 #2: sessions of the caller's own may know more */
	if (agreed && version >= GNUTLS_SSL3 && version < GNUTLS_TLS1_3)
		return GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
	/* an alert, perhaps a mere warning: RFC 9001, section 4.8 #1 */
	if (ctx->alert != QUIC_ALERT_NONE)
		return GNUTLS_E_INTERNAL_ERROR;
	return 0;
}

/* Returns 0 when TLS is done, -EAGAIN when it needs more of the peer. */
int quic_backend_advance(struct quic_handshake_ctx *ctx)
{
	int ret, err, i;

	for (i = 0; i < QUIC_ADVANCE_MAX; i++) {
		ret = gnutls_handshake(ctx->session);
		if (ret < 0 && ret != GNUTLS_E_AGAIN) {
			if (gnutls_error_is_fatal(ret))
				break;
			continue;
		}
		err = quic_backend_check(ctx);
		if (err)
			return quic_backend_fail(ctx, err);
		return ret < 0 ? -EAGAIN : 0;
	}
	return quic_backend_fail(ctx, ret);
}

int quic_backend_input(struct quic_handshake_ctx *ctx, uint8_t level,
		       const void *data, size_t size)
{
	int ret;

	ret = gnutls_handshake_write(ctx->session, quic_level_to_gnutls(level),
				     data, size);
	if (ret < 0 && gnutls_error_is_fatal(ret))
		return quic_backend_fail(ctx, ret);
	return 0;
}

/* The APP receive secret is there: a server sends its ticket. */
int quic_backend_finish(struct quic_handshake_ctx *ctx)
{
	int ret;

	if (!ctx->server)
		return 0;
	ret = gnutls_session_ticket_send(ctx->session, 1, 0);
	if (ret < 0 && gnutls_error_is_fatal(ret))
		return quic_backend_fail(ctx, ret);
	return 0;
}

/* The first TLS message of what the kernel collected, if it is a ticket. */
int quic_backend_feed_ticket(gnutls_session_t session, const void *data,
			     size_t size)
{
	const uint8_t *p = data;
	size_t len;
	int ret;

	if (size < 4 || p[0] != GNUTLS_HANDSHAKE_NEW_SESSION_TICKET)
		return -ENODATA;
	len = 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
	if (len > size)
		return -ENODATA;
	ret = gnutls_handshake_write(session,
				     GNUTLS_ENCRYPTION_LEVEL_APPLICATION,
				     data, len);
	return ret < 0 ? quic_error_from_tls(ret) : 0;
}

/*
 * @alpns: names joined by commas, blanks before a name dropped. From then on a
 * handshake without common protocol fails; who gives no names agrees on a
 * protocol by other means. RFC 9000, section 7 #2; RFC 9001, section 8.1 #1.
 */
int quic_backend_set_alpn(struct quic_handshake_ctx *ctx, const char *alpns,
			  size_t size, unsigned int max)
{
	gnutls_datum_t names[QUIC_ALPN_COUNT_MAX + 3];
	const char *p = alpns, *end, *comma;
	unsigned int n = 0;
	int ret;

	if (max > sizeof(names) / sizeof(names[0]))
		max = sizeof(names) / sizeof(names[0]);
	end = alpns + strnlen(alpns, size);
	for (;;) {
		while (p < end && *p == ' ')
			p++;
		for (comma = p; comma < end && *comma != ','; comma++)
			;
		if (comma == p || comma - p > 255 || n == max)
			return -EINVAL;
		names[n].data = (unsigned char *)p;
		names[n].size = (unsigned int)(comma - p);
		n++;
		if (comma == end)
			break;
		p = comma + 1;
	}
	ret = gnutls_alpn_set_protocols(ctx->session, names, n,
					GNUTLS_ALPN_MANDATORY);
	if (ret)
		return quic_error_from_tls(ret);
	ctx->alpn_mandatory = true;
	return 0;
}

/* ---- Public: a session of the caller's own ------------------------------ */

int quic_handshake_init(gnutls_session_t session,
			struct quic_handshake_step **pstep)
{
	struct quic_handshake_ctx *ctx;
	int ret;

	if (!session || !pstep || *pstep)
		return -EINVAL;
	ret = quic_backend_attach(session, &ctx);
	if (ret)
		return quic_error_bare(ret);
	if (ctx->started)
		return -EINVAL;
	ret = quic_backend_start(ctx);
	if (!ret)
		ret = quic_ctx_start(ctx, pstep);
	return quic_error_bare(ret);
}

int quic_handshake_step(gnutls_session_t session,
			struct quic_handshake_step **pstep)
{
	struct quic_handshake_ctx *ctx;

	if (!session)
		return -EINVAL;
	ctx = quic_backend_ctx(session);
	if (!ctx)
		return -EINVAL;
	return quic_error_bare(quic_ctx_step(ctx, pstep));
}

void quic_handshake_deinit(gnutls_session_t session)
{
	if (session)
		quic_backend_detach(session);
}

int quic_handshake(gnutls_session_t session)
{
	struct quic_handshake_ctx *ctx;
	int ret;

	if (!session)
		return -EINVAL;
	ret = quic_backend_attach(session, &ctx);
	if (ret)
		return quic_error_bare(ret);
	if (ctx->started)
		return -EINVAL;
	ret = quic_backend_start(ctx);
	if (!ret)
		ret = quic_ctx_run(ctx, 0);
	quic_backend_detach(session);
	return quic_error_bare(ret);
}

int quic_session_get_data(gnutls_session_t session, void *data, size_t *size)
{
	uint8_t ticket[QUIC_MESSAGE_MAX];
	size_t ticket_size = sizeof(ticket);
	int ret;

	if (!session || !size)
		return -EINVAL;
	ret = quic_kernel_get_ticket(gnutls_transport_get_int(session), ticket,
				     &ticket_size);
	if (ret)
		return ret;
	if (!ticket_size) {
		*size = 0;
		return 0;
	}
	ret = quic_backend_feed_ticket(session, ticket, ticket_size);
	if (ret)
		return quic_error_bare(ret);
	return gnutls_session_get_data(session, data, size);
}

int quic_session_set_data(gnutls_session_t session, const void *data,
			  size_t size)
{
	if (!session)
		return -EINVAL;
	return gnutls_session_set_data(session, data, size);
}

/*
 * Let those who look at the socket see what was chosen. Nothing depends on it,
 * and a name that is a list to the kernel is kept from it.
 */
void quic_backend_tell_alpn(struct quic_handshake_ctx *ctx)
{
	gnutls_datum_t name;
	int ret;

	if (gnutls_alpn_get_selected_protocol(ctx->session, &name) ||
	    name.data[0] == ' ' || memchr(name.data, ',', name.size))
		return;
	ret = quic_kernel_set_alpn(ctx->fd, name.data, name.size);
	if (ret)
		quic_log(ctx, LOG_DEBUG, "the chosen protocol is not told: %s",
			 quic_strerror(ret));
}

int quic_session_get_alpn(gnutls_session_t session, void *alpn, size_t *size)
{
	gnutls_datum_t name;
	int ret;

	if (!session || !size)
		return -EINVAL;
	ret = gnutls_alpn_get_selected_protocol(session, &name);
	if (ret)
		return ret;
	if (*size < name.size)
		return -EINVAL;
	memcpy(alpn, name.data, name.size);
	*size = name.size;
	return 0;
}

int quic_session_set_alpn(gnutls_session_t session, const void *alpns,
			  size_t size)
{
	struct quic_handshake_ctx *ctx;
	int ret;

	if (!session || !alpns || size >= QUIC_ALPN_SIZE_MAX)
		return -EINVAL;
	ret = quic_backend_attach(session, &ctx);
	if (!ret)
		ret = quic_backend_set_alpn(ctx, alpns, size,
					    QUIC_ALPN_COUNT_MAX);
	return quic_error_bare(ret);
}
