// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * struct quic_tls: a TLS session built from options, and the calls that make
 * and run one in a single go. Makes settings and collects results; the
 * handshake itself is handshake.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "internal.h"

#define QUIC_ALPN_NAMES_MAX	8	/* what GnuTLS takes */
#define QUIC_TICKET_POLL_US	5000
#define QUIC_TOKEN_MAX		4096

struct quic_tls {
	gnutls_session_t	session;
	struct quic_handshake_ctx *ctx;	/* lives as long as the session */
	struct quic_credentials	*own_creds;
	char			*hostname;
	uint32_t		timeout_ms;
	bool			server;
	bool			trusted;	/* by certificate or key */
	bool			resumed_trusted;
	uint64_t		began, ended;	/* us, 0: not yet */
	int			error;
	struct quic_connection_close close;

	gnutls_datum_t		ticket_data;	/* GnuTLS's, after the ticket */
};

/* ---- Options -------------------------------------------------------------- */

/* Callers built against another version pass a shorter or longer structure. */
static int quic_options_copy(struct quic_handshake_options *opts,
			     const struct quic_handshake_options *from)
{
	memset(opts, 0, sizeof(*opts));
	if (!from)
		return 0;
	if (from->size < offsetof(struct quic_handshake_options, hostname))
		return -EINVAL;
	memcpy(opts, from,
	       from->size < sizeof(*opts) ? from->size : sizeof(*opts));
	return 0;
}

static int quic_on_keylog(gnutls_session_t session, const char *label,
			  const gnutls_datum_t *secret)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	gnutls_datum_t client = { 0 }, server = { 0 };
	char line[512];
	size_t n, i;

	if (!ctx || ctx->keylog_fd < 0)
		return 0;
	gnutls_session_get_random(session, &client, &server);
	n = strlen(label);
	if (n + 2 * (client.size + secret->size) + 4 > sizeof(line))
		return 0;
	memcpy(line, label, n);
	line[n++] = ' ';
	for (i = 0; i < client.size; i++)
		n += (size_t)sprintf(line + n, "%02x", client.data[i]);
	line[n++] = ' ';
	for (i = 0; i < secret->size; i++)
		n += (size_t)sprintf(line + n, "%02x", secret->data[i]);
	line[n++] = '\n';
	/* one write a line: several processes may append to the file */
	if (write(ctx->keylog_fd, line, n) != (ssize_t)n)
		quic_log(ctx, LOG_ERR, "key log: %s", strerror(errno));
	explicit_bzero(line, sizeof(line));
	return 0;
}

static int quic_tls_set_keylog(struct quic_tls *tls, const char *path)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	tls->ctx->keylog_fd = fd;
	gnutls_session_set_keylog_function(tls->session, quic_on_keylog);
	return 0;
}

/*
 * Early data comes under the limits, and in the protocol, of the time when the
 * ticket was made: a server that has others now must not be able to open it.
 * RFC 9000, section 7.4.1; RFC 8446, section 4.2.10.
 */
static int quic_tls_bind_ticket_key(int fd, const char *alpns, uint8_t *key)
{
	struct quic_transport_param params = { 0 };
	socklen_t len = sizeof(params);
	gnutls_hmac_hd_t hmac;
	uint64_t limits[8];
	int ret;

	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, &params,
		       &len))
		return -errno;
	limits[0] = params.active_connection_id_limit;
	limits[1] = params.max_data;
	limits[2] = params.max_stream_data_bidi_local;
	limits[3] = params.max_stream_data_bidi_remote;
	limits[4] = params.max_stream_data_uni;
	limits[5] = params.max_streams_bidi;
	limits[6] = params.max_streams_uni;
	limits[7] = params.max_datagram_frame_size;

	ret = gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA512, key,
			       QUIC_TICKET_KEY_SIZE);
	if (ret)
		return quic_error_from_tls(ret);
	ret = gnutls_hmac(hmac, limits, sizeof(limits));
	if (!ret && alpns)
		ret = gnutls_hmac(hmac, alpns, strlen(alpns));
	gnutls_hmac_deinit(hmac, key);
	return ret ? quic_error_from_tls(ret) : 0;
}

