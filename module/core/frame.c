// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes to frames, and which packets may hold them. Decoding checks what a
 * frame alone can tell; whether it fits the connection (who may send it,
 * limits, states) is for conn_recv.c; frames are written by frame_encode.c.
 * RFC 9000, section 19; RFC 9221, section 4.
 */
#include <uapi/linux/quic.h>

#include "frame.h"

#define IN_ALL	(QUIC_FRAME_IN_INITIAL | QUIC_FRAME_IN_HANDSHAKE | QUIC_FRAME_IN_0RTT | \
		 QUIC_FRAME_IN_1RTT)
#define IN_IH_1	(QUIC_FRAME_IN_INITIAL | QUIC_FRAME_IN_HANDSHAKE | QUIC_FRAME_IN_1RTT)
#define IN_01	(QUIC_FRAME_IN_0RTT | QUIC_FRAME_IN_1RTT)
#define IN_1	QUIC_FRAME_IN_1RTT

/*
 * RFC 9000, sections 12.4, 12.5 #1 #2 and 17.2.4 #1: table 3. RETIRE_CONNECTION_ID is not allowed
 * in 0-RTT, section 12.5, last paragraph; nor is CRYPTO, RFC 9001, section 8.3 #2. DATAGRAM:
 * RFC 9221, section 6 #1.
 */
static const u8 frame_rules[] = {
	[QUIC_FRAME_PADDING] = IN_ALL | QUIC_FRAME_NOT_ELICITING | QUIC_FRAME_PROBING,
	[QUIC_FRAME_PING] = IN_ALL,
	[QUIC_FRAME_ACK] = IN_IH_1 | QUIC_FRAME_NOT_ELICITING | QUIC_FRAME_NOT_IN_FLIGHT,
	[QUIC_FRAME_ACK_ECN] = IN_IH_1 | QUIC_FRAME_NOT_ELICITING | QUIC_FRAME_NOT_IN_FLIGHT,
	[QUIC_FRAME_RESET_STREAM] = IN_01,
	[QUIC_FRAME_STOP_SENDING] = IN_01,
	[QUIC_FRAME_CRYPTO] = IN_IH_1,
	[QUIC_FRAME_NEW_TOKEN] = IN_1,
	[QUIC_FRAME_STREAM ... QUIC_FRAME_STREAM + 7] = IN_01,
	[QUIC_FRAME_MAX_DATA] = IN_01,
	[QUIC_FRAME_MAX_STREAM_DATA] = IN_01,
	[QUIC_FRAME_MAX_STREAMS_BIDI] = IN_01,
	[QUIC_FRAME_MAX_STREAMS_UNI] = IN_01,
	[QUIC_FRAME_DATA_BLOCKED] = IN_01,
	[QUIC_FRAME_STREAM_DATA_BLOCKED] = IN_01,
	[QUIC_FRAME_STREAMS_BLOCKED_BIDI] = IN_01,
	[QUIC_FRAME_STREAMS_BLOCKED_UNI] = IN_01,
	[QUIC_FRAME_NEW_CONNECTION_ID] = IN_01 | QUIC_FRAME_PROBING,
	[QUIC_FRAME_RETIRE_CONNECTION_ID] = IN_1,
	[QUIC_FRAME_PATH_CHALLENGE] = IN_01 | QUIC_FRAME_PROBING,
	[QUIC_FRAME_PATH_RESPONSE] = IN_1 | QUIC_FRAME_PROBING,
	[QUIC_FRAME_CONNECTION_CLOSE] = IN_ALL | QUIC_FRAME_NOT_ELICITING,
	[QUIC_FRAME_CONNECTION_CLOSE_APP] = IN_01 | QUIC_FRAME_NOT_ELICITING,
	[QUIC_FRAME_HANDSHAKE_DONE] = IN_1,
	[QUIC_FRAME_DATAGRAM] = IN_01,
	[QUIC_FRAME_DATAGRAM_LEN] = IN_01,
};

/**
 * quic_frame_rules() - what RFC 9000, table 3, and RFC 9221 say of a frame type
 * @type: frame type; any of the eight of STREAM
 *
 * Return: QUIC_FRAME_IN_* and the other rules; 0 for an unknown type.
 */
