// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packet headers: what can be read and written while the packet number and the
 * low bits of the first byte are still (or not yet) protected. It judges form
 * alone: fixed bit, reserved bits, tokens and sizes of datagrams are for the
 * callers. RFC 9000, section 17; RFC 8999; RFC 9369, section 3.
 */
#include <uapi/linux/quic.h>

#include "header.h"

#define LONG_TYPE_SHIFT	4
#define LONG_TYPE_MASK	0x03

/* Long packet types by their two bits. RFC 9000, section 17.2; RFC 9369, section 3.2. */
static const u8 type_of_bits[2][4] = {
	{ QUIC_PACKET_INITIAL, QUIC_PACKET_0RTT, QUIC_PACKET_HANDSHAKE, QUIC_PACKET_RETRY },
	{ QUIC_PACKET_RETRY, QUIC_PACKET_INITIAL, QUIC_PACKET_0RTT, QUIC_PACKET_HANDSHAKE },
};

static enum quic_packet_type long_type(u32 version, u8 first)
{
	u8 bits = (first >> LONG_TYPE_SHIFT) & LONG_TYPE_MASK;

	return type_of_bits[version == QUIC_VERSION_V2][bits];
}

/* First byte of a long header without its low four bits. */
static u8 long_first(u32 version, enum quic_packet_type type)
{
	u8 bits = type - QUIC_PACKET_INITIAL;

	if (version == QUIC_VERSION_V2)
		bits = (bits + 1) & LONG_TYPE_MASK;
	return QUIC_HEADER_FORM_LONG | QUIC_HEADER_FIXED_BIT | bits << LONG_TYPE_SHIFT;
}

/**
 * quic_cid_set() - fill in a connection ID
 * @cid:  to be filled
 * @data: its bytes
 * @len:  at most QUIC_CID_MAX_LEN, which the caller has checked
 */
void quic_cid_set(struct quic_cid *cid, const u8 *data, u8 len)
{
	if (likely(len == QUIC_CID_LEN)) {
		cid->len = QUIC_CID_LEN;
		memcpy(cid->data, data, QUIC_CID_LEN);
		return;
	}
	if (WARN_ON_ONCE(len > QUIC_CID_MAX_LEN))
		len = QUIC_CID_MAX_LEN;
	cid->len = len;
	if (len)
		memcpy(cid->data, data, len);
}

/**
 * quic_cid_equal() - compare two connection IDs
 * @a: one
 * @b: the other
 */