static int quic_tls_set_ticket_key(struct quic_tls *tls, int fd,
				   const char *alpns)
{
	uint8_t key[QUIC_TICKET_KEY_SIZE];
	size_t size = sizeof(key);
	gnutls_datum_t datum = { .data = key };
	int ret;

	ret = quic_kernel_get_ticket(fd, key, &size);
	if (ret)
		return ret;
	if (size != sizeof(key))
		return -EINVAL;
	ret = quic_tls_bind_ticket_key(fd, alpns, key);
	if (ret)
		return ret;
	datum.size = (unsigned int)size;
	ret = gnutls_session_ticket_enable_server(tls->session, &datum);
	explicit_bzero(key, sizeof(key));
	return ret ? quic_error_from_tls(ret) : 0;
}

/* Is @alpn one of the comma-separated @alpns? */
static bool quic_alpn_is_listed(const char *alpns, const void *alpn,
				size_t size)
{
	const char *p = alpns;

	if (!alpns || !size)
		return !alpns && !size;
	while (*p) {
		size_t n;

		p += strspn(p, " ");
		n = strcspn(p, ",");
		if (n == size && !memcmp(p, alpn, size))
			return true;
		p += n;
		p += *p == ',';
	}
	return false;
}

/*
 * May @saved be resumed under these options? What was accepted without
 * verification then is not trusted now, and the name must be the same one,
 * RFC 8446, section 4.6.1.
 */
static bool quic_saved_is_usable(const struct quic_tls *tls,
				 const struct quic_handshake_options *opts,
				 const struct quic_saved_session *saved)
{
	size_t n = opts->hostname ? strlen(opts->hostname) : 0;

	if (!saved->verified &&
	    !quic_credentials_is_insecure(tls->ctx->creds))
		return false;
	return n == saved->hostname_size &&
	       (!n || !memcmp(opts->hostname, saved->hostname, n));
}

static void quic_tls_set_kernel_option(const struct quic_tls *tls, int fd,
				       int option, const void *data,
				       size_t size, const char *what)
{
	if (setsockopt(fd, SOL_QUIC, option, data, (socklen_t)size))
		quic_log(tls->ctx, LOG_NOTICE, "%s of the saved session: %s",
			 what, strerror(errno));
}

/* Saved state is a help, not a need: what does not fit is left out. */
static void quic_tls_resume(struct quic_tls *tls, int fd,
			    const struct quic_handshake_options *opts,
			    const struct quic_saved_session *saved, bool early)
{
	int ret;

	if (saved->token_size)
		quic_tls_set_kernel_option(tls, fd, QUIC_SOCKOPT_TOKEN,
					   saved->token, saved->token_size,
					   "token");
	if (!quic_saved_is_usable(tls, opts, saved)) {
		quic_log(tls->ctx, LOG_NOTICE,
			 "the saved session is of another server or unverified");
		return;
	}
	ret = gnutls_session_set_data(tls->session, saved->tls,
				      saved->tls_size);
	if (ret) {
		quic_log(tls->ctx, LOG_NOTICE, "saved session: %s",
			 gnutls_strerror(ret));
		return;
	}
	tls->resumed_trusted = saved->verified;
	if (early) {
		struct quic_transport_param params = saved->params;

		params.remote = 1;
		quic_tls_set_kernel_option(tls, fd,
					   QUIC_SOCKOPT_TRANSPORT_PARAM,
					   &params, sizeof(params),
					   "transport parameters");
	}
}

static unsigned int quic_tls_init_flags(bool server, uint32_t flags, bool early)
{
	unsigned int init = server ? GNUTLS_SERVER : GNUTLS_CLIENT;

	init |= GNUTLS_NO_AUTO_SEND_TICKET;
	if (server && (flags & QUIC_HANDSHAKE_NO_TICKET))
		init |= GNUTLS_NO_TICKETS;
	if (early)
		init |= GNUTLS_ENABLE_EARLY_DATA;
	/* RFC 9001, section 8.3 #1 */
#if GNUTLS_VERSION_NUMBER >= 0x030702
	init |= GNUTLS_NO_END_OF_EARLY_DATA;
#endif
	return init;
}

