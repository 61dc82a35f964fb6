// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls that make a session, run it and throw it away: those of ours, and
 * the two older ones of the existing interface. uapi.md, section 9.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"
#include "session.h"

static int quic_handshake_once(int sockfd, bool server,
			       const struct quic_handshake_options *opts,
			       struct quic_handshake_result *res)
{
	struct quic_tls *tls;
	int ret, err;

	ret = quic_tls_create(sockfd, server, opts, &tls);
	if (ret) {
		if (res)
			quic_result_unmade(server, ret, res);
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
