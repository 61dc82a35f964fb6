/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/minmax.h>; as strict about types as older kernels are. */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

#define __shim_pick(x, op, y)			\
({						\
	typeof(x) __x = (x);			\
	typeof(y) __y = (y);			\
						\
	(void)(&__x == &__y);			\
	__x op __y ? __x : __y;			\
})

#define min(x, y)		__shim_pick(x, <, y)
#define max(x, y)		__shim_pick(x, >, y)
#define min_t(type, x, y)	__shim_pick((type)(x), <, (type)(y))
#define max_t(type, x, y)	__shim_pick((type)(x), >, (type)(y))
#define min3(x, y, z)		min((typeof(x))min(x, y), z)
#define max3(x, y, z)		max((typeof(x))max(x, y), z)
#define clamp(val, lo, hi)	min((typeof(val))max(val, lo), hi)
#define clamp_t(type, val, lo, hi) min_t(type, max_t(type, val, lo), hi)
#define swap(a, b) \
	do { typeof(a) __tmp = (a); (a) = (b); (b) = __tmp; } while (0)

#endif /* _SHIM_LINUX_MINMAX_H */
