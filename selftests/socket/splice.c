// SPDX-License-Identifier: GPL-2.0-or-later
/* sendfile(), splice() and vmsplice(): sockets as source and sink, pages that are not copied. */
#include <fcntl.h>
#include <linux/tls.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "peeled.h"
#include "proxy.h"

#define NEW	MSG_QUIC_STREAM_NEW
#define FIN	MSG_QUIC_STREAM_FIN
#define PAGE	4096
#define ETHERNET	1452	/* where loopback would take 64 KiB at a time */

/* A file in memory with @len bytes of the pattern from offset 0 on. */
static int make_file(size_t len, uint8_t seed)
{
	int fd = memfd_create("spliced", MFD_ALLOW_SEALING);
	char *data;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ftruncate(fd, len), 0);
	data = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(data != MAP_FAILED);
	fill_pattern(data, len, 0, seed);
	munmap(data, len);
	return fd;
}

/* A reader of the pattern in a thread of its own, up to the end of the stream. */
struct reader {
	pthread_t thread;
	int fd;
	uint64_t from;	/* what the first byte is in the pattern */
	uint8_t seed;
	size_t got;
	bool ended;
	bool right;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	static __thread char buffer[50000];
	ssize_t n;

	reader->right = true;
	while ((n = recv(reader->fd, buffer, sizeof(buffer), 0)) > 0) {
		reader->right &= check_pattern(buffer, n, reader->from + reader->got, reader->seed);
		reader->got += n;
	}
	reader->ended = !n;
	return NULL;
}

static void reader_start(struct reader *reader)
{
	ASSERT_EQ(pthread_create(&reader->thread, NULL, read_all, reader), 0);
}

static void reader_expect(struct reader *reader, size_t len)
{
	ASSERT_EQ(pthread_join(reader->thread, NULL), 0);
	EXPECT_TRUE(reader->ended);
	EXPECT_TRUE(reader->right);
	EXPECT_EQ(reader->got, len);
}

/* All of it, however often that takes. */
static void send_file(int to, int file, off_t from, size_t len)
{
	while (len) {
		ssize_t n = sendfile(to, file, &from, len);

		ASSERT_GE(n, 1);
		len -= n;
	}
}

/* No page of the file is held by anybody: the kernel looks before it seals. */
static void expect_released(int file)
{
	int i;

	for (i = 0; i < 50 && fcntl(file, F_ADD_SEALS, F_SEAL_WRITE); i++)
		ASSERT_EQ(errno, EBUSY);
	EXPECT_TRUE(i < 50);
}

/* Waits until the peer has acknowledged everything. */
static void expect_acknowledged(int fd)
{
	long long deadline = test_now_ms() + 10000 * test_slow();
	int queued = 1;

	while (queued && test_now_ms() < deadline) {
		ASSERT_EQ(ioctl(fd, SIOCOUTQ, &queued), 0);
		usleep(1000);
	}
	EXPECT_EQ(queued, 0);
}

/* Offset and length that no page and no packet agrees with. */
#define SOME_OFFSET	1234
#define SOME_LENGTH	(300 * 1024 + 77)

static void moves_a_file(struct pair *pair)
{
	int file = make_file(SOME_OFFSET + SOME_LENGTH, 9), client, server;
	struct reader reader = { .seed = 9, .from = SOME_OFFSET };

	open_peeled(pair, &client, &server);
	expect_read(server, "ping");
	reader.fd = server;
	reader_start(&reader);
	send_file(client, file, SOME_OFFSET, SOME_LENGTH);
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	reader_expect(&reader, SOME_LENGTH);
	expect_acknowledged(client);
	expect_released(file);
	close(client);
	close(server);
	close(file);
	pair_close(pair);
}

/* RFC 9001, section 5.3: whichever cipher, whichever size of packets. */
TEST(sendfile_with_each_cipher)
{
	static const uint32_t ciphers[] = {
		TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_256,
		TLS_CIPHER_AES_CCM_128, TLS_CIPHER_CHACHA20_POLY1305,
	};
	size_t i;

	for (i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++) {
		struct pair pair = {
			.cipher = ciphers[i],
			.server_param.max_udp_payload_size = ETHERNET,
		};

		moves_a_file(&pair);
	}
}

