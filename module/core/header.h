/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet headers of version 1 and 2 and the version-independent invariants:
 * decoding, encoding, packet number truncation. Header protection is applied
 * and removed by the host. RFC 9000, section 17; RFC 8999; RFC 9369, section 3.
 */
#ifndef _QUIC_CORE_HEADER_H
#define _QUIC_CORE_HEADER_H

#include "cursor.h"
#include "version.h"

#define QUIC_CID_MAX_LEN	20	/* RFC 9000, section 17.2 */
#define QUIC_CID_LEN		8	/* of every connection ID that we issue */
#define QUIC_TAG_LEN		16
#define QUIC_SAMPLE_LEN		16
#define QUIC_PN_MAX		QUIC_VARINT_MAX
#define QUIC_INITIAL_MIN_SIZE	1200	/* RFC 9000, section 14.1 */
#define QUIC_INITIAL_MIN_DCID	8	/* RFC 9000, section 7.2 */

#define QUIC_HEADER_FORM_LONG	0x80
#define QUIC_HEADER_FIXED_BIT	0x40
#define QUIC_HEADER_LONG_RESERVED	0x0c
#define QUIC_HEADER_SHORT_RESERVED	0x18
#define QUIC_HEADER_SPIN_BIT	0x20
#define QUIC_HEADER_KEY_PHASE	0x04
#define QUIC_HEADER_PN_LEN_MASK	0x03

struct quic_cid {
	u8 len;
	u8 data[QUIC_CID_MAX_LEN];
};

/* Types of packets, independent of the version's numbering of them. */
enum quic_packet_type {
	QUIC_PACKET_INITIAL,
	QUIC_PACKET_0RTT,
	QUIC_PACKET_HANDSHAKE,
	QUIC_PACKET_RETRY,
	QUIC_PACKET_VERSION_NEGOTIATION,
	QUIC_PACKET_SHORT,
	QUIC_PACKET_UNKNOWN_VERSION,	/* only the invariant fields are valid */
};

/**
 * struct quic_header - what a header says before its protection is removed
 * @type:       kind of packet
 * @first:      first byte as it stands on the wire
 * @version:    version field, 0 for short headers
 * @dcid:       destination connection ID
 * @scid:       source connection ID, empty in short headers
 * @token:      token of an Initial or Retry packet, or the list of a Version
 *              Negotiation packet; points into the packet
 * @token_len:  its length
 * @pn_offset:  offset of the (still protected) packet number; in a Retry packet
 *              of the integrity tag
 * @packet_len: bytes of the datagram that this packet takes up
 */
struct quic_header {
	enum quic_packet_type type;
	u8 first;
	u32 version;
	struct quic_cid dcid;
	struct quic_cid scid;
	const u8 *token;
	u32 token_len;
	u32 pn_offset;
	u32 packet_len;
};

int quic_header_decode(const u8 *data, u32 len, u8 short_dcid_len,
		       struct quic_header *hdr);
int quic_header_peek_dcid(const u8 *data, u32 len, u8 short_dcid_len,
			  const u8 **dcid, u8 *dcid_len);

/* The Length field of long headers has a fixed size, so that it can be filled in late. */
#define QUIC_HEADER_LENGTH_SIZE	4

u8 *quic_header_encode_long(struct quic_writer *w, enum quic_packet_type type,
			    u32 version, const struct quic_cid *dcid,
			    const struct quic_cid *scid, const u8 *token,
			    u32 token_len, u64 pn, u8 pn_len);
void quic_header_set_length(u8 *length_field, u32 length);
void quic_header_encode_short(struct quic_writer *w, const struct quic_cid *dcid,
			      bool key_phase, bool grease, u64 pn, u8 pn_len);
u32 quic_header_encode_version_negotiation(struct quic_writer *w, u32 random, u32 refused,
					   const struct quic_cid *dcid,
					   const struct quic_cid *scid);
void quic_header_encode_retry(struct quic_writer *w, u32 version,
			      const struct quic_cid *dcid,
			      const struct quic_cid *scid,
			      const u8 *token, u32 token_len);

u8 quic_pn_length(u64 pn, s64 largest_acked);
u64 quic_pn_expand(s64 largest, u64 truncated, u8 pn_len);

static inline bool quic_header_is_long(u8 first)
{
	return first & QUIC_HEADER_FORM_LONG;
}

/* Is there enough to sample for header protection? RFC 9001, section 5.4.2. */
static inline bool quic_header_has_sample(const struct quic_header *hdr)
{
	return hdr->packet_len >= hdr->pn_offset + 4 + QUIC_SAMPLE_LEN;
}

bool quic_cid_equal(const struct quic_cid *a, const struct quic_cid *b);
void quic_cid_set(struct quic_cid *cid, const u8 *data, u8 len);

#endif /* _QUIC_CORE_HEADER_H */
