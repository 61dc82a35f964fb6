/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between a client and a listener: a UDP relay in a thread of its own, where a
 * test sees every datagram, changes it, keeps it, or sends one of its own. And
 * long headers as bytes. RFC 9000, section 17.2.
 */
#ifndef _PROXY_H
#define _PROXY_H

#include <pthread.h>
#include <stdatomic.h>

#include "pair.h"

#define PROXY_SEEN	256

struct proxy;

/* A datagram on its way; false: it is not passed on. May change @data and *@len. */
typedef bool (*proxy_hook)(struct proxy *proxy, bool to_server, uint8_t *data, size_t *len);

/* What passed: of each packet with a long header its version and type. */
struct proxy_seen {
	bool to_server;
	uint8_t type;		/* 2 bits, as they stand there */
	uint32_t version;
	uint32_t token_len;	/* of an Initial packet of version 1 or 2 */
	uint8_t dcid_len, scid_len;
	uint8_t dcid[20], scid[20];
};

struct proxy {
	union address address;	/* that clients connect to */
	int front, back;
	union address client;	/* where the last datagram came from */
	proxy_hook hook;
	void *arg;		/* of the hook */
	pthread_t thread;
	pthread_mutex_t lock;	/* guards all below */
	bool stop;
	int nr_seen;
	struct proxy_seen seen[PROXY_SEEN];
};

void proxy_open(struct proxy *proxy, const union address *server, proxy_hook hook, void *arg);
void proxy_close(struct proxy *proxy);
void proxy_to_client(struct proxy *proxy, const void *data, size_t len);
/* How many packets of that version and type went there; -1 for a type: any. */
int proxy_count(struct proxy *proxy, bool to_server, uint32_t version, int type);

/**
 * struct losses - what gets lost on the way
 * @pass:   datagrams of the client that still pass before some are lost
 * @lose:   how many are lost then
 * @every:  of the datagrams of both sides, one in so many is lost; 0: none
 * @lost:   how many were lost
 * @random: the proxy's own thread decides for both directions, in the order in which it reads
 */
struct losses {
	atomic_int pass, lose, every, lost;
	unsigned int random;
};

/* A pair whose datagrams suffer @losses; fields of @pair set before are obeyed. */
void pair_open_lossy(struct pair *pair, struct proxy *proxy, struct losses *losses, int family);

/* A long header taken apart; false: it is none, or cut. */
struct long_header {
	uint8_t first;
	uint32_t version;
	uint8_t dcid_len, scid_len;
	const uint8_t *dcid, *scid;
	const uint8_t *rest;	/* behind the connection IDs */
	size_t rest_len;
};

bool read_long(const uint8_t *data, size_t len, struct long_header *hdr);
/* The two bits of a type in a version. */
enum { INITIAL, ZERO_RTT, HANDSHAKE, RETRY };
uint8_t type_bits(uint32_t version, int type);
/* An Initial packet of @len bytes that nobody can open; returns @len. */
size_t make_initial(uint8_t *data, size_t len, uint32_t version, const void *dcid,
		    uint8_t dcid_len, const void *scid, uint8_t scid_len, const void *token,
		    size_t token_len);

/* A plain UDP socket on loopback; one that is connected to @to, if not NULL. */
int udp_socket(int family, const union address *to, union address *address);
/* A datagram within @ms, stretched for slow machines; 0: none. */
size_t udp_recv(int fd, uint8_t *data, size_t len, int ms);

#endif /* _PROXY_H */
