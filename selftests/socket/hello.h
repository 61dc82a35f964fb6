/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ClientHello messages, as far as the kernel looks at them: uapi.md, section 4.11. */
#ifndef _HELLO_H
#define _HELLO_H

#include "pair.h"

#define HELLO_MAX	8192

/*
 * Writes a ClientHello that offers @alpn, names separated by commas (NULL: no such extension),
 * with an extension of @padding bytes if not 0. Returns its length.
 */
size_t hello_write(uint8_t *out, const char *alpn, size_t padding);
/* connect() and that message. */
int hello_connect(const union address *address, const char *alpn, size_t padding);

#endif /* _HELLO_H */