u8 quic_frame_rules(u64 type)
{
	return likely(type < ARRAY_SIZE(frame_rules)) ? frame_rules[type] : 0;
}

/**
 * quic_frame_is_allowed() - may this frame stand in that packet?
 * @type:   frame type
 * @packet: QUIC_PACKET_INITIAL, _0RTT, _HANDSHAKE or _SHORT
 */
bool quic_frame_is_allowed(u64 type, enum quic_packet_type packet)
{
	static const u8 in[] = {
		[QUIC_PACKET_INITIAL] = QUIC_FRAME_IN_INITIAL,
		[QUIC_PACKET_0RTT] = QUIC_FRAME_IN_0RTT,
		[QUIC_PACKET_HANDSHAKE] = QUIC_FRAME_IN_HANDSHAKE,
		[QUIC_PACKET_SHORT] = QUIC_FRAME_IN_1RTT,
		[QUIC_PACKET_UNKNOWN_VERSION] = 0,
	};

	return quic_frame_rules(type) & in[packet];
}

/*
 * Each of the following reads one frame behind its type. False: it breaks a
 * rule about values. That it was cut short is told by the reader.
 */

/* STREAM. RFC 9000, section 19.8. */
static bool decode_stream(struct quic_reader *r, u8 type, struct quic_frame_data *data)
{
	u64 len;

	data->stream_id = quic_read_varint(r);
	data->offset = type & QUIC_FRAME_STREAM_OFF ? quic_read_varint(r) : 0;
	len = type & QUIC_FRAME_STREAM_LEN ? quic_read_varint(r) : quic_reader_left(r);
	data->data = quic_read_bytes(r, len);
	data->len = len;
	data->fin = type & QUIC_FRAME_STREAM_FIN;
	return data->offset + len <= QUIC_VARINT_MAX;
}

/*
 * The same for a STREAM frame with nothing unusual about it, far enough from
 * the end of the packet that one check serves its header. False: nothing was
 * read, decode_stream() shall judge.
 */
static bool decode_plain_stream(struct quic_reader *r, struct quic_frame *frame)
{
	const u8 *p = r->pos;
	u64 len;
	u8 type;

	if (unlikely(quic_reader_left(r) <= 3 * QUIC_VARINT_ROOM))
		return false;
	type = *p++;
	if ((type & ~7) != QUIC_FRAME_STREAM)
		return false;
	p = quic_varint_get(p, &frame->data.stream_id);
	frame->data.offset = 0;
	if (type & QUIC_FRAME_STREAM_OFF)
		p = quic_varint_get(p, &frame->data.offset);
	len = r->end - p;
	if (type & QUIC_FRAME_STREAM_LEN)
		p = quic_varint_get(p, &len);
	if (unlikely(len > r->end - p || frame->data.offset + len > QUIC_VARINT_MAX))
		return false;
	frame->type = QUIC_FRAME_STREAM;
	frame->data.data = p;
	frame->data.len = len;
	frame->data.fin = type & QUIC_FRAME_STREAM_FIN;
	r->pos = p + len;
	return true;
}

/* CRYPTO. RFC 9000, section 19.6. */
static bool decode_crypto(struct quic_reader *r, struct quic_frame_data *data)
{
	u64 len;

	data->stream_id = 0;
	data->offset = quic_read_varint(r);
	len = quic_read_varint(r);
	data->data = quic_read_bytes(r, len);
	data->len = len;
	data->fin = false;
	return data->offset + len <= QUIC_VARINT_MAX;
}

/* DATAGRAM. RFC 9221, section 4. */
static void decode_datagram(struct quic_reader *r, u64 type, struct quic_frame_data *data)
{
	u64 len = type == QUIC_FRAME_DATAGRAM_LEN ? quic_read_varint(r) : quic_reader_left(r);

	data->stream_id = 0;
	data->offset = 0;
	data->data = quic_read_bytes(r, len);
	data->len = len;
	data->fin = false;
}

/* Steps from a range that begins at @smallest to the next lower one. RFC 9000, section 19.3.1. */
static bool next_range(struct quic_reader *r, u64 smallest, struct quic_pn_range *range)
{
	u64 gap = quic_read_varint(r);
	u64 len = quic_read_varint(r);

	if (unlikely(r->failed || smallest < gap + 2 || smallest - gap - 2 < len))
		return false;
	range->last = smallest - gap - 2;
	range->first = range->last - len;
	return true;
}

