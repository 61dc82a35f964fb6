// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bounded reader and writer: fixed-width and variable-length integers, runs of
 * bytes. What the bytes mean is for header.c, frame.c and transport_params.c.
 */
#include "cursor.h"

/**
 * quic_reader_fail() - make a reader fail from here on
 * @r: reader
 *
 * It then stands at its end, so that whatever is read next fails as well.
 */
void quic_reader_fail(struct quic_reader *r)
{
	r->pos = r->end;
	r->failed = true;
}

/**
 * quic_read_u16() - read two bytes in network order
 * @r: reader
 *
 * Return: the value; 0 after a failure.
 */
u16 quic_read_u16(struct quic_reader *r)
{
	const u8 *p = quic_read_bytes(r, 2);

	return p ? (u16)(p[0] << 8 | p[1]) : 0;
}

/* Four bytes in network order. */
static u32 get_u32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

/**
 * quic_read_u32() - read four bytes in network order
 * @r: reader
 *
 * Return: the value; 0 after a failure.
 */
u32 quic_read_u32(struct quic_reader *r)
{
	const u8 *p = quic_read_bytes(r, 4);

	return p ? get_u32(p) : 0;
}

/**
 * quic_read_varint_long() - read a variable-length integer of two bytes or more
 * @r: reader
 *
 * The part of quic_read_varint() that stands out of line. RFC 9000, section 16.
 *
 * Return: the value; 0 after a failure.
 */
u64 quic_read_varint_long(struct quic_reader *r)
{
	size_t left = quic_reader_left(r);
	const u8 *p = r->pos;
	u8 size;

	if (unlikely(!left))
		goto fail;
	size = 1 << (p[0] >> 6);
	if (unlikely(left < size))
		goto fail;
	r->pos += size;
	switch (size) {
	case 2:
		return (p[0] & 0x3f) << 8 | p[1];
	case 4:
		return get_u32(p) & 0x3fffffff;
	default:
		return ((u64)get_u32(p) << 32 | get_u32(p + 4)) & QUIC_VARINT_MAX;
	}

fail:
	quic_reader_fail(r);
	return 0;
}

/**
 * quic_write_u8() - write one byte
 * @w:     writer
 * @value: the byte
 */
void quic_write_u8(struct quic_writer *w, u8 value)
{
	u8 *p = quic_write_reserve(w, 1);

	if (p)
		p[0] = value;
}

/**
 * quic_write_u16() - write two bytes in network order
 * @w:     writer
 * @value: the number
 */
void quic_write_u16(struct quic_writer *w, u16 value)
{
	u8 *p = quic_write_reserve(w, 2);

	if (p) {
		p[0] = value >> 8;
		p[1] = value;
	}
}

static void put_u32(u8 *p, u32 value)
{
	p[0] = value >> 24;
	p[1] = value >> 16;
	p[2] = value >> 8;
	p[3] = value;
}

/**
 * quic_write_u32() - write four bytes in network order
 * @w:     writer
 * @value: the number
 */
void quic_write_u32(struct quic_writer *w, u32 value)
{
	u8 *p = quic_write_reserve(w, 4);

	if (p)
		put_u32(p, value);
}

/**
 * quic_write_varint() - write a variable-length integer in its shortest form
 * @w:     writer
 * @value: the number; above QUIC_VARINT_MAX the writer fails
 *
 * RFC 9000, section 16.
 */
void quic_write_varint(struct quic_writer *w, u64 value)
{
	quic_write_varint_sized(w, value, quic_varint_size(value));
}

/**
 * quic_write_varint_sized() - write a variable-length integer of a given length
 * @w:     writer
 * @value: the number; if it needs more than @size bytes, the writer fails
 * @size:  1, 2, 4 or 8
 */
void quic_write_varint_sized(struct quic_writer *w, u64 value, u8 size)
{
	u8 *p;

	if (unlikely(value > QUIC_VARINT_MAX || quic_varint_size(value) > size)) {
		w->failed = true;
		return;
	}
	p = quic_write_reserve(w, size);
	if (p)
		quic_varint_put(p, value, size);
}

/**
 * quic_varint_put_long() - put a variable-length integer where room is reserved
 * @p:     the room
 * @value: the number, which fits
 * @size:  2, 4 or 8
 *
 * The part of quic_varint_put() that stands out of line.
 *
 * Return: the byte behind it.
 */
u8 *quic_varint_put_long(u8 *p, u64 value, u8 size)
{
	switch (size) {
	case 2:
		p[0] = 0x40 | value >> 8;
		p[1] = value;
		break;
	case 4:
		put_u32(p, 0x80000000 | value);
		break;
	default:
		put_u32(p, 0xc0000000 | value >> 32);
		put_u32(p + 4, value);
	}
	return p + size;
}

/**
 * quic_write_bytes() - copy bytes in
 * @w:    writer
 * @data: the bytes, not used when @len is 0
 * @len:  how many
 */
void quic_write_bytes(struct quic_writer *w, const void *data, size_t len)
{
	u8 *p = quic_write_reserve(w, len);

	if (p && len)
		memcpy(p, data, len);
}

/**
 * quic_write_zeroes() - write zero bytes, which are PADDING inside a packet
 * @w:   writer
 * @len: how many
 */
void quic_write_zeroes(struct quic_writer *w, size_t len)
{
	u8 *p = quic_write_reserve(w, len);

	if (p && len)
		memset(p, 0, len);
}
