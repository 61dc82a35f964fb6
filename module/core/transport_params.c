// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Transport parameters to bytes and back, from one table. What they mean for a
 * connection, and which must be there, is for conn.c. RFC 9000, section 18.
 */
#include <uapi/linux/quic.h>

#include "transport_params.h"

#define DEFAULT_ACK_DELAY_EXPONENT	3
#define DEFAULT_MAX_ACK_DELAY		25	/* ms */
#define DEFAULT_CID_LIMIT		2
#define PREFERRED_ADDRESS_LEN		41	/* without the connection ID */
#define US_PER_MS			1000
#define MAX_USEC			U32_MAX	/* as much as the user API can say */

enum param_kind {
	PARAM_INT,
	PARAM_FLAG,
	PARAM_CID,
	PARAM_RESET_TOKEN,
	PARAM_PREFERRED_ADDRESS,
	PARAM_VERSIONS,
};

/**
 * struct param - one row of the table
 * @id:      on the wire
 * @kind:    how it is read and written
 * @server:  only a server may send it
 * @loose:   PARAM_FLAG: a client's value is skipped, whatever it is
 * @ms:      PARAM_INT: milliseconds on the wire, microseconds in the struct
 * @field:   offset of the value in struct quic_transport_params
 * @has:     offset of the bool that says it is there, kinds without a default
 * @low:     PARAM_INT: less is an error
 * @high:    PARAM_INT: more is an error
 * @clamp:   PARAM_INT: more is taken as that
 * @absent:  PARAM_INT: value when it is not there; not written then
 */
struct param {
	u16 id;
	u8 kind;
	bool server;
	bool loose;
	bool ms;
	u16 field;
	u16 has;
	u64 low;
	u64 high;
	u64 clamp;
	u64 absent;
};

#define FIELD(name)	.field = offsetof(struct quic_transport_params, name)
#define HAS(name)	.has = offsetof(struct quic_transport_params, name)
#define INT(name)	.kind = PARAM_INT, FIELD(name)
#define ANY		.high = QUIC_VARINT_MAX, .clamp = QUIC_VARINT_MAX

static const struct param params[] = {
	/* RFC 9000, section 18.2 */
	{ 0x00, PARAM_CID, .server = true, FIELD(original_dcid), HAS(has_original_dcid) },
	{ 0x01, INT(max_idle_timeout), .ms = true, ANY },
	{ 0x02, PARAM_RESET_TOKEN, .server = true, FIELD(stateless_reset_token),
	  HAS(has_stateless_reset_token) },
	{ 0x03, INT(max_udp_payload_size), .low = QUIC_INITIAL_MIN_SIZE,
	  .high = QUIC_VARINT_MAX, .clamp = QUIC_TP_UDP_PAYLOAD_MAX,
	  .absent = QUIC_TP_UDP_PAYLOAD_MAX },
	{ 0x04, INT(initial_max_data), ANY },
	{ 0x05, INT(initial_max_stream_data_bidi_local), ANY },
	{ 0x06, INT(initial_max_stream_data_bidi_remote), ANY },
	{ 0x07, INT(initial_max_stream_data_uni), ANY },
	{ 0x08, INT(initial_max_streams_bidi), .high = QUIC_MAX_STREAMS_LIMIT,
	  .clamp = QUIC_TP_STREAMS_MAX },
	{ 0x09, INT(initial_max_streams_uni), .high = QUIC_MAX_STREAMS_LIMIT,
	  .clamp = QUIC_TP_STREAMS_MAX },
	{ 0x0a, INT(ack_delay_exponent), .high = 20, .clamp = 20,
	  .absent = DEFAULT_ACK_DELAY_EXPONENT },
	{ 0x0b, INT(max_ack_delay), .ms = true, .high = (1 << 14) - 1, .clamp = (1 << 14) - 1,
	  .absent = DEFAULT_MAX_ACK_DELAY },
	{ 0x0c, PARAM_FLAG, FIELD(disable_active_migration) },
	{ 0x0d, PARAM_PREFERRED_ADDRESS, .server = true, FIELD(preferred_address),
	  HAS(has_preferred_address) },
	{ 0x0e, INT(active_connection_id_limit), .low = 2, .high = QUIC_VARINT_MAX,
	  .clamp = QUIC_TP_CIDS_MAX, .absent = DEFAULT_CID_LIMIT },
	{ 0x0f, PARAM_CID, FIELD(initial_scid), HAS(has_initial_scid) },
	{ 0x10, PARAM_CID, .server = true, FIELD(retry_scid), HAS(has_retry_scid) },
	/* RFC 9368, section 3 */
	{ 0x11, PARAM_VERSIONS, HAS(has_version_information) },
	/* RFC 9221, section 3 */
	{ 0x20, INT(max_datagram_frame_size), .high = QUIC_VARINT_MAX, .clamp = U16_MAX },
	/* RFC 9287, section 3 */
	{ 0x2ab2, PARAM_FLAG, FIELD(grease_quic_bit) },
	/* 1-RTT packets without protection, when both ends ask for it */
	{ 0xbaad, PARAM_FLAG, .loose = true, FIELD(disable_1rtt_encryption) },
};

