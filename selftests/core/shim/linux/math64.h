/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/math64.h>: division that 32-bit kernels need spelt out. */
#ifndef _SHIM_LINUX_MATH64_H
#define _SHIM_LINUX_MATH64_H

#include <linux/types.h>

static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline u64 div_u64_rem(u64 dividend, u32 divisor, u32 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64_rem(u64 dividend, u64 divisor, u64 *remainder)
{
	*remainder = dividend % divisor;
	return dividend / divisor;
}

static inline s64 div_s64(s64 dividend, s32 divisor)
{
	return dividend / divisor;
}

static inline s64 div64_s64(s64 dividend, s64 divisor)
{
	return dividend / divisor;
}

static inline u64 mul_u32_u32(u32 a, u32 b)
{
	return (u64)a * b;
}

static inline u64 mul_u64_u32_shr(u64 a, u32 mul, unsigned int shift)
{
	return ((unsigned __int128)a * mul) >> shift;
}

static inline u64 mul_u64_u64_shr(u64 a, u64 mul, unsigned int shift)
{
	return ((unsigned __int128)a * mul) >> shift;
}

static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 divisor)
{
	return ((unsigned __int128)a * mul) / divisor;
}

static inline u64 mul_u64_u64_div_u64(u64 a, u64 mul, u64 divisor)
{
	return ((unsigned __int128)a * mul) / divisor;
}

#define DIV64_U64_ROUND_UP(ll, d) \
	({ u64 __d = (d); div64_u64((ll) + __d - 1, __d); })

#endif /* _SHIM_LINUX_MATH64_H */