bool quic_cid_equal(const struct quic_cid *a, const struct quic_cid *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* Reads a length byte and a connection ID of no more than 20 bytes. */
static bool read_cid(struct quic_reader *r, struct quic_cid *cid)
{
	u8 len = quic_read_u8(r);
	const u8 *data;

	if (len > QUIC_CID_MAX_LEN)
		return false;
	data = quic_read_bytes(r, len);
	if (!data)
		return false;
	quic_cid_set(cid, data, len);
	return true;
}

/* The part of a long header behind the connection IDs. */
static int decode_long_rest(struct quic_reader *r, const u8 *data, u32 len,
			    struct quic_header *hdr)
{
	u64 token_len, length;

	if (!hdr->version) {
		/* RFC 9000, section 17.2.1: one version at least, whole ones only. */
		hdr->type = QUIC_PACKET_VERSION_NEGOTIATION;
		hdr->token_len = quic_reader_left(r);
		if (!hdr->token_len || hdr->token_len % 4)
			return -EINVAL;
		hdr->token = quic_read_bytes(r, hdr->token_len);
		hdr->pn_offset = len;
		return 0;
	}
	if (!quic_version_is_supported(hdr->version)) {
		hdr->type = QUIC_PACKET_UNKNOWN_VERSION;
		hdr->pn_offset = len;
		return 0;
	}

	hdr->type = long_type(hdr->version, hdr->first);
	if (hdr->type == QUIC_PACKET_RETRY) {
		if (quic_reader_left(r) < QUIC_TAG_LEN)
			return -EINVAL;
		hdr->token_len = quic_reader_left(r) - QUIC_TAG_LEN;
		hdr->token = quic_read_bytes(r, hdr->token_len);
		hdr->pn_offset = len - QUIC_TAG_LEN;
		return 0;
	}
	if (hdr->type == QUIC_PACKET_INITIAL) {
		token_len = quic_read_varint(r);
		hdr->token = quic_read_bytes(r, token_len);
		if (!hdr->token)
			return -EINVAL;
		hdr->token_len = token_len;
	}
	length = quic_read_varint(r);
	if (r->failed || !length || length > quic_reader_left(r))
		return -EINVAL;
	hdr->pn_offset = r->pos - data;
	hdr->packet_len = hdr->pn_offset + length;
	return 0;
}

/**
 * quic_header_decode() - read the header of the packet at the head of a datagram
 * @data:           the packet and what follows it in the datagram
 * @len:            bytes there are
 * @short_dcid_len: length of the connection ID in short headers
 * @hdr:            result, valid only on success
 *
 * Whether there is a sample to remove header protection with is told by
 * quic_header_has_sample(). A connection ID above 20 bytes is refused for every
 * version: RFC 9000, section 17.2.
 *
 * Return: 0, or -EINVAL: nothing from here to the end of the datagram is usable.
 */
int quic_header_decode(const u8 *data, u32 len, u8 short_dcid_len,
		       struct quic_header *hdr)
{
	struct quic_reader r;

	if (unlikely(!len))
		return -EINVAL;
	hdr->first = data[0];
	hdr->token = NULL;
	hdr->token_len = 0;
	hdr->packet_len = len;

	if (likely(!quic_header_is_long(hdr->first))) {
		if (unlikely(len < 2U + short_dcid_len))
			return -EINVAL;
		hdr->type = QUIC_PACKET_SHORT;
		hdr->version = 0;
		hdr->scid.len = 0;
		hdr->pn_offset = 1U + short_dcid_len;
		quic_cid_set(&hdr->dcid, data + 1, short_dcid_len);
		return 0;
	}

	quic_reader_init(&r, data + 1, len - 1);
	hdr->version = quic_read_u32(&r);
	if (!read_cid(&r, &hdr->dcid) || !read_cid(&r, &hdr->scid))
		return -EINVAL;
	return decode_long_rest(&r, data, len, hdr);
}

/**
 * quic_header_peek_dcid() - find the destination connection ID and nothing else
 * @data:           a datagram
 * @len:            its length
 * @short_dcid_len: length of the connection ID in short headers
 * @dcid:           result: points into @data
 * @dcid_len:       result: at most QUIC_CID_MAX_LEN
 *
 * Return: 0, or -EINVAL.
 */
int quic_header_peek_dcid(const u8 *data, u32 len, u8 short_dcid_len,
			  const u8 **dcid, u8 *dcid_len)
{
	u32 at = 1;
	u8 size;

	if (unlikely(!len))
		return -EINVAL;
	size = short_dcid_len;
	if (unlikely(quic_header_is_long(data[0]))) {
		if (len < 6)
			return -EINVAL;
		size = data[5];
		at = 6;
	}
	if (unlikely(size > QUIC_CID_MAX_LEN || len - at < size))
		return -EINVAL;
	*dcid = data + at;
	*dcid_len = size;
	return 0;
}

/* Writes the invariant part of a long header. RFC 8999, section 5.1. */
static void write_invariant(struct quic_writer *w, u8 first, u32 version,
			    const struct quic_cid *dcid, const struct quic_cid *scid)
{
	quic_write_u8(w, first);
	quic_write_u32(w, version);
	quic_write_u8(w, dcid->len);
	quic_write_bytes(w, dcid->data, dcid->len);
	quic_write_u8(w, scid->len);
	quic_write_bytes(w, scid->data, scid->len);
}

/* The low @pn_len bytes of @pn in network order. RFC 9000, section 17.1. */
static void write_pn(struct quic_writer *w, u64 pn, u8 pn_len)
{
	u8 *p = quic_write_reserve(w, pn_len);

	if (!p)
		return;
	if (likely(pn_len == 4)) {
		p[0] = pn >> 24;
		p[1] = pn >> 16;
		p[2] = pn >> 8;
		p[3] = pn;
		return;
	}
	while (pn_len--) {
		p[pn_len] = pn;
		pn >>= 8;
	}
}

/**
 * quic_header_encode_long() - write the header of an Initial, 0-RTT or Handshake packet
 * @w:         where to; fails when there is no room
 * @type:      one of the three
 * @version:   version 1 or 2
 * @dcid:      destination connection ID
 * @scid:      source connection ID
 * @token:     token of an Initial packet
 * @token_len: its length; not used for the other types
 * @pn:        packet number
 * @pn_len:    bytes of it to be written, 1 to 4
 *
 * Return: the Length field for quic_header_set_length(), or NULL.
 */
u8 *quic_header_encode_long(struct quic_writer *w, enum quic_packet_type type,
			    u32 version, const struct quic_cid *dcid,
			    const struct quic_cid *scid, const u8 *token,
			    u32 token_len, u64 pn, u8 pn_len)
{
	u8 *length;

	write_invariant(w, long_first(version, type) | (pn_len - 1), version, dcid, scid);
	if (type == QUIC_PACKET_INITIAL) {
		quic_write_varint(w, token_len);
		quic_write_bytes(w, token, token_len);
	}
	length = quic_write_reserve(w, QUIC_HEADER_LENGTH_SIZE);
	write_pn(w, pn, pn_len);
	if (w->failed)
		return NULL;
	quic_header_set_length(length, 0);
	return length;
}

/**
 * quic_header_set_length() - fill in the Length field of a long header
 * @length_field: as quic_header_encode_long() returned it
 * @length:       bytes of packet number, payload and tag, below 2^30
 */
void quic_header_set_length(u8 *length_field, u32 length)
{
	struct quic_writer w;

	quic_writer_init(&w, length_field, QUIC_HEADER_LENGTH_SIZE);
	quic_write_varint_sized(&w, length, QUIC_HEADER_LENGTH_SIZE);
	WARN_ON_ONCE(w.failed);
}

/**
 * quic_header_encode_short() - write the header of a 1-RTT packet
 * @w:         where to; fails when there is no room
 * @dcid:      destination connection ID
 * @key_phase: key phase bit
 * @grease:    clear the fixed bit; RFC 9287, section 3
 * @pn:        packet number
 * @pn_len:    bytes of it to be written, 1 to 4
 *
 * Reserved bits are 0, and so is the spin bit. RFC 9000, sections 17.3.1 #2 and 17.4 #1.
 */
void quic_header_encode_short(struct quic_writer *w, const struct quic_cid *dcid,
			      bool key_phase, bool grease, u64 pn, u8 pn_len)
{
	u8 *p = quic_write_reserve(w, 1 + dcid->len);

	if (unlikely(!p))
		return;
	p[0] = (grease ? 0 : QUIC_HEADER_FIXED_BIT) |
	       (key_phase ? QUIC_HEADER_KEY_PHASE : 0) | (pn_len - 1);
	if (likely(dcid->len == QUIC_CID_LEN))
		memcpy(p + 1, dcid->data, QUIC_CID_LEN);
	else if (dcid->len)
		memcpy(p + 1, dcid->data, dcid->len);
	write_pn(w, pn, pn_len);
}

/**
 * quic_header_encode_version_negotiation() - write a Version Negotiation packet
 * @w:       where to; fails when there is no room
 * @random:  makes the first byte and a reserved version; RFC 9000, sections 6.3 and 17.2.1
 * @refused: the version that is answered
 * @dcid:    the peer's source connection ID
 * @scid:    the peer's destination connection ID
 *
 * Return: bytes written, 0 when there was no room.
 */
u32 quic_header_encode_version_negotiation(struct quic_writer *w, u32 random, u32 refused,
					   const struct quic_cid *dcid,
					   const struct quic_cid *scid)
{
	size_t before = quic_writer_used(w);

	/* The fixed bit stays set for receivers that take other protocols on the port. */
	write_invariant(w, QUIC_HEADER_FORM_LONG | QUIC_HEADER_FIXED_BIT | (random & 0x7f),
			0, dcid, scid);
	quic_write_u32(w, QUIC_VERSION_V1);
	quic_write_u32(w, QUIC_VERSION_V2);
	quic_write_u32(w, quic_version_reserve(random, refused));
	return w->failed ? 0 : quic_writer_used(w) - before;
}

/**
 * quic_header_encode_retry() - write a Retry packet up to its integrity tag
 * @w:         where to; fails when there is no room
 * @version:   version 1 or 2
 * @dcid:      the client's source connection ID
 * @scid:      the connection ID that the client shall use next
 * @token:     Retry token, or the part of it that is known yet
 * @token_len: its length
 */
void quic_header_encode_retry(struct quic_writer *w, u32 version,
			      const struct quic_cid *dcid,
			      const struct quic_cid *scid,
			      const u8 *token, u32 token_len)
{
	write_invariant(w, long_first(version, QUIC_PACKET_RETRY), version, dcid, scid);
	quic_write_bytes(w, token, token_len);
}

/**
 * quic_pn_length() - how many bytes of a packet number must be sent
 * @pn:            packet number
 * @largest_acked: largest one of its space that was acknowledged, -1: none
 *
 * They must tell apart more than twice as many numbers as are unacknowledged.
 * RFC 9000, section 17.1 #1 #2 and appendix A.2.
 *
 * Return: 1 to 4.
 */
u8 quic_pn_length(u64 pn, s64 largest_acked)
{
	u64 unacked = pn - largest_acked;

	return unacked < (1 << 7) ? 1 : unacked < (1 << 15) ? 2 :
	       unacked < (1 << 23) ? 3 : 4;
}

/**
 * quic_pn_expand() - recover a full packet number
 * @largest:   largest number of the space received so far, -1: none
 * @truncated: what stood in the header
 * @pn_len:    in so many bytes
 *
 * RFC 9000, section 17.1 and appendix A.3.
 *
 * Return: the number closest to the one expected next; never above QUIC_PN_MAX.
 */
u64 quic_pn_expand(s64 largest, u64 truncated, u8 pn_len)
{
	u64 window = 1ULL << (8 * pn_len);
	u64 expected = min_t(u64, largest + 1, QUIC_PN_MAX);
	u64 candidate = (expected & ~(window - 1)) | truncated;

	if (candidate + window / 2 <= expected && candidate + window <= QUIC_PN_MAX)
		return candidate + window;
	if (candidate > expected + window / 2 && candidate >= window)
		return candidate - window;
	return candidate;
}