/* SNI is for names, RFC 6066, section 3. */
static int quic_tls_set_hostname(struct quic_tls *tls, const char *hostname)
{
	size_t n = strlen(hostname);
	unsigned int size;
	uint8_t addr[16];
	int ret;

	tls->hostname = strdup(hostname);
	if (!tls->hostname)
		return -ENOMEM;
	if (n > 1 && tls->hostname[n - 1] == '.')
		tls->hostname[--n] = '\0';
	tls->ctx->hostname = tls->hostname;
	if (!n)
		return -EINVAL;
	if (quic_name_is_address(tls->hostname, addr, &size))
		return 0;
	ret = gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS,
				     tls->hostname, n);
	return ret ? quic_error_from_tls(ret) : 0;
}

static int quic_tls_configure(struct quic_tls *tls, int fd,
			      const struct quic_handshake_options *opts)
{
	int ret;

	gnutls_transport_set_int(tls->session, fd);
	ret = quic_backend_attach(tls->session, &tls->ctx);
	if (ret)
		return ret;
	tls->ctx->log = opts->log;
	tls->ctx->log_arg = opts->log_arg;
	tls->ctx->creds = opts->credentials;
	if (!opts->credentials) {
		ret = quic_credentials_create_client(&tls->own_creds);
		if (ret)
			return ret;
		tls->ctx->creds = tls->own_creds;
	}
	ret = quic_credentials_apply(tls->ctx->creds, tls->session,
				     opts->priority);
	if (!ret && opts->alpns)
		ret = quic_backend_set_alpn(tls->ctx, opts->alpns,
					    strlen(opts->alpns),
					    QUIC_ALPN_NAMES_MAX);
	if (!ret && opts->keylog_file)
		ret = quic_tls_set_keylog(tls, opts->keylog_file);
	if (!ret && !tls->server && opts->hostname)
		ret = quic_tls_set_hostname(tls, opts->hostname);
	if (!ret && tls->server && !(opts->flags & QUIC_HANDSHAKE_NO_TICKET))
		ret = quic_tls_set_ticket_key(tls, fd, opts->alpns);
	return ret;
}

static int quic_tls_create(int sockfd, bool server,
			   const struct quic_handshake_options *from,
			   struct quic_tls **out)
{
	struct quic_saved_session saved = { 0 };
	struct quic_handshake_options opts;
	struct quic_tls *tls;
	bool early;
	int ret;

	if (!out)
		return -EINVAL;
	ret = quic_options_copy(&opts, from);
	if (ret)
		return ret;
	if (opts.credentials ?
	    quic_credentials_is_server(opts.credentials) != server : server)
		return -EINVAL;
	ret = quic_kernel_is_server(sockfd);
	if (ret < 0)
		return ret;
	if (ret != server)
		return -EINVAL;
	if (!server && opts.session) {
		ret = quic_saved_session_decode(&saved, opts.session,
						opts.session_size);
		if (ret)
			return ret;
	}
	early = opts.flags & QUIC_HANDSHAKE_EARLY_DATA;
	if (!server)
		early = early && saved.has_params &&
			quic_alpn_is_listed(opts.alpns, saved.alpn,
					    saved.alpn_size);

	tls = calloc(1, sizeof(*tls));
	if (!tls)
		return -ENOMEM;
	tls->server = server;
	tls->timeout_ms = opts.timeout_ms;
	ret = gnutls_init(&tls->session,
			  quic_tls_init_flags(server, opts.flags, early));
	if (ret) {
		free(tls);
		return quic_error_from_tls(ret);
	}
	ret = quic_tls_configure(tls, sockfd, &opts);
	if (ret) {
		quic_tls_destroy(tls);
		return ret;
	}
	if (saved.tls_size)
		quic_tls_resume(tls, sockfd, &opts, &saved, early);
	*out = tls;
	return 0;
}

