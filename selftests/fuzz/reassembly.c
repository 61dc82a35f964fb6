// SPDX-License-Identifier: GPL-2.0-or-later
/* Pieces of a stream in any order: what comes out is each offset once, the first copy of each. */
#include "core/host.h"
#include "fuzz.h"
#include "tests/quic_test.h"

#define BYTES		4096
#define PIECES_MAX	16

static u8 first_copy[BYTES];
static u8 has_copy[BYTES];

static void take(struct quic_reassembly *ra)
{
	struct quic_rx_chunk *chunk;
	u64 next = ra->next;
	u32 i;

	while ((chunk = quic_reassembly_pop(ra))) {
		FUZZ_CHECK(chunk->len && chunk->offset == next);
		for (i = 0; i < chunk->len; i++)
			FUZZ_CHECK(has_copy[next + i] && first_copy[next + i] == chunk->data[i]);
		next += chunk->len;
		FUZZ_CHECK(ra->next == next);
		quic_host_chunk_free(chunk);
	}
}

/* Which bytes were kept is seen in the tree. */
static void learn(const struct quic_reassembly *ra, u64 offset, const u8 *data, u32 len)
{
	struct rb_node *node;
	u64 end = ra->next;
	u64 bytes = 0;
	u32 i;

	for (node = rb_first(&ra->root); node; node = rb_next(node)) {
		const struct quic_rx_chunk *chunk = rb_entry(node, struct quic_rx_chunk, node);

		FUZZ_CHECK(chunk->len && chunk->offset >= end);
		end = chunk->offset + chunk->len;
		bytes += chunk->len;
		for (i = 0; i < chunk->len; i++) {
			u64 at = chunk->offset + i;

			if (has_copy[at])
				continue;
			FUZZ_CHECK(at >= offset && at < offset + len);
			first_copy[at] = data[at - offset];
			has_copy[at] = 1;
		}
	}
	FUZZ_CHECK(bytes == ra->bytes);
	FUZZ_CHECK(ra->count <= PIECES_MAX + 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct quic_reassembly ra;
	const u8 *bytes;
	size_t len;
	u64 offset;

	memset(has_copy, 0, sizeof(has_copy));
	quic_reassembly_init(&ra, NULL);
	while (in.size) {
		offset = fuzz_u16(&in) % (BYTES - 256);
		bytes = fuzz_bytes(&in, fuzz_u8(&in), &len);
		quic_reassembly_insert(&ra, quic_test_chunk(offset, bytes, len), PIECES_MAX);
		learn(&ra, offset, bytes, len);
		if (in.size & 1)
			take(&ra);
	}
	take(&ra);
	quic_reassembly_clear(&ra);
	return 0;
}
