// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * struct quic_tls: a TLS session built from options, and its handshake, whole
 * or in steps. Makes settings; the handshake itself is handshake.c's, what
 * came out of it result.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "internal.h"
#include "session.h"

#define QUIC_ALPN_NAMES_MAX	8	/* what GnuTLS takes */

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

int quic_tls_create(int sockfd, bool server,
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
