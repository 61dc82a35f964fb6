// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames to bytes: each is written whole, or the writer is left as it was. What
 * may stand in which packet, and how frames are read, is frame.c's. RFC 9000,
 * section 19; RFC 9221, section 4.
 */
#include "core.h"
#include "frame.h"

/* Ends an encoder: takes back what it wrote if not all of it fitted. */
static bool finish(struct quic_writer *w, const struct quic_writer *before)
{
	if (likely(!w->failed))
		return true;
	*w = *before;
	return false;
}

/**
 * quic_frame_stream_overhead() - bytes of a STREAM frame besides its data
 * @stream_id: stream ID
 * @offset:    offset of the data
 * @len:       bytes of data
 *
 * Exactly what quic_frame_encode_stream() writes. Length takes 1 byte below 64,
 * 2 below 16384, 4 above; so with room for n bytes, n less the overhead for n
 * bytes of data always fits.
 */
u8 quic_frame_stream_overhead(u64 stream_id, u64 offset, u32 len)
{
	return 1 + quic_varint_size(stream_id) + (offset ? quic_varint_size(offset) : 0) +
	       quic_varint_size(len);
}

/**
 * quic_frame_crypto_overhead() - bytes of a CRYPTO frame besides its data
 * @offset: offset of the data
 * @len:    bytes of data
 *
 * See quic_frame_stream_overhead().
 */
u8 quic_frame_crypto_overhead(u64 offset, u32 len)
{
	return 1 + quic_varint_size(offset) + quic_varint_size(len);
}

/**
 * quic_frame_encode_stream() - write a STREAM frame up to its data
 * @w:         where to; the caller puts the data behind
 * @stream_id: stream ID
 * @offset:    offset of the data, left out when 0
 * @len:       bytes of data
 * @fin:       the stream ends behind them
 *
 * Return: false without room for header and data; nothing is written then.
 */
bool quic_frame_encode_stream(struct quic_writer *w, u64 stream_id, u64 offset,
			      u32 len, bool fin)
{
	u8 offset_size = offset ? quic_varint_size(offset) : 0;
	u8 id_size = quic_varint_size(stream_id);
	u8 len_size = quic_varint_size(len);
	size_t need = 1 + id_size + offset_size + len_size;
	u8 *p;

	if (unlikely(w->failed || quic_writer_left(w) < need + len))
		return false;
	p = quic_write_reserve(w, need);
	*p++ = QUIC_FRAME_STREAM | QUIC_FRAME_STREAM_LEN |
	       (offset ? QUIC_FRAME_STREAM_OFF : 0) | (fin ? QUIC_FRAME_STREAM_FIN : 0);
	p = quic_varint_put(p, stream_id, id_size);
	if (offset)
		p = quic_varint_put(p, offset, offset_size);
	quic_varint_put(p, len, len_size);
	return true;
}

/**
 * quic_frame_encode_crypto() - write a CRYPTO frame up to its data
 * @w:      where to; the caller puts the data behind
 * @offset: offset of the data
 * @len:    bytes of data
 *
 * Return: false without room for header and data; nothing is written then.
 */
bool quic_frame_encode_crypto(struct quic_writer *w, u64 offset, u32 len)
{
	u8 need = quic_frame_crypto_overhead(offset, len);

	if (w->failed || quic_writer_left(w) < (size_t)need + len)
		return false;
	quic_write_u8(w, QUIC_FRAME_CRYPTO);
	quic_write_varint(w, offset);
	quic_write_varint(w, len);
	return true;
}

/**
 * quic_frame_encode_datagram() - write a DATAGRAM frame up to its data
 * @w:   where to; the caller puts the data behind
 * @len: bytes of data
 *
 * Return: false without room for header and data; nothing is written then.
 */
bool quic_frame_encode_datagram(struct quic_writer *w, u32 len)
{
	if (w->failed || quic_writer_left(w) < 1U + quic_varint_size(len) + len)
		return false;
	quic_write_u8(w, QUIC_FRAME_DATAGRAM_LEN);
	quic_write_varint(w, len);
	return true;
}

/* Bytes that the range @range takes below one that begins at @above. */
static u32 range_size(u64 above, const struct quic_pn_range *range)
{
	return quic_varint_size(above - range->last - 2) +
	       quic_varint_size(range->last - range->first);
}

/**
 * quic_frame_encode_ack() - write an ACK frame
 * @w:      where to
 * @ranges: what was received, descending, never adjacent
 * @count:  how many, at least 1
 * @delay:  ACK delay as it goes onto the wire
 * @ecn:    counts of ECT(0), ECT(1) and CE, or NULL
 *
 * Low ranges for which there is no room are left out: they are the oldest.
 *
 * Return: false without room for even the highest range; nothing is written then.
 */
bool quic_frame_encode_ack(struct quic_writer *w, const struct quic_pn_range *ranges,
			   u32 count, u64 delay, const u64 *ecn)
{
	size_t used = 1 + quic_varint_size(ranges[0].last) + quic_varint_size(delay) +
		      quic_varint_size(count - 1) +
		      quic_varint_size(ranges[0].last - ranges[0].first);
	struct quic_writer before = *w;
	u32 i, n;

	if (ecn)
		used += quic_varint_size(ecn[0]) + quic_varint_size(ecn[1]) +
			quic_varint_size(ecn[2]);
	for (n = 1; n < count; n++) {
		used += range_size(ranges[n - 1].first, &ranges[n]);
		if (used > quic_writer_left(w))
			break;
	}

	quic_write_u8(w, ecn ? QUIC_FRAME_ACK_ECN : QUIC_FRAME_ACK);
	quic_write_varint(w, ranges[0].last);
	quic_write_varint(w, delay);
	quic_write_varint(w, n - 1);
	quic_write_varint(w, ranges[0].last - ranges[0].first);
	for (i = 1; i < n; i++) {
		quic_write_varint(w, ranges[i - 1].first - ranges[i].last - 2);
		quic_write_varint(w, ranges[i].last - ranges[i].first);
	}
	if (ecn)
		for (i = 0; i < 3; i++)
			quic_write_varint(w, ecn[i]);
	return finish(w, &before);
}