int quic_tls_create_client(int sockfd,
			   const struct quic_handshake_options *opts,
			   struct quic_tls **tls)
{
	return quic_tls_create(sockfd, false, opts, tls);
}

int quic_tls_create_server(int sockfd,
			   const struct quic_handshake_options *opts,
			   struct quic_tls **tls)
{
	return quic_tls_create(sockfd, true, opts, tls);
}

void quic_tls_destroy(struct quic_tls *tls)
{
	int keylog_fd = -1;

	if (!tls)
		return;
	if (tls->ctx)
		keylog_fd = tls->ctx->keylog_fd;
	gnutls_free(tls->ticket_data.data);
	quic_backend_detach(tls->session);
	gnutls_deinit(tls->session);
	if (keylog_fd >= 0)
		close(keylog_fd);
	quic_credentials_destroy(tls->own_creds);
	free(tls->hostname);
	free(tls);
}

gnutls_session_t quic_tls_get_gnutls(struct quic_tls *tls)
{
	return tls ? tls->session : NULL;
}

/* ---- The handshake --------------------------------------------------------- */

/* Record how it ended; returns @ret. */
static int quic_tls_ended(struct quic_tls *tls, int ret)
{
	struct quic_connection_close close;
	struct quic_handshake_ctx *ctx = tls->ctx;

	tls->ended = quic_now_us();
	tls->error = ret;
	if (!ret) {
		tls->trusted = gnutls_session_is_resumed(tls->session) ?
			       tls->resumed_trusted :
			       ctx->verdict.verify == QUIC_VERIFY_OK ||
			       ctx->verdict.verify == QUIC_VERIFY_NONE;
	} else if (!ctx->closed && !quic_kernel_get_close(ctx->fd, &close) &&
		   memcmp(&close, &ctx->old_close, sizeof(close))) {
		tls->close = close;
	}
	return ret;
}

static int quic_tls_begin(struct quic_tls *tls)
{
	if (tls->began)
		return -EINVAL;
	tls->began = quic_now_us();
	return quic_backend_start(tls->ctx);
}

int quic_tls_handshake(struct quic_tls *tls)
{
	int ret;

	if (!tls || tls->began)
		return -EINVAL;
	ret = quic_tls_begin(tls);
	if (!ret)
		ret = quic_ctx_run(tls->ctx, tls->timeout_ms);
	return quic_tls_ended(tls, ret);
}

int quic_tls_step(struct quic_tls *tls, struct quic_handshake_step **step)
{
	int ret;

	if (!tls || !step || tls->ended)
		return -EINVAL;
	if (!tls->began) {
		if (*step)
			return -EINVAL;
		ret = quic_tls_begin(tls);
		if (!ret)
			ret = quic_ctx_start(tls->ctx, step);
	} else {
		ret = quic_ctx_peer_error(tls->ctx,
					  quic_ctx_step(tls->ctx, step));
	}
	if (ret || !*step)
		quic_tls_ended(tls, ret);
	return ret;
}

/* ---- Results ---------------------------------------------------------------- */

static const char *quic_cipher_suite_name(uint32_t cipher)
{
	switch (cipher) {
	case TLS_CIPHER_AES_GCM_128:
		return "TLS_AES_128_GCM_SHA256";
	case TLS_CIPHER_AES_GCM_256:
		return "TLS_AES_256_GCM_SHA384";
	case TLS_CIPHER_AES_CCM_128:
		return "TLS_AES_128_CCM_SHA256";
	case TLS_CIPHER_CHACHA20_POLY1305:
		return "TLS_CHACHA20_POLY1305_SHA256";
	default:
		return "";
	}
}

static void quic_copy_text(char *to, size_t room, const void *from, size_t size)
{
	if (size > room - 1)
		size = room - 1;
	if (size)
		memcpy(to, from, size);
	to[size] = '\0';
}

