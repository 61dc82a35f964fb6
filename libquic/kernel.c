// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The socket options of a handshake, one function each. The transport
 * parameters have a file of their own, transport_params.c.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/*
 * 1 for an accepted socket, 0 for one that connects. Only clients have a token
 * to get.
 */
int quic_kernel_is_server(int fd)
{
	uint8_t token[256];
	socklen_t len = sizeof(token);

	if (!getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TOKEN, token, &len))
		return 0;
	/* a socket of another kind, or none: do not take it for a server */
	if (errno == EOPNOTSUPP)
		return -ENOPROTOOPT;
	if (errno == EBADF || errno == ENOTSOCK || errno == ENOPROTOOPT)
		return -errno;
	return 1;
}

int quic_kernel_set_secret(int fd, const struct quic_crypto_secret *secret)
{
	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CRYPTO_SECRET, secret,
		       sizeof(*secret)))
		return -errno;
	return 0;
}

int quic_kernel_get_close(int fd, struct quic_connection_close *close)
{
	socklen_t len = sizeof(*close);

	memset(close, 0, sizeof(*close));
	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, close,
		       &len))
		return -errno;
	return 0;
}

/* End the connection with @errcode. Fails if it has ended already. */
int quic_kernel_close(int fd, uint32_t errcode, const char *phrase)
{
	struct quic_connection_close close = { .errcode = errcode };
	size_t len = strlen(phrase);

	if (len > sizeof(close.phrase) - 1)
		len = sizeof(close.phrase) - 1;
	memcpy(close.phrase, phrase, len);
	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, &close,
		       sizeof(close)) || shutdown(fd, SHUT_RDWR))
		return -errno;
	return 0;
}

/*
 * Client: the NewSessionTicket message, *@size 0 while there is none. Server:
 * the key to seal tickets with.
 */
int quic_kernel_get_ticket(int fd, void *data, size_t *size)
{
	socklen_t len = (socklen_t)*size;

	if (getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, data, &len))
		return -errno;
	*size = len;
	return 0;
}

/* The protocol that was chosen, in the place of those that were offered. */
int quic_kernel_set_alpn(int fd, const void *name, size_t size)
{
	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, name, (socklen_t)size))
		return -errno;
	return 0;
}
