// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Version numbers and lists of them, without a connection. RFC 9000,
 * sections 6.3 and 15; RFC 9368; RFC 9369, section 3.1.
 */
#include <uapi/linux/quic.h>

#include "core.h"
#include "cursor.h"
#include "version.h"

/* A client prefers the higher number: uapi.md, section 4.8. */
static const u32 quic_versions[QUIC_VERSIONS] = { QUIC_VERSION_V2, QUIC_VERSION_V1 };

/**
 * quic_version_best() - the version that we would rather speak than any other
 */
u32 quic_version_best(void)
{
	return quic_versions[0];
}

/**
 * quic_version_is_supported() - do we speak this version?
 * @version: as it stands in a long header
 */
bool quic_version_is_supported(u32 version)
{
	return version == QUIC_VERSION_V1 || version == QUIC_VERSION_V2;
}

/**
 * quic_version_is_reserved() - is it one that nobody will ever speak?
 * @version: as it stands in a long header
 *
 * RFC 9000, section 15.
 */
bool quic_version_is_reserved(u32 version)
{
	return (version & 0x0f0f0f0f) == 0x0a0a0a0a;
}

/**
 * quic_version_reserve() - a reserved version, so that peers keep ignoring what they do not know
 * @random: any number
 * @taken:  version that the result must not be
 *
 * RFC 9000, section 6.3.
 */
u32 quic_version_reserve(u32 random, u32 taken)
{
	u32 version = (random & 0xf0f0f0f0) | 0x0a0a0a0a;

	return version == taken ? version ^ 0x10000000 : version;
}

/**
 * quic_version_is_listed() - is a version in the list of a Version Negotiation packet?
 * @list:    versions in network order
 * @len:     its length in bytes; what is left of a last one is ignored
 * @version: looked for
 */
bool quic_version_is_listed(const u8 *list, u32 len, u32 version)
{
	struct quic_reader r;

	quic_reader_init(&r, list, len);
	while (quic_reader_left(&r) >= 4)
		if (quic_read_u32(&r) == version)
			return true;
	return false;
}

/**
 * quic_version_choose() - which of the listed versions to use
 * @list: versions in network order
 * @len:  its length in bytes
 *
 * Return: the one that we like best, 0 if we speak none of them. RFC 9368, section 2.1 #2.
 */
u32 quic_version_choose(const u8 *list, u32 len)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(quic_versions); i++)
		if (quic_version_is_listed(list, len, quic_versions[i]))
			return quic_versions[i];
	return 0;
}
