// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Certificates, keys and pre-shared keys, loaded once and shared by
 * handshakes; and the judgement on the peer's certificate. Where CA
 * certificates come from is trust.c's business.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "internal.h"

#define QUIC_CHAIN_MAX	16

struct quic_psk {
	struct quic_psk		*next;
	gnutls_datum_t		identity;	/* NUL follows */
	gnutls_datum_t		key;
};

struct quic_credentials {
	bool			server;
	bool			insecure;
	bool			has_certificate;
	enum quic_client_auth	client_auth;
	gnutls_priority_t	priority;	/* QUIC_PRIORITY, parsed once */
	gnutls_certificate_credentials_t cert;
	gnutls_psk_client_credentials_t psk_client;
	gnutls_psk_server_credentials_t psk_server;
	struct quic_psk		*psks;		/* in order of addition */
	struct quic_trust_source *ca;		/* NULL: the system's store */
};

/* ---- The peer's certificate --------------------------------------------- */

/* An IP address in text, also in brackets: binary form in @addr (16 bytes). */
bool quic_name_is_address(const char *name, void *addr, unsigned int *size)
{
	char text[INET6_ADDRSTRLEN];
	size_t len = strlen(name);

	if (inet_pton(AF_INET, name, addr) == 1) {
		*size = 4;
		return true;
	}
	if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
		name++;
		len -= 2;
	}
	len = strcspn(name, "]%") < len ? strcspn(name, "]%") : len;
	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, addr) != 1)
		return false;
	*size = 16;
	return true;
}

static int quic_alert_for_status(unsigned int status)
{
	if (status & GNUTLS_CERT_REVOKED)
		return GNUTLS_A_CERTIFICATE_REVOKED;
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
		return GNUTLS_A_UNKNOWN_CA;
	if (status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED))
		return GNUTLS_A_CERTIFICATE_EXPIRED;
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
	return GNUTLS_A_BAD_CERTIFICATE;
}

/* Chain, purpose and, when a client was given one, name. */
static int quic_verify_chain(const struct quic_handshake_ctx *ctx,
			     gnutls_x509_trust_list_t list,
			     gnutls_x509_crt_t *chain, unsigned int n,
			     unsigned int *status)
{
	gnutls_typed_vdata_st data[2];
	unsigned int elements = 0, addr_size;
	uint8_t addr[16];

	memset(data, 0, sizeof(data));
	data[elements].type = GNUTLS_DT_KEY_PURPOSE_OID;
	data[elements++].data = (unsigned char *)(ctx->server ?
						  GNUTLS_KP_TLS_WWW_CLIENT :
						  GNUTLS_KP_TLS_WWW_SERVER);
	if (!ctx->server && ctx->hostname) {
		if (quic_name_is_address(ctx->hostname, addr, &addr_size)) {
			data[elements].type = GNUTLS_DT_IP_ADDRESS;
			data[elements].data = addr;
			data[elements++].size = addr_size;
		} else {
			data[elements].type = GNUTLS_DT_DNS_HOSTNAME;
			data[elements++].data = (unsigned char *)ctx->hostname;
		}
	}
	return gnutls_x509_trust_list_verify_crt2(list, chain, n, data,
						  elements, 0, status, NULL);
}

