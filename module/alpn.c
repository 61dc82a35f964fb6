// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ALPN list of a socket: from what the user writes to the canonical text,
 * and the comparisons by which listeners on one address tell each other apart.
 * Reading a ClientHello is core/client_hello.c's. uapi.md, section 4.11.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "alpn.h"
#include "sock.h"

/**
 * quic_alpn_parse() - bring a list into canonical form
 * @text:    protocols separated by commas; blanks in front of one are dropped
 * @len:     length, 1 to QUIC_ALPN_MAX
 * @out:     result, QUIC_ALPN_MAX bytes
 * @out_len: its length
 *
 * Return: 0, or -EINVAL.
 */
int quic_alpn_parse(const char *text, u32 len, char *out, u8 *out_len)
{
	bool at_start = true;
	u32 i, n = 0;

	if (!len || len > QUIC_ALPN_MAX)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (at_start && text[i] == ' ')
			continue;
		at_start = text[i] == ',';
		out[n++] = text[i];
	}
	*out_len = n;
	return 0;
}

/**
 * quic_alpn_next() - walk over the protocols of a list
 * @list:     canonical list
 * @len:      its length
 * @pos:      where to go on, 0 at first
 * @name:     the protocol
 * @name_len: its length, may be 0
 *
 * Return: false at the end.
 */
bool quic_alpn_next(const char *list, u32 len, u32 *pos, const char **name, u32 *name_len)
{
	const char *comma;

	if (!len || *pos > len)
		return false;
	*name = list + *pos;
	comma = memchr(*name, ',', len - *pos);
	*name_len = comma ? comma - *name : len - *pos;
	*pos += *name_len + 1;
	return true;
}

/**
 * quic_alpn_has() - is a protocol in a list?
 * @list:     canonical list
 * @len:      its length
 * @name:     the protocol
 * @name_len: its length
 *
 * Return: true if so.
 */
bool quic_alpn_has(const char *list, u32 len, const char *name, u32 name_len)
{
	const char *entry;
	u32 entry_len;
	u32 pos = 0;

	while (quic_alpn_next(list, len, &pos, &entry, &entry_len)) {
		if (entry_len == name_len && !memcmp(entry, name, name_len))
			return true;
	}
	return false;
}

/**
 * quic_alpn_overlaps() - do two lists share a protocol?
 * @a:     canonical list
 * @a_len: its length
 * @b:     another
 * @b_len: its length
 *
 * Return: true if so.
 */
bool quic_alpn_overlaps(const char *a, u32 a_len, const char *b, u32 b_len)
{
	const char *name;
	u32 name_len;
	u32 pos = 0;

	while (quic_alpn_next(a, a_len, &pos, &name, &name_len)) {
		if (quic_alpn_has(b, b_len, name, name_len))
			return true;
	}
	return false;
}
