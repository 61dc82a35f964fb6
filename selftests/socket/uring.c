// SPDX-License-Identifier: GPL-2.0-or-later
/* io_uring on connections, streams and listeners, by its system calls alone. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peeled.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define ENTRIES	64

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	unsigned int queued;
};

/* What a request came to, with the tag that it was given. */
struct completion {
	uint64_t tag;
	int result;
	unsigned int flags;
};

static void *ring_map(int fd, size_t size, off_t what)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	ASSERT_TRUE(memory != MAP_FAILED);
	return memory;
}

static void ring_open(struct ring *ring)
{
	struct io_uring_params params = {};
	char *sq, *cq;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_io_uring_setup, ENTRIES, &params);
	if (ring->fd < 0 && (errno == ENOSYS || errno == EPERM))
		test_skip("this kernel has no io_uring, or keeps it from us");
	ASSERT_GE(ring->fd, 0);
	sq = ring_map(ring->fd, params.sq_off.array + params.sq_entries * sizeof(int),
		      IORING_OFF_SQ_RING);
	cq = ring_map(ring->fd, params.cq_off.cqes + params.cq_entries * sizeof(*ring->cqe),
		      IORING_OFF_CQ_RING);
	ring->sqe = ring_map(ring->fd, params.sq_entries * sizeof(*ring->sqe), IORING_OFF_SQES);
	ring->sq_tail = (void *)(sq + params.sq_off.tail);
	ring->sq_mask = (void *)(sq + params.sq_off.ring_mask);
	ring->sq_array = (void *)(sq + params.sq_off.array);
	ring->cq_head = (void *)(cq + params.cq_off.head);
	ring->cq_tail = (void *)(cq + params.cq_off.tail);
	ring->cq_mask = (void *)(cq + params.cq_off.ring_mask);
	ring->cqe = (void *)(cq + params.cq_off.cqes);
}

/* A request for the next ring_submit(); @tag comes back with its completion. */
static struct io_uring_sqe *ring_add(struct ring *ring, int op, int fd, const void *data,
				     size_t len, uint64_t tag)
{
	unsigned int tail = *ring->sq_tail, slot = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqe[slot];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->addr = (unsigned long)data;
	sqe->len = len;
	sqe->user_data = tag;
	ring->sq_array[slot] = slot;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring->queued++;
	return sqe;
}

static void ring_submit(struct ring *ring)
{
	ASSERT_EQ(syscall(__NR_io_uring_enter, ring->fd, ring->queued, 0, 0, NULL, 0),
		  ring->queued);
	ring->queued = 0;
}

/* Is a completion there? */
static bool ring_is_ready(struct ring *ring)
{
	return *ring->cq_head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
}

/* The next completion, waited for; the case ends if none comes. */
static struct completion ring_next(struct ring *ring)
{
	struct __kernel_timespec time = { .tv_sec = 10 * test_slow() };
	struct io_uring_getevents_arg arg = { .ts = (unsigned long)&time };
	const struct io_uring_cqe *cqe;
	struct completion done;

