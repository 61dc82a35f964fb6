/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A relay between a client and a listener, in a thread of the test: it passes
 * datagrams on, or loses the ones that a test picks.
 */
#ifndef _RELAY_H
#define _RELAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "pair.h"

/**
 * struct relay - the relay
 * @address: where the client connects to
 * @server:  where the listener is
 * @client:  where the client was last heard from
 * @pass:    datagrams of the client that still pass before some are lost
 * @lose:    how many are lost then
 * @every:   of the datagrams of both sides, one in so many is lost; 0: none
 * @lost:    how many were lost
 */
struct relay {
	union address address, server, client;
	int front, back;
	atomic_int pass, lose, every, lost;
	atomic_bool stop;
	unsigned int random;
	pthread_t thread;
};

/* Starts to relay what comes to relay->address, on loopback, to @server. */
void relay_open(struct relay *relay, const union address *server);
void relay_close(struct relay *relay);
/* A pair whose client goes through @relay; fields of @pair set before are obeyed. */
void pair_open_relayed(struct pair *pair, struct relay *relay, int family);

#endif /* _RELAY_H */