static void *field_of(struct quic_transport_params *tp, u16 offset)
{
	return (u8 *)tp + offset;
}

static const void *const_field_of(const struct quic_transport_params *tp, u16 offset)
{
	return (const u8 *)tp + offset;
}

/* From the number on the wire to the number in the struct. */
static u64 int_from_wire(const struct param *param, u64 value)
{
	if (!param->ms)
		return value;
	return value > div_u64(MAX_USEC, US_PER_MS) ? MAX_USEC : value * US_PER_MS;
}

static u64 int_to_wire(const struct param *param, u64 value)
{
	return param->ms ? div_u64(value + US_PER_MS - 1, US_PER_MS) : value;
}

/**
 * quic_transport_params_init() - the values of an endpoint that sends none
 * @tp: to be filled
 */
void quic_transport_params_init(struct quic_transport_params *tp)
{
	u32 i;

	memset(tp, 0, sizeof(*tp));
	for (i = 0; i < ARRAY_SIZE(params); i++)
		if (params[i].kind == PARAM_INT)
			*(u64 *)field_of(tp, params[i].field) =
				int_from_wire(&params[i], params[i].absent);
}

static bool decode_int(struct quic_transport_params *tp, const struct param *param,
		       struct quic_reader *r)
{
	u64 value = quic_read_varint(r);

	if (r->failed || value < param->low || value > param->high)
		return false;
	value = min(value, param->clamp);
	*(u64 *)field_of(tp, param->field) = int_from_wire(param, value);
	return true;
}

static bool decode_cid(struct quic_cid *cid, struct quic_reader *r, size_t len)
{
	if (len > QUIC_CID_MAX_LEN)
		return false;
	quic_cid_set(cid, quic_read_bytes(r, len), len);
	return true;
}

/* RFC 9000, section 18.2: the connection ID must not be empty. */
static bool decode_preferred_address(struct quic_preferred_address *addr, struct quic_reader *r)
{
	size_t len = quic_reader_left(r);
	const u8 *v4, *v6;

	if (len < PREFERRED_ADDRESS_LEN + 1 || len > PREFERRED_ADDRESS_LEN + QUIC_CID_MAX_LEN)
		return false;
	v4 = quic_read_bytes(r, sizeof(addr->v4));
	memcpy(addr->v4, v4, sizeof(addr->v4));
	addr->v4_port = quic_read_u16(r);
	v6 = quic_read_bytes(r, sizeof(addr->v6));
	memcpy(addr->v6, v6, sizeof(addr->v6));
	addr->v6_port = quic_read_u16(r);
	if (quic_read_u8(r) != len - PREFERRED_ADDRESS_LEN)
		return false;
	decode_cid(&addr->cid, r, len - PREFERRED_ADDRESS_LEN);
	memcpy(addr->token, quic_read_bytes(r, QUIC_STATELESS_TOKEN_LEN),
	       QUIC_STATELESS_TOKEN_LEN);
	return true;
}

/* Keeps the first ones, and those that we speak wherever they stand. */
static void keep_version(struct quic_transport_params *tp, u32 version)
{
	u32 i;

	BUILD_BUG_ON(QUIC_TP_MAX_VERSIONS < QUIC_VERSIONS);
	for (i = 0; i < tp->version_count; i++)
		if (tp->versions[i] == version)
			return;
	if (tp->version_count < QUIC_TP_MAX_VERSIONS)
		tp->version_count++;
	else if (!quic_version_is_supported(version))
		return;
	/* When all slots are taken, the last ones are filled from the end. */
	if (i == QUIC_TP_MAX_VERSIONS) {
		while (quic_version_is_supported(tp->versions[--i]))
			;
	}
	tp->versions[i] = version;
}

/* RFC 9368, sections 3 and 4 #3 #4 #5 #6. */
static bool decode_versions(struct quic_transport_params *tp, struct quic_reader *r,
			    bool from_server)
{
	bool listed = from_server;

	if (quic_reader_left(r) % 4)
		return false;
	tp->chosen_version = quic_read_u32(r);
	if (!tp->chosen_version)
		return false;
	while (quic_reader_left(r)) {
		u32 version = quic_read_u32(r);

		if (!version)
			return false;
		listed |= version == tp->chosen_version;
		keep_version(tp, version);
	}
	return listed;
}

/* Reads the value of one parameter, all of @r. */
static bool decode_value(struct quic_transport_params *tp, const struct param *param,
			 struct quic_reader *r, bool from_server)
{
	size_t len = quic_reader_left(r);
	void *field = field_of(tp, param->field);

	if (param->server && !from_server)
		return false;
	if (param->has)
		*(bool *)field_of(tp, param->has) = true;