	if (!ring_is_ready(ring))
		syscall(__NR_io_uring_enter, ring->fd, 0, 1,
			IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
	ASSERT_TRUE(ring_is_ready(ring));
	cqe = &ring->cqe[*ring->cq_head & *ring->cq_mask];
	done = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
	return done;
}

static void ring_expect(struct ring *ring, uint64_t tag, int result)
{
	struct completion done = ring_next(ring);

	EXPECT_EQ(done.tag, tag);
	EXPECT_EQ(done.result, result);
}

/* In any order, each with 0. */
static void ring_expect_both(struct ring *ring, uint64_t one, uint64_t other)
{
	struct completion first = ring_next(ring), second = ring_next(ring);

	EXPECT_EQ(first.result, 0);
	EXPECT_EQ(second.result, 0);
	EXPECT_TRUE(first.tag == one ? second.tag == other : first.tag == other && second.tag == one);
}

/* Lets the kernel run what it has pending for us, without a wait. */
static void ring_run(struct ring *ring)
{
	syscall(__NR_io_uring_enter, ring->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
}

TEST(receive_before_the_data_comes)
{
	struct pair pair = {};
	int client, server;
	struct ring ring;
	char got[16];

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ring_add(&ring, IORING_OP_RECV, server, got, sizeof(got), 1);
	ring_submit(&ring);
	ring_run(&ring);
	EXPECT_TRUE(!ring_is_ready(&ring));
	ring_add(&ring, IORING_OP_SEND, client, "hello", 5, 2)->msg_flags = MSG_NOSIGNAL;
	ring_submit(&ring);
	/* The send is complete at once; the receive in its own time. */
	ring_expect(&ring, 2, 5);
	ring_expect(&ring, 1, 5);
	EXPECT_TRUE(!memcmp(got, "hello", 5));
	/* read() and write(), too. */
	ring_add(&ring, IORING_OP_WRITE, server, "back", 4, 3);
	ring_submit(&ring);
	ring_expect(&ring, 3, 4);
	ring_add(&ring, IORING_OP_READ, client, got, sizeof(got), 4);
	ring_submit(&ring);
	ring_expect(&ring, 4, 4);
	/* The end of the stream, then of what may be sent. */
	ring_add(&ring, IORING_OP_RECV, server, got, sizeof(got), 5);
	ring_submit(&ring);
	ring_add(&ring, IORING_OP_SHUTDOWN, client, NULL, SHUT_WR, 6);
	ring_submit(&ring);
	ring_expect_both(&ring, 5, 6);
	ring_add(&ring, IORING_OP_SEND, client, "x", 1, 7)->msg_flags = MSG_NOSIGNAL;
	ring_submit(&ring);
	ring_expect(&ring, 7, -EPIPE);
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}

/* Control messages go with both. */
TEST(messages_of_several_streams)
{
	char out[CMSG_SPACE(sizeof(struct quic_stream_info))] = {};
	char in[CMSG_SPACE(sizeof(struct quic_stream_info))] = {}, got[64];
	struct iovec from = { "request", 7 }, to = { got, sizeof(got) };
	struct msghdr sent = { .msg_iov = &from, .msg_iovlen = 1, .msg_control = out };
	struct msghdr received = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = in };
	struct quic_stream_info *info = (void *)CMSG_DATA((struct cmsghdr *)out), seen;
	struct cmsghdr *cmsg = (struct cmsghdr *)out;
	struct pair pair = {};
	struct ring ring;
	int64_t id;

	ring_open(&ring);
	pair_open(&pair, AF_INET);
	*cmsg = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(*info)),
		.cmsg_level = SOL_QUIC, .cmsg_type = QUIC_STREAM_INFO,
	};
	for (id = 0; id < 12; id += 4) {
		info->stream_id = id;
		info->stream_flags = NEW | FIN;
		sent.msg_controllen = sizeof(out);
		received.msg_controllen = sizeof(in);
		ring_add(&ring, IORING_OP_RECVMSG, pair.server, &received, 1, 1);
		ring_submit(&ring);
		ring_add(&ring, IORING_OP_SENDMSG, pair.client, &sent, 1, 2);
		ring_submit(&ring);
		ring_expect(&ring, 2, 7);
		ring_expect(&ring, 1, 7);
		cmsg = CMSG_FIRSTHDR(&received);
		ASSERT_TRUE(cmsg && cmsg->cmsg_level == SOL_QUIC);
		EXPECT_EQ(cmsg->cmsg_type, QUIC_STREAM_INFO);
		memcpy(&seen, CMSG_DATA(cmsg), sizeof(seen));
		EXPECT_EQ(seen.stream_id, id);
		EXPECT_TRUE(seen.stream_flags & FIN);
	}
	pair_close(&pair);
	close(ring.fd);
}

