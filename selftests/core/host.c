// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol core's host in user space, its half that needs no connection:
 * memory with failure injection, a repeatable random sequence, chunks of
 * received bytes over malloc.
 */
#include <stdlib.h>

#include "core/core.h"
#include "core/host.h"
#include "host.h"
#include "tests/quic_test.h"

#define RANDOM_SEED	0x51554943

/* A run of received bytes that chunks share. */
struct shared_bytes {
	u32 users;
	u8 data[];
};

struct test_chunk {
	struct quic_rx_chunk chunk;
	struct shared_bytes *bytes;
};

static long outstanding;
static u32 fail_first, fail_count;
static u64 random_state = RANDOM_SEED;

long quic_test_host_outstanding(void)
{
	return outstanding;
}

void quic_test_host_reset(void)
{
	fail_first = 0;
	fail_count = 0;
	random_state = RANDOM_SEED;
}

bool quic_test_fail_alloc(u32 nth, u32 count)
{
	fail_first = nth;
	fail_count = count;
	return true;
}

/* True when the allocation being made is to fail. */
static bool must_fail(void)
{
	if (fail_first > 1) {
		fail_first--;
		return false;
	}
	if (!fail_first || !fail_count)
		return false;
	fail_count--;
	return true;
}

void *quic_host_alloc(size_t size)
{
	void *memory;

	if (must_fail())
		return NULL;
	memory = calloc(1, size);
	if (!memory)
		abort();
	outstanding++;
	return memory;
}

void quic_host_free(void *memory)
{
	if (!memory)
		return;
	outstanding--;
	free(memory);
}

void quic_host_random(void *data, size_t len)
{
	u8 *p = data;

	while (len--)
		*p++ = quic_test_rand(&random_state);
}

/* A chunk of its own over @bytes, whose use it counts. */
static struct test_chunk *chunk_over(struct shared_bytes *bytes)
{
	struct test_chunk *tc = quic_host_alloc(sizeof(*tc));

	if (!tc)
		return NULL;
	tc->bytes = bytes;
	bytes->users++;
	return tc;
}

struct quic_rx_chunk *quic_test_chunk(u64 offset, const void *data, u32 len)
{
	struct shared_bytes *bytes;
	struct test_chunk *tc;

	/* Exactly as large as the data, so that a read past it is seen. */
	bytes = malloc(sizeof(*bytes) + len);
	if (!bytes)
		abort();
	bytes->users = 0;
	memcpy(bytes->data, data, len);
	tc = chunk_over(bytes);
	if (!tc) {
		free(bytes);
		return NULL;
	}
	tc->chunk.offset = offset;
	tc->chunk.data = bytes->data;
	tc->chunk.len = len;
	return &tc->chunk;
}

struct quic_rx_chunk *quic_host_chunk_split(struct quic_rx_chunk *chunk, u32 at)
{
	struct test_chunk *tc = container_of(chunk, struct test_chunk, chunk);
	struct test_chunk *rest = chunk_over(tc->bytes);

	if (!rest)
		return NULL;
	rest->chunk.offset = chunk->offset + at;
	rest->chunk.data = chunk->data + at;
	rest->chunk.len = chunk->len - at;
	chunk->len = at;
	return &rest->chunk;
}

void quic_host_chunk_free(struct quic_rx_chunk *chunk)
{
	struct test_chunk *tc = container_of(chunk, struct test_chunk, chunk);

	if (!--tc->bytes->users)
		free(tc->bytes);
	quic_host_free(tc);
}
