/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Version numbers: which we speak, which are reserved, which one to take of a
 * list. What a connection does with them is for conn_version.c. RFC 9000,
 * sections 6.3 and 15; RFC 9368.
 */
#ifndef _QUIC_CORE_VERSION_H
#define _QUIC_CORE_VERSION_H

#include <linux/types.h>

#define QUIC_VERSIONS		2	/* that we speak */

/* Without a list: what we take from a server that speaks all that we do. */
u32 quic_version_best(void);
bool quic_version_is_supported(u32 version);
bool quic_version_is_reserved(u32 version);
/* A reserved version made of @random, which is not @taken. */
u32 quic_version_reserve(u32 random, u32 taken);
/* Is @version in a list as packets carry it? @len: bytes. */
bool quic_version_is_listed(const u8 *list, u32 len, u32 version);
/* The one that a client takes of such a list, 0: none. */
u32 quic_version_choose(const u8 *list, u32 len);

#endif /* _QUIC_CORE_VERSION_H */
