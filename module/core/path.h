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
#define QUIC_PATH_NONE		0xff	/* no path: an address that nobody follows */
#define QUIC_PATH_RESPONSES_MAX	2
#define QUIC_PATH_ATTEMPTS	3	/* PATH_CHALLENGE frames until a path has failed */
#define QUIC_MIN_DATAGRAM_SIZE	1200

/**
 * struct quic_path_challenge - one PATH_CHALLENGE frame
 * @data: what must come back
 * @size: of the datagram that it was sent in, 0: not sent
 * @time: when, ns
 */
struct quic_path_challenge {
	u8 data[QUIC_PATH_DATA_LEN];
	u32 size;
	u64 time;
};

/* What a PATH_RESPONSE proves. */
enum quic_path_echo {
	QUIC_PATH_NO_ECHO,		/* nothing: it answers none of our challenges */
	QUIC_PATH_ECHO_SMALL,		/* the peer is there; whether 1200 bytes pass is open */
	QUIC_PATH_ECHO,			/* the path is good */
};

/**
 * struct quic_path - one pair of addresses
 * @in_use:      the slot is taken
 * @validated:   the peer is known to be at its address
 * @local:       our address is another than that of the path it came after
 * @wanted:      the peer has moved to it; followed once it is validated
 * @left:        we have moved away from it
 * @rx_bytes:    received from there while not validated
 * @tx_bytes:    sent there while not validated
 * @mss:         largest UDP payload that the path takes, MTU probes aside
 * @link:        largest that its first link takes
 * @nr_responses: PATH_RESPONSE frames owed
 * @response:    their data, newest last
 * @challenge:   progress of our PATH_CHALLENGE (enum quic_control_state)
 * @challenge_count: which one it is, from 1 to QUIC_PATH_ATTEMPTS
 * @challenge_deadline: when the next one is due, or the path has failed
 * @sent:        those of this validation, late answers count
 * @release_at:  when the path is given up, 0: not yet
 * @local_seq:   number of our connection ID that the peer uses there
 * @remote_seq:  number of the peer's connection ID that we use there
 */
struct quic_path {
	bool in_use;
	bool validated;
	bool local;
	bool wanted;
	bool left;
	u8 nr_responses;
	u8 challenge;
	u8 challenge_count;
	u32 mss;
	u32 link;
	u64 rx_bytes;
	u64 tx_bytes;
	u64 challenge_deadline;
	u64 release_at;
	u64 local_seq;
	u64 remote_seq;
	u8 response[QUIC_PATH_RESPONSES_MAX][QUIC_PATH_DATA_LEN];
	struct quic_path_challenge sent[QUIC_PATH_ATTEMPTS];
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
void quic_path_challenge(struct quic_path *path, u64 deadline);
/* False: it was the last one, and the path has failed. */
bool quic_path_challenge_again(struct quic_path *path, u64 deadline);
/* What the frame to be written carries. */
u8 *quic_path_challenge_data(struct quic_path *path);
void quic_path_challenge_sent(struct quic_path *path, u32 size, u64 now);
enum quic_path_echo quic_path_on_response(struct quic_path *path, const u8 *data, u64 now);
void quic_path_validate(struct quic_path *path);
void quic_path_set_mss(struct quic_path *path, u32 mss);
/* Window, rate or round-trip time have changed. RFC 9002, section 7.7. */
void quic_path_update_pacing(struct quic_path *path, u64 now);

/* Nothing about it is in doubt. */
static inline bool quic_path_is_sound(const struct quic_path *path)
{
	return path->validated && !path->challenge;
}

#endif /* _QUIC_CORE_PATH_H */