TEST(sendfile_in_large_packets)
{
	struct pair pair = {};

	moves_a_file(&pair);
}

TEST(sendfile_without_encryption)
{
	struct pair pair = {
		.client_param.disable_1rtt_encryption = 1,
		.server_param.disable_1rtt_encryption = 1,
		.server_param.max_udp_payload_size = ETHERNET,
	};

	moves_a_file(&pair);
}

/* Lost packets are made anew of the same pages, and of parts of them. */
TEST(sendfile_under_loss)
{
	struct reader reader = { .seed = 4 };
	int file = make_file(SOME_LENGTH, 4), client, server;
	struct losses losses = {};
	struct proxy proxy;
	struct pair pair = {
		.client_param.max_udp_payload_size = ETHERNET,
		.server_param.max_udp_payload_size = ETHERNET,
	};

	pair_open_lossy(&pair, &proxy, &losses, AF_INET);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	client = peel(pair.client, 0, 0);
	ASSERT_EQ(send(client, "ping", 4, 0), 4);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	server = peel(pair.server, 0, 0);
	expect_read(server, "ping");
	losses.every = 10;
	reader.fd = server;
	reader_start(&reader);
	send_file(client, file, 0, SOME_LENGTH);
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	reader_expect(&reader, SOME_LENGTH);
	EXPECT_GE(losses.lost, 1);
	expect_acknowledged(client);
	expect_released(file);
	close(client);
	close(server);
	pair_close(&pair);
	proxy_close(&proxy);
}