/* One request receives again and again, into buffers that were provided. */
TEST(receive_multishot)
{
	enum { BUFFERS = 8, SIZE = 32 };
	static char buffers[BUFFERS][SIZE];
	struct io_uring_sqe *sqe;
	struct completion done;
	int client, server, i;
	struct pair pair = {};
	struct ring ring;

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	sqe = ring_add(&ring, IORING_OP_PROVIDE_BUFFERS, BUFFERS, buffers, SIZE, 1);
	sqe->buf_group = 3;
	ring_submit(&ring);
	ring_expect(&ring, 1, 0);
	sqe = ring_add(&ring, IORING_OP_RECV, server, NULL, 0, 2);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 3;
	sqe->ioprio = IORING_RECV_MULTISHOT;
	ring_submit(&ring);
	for (i = 0; i < BUFFERS - 1; i++) {
		ASSERT_EQ(send(client, "0123456789", i + 1, 0), i + 1);
		done = ring_next(&ring);
		ASSERT_EQ(done.result, i + 1);
		EXPECT_TRUE(done.flags & IORING_CQE_F_MORE);
		ASSERT_TRUE(done.flags & IORING_CQE_F_BUFFER);
		EXPECT_TRUE(!memcmp(buffers[done.flags >> IORING_CQE_BUFFER_SHIFT], "0123456789",
				    i + 1));
	}
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	done = ring_next(&ring);
	EXPECT_EQ(done.result, 0);
	EXPECT_TRUE(!(done.flags & IORING_CQE_F_MORE));
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}

/* A poll request speaks for each of many streams as often as something comes. */
TEST(poll_multishot_on_many_streams)
{
	enum { STREAMS = 30, ROUNDS = 3 };
	int server[STREAMS], i, round;
	struct io_uring_sqe *sqe;
	struct completion done;
	struct pair pair = {};
	struct ring ring;
	char byte;

	ring_open(&ring);
	pair_open(&pair, AF_INET);
	for (i = 0; i < STREAMS; i++) {
		ASSERT_EQ(stream_send(pair.client, "x", 1, 4 * i, NEW, 0), 1);
		ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
		server[i] = peel(pair.server, 4 * i, 0);
		ASSERT_EQ(read(server[i], &byte, 1), 1);
		sqe = ring_add(&ring, IORING_OP_POLL_ADD, server[i], NULL, IORING_POLL_ADD_MULTI, i);
		sqe->poll32_events = POLLIN;
	}
	ring_submit(&ring);
	ring_run(&ring);
	EXPECT_TRUE(!ring_is_ready(&ring));
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < STREAMS; i++) {
			ASSERT_EQ(stream_send(pair.client, "y", 1, 4 * i, 0, 0), 1);
			done = ring_next(&ring);
			EXPECT_EQ(done.tag, i);
			EXPECT_TRUE(done.result & POLLIN);
			EXPECT_TRUE(done.flags & IORING_CQE_F_MORE);
			EXPECT_EQ(read(server[i], &byte, 1), 1);
		}
	}
	for (i = 0; i < STREAMS; i++)
		close(server[i]);
	pair_close(&pair);
	close(ring.fd);
}

TEST(accept_and_connect)
{
	struct pair pair = { .family = AF_INET };
	struct ring ring;

	ring_open(&ring);
	pair.listener = make_listener(AF_INET, &pair.address);
	pair.client = quic_socket(AF_INET, SOCK_STREAM);
	ring_add(&ring, IORING_OP_ACCEPT, pair.listener, NULL, 0, 1);
	ring_submit(&ring);
	ring_add(&ring, IORING_OP_CONNECT, pair.client, &pair.address, 0, 2)->off =
		sizeof(pair.address.v4);
	ring_submit(&ring);
	ring_expect(&ring, 2, 0);
	ring_run(&ring);
	/* Nobody is at the door before a first message came. */
	EXPECT_TRUE(!ring_is_ready(&ring));
	ASSERT_EQ(send_handshake(pair.client, QUIC_CRYPTO_INITIAL, "client hello", 12, 0), 12);
	pair.server = ring_next(&ring).result;
	ASSERT_GE(pair.server, 0);
	pair_handshake(&pair);
	EXPECT_EQ(stream_send(pair.client, "x", 1, 0, NEW, 0), 1);
	EXPECT_TRUE(wait_for(pair.server, POLLIN, 2000));
	pair_close(&pair);
	close(ring.fd);
}

