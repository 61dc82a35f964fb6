/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/math.h>. */
#ifndef _SHIM_LINUX_MATH_H
#define _SHIM_LINUX_MATH_H

#include <linux/types.h>

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	((u64)((n) + (d) - 1) / (u32)(d))
#define DIV_ROUND_CLOSEST(x, d)	(((x) + (d) / 2) / (d))
#define round_up(x, y)		((((x) - 1) | ((typeof(x))((y) - 1))) + 1)
#define round_down(x, y)	((x) & ~((typeof(x))((y) - 1)))
#define abs_diff(a, b)		((a) < (b) ? (b) - (a) : (a) - (b))

#endif /* _SHIM_LINUX_MATH_H */
