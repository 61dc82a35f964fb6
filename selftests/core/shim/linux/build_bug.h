/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/build_bug.h>. */
#ifndef _SHIM_LINUX_BUILD_BUG_H
#define _SHIM_LINUX_BUILD_BUG_H

#define BUILD_BUG_ON(condition)	_Static_assert(!(condition), #condition)
#ifndef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)
#endif

#endif /* _SHIM_LINUX_BUILD_BUG_H */
