/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the suites of frames have in common. */
#ifndef _QUIC_FRAME_DECODE_H
#define _QUIC_FRAME_DECODE_H

#include <uapi/linux/quic.h>

#include "../core/frame.h"
#include "quic_test.h"

#define FRAME_ENCODING		QUIC_TRANSPORT_ERROR_FRAME_ENCODING
#define PROTOCOL_VIOLATION	QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION

/* Decodes a copy of @data that ends where its memory ends. */
static inline int decode(struct kunit *test, const void *data, size_t len, struct quic_frame *frame,
		  u64 *code, size_t *left)
{
	u8 *copy = kunit_kmalloc(test, len ? len : 1, GFP_KERNEL);
	struct quic_reader r;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	memset(frame, 0xaa, sizeof(*frame));
	*code = 0;
	quic_reader_init(&r, copy, len);
	err = quic_frame_decode(&r, frame, code);
	*left = quic_reader_left(&r);
	return err;
}

/* Bytes that are refused, and the error code that tells why. */
struct bad_frame {
	const char *what;
	u8 bytes[32];
	u8 len;
	u8 code;
};

static inline void expect_refused(struct kunit *test, const struct bad_frame *bad, u32 n)
{
	struct quic_frame frame;
	size_t left;
	u64 code;
	int err;
	u32 i;

	for (i = 0; i < n; i++) {
		err = decode(test, bad[i].bytes, bad[i].len, &frame, &code, &left);
		KUNIT_EXPECT_EQ_MSG(test, err, -EPROTO, "%s", bad[i].what);
		KUNIT_EXPECT_EQ_MSG(test, code, bad[i].code, "%s", bad[i].what);
	}
}

#endif /* _QUIC_FRAME_DECODE_H */
