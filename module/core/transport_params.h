/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transport parameters: one struct, one table that decoding, encoding and range
 * checks read. Whether a value agrees with the connection (IDs, versions) is
 * for conn.c. RFC 9000, section 18; RFC 9221, section 3; RFC 9287, section 3;
 * RFC 9368, section 3.
 */
#ifndef _QUIC_CORE_TRANSPORT_PARAMS_H
#define _QUIC_CORE_TRANSPORT_PARAMS_H

#include "frame.h"

#define QUIC_TP_MAX_VERSIONS	16	/* kept; more are accepted and skipped */
#define QUIC_TP_UDP_PAYLOAD_MAX	65527
#define QUIC_TP_STREAMS_MAX	4096	/* a peer's initial_max_streams_* are cut to that */
#define QUIC_TP_CIDS_MAX	8	/* and its active_connection_id_limit to that */

struct quic_preferred_address {
	u8 v4[4];
	u16 v4_port;		/* host byte order */
	u8 v6[16];
	u16 v6_port;
	struct quic_cid cid;
	u8 token[QUIC_STATELESS_TOKEN_LEN];
};

/**
 * struct quic_transport_params - the values of one endpoint
 *
 * Times are in microseconds. Absent integers hold the default of RFC 9000,
 * section 18.2.
 */
struct quic_transport_params {
	u64 max_idle_timeout;
	u64 max_udp_payload_size;
	u64 initial_max_data;
	u64 initial_max_stream_data_bidi_local;
	u64 initial_max_stream_data_bidi_remote;
	u64 initial_max_stream_data_uni;
	u64 initial_max_streams_bidi;
	u64 initial_max_streams_uni;
	u64 ack_delay_exponent;
	u64 max_ack_delay;
	u64 active_connection_id_limit;
	u64 max_datagram_frame_size;
	bool disable_active_migration;
	bool grease_quic_bit;
	bool disable_1rtt_encryption;
	bool has_original_dcid;
	bool has_initial_scid;
	bool has_retry_scid;
	bool has_stateless_reset_token;
	bool has_preferred_address;
	bool has_version_information;
	struct quic_cid original_dcid;
	struct quic_cid initial_scid;
	struct quic_cid retry_scid;
	u8 stateless_reset_token[QUIC_STATELESS_TOKEN_LEN];
	struct quic_preferred_address preferred_address;
	u32 chosen_version;
	u8 version_count;
	u32 versions[QUIC_TP_MAX_VERSIONS];
};

void quic_transport_params_init(struct quic_transport_params *tp);
int quic_transport_params_decode(struct quic_transport_params *tp, const u8 *data,
				 u32 len, bool from_server);
int quic_transport_params_encode(const struct quic_transport_params *tp,
				 struct quic_writer *w);

#endif /* _QUIC_CORE_TRANSPORT_PARAMS_H */
