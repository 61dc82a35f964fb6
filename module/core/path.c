// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One network path: how much may be sent to an address that nobody vouches
 * for, and the exchange that vouches for it. When to challenge, and what to do
 * with a path that failed, is for the connection. RFC 9000, section 8.
 */
#include "core.h"
#include "path.h"
#include "stream_send.h"

#define QUIC_AMPLIFICATION	3	/* RFC 9000, section 8.1 */

/**
 * quic_path_init() - a path about which nothing is known
 * @path:        path
 * @mss:         largest UDP payload to begin with
 * @initial_rtt: ns
 * @ops:         congestion controller
 */
void quic_path_init(struct quic_path *path, u32 mss, u64 initial_rtt,
		    const struct quic_cong_ops *ops)
{
	memset(path, 0, sizeof(*path));
	path->in_use = true;
	path->mss = mss;
	path->link = mss;
	path->pmtud.max = mss;
	quic_rtt_init(&path->rtt, initial_rtt);
	quic_cong_init(&path->cong, ops, mss);
	quic_pacer_init(&path->pacer);
}

/**
 * quic_path_on_received() - a datagram came from the path
 * @path:  path
 * @bytes: UDP payload, whether or not any packet in it is of use
 */
void quic_path_on_received(struct quic_path *path, u32 bytes)
{
	if (!path->validated)
		path->rx_bytes += bytes;
}

/**
 * quic_path_on_sent() - a datagram went to the path
 * @path:  path
 * @bytes: UDP payload
 */
void quic_path_on_sent(struct quic_path *path, u32 bytes)
{
	if (!path->validated)
		path->tx_bytes += bytes;
}

/**
 * quic_path_allowance() - bytes that may be sent to the path now
 * @path: path
 *
 * Three times what came from there, until the peer is known to be there.
 * RFC 9000, section 8.1.
 *
 * Return: U64_MAX once the path is validated.
 */
u64 quic_path_allowance(const struct quic_path *path)
{
	u64 limit;

	if (path->validated)
		return ~0ULL;
	limit = path->rx_bytes * QUIC_AMPLIFICATION;
	return limit > path->tx_bytes ? limit - path->tx_bytes : 0;
}

/**
 * quic_path_on_challenge() - PATH_CHALLENGE came on the path
 * @path: path
 * @data: QUIC_PATH_DATA_LEN bytes to be echoed
 *
 * Only the newest are answered: a flood of them costs neither memory nor
 * packets. RFC 9000, section 8.2.2.
 */
void quic_path_on_challenge(struct quic_path *path, const u8 *data)
{
	if (path->nr_responses == QUIC_PATH_RESPONSES_MAX) {
		path->nr_responses--;
		memmove(path->response[0], path->response[1],
			path->nr_responses * sizeof(path->response[0]));
	}
	memcpy(path->response[path->nr_responses++], data, QUIC_PATH_DATA_LEN);
}

/**
 * quic_path_challenge() - begin to validate the path
 * @path:     path
 * @deadline: when the challenge is repeated, ns
 *
 * Each attempt has data of its own: RFC 9000, section 8.2.1 #1.
 */
void quic_path_challenge(struct quic_path *path, u64 deadline)
{
	memset(path->sent, 0, sizeof(path->sent));
	path->challenge = QUIC_CONTROL_STALE;
	path->challenge_count = 1;
	path->challenge_deadline = deadline;
}

/**
 * quic_path_challenge_again() - no answer came in time
 * @path:     path that was challenged
 * @deadline: when to repeat it once more, ns
 *
 * Return: false if that was the last attempt; nothing is sent any more.
 */
bool quic_path_challenge_again(struct quic_path *path, u64 deadline)
{
	if (path->challenge_count >= QUIC_PATH_ATTEMPTS) {
		path->challenge = QUIC_CONTROL_IDLE;
		path->challenge_count = 0;
		path->challenge_deadline = 0;
		return false;
	}
	path->challenge = QUIC_CONTROL_STALE;
	path->challenge_count++;
	path->challenge_deadline = deadline;
	return true;
}

/**
 * quic_path_challenge_data() - what the next PATH_CHALLENGE carries
 * @path: path with a challenge to be sent
 *
 * Return: QUIC_PATH_DATA_LEN bytes, to be filled with chance.
 */
u8 *quic_path_challenge_data(struct quic_path *path)
{
	return path->sent[path->challenge_count - 1].data;
}

/**
 * quic_path_challenge_sent() - PATH_CHALLENGE is on its way
 * @path: path with a challenge to be sent
 * @size: of the datagram that holds it
 * @now:  time
 */
void quic_path_challenge_sent(struct quic_path *path, u32 size, u64 now)
{
	struct quic_path_challenge *sent = &path->sent[path->challenge_count - 1];

	path->challenge = QUIC_CONTROL_SENT;
	sent->size = size;
	sent->time = now;
}

/**
 * quic_path_on_response() - PATH_RESPONSE came, on whatever path
 * @path: path that may have been challenged
 * @data: QUIC_PATH_DATA_LEN bytes
 * @now:  time
 *
 * An acknowledged challenge is as open as any other: only the echo tells that
 * the peer is there. RFC 9000, section 8.2.3. The time it took is where the
 * estimate of a path without samples begins: RFC 9002, section 6.2.2.
 *
 * Return: enum quic_path_echo.
 */
enum quic_path_echo quic_path_on_response(struct quic_path *path, const u8 *data, u64 now)
{
	int i;

	if (path->challenge == QUIC_CONTROL_IDLE)
		return QUIC_PATH_NO_ECHO;
	for (i = 0; i < QUIC_PATH_ATTEMPTS; i++)
		if (path->sent[i].size && !memcmp(path->sent[i].data, data, QUIC_PATH_DATA_LEN))
			break;
	if (i == QUIC_PATH_ATTEMPTS)
		return QUIC_PATH_NO_ECHO;

	if (!quic_rtt_has_sample(&path->rtt))
		quic_rtt_init(&path->rtt, max(now - path->sent[i].time, QUIC_RTT_GRANULARITY));
	if (path->sent[i].size < QUIC_MIN_DATAGRAM_SIZE) {
		path->validated = true;
		return QUIC_PATH_ECHO_SMALL;
	}
	quic_path_validate(path);
	return QUIC_PATH_ECHO;
}

/**
 * quic_path_validate() - the peer is known to be at its address
 * @path: path
 */
void quic_path_validate(struct quic_path *path)
{
	path->validated = true;
	path->challenge = QUIC_CONTROL_IDLE;
	path->challenge_count = 0;
	path->challenge_deadline = 0;
}

/**
 * quic_path_set_mss() - packets may be larger, or must be smaller
 * @path: path
 * @mss:  largest UDP payload
 */
void quic_path_set_mss(struct quic_path *path, u32 mss)
{
	path->mss = mss;
	quic_cong_set_mss(&path->cong, mss);
	quic_pacer_set_mss(&path->pacer, mss);
}

/**
 * quic_path_update_pacing() - the pace follows the congestion controller
 * @path: path
 * @now:  current time, ns
 */
void quic_path_update_pacing(struct quic_path *path, u64 now)
{
	struct quic_cong *cong = &path->cong;

	if (unlikely(cong->pacing_rate))
		quic_pacer_set_rate(&path->pacer, cong->pacing_rate, path->mss, now);
	else
		quic_pacer_update(&path->pacer, cong->cwnd, path->rtt.smoothed_rtt,
				  quic_cong_in_slow_start(cong), path->mss, now);
}
