/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One network path: validation, anti-amplification, and all that is measured
 * per path. The addresses lie with the host. RFC 9000, sections 8 and 9.4.
 */
#ifndef _QUIC_CORE_PATH_H
#define _QUIC_CORE_PATH_H

#include "cong.h"
#include "ecn.h"
#include "frame.h"
#include "pacer.h"
#include "pmtud.h"

#define QUIC_PATHS_MAX		3	/* active, previous, probing */
#define QUIC_PATH_RESPONSES_MAX	2
#define QUIC_MIN_DATAGRAM_SIZE	1200

/**
 * struct quic_path - one pair of addresses
 * @in_use:      the slot is taken
 * @validated:   the peer is known to be at its address
 * @rx_bytes:    received from there while not validated
 * @tx_bytes:    sent there while not validated
 * @mss:         largest UDP payload that the path takes, MTU probes aside
 * @link:        largest that its first link takes
 * @nr_responses: PATH_RESPONSE frames owed
 * @response:    their data, newest last
 * @challenge:   progress of our PATH_CHALLENGE (enum quic_control_state)
 * @challenge_count: how many of them were sent, kept by who sends
 * @challenge_data: data of the last one
 */
struct quic_path {
	bool in_use;
	bool validated;
	u8 nr_responses;
	u8 challenge;
	u8 challenge_count;
	u32 mss;
	u32 link;
	u64 rx_bytes;
	u64 tx_bytes;
	u64 challenge_deadline;
	u8 response[QUIC_PATH_RESPONSES_MAX][QUIC_PATH_DATA_LEN];
	u8 challenge_data[QUIC_PATH_DATA_LEN];
	struct quic_rtt rtt;
	struct quic_cong cong;
	struct quic_pacer pacer;
	struct quic_ecn ecn;
	struct quic_pmtud pmtud;
};

void quic_path_init(struct quic_path *path, u32 mss, u64 initial_rtt,
		    const struct quic_cong_ops *ops);
void quic_path_on_received(struct quic_path *path, u32 bytes);
void quic_path_on_sent(struct quic_path *path, u32 bytes);
/* Bytes that may be sent now; U64_MAX once validated. RFC 9000, section 8.1. */
u64 quic_path_allowance(const struct quic_path *path);
void quic_path_on_challenge(struct quic_path *path, const u8 *data);
/* True: it answers our challenge, and the path is validated now. RFC 9000, section 8.2.3. */
bool quic_path_on_response(struct quic_path *path, const u8 *data);
void quic_path_validate(struct quic_path *path);
void quic_path_set_mss(struct quic_path *path, u32 mss);

#endif /* _QUIC_CORE_PATH_H */