static int quic_verify_peer_status(const struct quic_handshake_ctx *ctx,
				   unsigned int *status)
{
	struct quic_trust_source *source = ctx->creds->ca;
	gnutls_x509_crt_t chain[QUIC_CHAIN_MAX], given[QUIC_CHAIN_MAX];
	const gnutls_datum_t *der;
	struct quic_trust *trust;
	unsigned int n = 0, i;
	int ret;

	der = gnutls_certificate_get_peers(ctx->session, &n);
	if (!der || !n)
		return GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (n > QUIC_CHAIN_MAX)
		n = QUIC_CHAIN_MAX;
	ret = quic_trust_get(source ? source : quic_trust_source_system(),
			     &trust);
	if (ret) {
		quic_log(ctx, LOG_ERR, "CA certificates: %s",
			 quic_strerror(ret));
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	for (i = 0; i < n; i++) {
		ret = gnutls_x509_crt_init(&chain[i]);
		if (ret)
			break;
		ret = gnutls_x509_crt_import(chain[i], &der[i],
					     GNUTLS_X509_FMT_DER);
		if (ret) {
			gnutls_x509_crt_deinit(chain[i]);
			break;
		}
		given[i] = chain[i];
	}
	if (!ret)
		ret = quic_verify_chain(ctx, quic_trust_list(trust), given, n,
					status);
	while (i > 0)
		gnutls_x509_crt_deinit(chain[--i]);
	quic_trust_put(trust);
	return ret;
}

/*
 * Called by GnuTLS when the peer has shown its certificate. RFC 9001,
 * section 4.4 #1; who wants to do without must say so.
 */
static int quic_verify_peer(gnutls_session_t session)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	unsigned int status = 0, n = 0;
	int ret;

	if (!ctx || !ctx->creds)
		return GNUTLS_E_CERTIFICATE_ERROR;
	/* A client that shows none: under REQUIRE we do not get here. */
	if (ctx->server && ctx->creds->client_auth == QUIC_CLIENT_AUTH_REQUEST &&
	    !gnutls_certificate_get_peers(session, &n))
		return 0;
	ret = quic_verify_peer_status(ctx, &status);
	if (ret)
		status |= GNUTLS_CERT_INVALID;
	ctx->verdict.status = status;
	if (!status) {
		ctx->verdict.verify = QUIC_VERIFY_OK;
		return 0;
	}
	if (ctx->creds->insecure) {
		ctx->verdict.verify = QUIC_VERIFY_IGNORED;
		quic_log(ctx, LOG_NOTICE, "bad peer certificate is accepted");
		return 0;
	}
	ctx->verdict.verify = QUIC_VERIFY_FAILED;
	quic_ctx_fail(ctx, QUIC_ERR_CERTIFICATE, quic_alert_for_status(status));
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* ---- Pre-shared keys ---------------------------------------------------- */

static void quic_psk_free(struct quic_psk *psk)
{
	if (!psk)
		return;
	if (psk->key.data) {
		explicit_bzero(psk->key.data, psk->key.size);
		free(psk->key.data);
	}
	free(psk->identity.data);
	free(psk);
}

/* Servers: the key of the identity that the client named. */
static int quic_find_psk(gnutls_session_t session,
			 const gnutls_datum_t *identity, gnutls_datum_t *key)
{
	struct quic_handshake_ctx *ctx = quic_backend_ctx(session);
	const struct quic_psk *psk;

	if (!ctx || !ctx->creds)
		return -1;
	for (psk = ctx->creds->psks; psk; psk = psk->next) {
		if (psk->identity.size != identity->size ||
		    memcmp(psk->identity.data, identity->data, identity->size))
			continue;
		key->data = gnutls_malloc(psk->key.size);
		if (!key->data)
			return -1;
		memcpy(key->data, psk->key.data, psk->key.size);
		key->size = psk->key.size;
		return 0;
	}
	quic_log(ctx, LOG_NOTICE, "unknown PSK identity");
	/* 1: go on with a random key, which does not tell that it is unknown */
	return 1;
}

static int quic_psk_apply(struct quic_credentials *creds, struct quic_psk *psk)
{
	int ret;

	if (creds->server) {
		if (creds->psk_server)
			return 0;
		ret = gnutls_psk_allocate_server_credentials(&creds->psk_server);
		if (ret)
			return quic_error_from_tls(ret);
		gnutls_psk_set_server_credentials_function2(creds->psk_server,
							    quic_find_psk);
		return 0;
	}
	if (creds->psk_client)
		return 0;	/* the first key counts */
	ret = gnutls_psk_allocate_client_credentials(&creds->psk_client);
	if (ret)
		return quic_error_from_tls(ret);
	ret = gnutls_psk_set_client_credentials2(creds->psk_client,
						 &psk->identity, &psk->key,
						 GNUTLS_PSK_KEY_RAW);
	if (ret) {
		gnutls_psk_free_client_credentials(creds->psk_client);
		creds->psk_client = NULL;
		return quic_error_from_tls(ret);
	}
	return 0;
}

static int quic_psk_add(struct quic_credentials *creds, const void *identity,
			size_t identity_size, const void *key, size_t key_size)
{
	struct quic_psk *psk, **tail;
	int ret;

	if (!identity_size || identity_size > UINT16_MAX || !key_size ||
	    key_size > UINT16_MAX)
		return QUIC_ERR_CREDENTIALS;
	psk = calloc(1, sizeof(*psk));
	if (!psk)
		return -ENOMEM;
	psk->identity.data = calloc(1, identity_size + 1);
	psk->key.data = malloc(key_size);
	if (!psk->identity.data || !psk->key.data) {
		quic_psk_free(psk);
		return -ENOMEM;
	}
	memcpy(psk->identity.data, identity, identity_size);
	psk->identity.size = (unsigned int)identity_size;
	memcpy(psk->key.data, key, key_size);
	psk->key.size = (unsigned int)key_size;

	ret = quic_psk_apply(creds, psk);
	if (ret) {
		quic_psk_free(psk);
		return ret;
	}
	for (tail = &creds->psks; *tail; tail = &(*tail)->next)
		;
	*tail = psk;
	return 0;
}

static int quic_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* In place; returns the number of bytes, 0 if @text is no hexadecimal. */
static size_t quic_hex_decode(char *text, size_t len)
{
	size_t i;

	if (!len || len % 2)
		return 0;
	for (i = 0; i < len; i += 2) {
		int high = quic_hex_digit(text[i]);
		int low = quic_hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		text[i / 2] = (char)(high << 4 | low);
	}
	return len / 2;
}

/* "identity:HEXKEY" or, for a binary identity, "#HEX:HEXKEY" (psktool). */
static int quic_psk_add_line(struct quic_credentials *creds, char *line,
			     size_t len)
{
	size_t identity_size, key_size;
	char *colon;

	while (len && strchr("\r\n \t", line[len - 1]))
		len--;
	if (!len)
		return 0;
	colon = memrchr(line, ':', len);
	if (!colon)
		return QUIC_ERR_CREDENTIALS;
	identity_size = (size_t)(colon - line);
	if (identity_size && *line == '#') {
		line++;
		identity_size = quic_hex_decode(line, identity_size - 1);
		if (!identity_size)
			return QUIC_ERR_CREDENTIALS;
		len--;
	}
	key_size = quic_hex_decode(colon + 1, (size_t)(line + len - colon - 1));
	return quic_psk_add(creds, line, identity_size, colon + 1, key_size);
}

int quic_credentials_add_psk(struct quic_credentials *creds,
			     const char *identity, const void *key, size_t size)
{
	if (!creds || !identity || !key)
		return -EINVAL;
	return quic_psk_add(creds, identity, strlen(identity), key, size);
}

int quic_credentials_add_psk_file(struct quic_credentials *creds,
				  const char *psk_file)
{
	size_t room = 0;
	char *line = NULL;
	ssize_t len;
	FILE *file;
	int ret = 0;

	if (!creds || !psk_file)
		return -EINVAL;
	file = fopen(psk_file, "re");
	if (!file)
		return -errno;
	while (!ret && (len = getline(&line, &room, file)) >= 0)
		ret = quic_psk_add_line(creds, line, (size_t)len);
	if (!ret && ferror(file))
		ret = -EIO;
	if (!ret && !creds->psks)
		ret = QUIC_ERR_CREDENTIALS;
	fclose(file);
	if (line) {
		explicit_bzero(line, room);
		free(line);
	}
	return ret;
}

/* ---- The object ---------------------------------------------------------- */

static int quic_credentials_create(bool server, struct quic_credentials **out)
{
	struct quic_credentials *creds;
	int ret;

	if (!out)
		return -EINVAL;
	creds = calloc(1, sizeof(*creds));
	if (!creds)
		return -ENOMEM;
	creds->server = server;
	ret = gnutls_priority_init(&creds->priority, QUIC_PRIORITY, NULL);
	if (ret) {
		free(creds);
		return quic_error_from_tls(ret);
	}
	ret = gnutls_certificate_allocate_credentials(&creds->cert);
	if (ret) {
		gnutls_priority_deinit(creds->priority);
		free(creds);
		return quic_error_from_tls(ret);
	}
	gnutls_certificate_set_verify_function(creds->cert, quic_verify_peer);
	*out = creds;
	return 0;
}

int quic_credentials_create_client(struct quic_credentials **creds)
{
	return quic_credentials_create(false, creds);
}

int quic_credentials_create_server(struct quic_credentials **creds)
{
	return quic_credentials_create(true, creds);
}

void quic_credentials_destroy(struct quic_credentials *creds)
{
	if (!creds)
		return;
	gnutls_priority_deinit(creds->priority);
	gnutls_certificate_free_credentials(creds->cert);
	if (creds->psk_client)
		gnutls_psk_free_client_credentials(creds->psk_client);
	if (creds->psk_server)
		gnutls_psk_free_server_credentials(creds->psk_server);
	while (creds->psks) {
		struct quic_psk *psk = creds->psks;

		creds->psks = psk->next;
		quic_psk_free(psk);
	}
	quic_trust_source_destroy(creds->ca);
	free(creds);
}

int quic_credentials_set_ca_file(struct quic_credentials *creds,
				 const char *ca_file)
{
	struct quic_trust_source *ca;
	int ret;

	if (!creds || !ca_file)
		return -EINVAL;
	if (access(ca_file, R_OK))
		return -errno;
	ret = quic_trust_source_create(ca_file, &ca);
	if (ret)
		return ret;
	quic_trust_source_destroy(creds->ca);
	creds->ca = ca;
	return 0;
}

int quic_credentials_set_certificate(struct quic_credentials *creds,
				     const char *cert_file,
				     const char *key_file)
{
	int ret;

	if (!creds || !cert_file || !key_file)
		return -EINVAL;
	if (access(cert_file, R_OK) || access(key_file, R_OK))
		return -errno;
	ret = gnutls_certificate_set_x509_key_file(creds->cert, cert_file,
						   key_file,
						   GNUTLS_X509_FMT_PEM);
	if (ret == GNUTLS_E_MEMORY_ERROR ||
	    ret == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return quic_error_from_tls(ret);
	if (ret < 0)
		return QUIC_ERR_CREDENTIALS;
	creds->has_certificate = true;
	return 0;
}

int quic_credentials_set_client_auth(struct quic_credentials *creds,
				     enum quic_client_auth mode)
{
	if (!creds || !creds->server || mode > QUIC_CLIENT_AUTH_REQUIRE)
		return -EINVAL;
	creds->client_auth = mode;
	return 0;
}

int quic_credentials_set_insecure(struct quic_credentials *creds)
{
	if (!creds)
		return -EINVAL;
	creds->insecure = true;
	return 0;
}

bool quic_credentials_is_server(const struct quic_credentials *creds)
{
	return creds->server;
}

bool quic_credentials_is_insecure(const struct quic_credentials *creds)
{
	return creds->insecure;
}

/* Clients: the identity in use, or NULL. */
const char *quic_credentials_psk_identity(const struct quic_credentials *creds)
{
	return creds->psks ? (const char *)creds->psks->identity.data : NULL;
}

/*
 * The caller chooses ciphers, groups and signatures, not the version, and no
 * compatibility mode: RFC 9001, sections 4.2 #1 and 8.4 #1.
 */
static int quic_priority_set(gnutls_session_t session, const char *priority)
{
	char *text;
	int ret;

	if (asprintf(&text, "%s:-VERS-ALL:+VERS-TLS1.3:"
		     "%%DISABLE_TLS13_COMPAT_MODE", priority) < 0)
		return GNUTLS_E_MEMORY_ERROR;
	ret = gnutls_priority_set_direct(session, text, NULL);
	free(text);
	return ret;
}

/*
 * Give @session what is there, and @priority or the default. A client with a
 * pre-shared key that was told nothing about certificates takes none.
 */
int quic_credentials_apply(const struct quic_credentials *creds,
			   gnutls_session_t session, const char *priority)
{
	bool use_cert;
	int ret;

	if (creds->server)
		use_cert = creds->has_certificate;
	else
		use_cert = !creds->psk_client || creds->ca ||
			   creds->has_certificate || creds->insecure;
	if (!use_cert && !creds->psk_client && !creds->psk_server)
		return QUIC_ERR_CREDENTIALS;
	if (priority)
		ret = quic_priority_set(session, priority);
	else
		ret = gnutls_priority_set(session, creds->priority);
	if (!ret && use_cert)
		ret = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
					     creds->cert);
	if (!ret && creds->psk_client)
		ret = gnutls_credentials_set(session, GNUTLS_CRD_PSK,
					     creds->psk_client);
	if (!ret && creds->psk_server)
		ret = gnutls_credentials_set(session, GNUTLS_CRD_PSK,
					     creds->psk_server);
	if (ret)
		return quic_error_from_tls(ret);
	if (!creds->server || !use_cert)
		return 0;
	if (creds->client_auth == QUIC_CLIENT_AUTH_REQUEST)
		gnutls_certificate_server_set_request(session,
						      GNUTLS_CERT_REQUEST);
	else if (creds->client_auth == QUIC_CLIENT_AUTH_REQUIRE)
		gnutls_certificate_server_set_request(session,
						      GNUTLS_CERT_REQUIRE);
	return 0;
}