/* What is written to a page before its packet is made, is sent: there is no copy. */
TEST(pages_are_referred_to)
{
	int file = make_file(PAGE, 0), client, server, way[2];
	off64_t from = 100;
	struct pair pair = {};
	char got[101];

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ASSERT_EQ(pipe(way), 0);
	ASSERT_EQ(splice(file, &from, way[1], NULL, 100, 0), 100);
	ASSERT_EQ(splice(way[0], NULL, client, NULL, 100, SPLICE_F_MORE), 100);
	/* Its packet waits for more; the page cannot be sealed. */
	EXPECT_ERRNO(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EXPECT_EQ(pwrite(file, "changed", 7, 100), 7);
	EXPECT_EQ(send(client, "!", 1, 0), 1);
	ASSERT_EQ(recv(server, got, 101, MSG_WAITALL), 101);
	EXPECT_TRUE(!memcmp(got, "changed", 7));
	EXPECT_TRUE(check_pattern(got + 7, 93, 107, 0));
	EXPECT_EQ(got[100], '!');
	expect_acknowledged(client);
	expect_released(file);
	close(client);
	close(server);
	pair_close(&pair);
}

/* However the stream ends, the pages are let go. */
TEST(pages_are_released_by_reset_and_close)
{
	struct pair pair = { .client_param.max_udp_payload_size = ETHERNET };
	int reset = make_file(PAGE, 0), closed = make_file(PAGE, 0), sink, way[2];
	off64_t from;

	pair_open(&pair, AF_INET);
	ASSERT_EQ(pipe(way), 0);
	ASSERT_EQ(stream_open(pair.client, 0, 0), 0);
	sink = peel(pair.client, 0, 0);
	from = 0;
	ASSERT_EQ(splice(reset, &from, way[1], NULL, 500, 0), 500);
	ASSERT_EQ(splice(way[0], NULL, sink, NULL, 500, SPLICE_F_MORE), 500);
	EXPECT_ERRNO(fcntl(reset, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EXPECT_EQ(stream_reset(pair.client, 0, 1), 0);
	expect_released(reset);
	close(sink);
	/* On the descriptor of the connection: the stream that was opened last. */
	ASSERT_EQ(stream_open(pair.client, 4, 0), 4);
	from = 0;
	ASSERT_EQ(splice(closed, &from, way[1], NULL, 500, 0), 500);
	ASSERT_EQ(splice(way[0], NULL, pair.client, NULL, 500, SPLICE_F_MORE), 500);
	EXPECT_ERRNO(fcntl(closed, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	pair_close(&pair);
	expect_released(closed);
}

/*
 * Headers by send(), a body by sendfile(), many small pieces by vmsplice(), all on one stream:
 * slots of each kind come to stand side by side.
 */
TEST(copied_and_spliced_bytes_keep_their_order)
{
	enum { PIECES = 16, PIECE = 70, COPIED = 300, BODY = 5000, ROUNDS = 40,
	       ROUND = COPIED + BODY + PIECES * PIECE + COPIED };
	struct pair pair = { .server_param.max_udp_payload_size = ETHERNET };
	static char data[ROUNDS * ROUND], pages[PIECES][PAGE];
	int file = make_file(sizeof(data), 7), client, server, way[2], round, i;
	struct reader reader = { .seed = 7 };
	struct iovec piece[PIECES];
	size_t at = 0;

	fill_pattern(data, sizeof(data), 0, 7);
	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ASSERT_EQ(pipe(way), 0);
	reader.fd = server;
	reader_start(&reader);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(send(client, data + at, COPIED, MSG_MORE), COPIED);
		at += COPIED;
		send_file(client, file, at, BODY);
		at += BODY;
		for (i = 0; i < PIECES; i++) {
			/* Not before the packets of the round before it are made. */
			memcpy(pages[i] + 50, data + at, PIECE);
			piece[i] = (struct iovec){ pages[i] + 50, PIECE };
			at += PIECE;
		}
		ASSERT_EQ(vmsplice(way[1], piece, PIECES, 0), PIECES * PIECE);
		ASSERT_EQ(splice(way[0], NULL, client, NULL, PIECES * PIECE, 0), PIECES * PIECE);
		ASSERT_EQ(send(client, data + at, COPIED, 0), COPIED);
		at += COPIED;
		expect_acknowledged(client);
	}
	EXPECT_EQ(at, sizeof(data));
	EXPECT_EQ(shutdown(client, SHUT_WR), 0);
	reader_expect(&reader, sizeof(data));
	close(client);
	close(server);
	pair_close(&pair);
}

/* A socket is a source: to a file through a pipe, up to the end of the stream. */
TEST(splice_from_a_stream_to_a_file)
{
	int file = make_file(SOME_LENGTH, 2), copy = memfd_create("copy", 0), client, server, way[2];
	struct pair pair = {};
	size_t got = 0;
	off_t from = 0;
	off64_t to = 0;
	ssize_t n;
	char *seen;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	ASSERT_EQ(pipe(way), 0);
	set_nonblock(client, true);
	for (;;) {
		/* Both ends are ours: what has no room waits until we have read. */
		n = from < SOME_LENGTH ? sendfile(client, file, &from, SOME_LENGTH - from) : 0;
		ASSERT_TRUE(n >= 0 || errno == EAGAIN);
		if (from == SOME_LENGTH)
			shutdown(client, SHUT_WR);
		n = splice(server, NULL, way[1], NULL, 65536, SPLICE_F_MOVE);
		ASSERT_GE(n, 0);
		if (!n)
			break;
		ASSERT_EQ(splice(way[0], NULL, copy, &to, n, SPLICE_F_MOVE), n);
		got += n;
	}
	EXPECT_EQ(got, SOME_LENGTH);
	seen = mmap(NULL, got, PROT_READ, MAP_SHARED, copy, 0);
	ASSERT_TRUE(seen != MAP_FAILED);
	EXPECT_TRUE(check_pattern(seen, got, 0, 2));
	EXPECT_ERRNO(splice(client, NULL, way[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	close(client);
	close(server);
	pair_close(&pair);
}

/* A proxy: from the stream of one connection to that of another, through a pipe. */
TEST(splice_from_stream_to_stream)
{
	struct pair first = {}, second = {};
	int from, in, out, to, way[2];
	size_t moved = 0;
	struct reader reader = { .seed = 6 };
	static char data[100000];
	ssize_t n;

	open_peeled(&first, &from, &in);
	open_peeled(&second, &out, &to);
	expect_read(in, "ping");
	expect_read(to, "ping");
	ASSERT_EQ(pipe(way), 0);
	reader.fd = to;
	reader_start(&reader);
	fill_pattern(data, sizeof(data), 0, 6);
	ASSERT_EQ(send(from, data, sizeof(data), FIN), sizeof(data));
	while ((n = splice(in, NULL, way[1], NULL, 65536, 0)) > 0) {
		ASSERT_EQ(splice(way[0], NULL, out, NULL, n, SPLICE_F_MORE), n);
		moved += n;
	}
	EXPECT_EQ(n, 0);
	EXPECT_EQ(moved, sizeof(data));
	EXPECT_EQ(shutdown(out, SHUT_WR), 0);
	reader_expect(&reader, sizeof(data));
	close(from);
	close(in);
	close(out);
	close(to);
	pair_close(&first);
	pair_close(&second);
}

/* O_NONBLOCK: a file goes as far as the peer's credit, and on when there is more. */
TEST(sendfile_stops_for_lack_of_credit)
{
	struct pair pair = {
		.server_param = { .max_data = 40000, .max_stream_data_bidi_remote = 30000 },
	};
	int file = make_file(SOME_LENGTH, 5), client, server;
	static char data[40000];
	size_t got = 0;
	off_t from = 0;
	int stops = 0;
	ssize_t n;

	open_peeled(&pair, &client, &server);
	expect_read(server, "ping");
	set_nonblock(client, true);
	while (from < SOME_LENGTH) {
		n = sendfile(client, file, &from, SOME_LENGTH - from);
		if (n > 0)
			continue;
		ASSERT_EQ(errno, EAGAIN);
		stops++;
		while (!wait_for(client, POLLOUT, 1)) {
			if (!wait_for(server, POLLIN, 1))
				continue;
			n = recv(server, data, sizeof(data), 0);
			ASSERT_GE(n, 1);
			ASSERT_TRUE(check_pattern(data, n, got, 5));
			got += n;
		}
	}
	EXPECT_GE(stops, 3);
	while (got < SOME_LENGTH && (n = recv(server, data, sizeof(data), 0)) > 0) {
		ASSERT_TRUE(check_pattern(data, n, got, 5));
		got += n;
	}
	EXPECT_EQ(got, SOME_LENGTH);
	close(client);
	close(server);
	pair_close(&pair);
}

/* What cannot be: a listener, a socket without a connection, a stream that only receives. */
TEST(splice_fails_as_send_does)
{
	int file = make_file(PAGE, 0), fresh = quic_socket(AF_INET, SOCK_DGRAM), server, way[2];
	struct pair pair = {};
	off_t from = 0;

	signal(SIGPIPE, SIG_IGN);
	pair_open(&pair, AF_INET);
	EXPECT_ERRNO(sendfile(fresh, file, &from, PAGE), EPIPE);
	EXPECT_ERRNO(sendfile(pair.listener, file, &from, PAGE), EPIPE);
	ASSERT_EQ(stream_send(pair.client, "x", 1, 2, NEW, 0), 1);
	ASSERT_TRUE(wait_for(pair.server, POLLIN, 2000));
	server = peel(pair.server, 2, 0);
	ASSERT_GE(server, 0);
	EXPECT_ERRNO(sendfile(server, file, &from, PAGE), EINVAL);
	ASSERT_EQ(pipe(way), 0);
	EXPECT_ERRNO(splice(fresh, NULL, way[1], NULL, 1, 0), ENOTCONN);
	EXPECT_EQ(from, 0);
	expect_released(file);
	close(server);
	close(fresh);
	pair_close(&pair);
}
