/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/compiler.h>: hints and attributes. */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#undef __always_inline
#define __always_inline	inline __attribute__((__always_inline__))
#undef noinline
#define noinline	__attribute__((__noinline__))
#define __packed	__attribute__((__packed__))
#define __aligned(x)	__attribute__((__aligned__(x)))
#define __maybe_unused	__attribute__((__unused__))
#define __must_check	__attribute__((__warn_unused_result__))
#define __cold		__attribute__((__cold__))
#define __pure		__attribute__((__pure__))
#define fallthrough	__attribute__((__fallthrough__))

#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile typeof(x) *)&(x) = (val))
#define barrier()		__asm__ __volatile__("" ::: "memory")

#endif /* _SHIM_LINUX_COMPILER_H */