/* More than the peer's credit: the request is complete when all of it is queued. */
TEST(send_waits_for_credit)
{
	struct pair pair = {
		.server_param = { .max_data = 40000, .max_stream_data_bidi_remote = 30000 },
	};
	static char data[200000], got[20000];
	int client, server;
	struct ring ring;
	size_t n = 0;
	ssize_t some;

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	fill_pattern(data, sizeof(data), 0, 1);
	ring_add(&ring, IORING_OP_SEND, client, data, sizeof(data), 1)->msg_flags =
		MSG_WAITALL | MSG_NOSIGNAL;
	ring_submit(&ring);
	ring_run(&ring);
	EXPECT_TRUE(!ring_is_ready(&ring));
	while (n < sizeof(data) && !ring_is_ready(&ring)) {
		/* What waits for credit is worked on in our own context. */
		ring_run(&ring);
		some = recv(server, got, sizeof(got), MSG_DONTWAIT);
		if (some < 0) {
			ASSERT_EQ(errno, EAGAIN);
			wait_for(server, POLLIN, 10);
			continue;
		}
		ASSERT_TRUE(check_pattern(got, some, n, 1));
		n += some;
	}
	ring_expect(&ring, 1, sizeof(data));
	while (n < sizeof(data)) {
		some = recv(server, got, sizeof(got), 0);
		ASSERT_GE(some, 1);
		ASSERT_TRUE(check_pattern(got, some, n, 1));
		n += some;
	}
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}

/* A file goes to a stream by two linked requests. */
TEST(linked_splices)
{
	int file = memfd_create("spliced", 0), client, server, way[2];
	struct io_uring_sqe *sqe;
	struct pair pair = {};
	struct ring ring;

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ASSERT_EQ(write(file, "some of a file", 14), 14);
	ASSERT_EQ(pipe(way), 0);
	sqe = ring_add(&ring, IORING_OP_SPLICE, way[1], NULL, 9, 1);
	sqe->splice_fd_in = file;
	sqe->splice_off_in = 5;
	sqe->off = -1;
	sqe->flags = IOSQE_IO_LINK;
	sqe = ring_add(&ring, IORING_OP_SPLICE, client, NULL, 9, 2);
	sqe->splice_fd_in = way[0];
	sqe->splice_off_in = -1;
	sqe->off = -1;
	ring_submit(&ring);
	ring_expect(&ring, 1, 9);
	ring_expect(&ring, 2, 9);
	expect_read(server, "of a file");
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}

/* There is no completion by error queue, and so no zero-copy send of this kind: it says so. */
TEST(send_zc_is_refused)
{
	struct pair pair = {};
	int client, server;
	struct ring ring;

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	ring_add(&ring, IORING_OP_SEND_ZC, client, "x", 1, 1);
	ring_submit(&ring);
	ring_expect(&ring, 1, -EOPNOTSUPP);
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}

/* Requests that never complete hold nothing up: neither close(), nor the end of the process. */
TEST(pending_requests_end)
{
	struct pair pair = {};
	int client, server, status;
	struct ring ring;
	char byte;
	pid_t child;

	ring_open(&ring);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ring_add(&ring, IORING_OP_RECV, server, &byte, 1, 1);
	ring_add(&ring, IORING_OP_RECV, pair.server, &byte, 1, 2);
	ring_submit(&ring);
	ring_add(&ring, IORING_OP_ASYNC_CANCEL, -1, (void *)1, 0, 3);
	ring_submit(&ring);
	/* In which order is the kernel's business. */
	status = ring_next(&ring).result + ring_next(&ring).result;
	EXPECT_EQ(status, -ECANCELED);
	/* The peer goes: that is an answer. */
	close(pair.client);
	close(client);
	ring_expect(&ring, 2, -ENOTCONN);
	pair.client = -1;
	pair_close(&pair);
	close(server);

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	child = fork();
	if (!child) {
		ring_open(&ring);
		ring_add(&ring, IORING_OP_RECV, server, &byte, 1, 1);
		ring_add(&ring, IORING_OP_RECV, pair.server, &byte, 1, 2);
		ring_submit(&ring);
		raise(SIGKILL);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(send(client, "still here", 10, 0), 10);
	expect_read(server, "still here");
	close(client);
	close(server);
	pair_close(&pair);
	close(ring.fd);
}