	switch (param->kind) {
	case PARAM_INT:
		return decode_int(tp, param, r) && !quic_reader_left(r);
	case PARAM_FLAG:
		*(bool *)field = true;
		return !len || (param->loose && !from_server);
	case PARAM_CID:
		return decode_cid(field, r, len);
	case PARAM_RESET_TOKEN:
		if (len != QUIC_STATELESS_TOKEN_LEN)
			return false;
		memcpy(field, quic_read_bytes(r, len), len);
		return true;
	case PARAM_PREFERRED_ADDRESS:
		return decode_preferred_address(field, r);
	case PARAM_VERSIONS:
		return decode_versions(tp, r, from_server);
	}
	return false;
}

static const struct param *find_param(u64 id)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		if (params[i].id == id)
			return &params[i];
	return NULL;
}

static bool decode_all(struct quic_transport_params *tp, struct quic_reader *r, bool from_server)
{
	u32 seen = 0;

	BUILD_BUG_ON(ARRAY_SIZE(params) > 32);
	while (quic_reader_left(r)) {
		const struct param *param;
		struct quic_reader value;
		const u8 *data;
		u64 id, len;
		u32 bit;

		id = quic_read_varint(r);
		len = quic_read_varint(r);
		data = quic_read_bytes(r, len);
		if (!data)
			return false;
		/* RFC 9000, section 7.4.2: what is not known is ignored. */
		param = find_param(id);
		if (!param)
			continue;
		/* RFC 9000, section 7.4: none may come twice. */
		bit = 1U << (param - params);
		if (seen & bit)
			return false;
		seen |= bit;
		quic_reader_init(&value, data, len);
		if (!decode_value(tp, param, &value, from_server))
			return false;
	}
	return true;
}

/**
 * quic_transport_params_decode() - read the transport parameters of the peer
 * @tp:          result; defaults after an error
 * @data:        the body of the TLS extension
 * @len:         its length
 * @from_server: the peer is a server
 *
 * Values beyond what this implementation can use, but not forbidden, are
 * clamped.
 *
 * Return: 0, or -EINVAL: close with TRANSPORT_PARAMETER_ERROR.
 */
int quic_transport_params_decode(struct quic_transport_params *tp, const u8 *data,
				 u32 len, bool from_server)
{
	struct quic_reader r;

	quic_transport_params_init(tp);
	quic_reader_init(&r, data, len);
	if (decode_all(tp, &r, from_server))
		return 0;
	quic_transport_params_init(tp);
	return -EINVAL;
}

static void encode_head(struct quic_writer *w, const struct param *param, size_t len)
{
	quic_write_varint(w, param->id);
	quic_write_varint(w, len);
}

static void encode_preferred_address(struct quic_writer *w,
				     const struct quic_preferred_address *addr)
{
	quic_write_bytes(w, addr->v4, sizeof(addr->v4));
	quic_write_u16(w, addr->v4_port);
	quic_write_bytes(w, addr->v6, sizeof(addr->v6));
	quic_write_u16(w, addr->v6_port);
	quic_write_u8(w, addr->cid.len);
	quic_write_bytes(w, addr->cid.data, addr->cid.len);
	quic_write_bytes(w, addr->token, QUIC_STATELESS_TOKEN_LEN);
}

static void encode_int(struct quic_writer *w, const struct param *param, u64 value)
{
	value = int_to_wire(param, value);
	if (value == param->absent)
		return;
	encode_head(w, param, quic_varint_size(value));
	quic_write_varint(w, value);
}

static void encode_param(struct quic_writer *w, const struct param *param,
			 const struct quic_transport_params *tp)
{
	const void *field = const_field_of(tp, param->field);
	const struct quic_cid *cid = field;
	u32 i;

	if (param->has && !*(const bool *)const_field_of(tp, param->has))
		return;

	switch (param->kind) {
	case PARAM_INT:
		encode_int(w, param, *(const u64 *)field);
		break;
	case PARAM_FLAG:
		if (*(const bool *)field)
			encode_head(w, param, 0);
		break;
	case PARAM_CID:
		encode_head(w, param, cid->len);
		quic_write_bytes(w, cid->data, cid->len);
		break;
	case PARAM_RESET_TOKEN:
		encode_head(w, param, QUIC_STATELESS_TOKEN_LEN);
		quic_write_bytes(w, field, QUIC_STATELESS_TOKEN_LEN);
		break;
	case PARAM_PREFERRED_ADDRESS:
		encode_head(w, param, PREFERRED_ADDRESS_LEN + tp->preferred_address.cid.len);
		encode_preferred_address(w, &tp->preferred_address);
		break;
	case PARAM_VERSIONS:
		encode_head(w, param, 4 + 4 * tp->version_count);
		quic_write_u32(w, tp->chosen_version);
		for (i = 0; i < tp->version_count; i++)
			quic_write_u32(w, tp->versions[i]);
		break;
	}
}

/**
 * quic_transport_params_encode() - write our transport parameters
 * @tp: the values; those equal to the default of the RFC are left out
 * @w:  where to
 *
 * Return: 0, or -ENOBUFS when there is no room.
 */
int quic_transport_params_encode(const struct quic_transport_params *tp,
				 struct quic_writer *w)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		encode_param(w, &params[i], tp);
	return w->failed ? -ENOBUFS : 0;
}