#define QUIC_COPY_STRING(to, from)					\
	do {								\
		const char *string_ = (from);				\
									\
		if (string_)						\
			quic_copy_text(to, sizeof(to), string_,		\
				       strlen(string_));		\
	} while (0)

static void quic_result_certificate(const struct quic_tls *tls,
				    struct quic_handshake_result *res)
{
	const gnutls_datum_t *der;
	gnutls_datum_t text;
	gnutls_x509_crt_t crt;
	unsigned int n = 0, i;
	uint8_t hash[32];

	der = gnutls_certificate_get_peers(tls->session, &n);
	if (!der || !n || gnutls_x509_crt_init(&crt))
		return;
	if (gnutls_x509_crt_import(crt, &der[0], GNUTLS_X509_FMT_DER))
		goto out;
	if (!gnutls_x509_crt_get_dn3(crt, &text, 0)) {
		quic_copy_text(res->peer_subject, sizeof(res->peer_subject),
			       text.data, text.size);
		gnutls_free(text.data);
	}
	if (!gnutls_x509_crt_get_issuer_dn3(crt, &text, 0)) {
		quic_copy_text(res->peer_issuer, sizeof(res->peer_issuer),
			       text.data, text.size);
		gnutls_free(text.data);
	}
	res->not_after = (uint64_t)gnutls_x509_crt_get_expiration_time(crt);
	if (!gnutls_hash_fast(GNUTLS_DIG_SHA256, der[0].data, der[0].size,
			      hash))
		for (i = 0; i < sizeof(hash); i++)
			sprintf(res->peer_sha256 + 2 * i, "%02x", hash[i]);
out:
	gnutls_x509_crt_deinit(crt);
}

static void quic_result_authentication(const struct quic_tls *tls,
				       struct quic_handshake_result *res)
{
	const struct quic_verdict *verdict = &tls->ctx->verdict;
	gnutls_kx_algorithm_t kx = gnutls_kx_get(tls->session);
	gnutls_datum_t text;

	res->verify = verdict->verify;
	res->verify_status = verdict->status;
	res->resumed = gnutls_session_is_resumed(tls->session) != 0;
	res->psk = !res->resumed &&
		   (kx == GNUTLS_KX_PSK || kx == GNUTLS_KX_ECDHE_PSK ||
		    kx == GNUTLS_KX_DHE_PSK);
	if (res->psk)
		QUIC_COPY_STRING(res->psk_identity, tls->server ?
				 gnutls_psk_server_get_username(tls->session) :
				 quic_credentials_psk_identity(tls->ctx->creds));
	quic_result_certificate(tls, res);
	if (res->resumed && res->peer_subject[0])
		res->verify = QUIC_VERIFY_RESUMED;
	if (!verdict->status)
		return;
	if (!gnutls_certificate_verification_status_print(verdict->status,
							  GNUTLS_CRT_X509,
							  &text, 0)) {
		quic_copy_text(res->verify_text, sizeof(res->verify_text),
			       text.data, text.size);
		gnutls_free(text.data);
	}
}

static void quic_result_negotiated(const struct quic_tls *tls,
				   struct quic_handshake_result *res)
{
	gnutls_session_t session = tls->session;
	size_t size = sizeof(res->server_name) - 1;
	gnutls_datum_t alpn;
	unsigned int type;

	if (res->complete || tls->ctx->has_peer_params) {
		res->cipher_type = quic_backend_cipher_type(session);
		QUIC_COPY_STRING(res->cipher_suite,
				 quic_cipher_suite_name(res->cipher_type));
		QUIC_COPY_STRING(res->group, gnutls_group_get_name(
						gnutls_group_get(session)));
	}
	QUIC_COPY_STRING(res->signature,
			 gnutls_sign_get_name((gnutls_sign_algorithm_t)
					      gnutls_sign_algorithm_get(session)));
	if (!gnutls_alpn_get_selected_protocol(session, &alpn))
		quic_copy_text(res->alpn, sizeof(res->alpn), alpn.data,
			       alpn.size);
	if (!tls->server)
		QUIC_COPY_STRING(res->server_name, tls->hostname);
	else if (gnutls_server_name_get(session, res->server_name, &size,
					&type, 0))
		res->server_name[0] = '\0';