/**
 * quic_frame_encode_type() - write a frame that is only a type: PING, HANDSHAKE_DONE
 * @w:    where to
 * @type: frame type
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_type(struct quic_writer *w, u64 type)
{
	struct quic_writer before = *w;

	quic_write_varint(w, type);
	return finish(w, &before);
}

/**
 * quic_frame_encode_limit() - write a frame of one number
 * @w:     where to
 * @type:  MAX_DATA, MAX_STREAMS, DATA_BLOCKED or STREAMS_BLOCKED
 * @limit: the number
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_limit(struct quic_writer *w, u64 type, u64 limit)
{
	struct quic_writer before = *w;

	quic_write_varint(w, type);
	quic_write_varint(w, limit);
	return finish(w, &before);
}

/**
 * quic_frame_encode_stream_limit() - write a frame of a stream and a number
 * @w:         where to
 * @type:      MAX_STREAM_DATA or STREAM_DATA_BLOCKED
 * @stream_id: stream ID
 * @limit:     the number
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_stream_limit(struct quic_writer *w, u64 type, u64 stream_id,
				    u64 limit)
{
	struct quic_writer before = *w;

	quic_write_varint(w, type);
	quic_write_varint(w, stream_id);
	quic_write_varint(w, limit);
	return finish(w, &before);
}

/**
 * quic_frame_encode_reset_stream() - write a RESET_STREAM frame
 * @w:          where to
 * @stream_id:  stream ID
 * @code:       application error code
 * @final_size: final size of the stream
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_reset_stream(struct quic_writer *w, u64 stream_id, u64 code,
				    u64 final_size)
{
	struct quic_writer before = *w;

	quic_write_u8(w, QUIC_FRAME_RESET_STREAM);
	quic_write_varint(w, stream_id);
	quic_write_varint(w, code);
	quic_write_varint(w, final_size);
	return finish(w, &before);
}

/**
 * quic_frame_encode_stop_sending() - write a STOP_SENDING frame
 * @w:         where to
 * @stream_id: stream ID
 * @code:      application error code
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_stop_sending(struct quic_writer *w, u64 stream_id, u64 code)
{
	return quic_frame_encode_stream_limit(w, QUIC_FRAME_STOP_SENDING, stream_id, code);
}

/**
 * quic_frame_encode_new_token() - write a NEW_TOKEN frame
 * @w:     where to
 * @token: the token
 * @len:   its length, not 0
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_new_token(struct quic_writer *w, const u8 *token, u32 len)
{
	struct quic_writer before = *w;

	quic_write_u8(w, QUIC_FRAME_NEW_TOKEN);
	quic_write_varint(w, len);
	quic_write_bytes(w, token, len);
	return finish(w, &before);
}

/**
 * quic_frame_encode_new_cid() - write a NEW_CONNECTION_ID frame
 * @w:               where to
 * @seq:             sequence number of the connection ID
 * @retire_prior_to: lower ones are to be retired
 * @cid:             the connection ID, 1 to 20 bytes
 * @token:           its stateless reset token
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_new_cid(struct quic_writer *w, u64 seq, u64 retire_prior_to,
			       const struct quic_cid *cid, const u8 *token)
{
	struct quic_writer before = *w;

	quic_write_u8(w, QUIC_FRAME_NEW_CONNECTION_ID);
	quic_write_varint(w, seq);
	quic_write_varint(w, retire_prior_to);
	quic_write_u8(w, cid->len);
	quic_write_bytes(w, cid->data, cid->len);
	quic_write_bytes(w, token, QUIC_STATELESS_TOKEN_LEN);
	return finish(w, &before);
}

/**
 * quic_frame_encode_retire_cid() - write a RETIRE_CONNECTION_ID frame
 * @w:   where to
 * @seq: sequence number of the connection ID
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_retire_cid(struct quic_writer *w, u64 seq)
{
	return quic_frame_encode_limit(w, QUIC_FRAME_RETIRE_CONNECTION_ID, seq);
}

/**
 * quic_frame_encode_path() - write a PATH_CHALLENGE or PATH_RESPONSE frame
 * @w:    where to
 * @type: which of the two
 * @data: its eight bytes
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_path(struct quic_writer *w, u64 type, const u8 *data)
{
	struct quic_writer before = *w;

	quic_write_varint(w, type);
	quic_write_bytes(w, data, QUIC_PATH_DATA_LEN);
	return finish(w, &before);
}

/**
 * quic_frame_encode_close() - write a CONNECTION_CLOSE frame
 * @w:     where to
 * @close: what it says
 *
 * Return: false when there is no room; nothing is written then.
 */
bool quic_frame_encode_close(struct quic_writer *w, const struct quic_frame_close *close)
{
	struct quic_writer before = *w;

	quic_write_u8(w, close->app ? QUIC_FRAME_CONNECTION_CLOSE_APP :
		      QUIC_FRAME_CONNECTION_CLOSE);
	quic_write_varint(w, close->code);
	if (!close->app)
		quic_write_varint(w, close->frame_type);
	quic_write_varint(w, close->reason_len);
	quic_write_bytes(w, close->reason, close->reason_len);
	return finish(w, &before);
}
