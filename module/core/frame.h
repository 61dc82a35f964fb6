/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames: a struct for each, decoding beside encoding, and the table that says
 * which frame is legal in which packet. Decoding changes nothing but its
 * result. RFC 9000, sections 12.4 and 19; RFC 9221, section 4.
 */
#ifndef _QUIC_CORE_FRAME_H
#define _QUIC_CORE_FRAME_H

#include "header.h"

#define QUIC_FRAME_PADDING		0x00
#define QUIC_FRAME_PING			0x01
#define QUIC_FRAME_ACK			0x02
#define QUIC_FRAME_ACK_ECN		0x03
#define QUIC_FRAME_RESET_STREAM		0x04
#define QUIC_FRAME_STOP_SENDING		0x05
#define QUIC_FRAME_CRYPTO		0x06
#define QUIC_FRAME_NEW_TOKEN		0x07
#define QUIC_FRAME_STREAM		0x08	/* to 0x0f */
#define QUIC_FRAME_MAX_DATA		0x10
#define QUIC_FRAME_MAX_STREAM_DATA	0x11
#define QUIC_FRAME_MAX_STREAMS_BIDI	0x12
#define QUIC_FRAME_MAX_STREAMS_UNI	0x13
#define QUIC_FRAME_DATA_BLOCKED		0x14
#define QUIC_FRAME_STREAM_DATA_BLOCKED	0x15
#define QUIC_FRAME_STREAMS_BLOCKED_BIDI	0x16
#define QUIC_FRAME_STREAMS_BLOCKED_UNI	0x17
#define QUIC_FRAME_NEW_CONNECTION_ID	0x18
#define QUIC_FRAME_RETIRE_CONNECTION_ID	0x19
#define QUIC_FRAME_PATH_CHALLENGE	0x1a
#define QUIC_FRAME_PATH_RESPONSE	0x1b
#define QUIC_FRAME_CONNECTION_CLOSE	0x1c
#define QUIC_FRAME_CONNECTION_CLOSE_APP	0x1d
#define QUIC_FRAME_HANDSHAKE_DONE	0x1e
#define QUIC_FRAME_DATAGRAM		0x30
#define QUIC_FRAME_DATAGRAM_LEN		0x31

#define QUIC_FRAME_STREAM_FIN		0x01
#define QUIC_FRAME_STREAM_LEN		0x02
#define QUIC_FRAME_STREAM_OFF		0x04

#define QUIC_STATELESS_TOKEN_LEN	16
#define QUIC_PATH_DATA_LEN		8
#define QUIC_MAX_STREAMS_LIMIT		BIT_ULL(60)	/* RFC 9000, section 4.6 */

/* What a frame type is worth knowing about. RFC 9000, section 12.4, table 3. */
#define QUIC_FRAME_IN_INITIAL		0x01
#define QUIC_FRAME_IN_HANDSHAKE		0x02
#define QUIC_FRAME_IN_0RTT		0x04
#define QUIC_FRAME_IN_1RTT		0x08
#define QUIC_FRAME_NOT_ELICITING	0x10	/* N: needs no ACK */
#define QUIC_FRAME_NOT_IN_FLIGHT	0x20	/* C: not counted as in flight */
#define QUIC_FRAME_PROBING		0x40	/* P: may probe a path */

struct quic_frame_ack {
	u64 largest;
	u64 delay;		/* as encoded, not yet scaled */
	u64 first_range;	/* packets below @largest in the first range */
	u64 range_count;	/* further ranges, all checked */
	struct quic_reader ranges;
	bool has_ecn;
	u64 ect0, ect1, ce;
};

struct quic_frame_data {	/* STREAM, CRYPTO and DATAGRAM */
	u64 stream_id;
	u64 offset;
	const u8 *data;
	u32 len;
	bool fin;
};

struct quic_frame_reset_stream {
	u64 stream_id;
	u64 code;
	u64 final_size;
};