	if (gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA)
		res->early_data = QUIC_EARLY_DATA_ACCEPTED;
	else if (tls->ctx->early)
		res->early_data = QUIC_EARLY_DATA_REJECTED;
}

int quic_tls_get_result(const struct quic_tls *tls,
			struct quic_handshake_result *out)
{
	struct quic_handshake_result res = { 0 };
	const struct quic_handshake_ctx *ctx;
	size_t size;

	if (!tls || !out || out->size < offsetof(struct quic_handshake_result,
						 alert_sent))
		return -EINVAL;
	ctx = tls->ctx;
	size = out->size < sizeof(res) ? out->size : sizeof(res);
	res.size = out->size;
	res.error = tls->error;
	res.server = tls->server;
	res.complete = ctx->complete;
	res.alert_sent = ctx->closed ? ctx->alert : QUIC_ALERT_NONE;
	res.alert_received = ctx->peer_alert;
	res.close_code = tls->close.errcode;
	res.close_frame = tls->close.frame;
	quic_copy_text(res.close_phrase, sizeof(res.close_phrase),
		       tls->close.phrase,
		       strnlen((const char *)tls->close.phrase,
			       sizeof(tls->close.phrase)));
	if (tls->began)
		res.duration_us = (tls->ended ? tls->ended : quic_now_us()) -
				  tls->began;
	if (tls->error)
		QUIC_COPY_STRING(res.error_text, quic_strerror(tls->error));
	if (tls->began) {
		quic_result_negotiated(tls, &res);
		quic_result_authentication(tls, &res);
	}
	memcpy(out, &res, size);
	return 0;
}

/* ---- The session to save ------------------------------------------------------ */

