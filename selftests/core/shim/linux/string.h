/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/string.h>. */
#ifndef _SHIM_LINUX_STRING_H
#define _SHIM_LINUX_STRING_H

#include <string.h>

#include <linux/array_size.h>
#include <linux/types.h>

static inline void memzero_explicit(void *data, size_t len)
{
	memset(data, 0, len);
	__asm__ __volatile__("" : : "r"(data) : "memory");
}

/* Address of the first byte that differs from @c, or NULL. */
static inline void *memchr_inv(const void *data, int c, size_t len)
{
	const u8 *p = data;

	for (; len; len--, p++)
		if (*p != (u8)c)
			return (void *)p;
	return NULL;
}

#endif /* _SHIM_LINUX_STRING_H */
