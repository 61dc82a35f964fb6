// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a handshake came to: names, verdicts and times for the caller, and the
 * session to resume later.
 */
#include <errno.h>
#include <linux/tls.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "internal.h"
#include "session.h"

#define QUIC_TICKET_POLL_US	5000
#define QUIC_TOKEN_MAX		4096

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

void quic_result_unmade(bool server, int error,
			struct quic_handshake_result *out)
{
	struct quic_handshake_result res = {
		.size = out->size,
		.error = error,
		.server = server,
		.alert_sent = QUIC_ALERT_NONE,
		.alert_received = QUIC_ALERT_NONE,
	};

	if (out->size < offsetof(struct quic_handshake_result, alert_sent))
		return;
	QUIC_COPY_STRING(res.error_text, quic_strerror(error));
	memcpy(out, &res, out->size < sizeof(res) ? out->size : sizeof(res));
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
