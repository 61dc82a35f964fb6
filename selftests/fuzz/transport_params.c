// SPDX-License-Identifier: GPL-2.0-or-later
/* A transport parameters extension: what was taken from it can be said and taken again. */
#include <uapi/linux/quic.h>

#include "core/transport_params.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct quic_transport_params first, second;
	struct quic_writer w;
	u8 wire[1024];
	bool server;

	if (!size)
		return 0;
	server = data[0] & 1;
	if (quic_transport_params_decode(&first, data + 1, size - 1, server))
		return 0;
	FUZZ_CHECK(first.ack_delay_exponent <= 20);
	FUZZ_CHECK(first.active_connection_id_limit >= 2);
	FUZZ_CHECK(first.max_udp_payload_size >= QUIC_INITIAL_MIN_SIZE);
	FUZZ_CHECK(first.version_count <= QUIC_TP_MAX_VERSIONS);
	FUZZ_CHECK(server || (!first.has_original_dcid && !first.has_retry_scid &&
			      !first.has_preferred_address && !first.has_stateless_reset_token));
	/* A client's own version may be one of those that are not kept. */
	if (first.has_version_information && first.version_count == QUIC_TP_MAX_VERSIONS)
		return 0;
	quic_writer_init(&w, wire, sizeof(wire));
	FUZZ_CHECK(!quic_transport_params_encode(&first, &w));
	FUZZ_CHECK(!quic_transport_params_decode(&second, wire, quic_writer_used(&w), server));
	FUZZ_CHECK(second.initial_max_data == first.initial_max_data &&
		   second.initial_max_streams_bidi == first.initial_max_streams_bidi &&
		   second.max_ack_delay == first.max_ack_delay &&
		   second.has_initial_scid == first.has_initial_scid &&
		   second.version_count == first.version_count);
	return 0;
}