struct quic_frame_stop_sending {
	u64 stream_id;
	u64 code;
};

struct quic_frame_limit {	/* MAX_* and *_BLOCKED */
	u64 stream_id;		/* of the two that name a stream */
	u64 limit;
};

struct quic_frame_bytes {	/* NEW_TOKEN */
	const u8 *data;
	u32 len;
};

struct quic_frame_new_cid {
	u64 seq;
	u64 retire_prior_to;
	struct quic_cid cid;
	u8 token[QUIC_STATELESS_TOKEN_LEN];
};

struct quic_frame_close {
	u64 code;
	u64 frame_type;		/* transport variant only */
	const u8 *reason;
	u32 reason_len;
	bool app;
};

/**
 * struct quic_frame - one decoded frame
 * @type: frame type; the low bits of STREAM are cleared
 */
struct quic_frame {
	u64 type;
	union {
		struct quic_frame_ack ack;
		struct quic_frame_data data;
		struct quic_frame_reset_stream reset_stream;
		struct quic_frame_stop_sending stop_sending;
		struct quic_frame_limit limit;
		struct quic_frame_bytes token;
		struct quic_frame_new_cid new_cid;
		u64 retire_seq;
		u8 path_data[QUIC_PATH_DATA_LEN];
		struct quic_frame_close close;
		u64 padding_len;
	};
};

/* An inclusive range of packet numbers. */
struct quic_pn_range {
	u64 first;
	u64 last;
};

struct quic_ack_iter {
	struct quic_reader reader;
	struct quic_pn_range range;
	u64 left;
	bool started;
};

u8 quic_frame_rules(u64 type);
bool quic_frame_is_allowed(u64 type, enum quic_packet_type packet);
int quic_frame_decode(struct quic_reader *r, struct quic_frame *frame, u64 *code);

void quic_ack_iter_init(struct quic_ack_iter *it, const struct quic_frame_ack *ack);
bool quic_ack_iter_next(struct quic_ack_iter *it);

/* Bytes of a STREAM or CRYPTO frame besides its @len bytes of data; they grow with @len. */
u8 quic_frame_stream_overhead(u64 stream_id, u64 offset, u32 len);
u8 quic_frame_crypto_overhead(u64 offset, u32 len);

/* Each returns false, and leaves the writer as it was, when there is no room. */
bool quic_frame_encode_stream(struct quic_writer *w, u64 stream_id, u64 offset,
			      u32 len, bool fin);
bool quic_frame_encode_crypto(struct quic_writer *w, u64 offset, u32 len);
bool quic_frame_encode_ack(struct quic_writer *w, const struct quic_pn_range *ranges,
			   u32 count, u64 delay, const u64 *ecn);
bool quic_frame_encode_type(struct quic_writer *w, u64 type);
bool quic_frame_encode_limit(struct quic_writer *w, u64 type, u64 limit);
bool quic_frame_encode_stream_limit(struct quic_writer *w, u64 type, u64 stream_id,
				    u64 limit);
bool quic_frame_encode_reset_stream(struct quic_writer *w, u64 stream_id, u64 code,
				    u64 final_size);
bool quic_frame_encode_stop_sending(struct quic_writer *w, u64 stream_id, u64 code);
bool quic_frame_encode_new_token(struct quic_writer *w, const u8 *token, u32 len);
bool quic_frame_encode_new_cid(struct quic_writer *w, u64 seq, u64 retire_prior_to,
			       const struct quic_cid *cid, const u8 *token);
bool quic_frame_encode_retire_cid(struct quic_writer *w, u64 seq);
bool quic_frame_encode_path(struct quic_writer *w, u64 type, const u8 *data);
bool quic_frame_encode_close(struct quic_writer *w, const struct quic_frame_close *close);
bool quic_frame_encode_datagram(struct quic_writer *w, u32 len);

#endif /* _QUIC_CORE_FRAME_H */
