// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the suites of the protocol core need of their surroundings when they run
 * in the kernel: chunks that are charged to a socket, as the real host makes them.
 */
#include <kunit/test-bug.h>
#include <linux/net.h>
#include <net/net_namespace.h>
#include <uapi/linux/quic.h>

#include "../chunk.h"
#include "../sock.h"
#include "quic_test.h"

/* The socket that the running test's chunks are charged to. */
static struct {
	struct kunit *test;
	struct socket *sock;
} quic_test_owner;

static void quic_test_release(void *data)
{
	sock_release(quic_test_owner.sock);
	quic_test_owner.sock = NULL;
	quic_test_owner.test = NULL;
}

/* It holds the module, so it goes with the test. */
static struct quic_sock *quic_test_sock(void)
{
	struct kunit *test = kunit_get_current_test();

	if (quic_test_owner.test != test) {
		KUNIT_ASSERT_EQ(test, sock_create_kern(&init_net, AF_INET, SOCK_STREAM,
						       IPPROTO_QUIC, &quic_test_owner.sock), 0);
		quic_test_owner.test = test;
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, quic_test_release, NULL), 0);
	}
	return quic_sk(quic_test_owner.sock->sk);
}

struct quic_rx_chunk *quic_test_chunk(u64 offset, const void *data, u32 len)
{
	struct quic_recv_chunk *chunk;

	/* Suites that make many of them take long on a debug kernel. */
	cond_resched();
	chunk = quic_recv_chunk_new(quic_test_sock(), QUIC_RECV_STREAM, len);
	if (!chunk)
		return NULL;
	if (len)
		memcpy(chunk->rx.data, data, len);
	chunk->rx.offset = offset;
	return &chunk->rx;
}

/* failslab does that for the whole module; a single allocation cannot be picked. */
bool quic_test_fail_alloc(u32 nth, u32 count)
{
	return !nth && !count;
}
