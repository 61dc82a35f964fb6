/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session object, for the files that build it (session.c), read it
 * (result.c) and do both in one call (oneshot.c).
 */
#ifndef _LIBQUIC_SESSION_H
#define _LIBQUIC_SESSION_H

#include <gnutls/gnutls.h>

#include "internal.h"

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

int quic_tls_create(int sockfd, bool server,
		    const struct quic_handshake_options *from,
		    struct quic_tls **out);

/* The result of a session that could not be made. */
void quic_result_unmade(bool server, int error,
			struct quic_handshake_result *out);

#endif /* _LIBQUIC_SESSION_H */
