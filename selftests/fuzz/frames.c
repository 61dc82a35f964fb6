// SPDX-License-Identifier: GPL-2.0-or-later
/* The payload of a packet: frames are read within it, to its end or to an error. */
#include <uapi/linux/quic.h>

#include "core/frame.h"
#include "fuzz.h"

static void check_within(const u8 *part, u64 len, const u8 *data, size_t size)
{
	FUZZ_CHECK(!len || (part >= data && part + len <= data + size));
}

static void check_ack(const struct quic_frame_ack *ack)
{
	struct quic_ack_iter it;
	u64 below = U64_MAX;
	u64 count = 0;

	quic_ack_iter_init(&it, ack);
	while (quic_ack_iter_next(&it)) {
		FUZZ_CHECK(it.range.first <= it.range.last && it.range.last < below);
		below = it.range.first;
		count++;
	}
	FUZZ_CHECK(count == ack->range_count + 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct quic_frame frame;
	struct quic_reader r;
	const u8 *before;
	u64 code = 0;

	quic_reader_init(&r, data, size);
	while (quic_reader_left(&r)) {
		before = r.pos;
		if (quic_frame_decode(&r, &frame, &code)) {
			FUZZ_CHECK(code == QUIC_TRANSPORT_ERROR_FRAME_ENCODING ||
				   code == QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION);
			return 0;
		}
		FUZZ_CHECK(r.pos > before && quic_frame_rules(frame.type));
		switch (frame.type) {
		case QUIC_FRAME_ACK:
		case QUIC_FRAME_ACK_ECN:
			check_ack(&frame.ack);
			break;
		case QUIC_FRAME_STREAM:
		case QUIC_FRAME_CRYPTO:
		case QUIC_FRAME_DATAGRAM:
		case QUIC_FRAME_DATAGRAM_LEN:
			check_within(frame.data.data, frame.data.len, data, size);
			FUZZ_CHECK(frame.data.offset + frame.data.len <= QUIC_VARINT_MAX);
			break;
		case QUIC_FRAME_NEW_TOKEN:
			FUZZ_CHECK(frame.token.len);
			check_within(frame.token.data, frame.token.len, data, size);
			break;
		case QUIC_FRAME_CONNECTION_CLOSE:
		case QUIC_FRAME_CONNECTION_CLOSE_APP:
			check_within(frame.close.reason, frame.close.reason_len, data, size);
			break;
		case QUIC_FRAME_NEW_CONNECTION_ID:
			FUZZ_CHECK(frame.new_cid.cid.len - 1U < QUIC_CID_MAX_LEN);
			break;
		}
	}
	return 0;
}
