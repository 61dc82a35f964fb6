// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state machine of path MTU discovery. Sending probes, timers and what a
 * new size means for the connection are for conn_pmtud.c. RFC 8899, section 5.
 */
#include "core.h"
#include "pmtud.h"

static void quic_pmtud_probe(struct quic_pmtud *pmtud, u32 size)
{
	pmtud->size = size;
	pmtud->count = 0;
	pmtud->due = true;
	pmtud->at = 0;
}

static void quic_pmtud_complete(struct quic_pmtud *pmtud)
{
	pmtud->state = QUIC_PMTUD_COMPLETE;
	pmtud->due = false;
	pmtud->at = 0;
}

/* The next size: in large steps until one fails, then in small ones up to that. */
static void quic_pmtud_next(struct quic_pmtud *pmtud)
{
	u32 size = pmtud->good + (pmtud->fine ? QUIC_PMTUD_STEP_FINE : QUIC_PMTUD_STEP);

	size = min(size, pmtud->max);
	if (size <= pmtud->good || (pmtud->failed && size >= pmtud->failed))
		quic_pmtud_complete(pmtud);
	else
		quic_pmtud_probe(pmtud, size);
}

static void quic_pmtud_search(struct quic_pmtud *pmtud)
{
	pmtud->state = QUIC_PMTUD_SEARCH;
	pmtud->fine = false;
	pmtud->failed = 0;
	quic_pmtud_next(pmtud);
}

/**
 * quic_pmtud_start() - begin, or begin again, from the base
 * @pmtud:    state of a path, @pmtud->max set
 * @interval: time for an answer, ns
 *
 * RFC 8899, section 5.2; RFC 9000, section 14.3.1.
 */
void quic_pmtud_start(struct quic_pmtud *pmtud, u64 interval)
{
	pmtud->state = QUIC_PMTUD_BASE_STATE;
	pmtud->interval = interval;
	pmtud->holes = 0;
	pmtud->good = QUIC_PMTUD_BASE;
	quic_pmtud_probe(pmtud, QUIC_PMTUD_BASE);
}

/**
 * quic_pmtud_set_max() - link, peer or a message from a router set a bound
 * @pmtud: state of a path
 * @max:   no datagram may be larger; not below the base
 *
 * A bound between what is known and what is being probed is probed next.
 * RFC 8899, section 4.6.2.
 */
void quic_pmtud_set_max(struct quic_pmtud *pmtud, u32 max)
{
	pmtud->max = max;
	if (pmtud->state == QUIC_PMTUD_DISABLED)
		return;
	pmtud->good = min(pmtud->good, max);
	if (pmtud->state == QUIC_PMTUD_SEARCH && pmtud->size > max) {
		if (pmtud->good < max)
			quic_pmtud_probe(pmtud, max);
		else
			quic_pmtud_complete(pmtud);
	}
}

/**
 * quic_pmtud_on_sent() - the probe that was due is on its way
 * @pmtud: state of its path
 * @now:   time, ns
 */
void quic_pmtud_on_sent(struct quic_pmtud *pmtud, u64 now)
{
	pmtud->due = false;
	pmtud->at = now + pmtud->interval;
}

/**
 * quic_pmtud_on_acked() - a probe arrived
 * @pmtud: state of its path
 * @size:  its size
 *
 * It may be one that had been given up. RFC 8899, section 5.3.1.
 */
void quic_pmtud_on_acked(struct quic_pmtud *pmtud, u32 size)
{
	switch (pmtud->state) {
	case QUIC_PMTUD_BASE_STATE:
	case QUIC_PMTUD_ERROR:
		if (size >= QUIC_PMTUD_BASE)
			quic_pmtud_search(pmtud);
		break;
	case QUIC_PMTUD_SEARCH:
	case QUIC_PMTUD_COMPLETE:
		if (size <= pmtud->good || size > pmtud->max)
			break;
		pmtud->good = size;
		if (pmtud->failed <= size)
			pmtud->failed = 0;
		if (pmtud->state == QUIC_PMTUD_SEARCH)
			quic_pmtud_next(pmtud);
		break;
	}
}

/**
 * quic_pmtud_on_timeout() - look at the clock
 * @pmtud: state of a path
 * @now:   time, ns
 *
 * A probe was not answered, or it is time to search again. RFC 8899, sections
 * 5.1.1 and 5.2.
 */
void quic_pmtud_on_timeout(struct quic_pmtud *pmtud, u64 now)
{
	if (!pmtud->at || now < pmtud->at)
		return;
	pmtud->at = 0;
	if (pmtud->state == QUIC_PMTUD_COMPLETE) {
		quic_pmtud_search(pmtud);
	} else if (pmtud->state == QUIC_PMTUD_ERROR || ++pmtud->count < QUIC_PMTUD_PROBES) {
		pmtud->due = true;
	} else if (pmtud->state == QUIC_PMTUD_BASE_STATE) {
		pmtud->state = QUIC_PMTUD_ERROR;
		pmtud->due = true;
	} else {
		pmtud->failed = pmtud->size;
		if (pmtud->fine) {
			quic_pmtud_complete(pmtud);
		} else {
			pmtud->fine = true;
			quic_pmtud_next(pmtud);
		}
	}
}

/**
 * quic_pmtud_on_large_lost() - packets above the base were lost, or wait in vain
 * @pmtud: state of their path
 *
 * Called once for a run of losses; @pmtud->holes is cleared when a large packet
 * arrives. RFC 8899, section 4.3.
 */
bool quic_pmtud_on_large_lost(struct quic_pmtud *pmtud)
{
	return ++pmtud->holes >= QUIC_PMTUD_HOLES;
}

/**
 * quic_pmtud_arm() - a search that has ended is followed by another
 * @pmtud: state of a path
 * @now:   time, ns
 */
void quic_pmtud_arm(struct quic_pmtud *pmtud, u64 now)
{
	if (pmtud->state == QUIC_PMTUD_COMPLETE && !pmtud->at)
		pmtud->at = now + QUIC_PMTUD_RAISE * pmtud->interval;
}
