/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share. A target is a file with LLVMFuzzerTestOneInput(),
 * which takes any bytes and aborts when something is wrong; driver.c feeds it,
 * and so can libFuzzer.
 */
#ifndef _SELFTESTS_FUZZ_H
#define _SELFTESTS_FUZZ_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/core.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define FUZZ_CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: not %s\n", __FILE__,	\
				__LINE__, #condition);			\
			abort();					\
		}							\
	} while (0)

/* Takes numbers off the front of an input; zeroes when it is used up. */
struct fuzz_input {
	const u8 *data;
	size_t size;
};

static inline u8 fuzz_u8(struct fuzz_input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static inline u16 fuzz_u16(struct fuzz_input *in)
{
	u16 high = fuzz_u8(in);

	return high << 8 | fuzz_u8(in);
}

/* Up to @max bytes, where they lie. */
static inline const u8 *fuzz_bytes(struct fuzz_input *in, size_t max, size_t *len)
{
	const u8 *bytes = in->data;

	*len = in->size < max ? in->size : max;
	in->data += *len;
	in->size -= *len;
	return bytes;
}

#endif /* _SELFTESTS_FUZZ_H */
