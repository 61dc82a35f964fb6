/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timers of a connection as plain times; the host arms one for the earliest. */
#ifndef _QUIC_CORE_DEADLINES_H
#define _QUIC_CORE_DEADLINES_H

#include <linux/types.h>

enum quic_deadline {
	QUIC_DEADLINE_IDLE,		/* RFC 9000, section 10.1 */
	QUIC_DEADLINE_ACK,		/* RFC 9000, section 13.2.1 */
	QUIC_DEADLINE_LOSS,		/* RFC 9002, section 6: loss time or PTO */
	QUIC_DEADLINE_PACING,		/* RFC 9002, section 7.7 */
	QUIC_DEADLINE_KEEPALIVE,
	QUIC_DEADLINE_PATH,		/* RFC 9000, section 8.2.4 */
	QUIC_DEADLINE_PMTUD,		/* RFC 8899, section 5.1.1 */
	QUIC_DEADLINE_KEY_DISCARD,	/* RFC 9001, section 6.5 */
	QUIC_DEADLINE_EARLY,		/* RFC 9001, section 4.9.3 */
	QUIC_DEADLINE_CLOSE,		/* RFC 9000, section 10.2 */
	QUIC_DEADLINE_LINGER,		/* data left at close */
	QUIC_DEADLINE_MAX,
};

#define QUIC_DEADLINE_NEVER	(~0ULL)

struct quic_deadlines {
	u64 at[QUIC_DEADLINE_MAX];	/* ns */
};

void quic_deadlines_init(struct quic_deadlines *dl);
u64 quic_deadlines_earliest(const struct quic_deadlines *dl);
/* The next one that has passed, cleared; QUIC_DEADLINE_MAX: none. */
enum quic_deadline quic_deadlines_expired(struct quic_deadlines *dl, u64 now);

static inline void quic_deadline_set(struct quic_deadlines *dl, enum quic_deadline which, u64 at)
{
	dl->at[which] = at;
}

static inline void quic_deadline_clear(struct quic_deadlines *dl, enum quic_deadline which)
{
	dl->at[which] = QUIC_DEADLINE_NEVER;
}

#endif /* _QUIC_CORE_DEADLINES_H */
