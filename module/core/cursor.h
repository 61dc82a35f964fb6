/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounded reader and writer over the bytes of a packet. An access past the end
 * makes the error stick, so callers check once, after the last access. Nobody
 * else does pointer arithmetic on a packet.
 */
#ifndef _QUIC_CORE_CURSOR_H
#define _QUIC_CORE_CURSOR_H

#include "core.h"

#define QUIC_VARINT_MAX		((1ULL << 62) - 1)

/**
 * struct quic_reader - a position in bytes that are not ours
 * @pos:    next byte to read
 * @end:    first byte that must not be read
 * @failed: a read went past @end; every later read returns zero
 */
struct quic_reader {
	const u8 *pos;
	const u8 *end;
	bool failed;
};

/**
 * struct quic_writer - a position in a buffer that is being filled
 * @start:  first byte of the buffer
 * @pos:    next byte to write
 * @end:    first byte that must not be written
 * @failed: a write did not fit; nothing is written from there on
 */
struct quic_writer {
	u8 *start;
	u8 *pos;
	u8 *end;
	bool failed;
};

void quic_reader_fail(struct quic_reader *r);
u16 quic_read_u16(struct quic_reader *r);
u32 quic_read_u32(struct quic_reader *r);
u64 quic_read_varint_long(struct quic_reader *r);
u8 *quic_varint_put_long(u8 *p, u64 value, u8 size);

void quic_write_u8(struct quic_writer *w, u8 value);
void quic_write_u16(struct quic_writer *w, u16 value);
void quic_write_u32(struct quic_writer *w, u32 value);
void quic_write_varint(struct quic_writer *w, u64 value);
void quic_write_varint_sized(struct quic_writer *w, u64 value, u8 size);
void quic_write_bytes(struct quic_writer *w, const void *data, size_t len);
void quic_write_zeroes(struct quic_writer *w, size_t len);

static inline void quic_reader_init(struct quic_reader *r, const void *data, size_t len)
{
	r->pos = data;
	r->end = r->pos + len;
	r->failed = false;
}

static inline size_t quic_reader_left(const struct quic_reader *r)
{
	return r->end - r->pos;
}

static inline u8 quic_read_u8(struct quic_reader *r)
{
	if (likely(r->pos < r->end))
		return *r->pos++;
	quic_reader_fail(r);
	return 0;
}

/* A variable-length integer; most have one byte. RFC 9000, section 16. */
static inline u64 quic_read_varint(struct quic_reader *r)
{
	if (likely(r->pos < r->end && *r->pos < 0x40))
		return *r->pos++;
	return quic_read_varint_long(r);
}

#define QUIC_VARINT_ROOM	8	/* bytes that quic_varint_get() may look at */

/*
 * A variable-length integer without a check: QUIC_VARINT_ROOM bytes from @p on
 * must be there, however short it is. Returns what is behind it.
 */
static inline const u8 *quic_varint_get(const u8 *p, u64 *value)
{
	u64 word = (u64)p[0] << 56 | (u64)p[1] << 48 | (u64)p[2] << 40 | (u64)p[3] << 32 |
		   (u64)p[4] << 24 | (u64)p[5] << 16 | (u64)p[6] << 8 | p[7];
	u8 size = 1 << (word >> 62);

	*value = (word & QUIC_VARINT_MAX) >> (64 - 8 * size);
	return p + size;
}

/* The next @len bytes where they lie, or NULL. */
static inline const u8 *quic_read_bytes(struct quic_reader *r, u64 len)
{
	const u8 *data = r->pos;

	if (unlikely(r->failed || len > quic_reader_left(r))) {
		quic_reader_fail(r);
		return NULL;
	}
	r->pos += len;
	return data;
}

static inline void quic_writer_init(struct quic_writer *w, void *data, size_t len)
{
	w->start = data;
	w->pos = w->start;
	w->end = w->start + len;
	w->failed = false;
}

static inline size_t quic_writer_left(const struct quic_writer *w)
{
	return w->end - w->pos;
}

static inline size_t quic_writer_used(const struct quic_writer *w)
{
	return w->pos - w->start;
}

/* Room for @len bytes that the caller fills in, or NULL. */
static inline u8 *quic_write_reserve(struct quic_writer *w, size_t len)
{
	u8 *room = w->pos;

	if (unlikely(w->failed || len > quic_writer_left(w))) {
		w->failed = true;
		return NULL;
	}
	w->pos += len;
	return room;
}

/* Puts @value into @size bytes that were reserved at @p; returns what is behind them. */
static inline u8 *quic_varint_put(u8 *p, u64 value, u8 size)
{
	if (size > 1)
		return quic_varint_put_long(p, value, size);
	*p = value;
	return p + 1;
}

/* Bytes of the shortest encoding of @value. RFC 9000, section 16. */
static inline u8 quic_varint_size(u64 value)
{
	return value < (1 << 6) ? 1 : value < (1 << 14) ? 2 :
	       value < (1 << 30) ? 4 : 8;
}

#endif /* _QUIC_CORE_CURSOR_H */
