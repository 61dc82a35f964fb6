/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the suites of the protocol core share. The functions are there twice:
 * in the module's KUnit build and in selftests/core/host.c.
 */
#ifndef _QUIC_TESTS_QUIC_TEST_H
#define _QUIC_TESTS_QUIC_TEST_H

#include <kunit/test.h>

#include "../core/core.h"
#include "../core/reassembly.h"

/*
 * Rounds of a test over random input: @n, or a few in a kernel, whose
 * sanitizers make an allocation some hundred times as dear.
 */
#ifdef __KERNEL__
#define QUIC_TEST_ROUNDS(n)	((n) / 50)
#else
#define QUIC_TEST_ROUNDS(n)	(n)
#endif

/* A chunk with a copy of @data, to be freed by quic_host_chunk_free(); NULL without memory. */
struct quic_rx_chunk *quic_test_chunk(u64 offset, const void *data, u32 len);

/*
 * Makes @count allocations of the host fail, beginning with the @nth from now
 * (1: the next one); 0, 0 ends it. False where this cannot be had: skip then.
 */
bool quic_test_fail_alloc(u32 nth, u32 count);

/* The next number of a repeatable sequence whose state is *@state; any seed will do. */
static inline u64 quic_test_rand(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* One of [0, @bound); @bound is not zero. */
static inline u32 quic_test_below(u64 *state, u32 bound)
{
	return ((quic_test_rand(state) >> 32) * bound) >> 32;
}

#endif /* _QUIC_TESTS_QUIC_TEST_H */
