/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ALPN list of a socket: its text form, and comparing two of them. */
#ifndef _QUIC_ALPN_H
#define _QUIC_ALPN_H

#include <linux/types.h>

int quic_alpn_parse(const char *text, u32 len, char *out, u8 *out_len);
bool quic_alpn_next(const char *list, u32 len, u32 *pos, const char **name, u32 *name_len);
bool quic_alpn_has(const char *list, u32 len, const char *name, u32 name_len);
bool quic_alpn_overlaps(const char *a, u32 a_len, const char *b, u32 b_len);

#endif /* _QUIC_ALPN_H */