/* ACK. All ranges are walked, so that applying it cannot fail. RFC 9000, section 19.3. */
static bool decode_ack(struct quic_reader *r, u64 type, struct quic_frame_ack *ack)
{
	struct quic_pn_range range;
	u64 i;

	ack->largest = quic_read_varint(r);
	ack->delay = quic_read_varint(r);
	ack->range_count = quic_read_varint(r);
	ack->first_range = quic_read_varint(r);
	if (ack->first_range > ack->largest)
		return false;

	ack->ranges = *r;
	range.first = ack->largest - ack->first_range;
	for (i = 0; i < ack->range_count; i++)
		if (!next_range(r, range.first, &range))
			return false;
	ack->ranges.end = r->pos;

	ack->has_ecn = type == QUIC_FRAME_ACK_ECN;
	if (ack->has_ecn) {
		ack->ect0 = quic_read_varint(r);
		ack->ect1 = quic_read_varint(r);
		ack->ce = quic_read_varint(r);
	}
	return true;
}

/* NEW_CONNECTION_ID. RFC 9000, section 19.15. */
static bool decode_new_cid(struct quic_reader *r, struct quic_frame_new_cid *new_cid)
{
	const u8 *cid, *token;
	u8 len;

	new_cid->seq = quic_read_varint(r);
	new_cid->retire_prior_to = quic_read_varint(r);
	len = quic_read_u8(r);
	if (len < 1 || len > QUIC_CID_MAX_LEN || new_cid->retire_prior_to > new_cid->seq)
		return false;
	cid = quic_read_bytes(r, len);
	token = quic_read_bytes(r, QUIC_STATELESS_TOKEN_LEN);
	if (!token)
		return false;
	quic_cid_set(&new_cid->cid, cid, len);
	memcpy(new_cid->token, token, QUIC_STATELESS_TOKEN_LEN);
	return true;
}

/* CONNECTION_CLOSE. RFC 9000, section 19.19. */
static void decode_close(struct quic_reader *r, u64 type, struct quic_frame_close *close)
{
	u64 len;

	close->app = type == QUIC_FRAME_CONNECTION_CLOSE_APP;
	close->code = quic_read_varint(r);
	close->frame_type = close->app ? 0 : quic_read_varint(r);
	len = quic_read_varint(r);
	close->reason = quic_read_bytes(r, len);
	close->reason_len = len;
}

/* PADDING: the whole run of it counts as one frame. RFC 9000, section 19.1. */
static void decode_padding(struct quic_reader *r, struct quic_frame *frame)
{
	const u8 *start = r->pos;
	const u8 *other = memchr_inv(start, 0, quic_reader_left(r));
	size_t len = other ? other - start : quic_reader_left(r);

	quic_read_bytes(r, len);
	frame->padding_len = 1 + len;
}

