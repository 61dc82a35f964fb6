// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timers of a connection as plain times. What each of them does is for
 * conn_timeout.c, arming a real timer for the host.
 */
#include "core.h"
#include "deadlines.h"

/**
 * quic_deadlines_init() - nothing is due
 * @dl: deadlines
 */
void quic_deadlines_init(struct quic_deadlines *dl)
{
	int i;

	for (i = 0; i < QUIC_DEADLINE_MAX; i++)
		dl->at[i] = QUIC_DEADLINE_NEVER;
}

/**
 * quic_deadlines_earliest() - when to look again
 * @dl: deadlines
 *
 * Return: a time in ns, or QUIC_DEADLINE_NEVER.
 */
u64 quic_deadlines_earliest(const struct quic_deadlines *dl)
{
	u64 at = dl->at[0];
	int i;

	for (i = 1; i < QUIC_DEADLINE_MAX; i++)
		if (dl->at[i] < at)
			at = dl->at[i];
	return at;
}

/**
 * quic_deadlines_expired() - take off a deadline that has passed
 * @dl:  deadlines
 * @now: ns
 *
 * Those that passed come in the order of the enum, whichever was earlier.
 *
 * Return: the deadline, now cleared; QUIC_DEADLINE_MAX: there is none.
 */
enum quic_deadline quic_deadlines_expired(struct quic_deadlines *dl, u64 now)
{
	int i;

	for (i = 0; i < QUIC_DEADLINE_MAX; i++) {
		if (dl->at[i] > now || dl->at[i] == QUIC_DEADLINE_NEVER)
			continue;
		dl->at[i] = QUIC_DEADLINE_NEVER;
		break;
	}
	return i;
}
