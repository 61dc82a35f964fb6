// SPDX-License-Identifier: GPL-2.0-or-later
/* Packet numbers in any order: what is said to be known was added, and ranges keep their order. */
#include "core/ack_ranges.h"
#include "fuzz.h"

#define NUMBERS	65536

static void check_order(const struct quic_ack_ranges *ranges)
{
	u32 i;

	FUZZ_CHECK(ranges->count <= QUIC_ACK_RANGES_MAX);
	for (i = 0; i < ranges->count; i++) {
		FUZZ_CHECK(ranges->range[i].first <= ranges->range[i].last);
		FUZZ_CHECK(!i || ranges->range[i].last + 1 < ranges->range[i - 1].first);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct quic_ack_ranges ranges;
	static u8 added[NUMBERS];
	s64 largest = -1;
	u64 pn, last = 0;

	memset(added, 0, sizeof(added));
	quic_ack_ranges_init(&ranges);
	while (in.size) {
		switch (fuzz_u8(&in) & 3) {
		case 0:
			pn = last + 1;
			break;
		case 1:
			pn = last + 2 + fuzz_u8(&in);
			break;
		case 2:
			pn = fuzz_u16(&in);
			break;
		default:
			quic_ack_ranges_forget(&ranges, fuzz_u16(&in));
			check_order(&ranges);
			FUZZ_CHECK(quic_ack_ranges_largest(&ranges) == largest);
			continue;
		}
		pn %= NUMBERS;
		last = pn;
		/* Never a number that is new and not old. */
		if (quic_ack_ranges_has(&ranges, pn))
			FUZZ_CHECK(added[pn] || pn < ranges.floor);
		else
			FUZZ_CHECK(!added[pn]);
		quic_ack_ranges_add(&ranges, pn);
		added[pn] = 1;
		largest = max(largest, (s64)pn);
		FUZZ_CHECK(quic_ack_ranges_has(&ranges, pn));
		FUZZ_CHECK(quic_ack_ranges_largest(&ranges) == largest);
		check_order(&ranges);
	}
	return 0;
}