/* All but STREAM. */
static bool decode_other(struct quic_reader *r, struct quic_frame *frame)
{
	const u8 *data;
	u64 len;

	switch (frame->type) {
	case QUIC_FRAME_PADDING:
		decode_padding(r, frame);
		return true;
	case QUIC_FRAME_PING:
	case QUIC_FRAME_HANDSHAKE_DONE:
		return true;
	case QUIC_FRAME_ACK:
	case QUIC_FRAME_ACK_ECN:
		return decode_ack(r, frame->type, &frame->ack);
	case QUIC_FRAME_RESET_STREAM:
		frame->reset_stream.stream_id = quic_read_varint(r);
		frame->reset_stream.code = quic_read_varint(r);
		frame->reset_stream.final_size = quic_read_varint(r);
		return true;
	case QUIC_FRAME_STOP_SENDING:
		frame->stop_sending.stream_id = quic_read_varint(r);
		frame->stop_sending.code = quic_read_varint(r);
		return true;
	case QUIC_FRAME_CRYPTO:
		return decode_crypto(r, &frame->data);
	case QUIC_FRAME_NEW_TOKEN:
		/* RFC 9000, section 19.7: a token is never empty. */
		len = quic_read_varint(r);
		frame->token.data = quic_read_bytes(r, len);
		frame->token.len = len;
		return len;
	case QUIC_FRAME_MAX_STREAM_DATA:
	case QUIC_FRAME_STREAM_DATA_BLOCKED:
		frame->limit.stream_id = quic_read_varint(r);
		frame->limit.limit = quic_read_varint(r);
		return true;
	case QUIC_FRAME_MAX_DATA:
	case QUIC_FRAME_DATA_BLOCKED:
		frame->limit.stream_id = 0;
		frame->limit.limit = quic_read_varint(r);
		return true;
	case QUIC_FRAME_MAX_STREAMS_BIDI:
	case QUIC_FRAME_MAX_STREAMS_UNI:
	case QUIC_FRAME_STREAMS_BLOCKED_BIDI:
	case QUIC_FRAME_STREAMS_BLOCKED_UNI:
		/* RFC 9000, sections 19.11 and 19.14: no stream ID would fit. */
		frame->limit.stream_id = 0;
		frame->limit.limit = quic_read_varint(r);
		return frame->limit.limit <= QUIC_MAX_STREAMS_LIMIT;
	case QUIC_FRAME_NEW_CONNECTION_ID:
		return decode_new_cid(r, &frame->new_cid);
	case QUIC_FRAME_RETIRE_CONNECTION_ID:
		frame->retire_seq = quic_read_varint(r);
		return true;
	case QUIC_FRAME_PATH_CHALLENGE:
	case QUIC_FRAME_PATH_RESPONSE:
		data = quic_read_bytes(r, QUIC_PATH_DATA_LEN);
		if (data)
			memcpy(frame->path_data, data, QUIC_PATH_DATA_LEN);
		return data;
	case QUIC_FRAME_CONNECTION_CLOSE:
	case QUIC_FRAME_CONNECTION_CLOSE_APP:
		decode_close(r, frame->type, &frame->close);
		return true;
	case QUIC_FRAME_DATAGRAM:
	case QUIC_FRAME_DATAGRAM_LEN:
		decode_datagram(r, frame->type, &frame->data);
		return true;
	default:
		return false;
	}
}

/* Any frame, whatever is wrong with it. */
static noinline int decode_any(struct quic_reader *r, struct quic_frame *frame, u64 *code)
{
	const u8 *start = r->pos;
	u64 type = quic_read_varint(r);
	bool fine;

	/* RFC 9000, section 12.4: a type must not take more bytes than it needs. */
	if (r->pos - start > 1 && !r->failed && r->pos - start != quic_varint_size(type)) {
		frame->type = type;
		*code = QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION;
		return -EPROTO;
	}
	if ((type & ~7ULL) == QUIC_FRAME_STREAM) {
		frame->type = QUIC_FRAME_STREAM;
		fine = decode_stream(r, type, &frame->data);
	} else {
		frame->type = type;
		fine = decode_other(r, frame);
	}
	if (!fine || r->failed) {
		*code = QUIC_TRANSPORT_ERROR_FRAME_ENCODING;
		return -EPROTO;
	}
	return 0;
}

/**
 * quic_frame_decode() - read the next frame of a packet
 * @r:     the packet's payload, not at its end
 * @frame: result; after an error only @type is valid, 0 if it could not be read
 * @code:  set on an error: transport error code to close with
 *
 * Return: 0, or -EPROTO.
 */
int quic_frame_decode(struct quic_reader *r, struct quic_frame *frame, u64 *code)
{
	if (likely(decode_plain_stream(r, frame)))
		return 0;
	return decode_any(r, frame, code);
}

/**
 * quic_ack_iter_init() - start walking the ranges of a decoded ACK frame
 * @it:  iterator
 * @ack: the frame, whose bytes must stay
 */
void quic_ack_iter_init(struct quic_ack_iter *it, const struct quic_frame_ack *ack)
{
	it->reader = ack->ranges;
	it->range.last = ack->largest;
	it->range.first = ack->largest - ack->first_range;
	it->left = ack->range_count;
	it->started = false;
}

/**
 * quic_ack_iter_next() - step to the next lower range
 * @it: iterator; its range is valid after true
 *
 * Return: false when there is none left.
 */
bool quic_ack_iter_next(struct quic_ack_iter *it)
{
	if (!it->started) {
		it->started = true;
		return true;
	}
	if (!it->left)
		return false;
	it->left--;
	return next_range(&it->reader, it->range.first, &it->range);
}
