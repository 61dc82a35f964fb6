// SPDX-License-Identifier: GPL-2.0-or-later
/* A datagram of any packets: headers are read within it, and two readers agree. */
#include <uapi/linux/quic.h>

#include "core/header.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct quic_header hdr;
	const u8 *dcid;
	u8 dcid_len;
	int peeked;

	while (size) {
		peeked = quic_header_peek_dcid(data, size, QUIC_CID_LEN, &dcid, &dcid_len);
		if (quic_header_decode(data, size, QUIC_CID_LEN, &hdr))
			return 0;
		FUZZ_CHECK(!peeked);
		FUZZ_CHECK(dcid >= data && dcid + dcid_len <= data + size);
		FUZZ_CHECK(dcid_len == hdr.dcid.len && !memcmp(dcid, hdr.dcid.data, dcid_len));
		FUZZ_CHECK(hdr.scid.len <= QUIC_CID_MAX_LEN);
		FUZZ_CHECK(hdr.packet_len && hdr.packet_len <= size);
		FUZZ_CHECK(hdr.pn_offset <= hdr.packet_len);
		FUZZ_CHECK(!hdr.token_len ||
			   (hdr.token >= data && hdr.token + hdr.token_len <= data + hdr.packet_len));
		data += hdr.packet_len;
		size -= hdr.packet_len;
	}
	return 0;
}
