/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packetization layer path MTU discovery: which size of datagram a path is
 * probed with, what answer and silence mean, and when large packets vanish.
 * Sizes are bytes of UDP payload. RFC 8899; RFC 9000, sections 14.3 and 14.4;
 * uapi.md, section 10.
 */
#ifndef _QUIC_CORE_PMTUD_H
#define _QUIC_CORE_PMTUD_H

#include <linux/types.h>

#define QUIC_PMTUD_BASE		1200
#define QUIC_PMTUD_MAX		9000	/* of a search that was asked for */
#define QUIC_PMTUD_PROBES	3	/* of one size */
#define QUIC_PMTUD_STEP		32
#define QUIC_PMTUD_STEP_FINE	4
#define QUIC_PMTUD_RAISE	30	/* intervals until the next search */
#define QUIC_PMTUD_HOLES	3	/* losses in a row that tell a black hole */
#define QUIC_PMTUD_INTERVAL	5000000000ULL	/* ns, after a black hole, if none is set */

/*
 *  DISABLED -> BASE -> SEARCH <-> COMPLETE
 *               ^ \      ^  \        |
 *               |  \     |   \       |
 *               |   ERROR     \      |
 *               +---------------+----+   (black hole)
 */
enum quic_pmtud_state {
	QUIC_PMTUD_DISABLED,
	QUIC_PMTUD_BASE_STATE,	/* does the path take what QUIC needs? */
	QUIC_PMTUD_SEARCH,
	QUIC_PMTUD_COMPLETE,
	QUIC_PMTUD_ERROR,	/* it does not: nothing but probes may be sent */
};

/**
 * struct quic_pmtud - one path; all zero to begin with
 * @state:    enum quic_pmtud_state
 * @count:    probes of @size without an answer
 * @holes:    losses of large packets since one of them arrived
 * @hole_at:  time of the last packet from the peer when one was counted, ns
 * @due:      a probe shall be sent
 * @fine:     the search goes in small steps
 * @max:      no size above is of use: link, peer, @QUIC_PMTUD_MAX
 * @good:     largest size known to arrive
 * @size:     being probed
 * @failed:   smallest size of this search that did not arrive, 0: none
 * @interval: time for an answer, ns
 * @at:       when the probe counts as lost, or the next search begins, ns; 0: not set
 */
struct quic_pmtud {
	u8 state;
	u8 count;
	u8 holes;
	bool due;
	bool fine;
	u32 max;
	u32 good;
	u32 size;
	u32 failed;
	u64 interval;
	u64 at;
	u64 hole_at;
};

void quic_pmtud_start(struct quic_pmtud *pmtud, u64 interval);
void quic_pmtud_set_max(struct quic_pmtud *pmtud, u32 max);
void quic_pmtud_on_sent(struct quic_pmtud *pmtud, u64 now);
void quic_pmtud_on_acked(struct quic_pmtud *pmtud, u32 size);
void quic_pmtud_on_timeout(struct quic_pmtud *pmtud, u64 now);
/* True: this was one too many, large packets vanish. */
bool quic_pmtud_on_large_lost(struct quic_pmtud *pmtud);
void quic_pmtud_arm(struct quic_pmtud *pmtud, u64 now);

/* The largest datagram that is no probe. */
static inline u32 quic_pmtud_mss(const struct quic_pmtud *pmtud)
{
	return pmtud->state == QUIC_PMTUD_DISABLED ? pmtud->max : pmtud->good;
}

#endif /* _QUIC_CORE_PMTUD_H */
