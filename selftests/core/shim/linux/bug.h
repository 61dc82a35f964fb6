/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/bug.h>: a warning ends the test program. */
#ifndef _SHIM_LINUX_BUG_H
#define _SHIM_LINUX_BUG_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/build_bug.h>

#define WARN_ON(condition)						\
({									\
	int __warn = !!(condition);					\
									\
	if (__warn) {							\
		fprintf(stderr, "WARN_ON(%s) at %s:%d\n",		\
			#condition, __FILE__, __LINE__);		\
		abort();						\
	}								\
	__warn;								\
})

#define WARN_ON_ONCE(condition)	WARN_ON(condition)
#define BUG_ON(condition)	((void)WARN_ON(condition))
#define BUG()			abort()

#endif /* _SHIM_LINUX_BUG_H */