static int quic_tls_wait_ticket(struct quic_tls *tls, uint32_t timeout_ms)
{
	uint64_t deadline = quic_now_us() + (uint64_t)timeout_ms * 1000;
	const struct timespec pause = { .tv_nsec = QUIC_TICKET_POLL_US * 1000 };
	uint8_t ticket[QUIC_MESSAGE_MAX];
	size_t size;
	int ret;

	/* a ticket raises no event that we could take without the caller's data */
	for (;;) {
		size = sizeof(ticket);
		ret = quic_kernel_get_ticket(tls->ctx->fd, ticket, &size);
		if (ret)
			return ret;
		if (size)
			break;
		if (quic_now_us() >= deadline)
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
	ret = quic_backend_feed_ticket(tls->session, ticket, size);
	if (ret)
		return ret;
	ret = gnutls_session_get_data2(tls->session, &tls->ticket_data);
	return ret ? quic_error_from_tls(ret) : 0;
}

int quic_tls_get_session(struct quic_tls *tls, uint32_t timeout_ms,
			 void *data, size_t *size)
{
	struct quic_saved_session saved = { 0 };
	uint8_t token[QUIC_TOKEN_MAX];
	gnutls_datum_t alpn;
	socklen_t len;
	int ret;

	if (!tls || !size || tls->server || !tls->ctx->complete)
		return -EINVAL;
	if (!tls->ticket_data.data) {
		ret = quic_tls_wait_ticket(tls, timeout_ms);
		if (ret)
			return ret;
	}
	saved.verified = tls->trusted;
	saved.tls = tls->ticket_data.data;
	saved.tls_size = tls->ticket_data.size;
	if (tls->hostname) {
		saved.hostname = tls->hostname;
		saved.hostname_size = strlen(tls->hostname);
	}
	if (!gnutls_alpn_get_selected_protocol(tls->session, &alpn)) {
		saved.alpn = alpn.data;
		saved.alpn_size = alpn.size;
	}
	len = sizeof(token);
	if (!getsockopt(tls->ctx->fd, SOL_QUIC, QUIC_SOCKOPT_TOKEN, token,
			&len) && len) {
		saved.token = token;
		saved.token_size = len;
	}
	saved.params.remote = 1;
	len = sizeof(saved.params);
	saved.has_params = !getsockopt(tls->ctx->fd, SOL_QUIC,
				       QUIC_SOCKOPT_TRANSPORT_PARAM,
				       &saved.params, &len);
	return quic_saved_session_encode(&saved, data, size);
}

/* ---- In one go ------------------------------------------------------------------ */

static int quic_handshake_once(int sockfd, bool server,
			       const struct quic_handshake_options *opts,
			       struct quic_handshake_result *res)
{
	struct quic_handshake_result early = {
		.alert_sent = QUIC_ALERT_NONE,
		.alert_received = QUIC_ALERT_NONE,
		.server = server,
	};
	struct quic_tls *tls;
	int ret, err;

	ret = quic_tls_create(sockfd, server, opts, &tls);
	if (ret) {
		if (res && res->size >= offsetof(struct quic_handshake_result,
						 alert_sent)) {
			early.size = res->size;
			early.error = ret;
			QUIC_COPY_STRING(early.error_text, quic_strerror(ret));
			memcpy(res, &early, res->size < sizeof(early) ?
					    res->size : sizeof(early));
		}
		return ret;
	}
	ret = quic_tls_handshake(tls);
	if (res) {
		err = quic_tls_get_result(tls, res);
		if (!ret)
			ret = err;
	}
	quic_tls_destroy(tls);
	return ret;
}

int quic_handshake_client(int sockfd, const struct quic_handshake_options *opts,
			  struct quic_handshake_result *res)
{
	return quic_handshake_once(sockfd, false, opts, res);
}

int quic_handshake_server(int sockfd, const struct quic_handshake_options *opts,
			  struct quic_handshake_result *res)
{
	return quic_handshake_once(sockfd, true, opts, res);
}

/* The limits of the old calls, which callers may rely on: 63 bytes, 5 names. */
static bool quic_alpns_are_short(const char *alpns)
{
	unsigned int names = 1;
	const char *p;

	if (!alpns)
		return true;
	for (p = alpns; *p; p++)
		names += *p == ',';
	return strlen(alpns) < 64 && names <= 5;
}

int quic_client_handshake(int sockfd, const char *pkey_file,
			  const char *hostname, const char *alpns)
{
	struct quic_handshake_options opts = {
		.size = sizeof(opts), .hostname = hostname, .alpns = alpns,
	};
	struct quic_credentials *creds;
	int ret;

	if (!quic_alpns_are_short(alpns))
		return -EINVAL;
	ret = quic_credentials_create_client(&creds);
	if (ret)
		return quic_error_bare(ret);
	if (pkey_file && quic_credentials_add_psk_file(creds, pkey_file))
		ret = -EINVAL;
	opts.credentials = creds;
	if (!ret)
		ret = quic_handshake_client(sockfd, &opts, NULL);
	quic_credentials_destroy(creds);
	return quic_error_bare(ret);
}

int quic_server_handshake(int sockfd, const char *pkey_file,
			  const char *cert_file, const char *alpns)
{
	struct quic_handshake_options opts = {
		.size = sizeof(opts), .alpns = alpns,
	};
	struct quic_credentials *creds;
	int ret;

	if (!pkey_file || !quic_alpns_are_short(alpns))
		return -EINVAL;
	ret = quic_credentials_create_server(&creds);
	if (ret)
		return quic_error_bare(ret);
	if (cert_file)
		ret = quic_credentials_set_certificate(creds, cert_file,
						       pkey_file);
	else if (quic_credentials_add_psk_file(creds, pkey_file))
		ret = -EINVAL;
	opts.credentials = creds;
	if (!ret)
		ret = quic_handshake_server(sockfd, &opts, NULL);
	quic_credentials_destroy(creds);
	return quic_error_bare(ret);
}
