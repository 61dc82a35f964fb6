// SPDX-License-Identifier: GPL-2.0-or-later
/* Lengths and pointers of every option: uapi.md, section 1.12. */
#include <sys/mman.h>
#include <unistd.h>

#include <linux/tls.h>

#include "pair.h"

struct option {
	const char *name;
	int number;
	size_t size;	/* of its struct, 0: a string */
	bool may_set, may_get;
};

static const struct option options[] = {
	{ "EVENT", QUIC_SOCKOPT_EVENT, 2, true, true },
	{ "STREAM_OPEN", QUIC_SOCKOPT_STREAM_OPEN, 16, false, true },
	{ "STREAM_RESET", QUIC_SOCKOPT_STREAM_RESET, 16, true, false },
	{ "STOP_SENDING", QUIC_SOCKOPT_STREAM_STOP_SENDING, 16, true, false },
	{ "CONNECTION_ID", QUIC_SOCKOPT_CONNECTION_ID, 12, true, true },
	{ "CONNECTION_CLOSE", QUIC_SOCKOPT_CONNECTION_CLOSE, 72, true, true },
	{ "TRANSPORT_PARAM", QUIC_SOCKOPT_TRANSPORT_PARAM, 56, true, true },
	{ "CONFIG", QUIC_SOCKOPT_CONFIG, 28, true, true },
	{ "ALPN", QUIC_SOCKOPT_ALPN, 0, true, true },
	{ "SESSION_TICKET", QUIC_SOCKOPT_SESSION_TICKET, 0, true, true },
	{ "CRYPTO_SECRET", QUIC_SOCKOPT_CRYPTO_SECRET, 56, true, false },
	{ "TRANSPORT_PARAM_EXT", QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, 0, true, true },
};

#define FOR_EACH(o)	for (o = options; o < options + sizeof(options) / sizeof(options[0]); o++)

/* Two pages, of which the second cannot be touched. */
static char *page_edge(size_t *page)
{
	char *memory;

	*page = sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, 2 * *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(memory != MAP_FAILED);
	ASSERT_EQ(mprotect(memory + *page, *page, PROT_NONE), 0);
	return memory;
}

/* More than 4096 bytes are refused before anything else, also with a pointer that leads nowhere. */
TEST(set_refuses_more_than_4096_bytes)
{
	static const socklen_t lengths[] = { 4097, 8192, 65536, 0x7fffffff, 0x80000000, 0xffffffff };
	int fd = quic_socket(AF_INET, SOCK_DGRAM), number;
	size_t i;

	for (number = 0; number < 20; number++) {
		for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
			EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, number, (void *)8, lengths[i]),
				     EINVAL);
	}
	close(fd);
}

TEST(set_needs_memory_that_can_be_read)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	const struct option *o;
	size_t page;
	char *memory = page_edge(&page);

	FOR_EACH(o) {
		if (!o->may_set)
			continue;
		EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, o->number, NULL, 8), EFAULT);
		EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, o->number, (void *)8, 64), EFAULT);
		EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, o->number, memory + page - 1, 2), EFAULT);
	}
	/* What is behind the struct is not read. */
	memset(memory, 0, page);
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, memory + page - 28, 4096), 0);
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, memory + page - 56, 88), 0);
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, memory + page - 72, 400),
		  0);
	close(fd);
}

/* Any shorter struct is one with zeroes behind, any longer one is cut; alignment does not matter. */
TEST(set_takes_structs_of_any_length)
{
	char memory[4096] __attribute__((aligned(8))) = {};
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	struct quic_config config = { .initial_smoothed_rtt = 50000 };
	struct quic_event_option event = { QUIC_EVENT_KEY_UPDATE, 1 };
	socklen_t len;
	size_t n;

	for (n = 0; n <= sizeof(memory); n += n < 80 ? 1 : 803) {
		EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, memory, n), 0);
		EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM, memory, n), 0);
		EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONNECTION_CLOSE, memory + 1, n ? n - 1 : 0),
			  0);
	}
	/* 9 bytes hold the lowest byte of the round-trip time: out of range, and so without effect. */
	EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, &config, 9), EINVAL);
	memcpy(memory + 3, &config, sizeof(config));
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, memory + 3, 12), 0);
	len = sizeof(config);
	EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_CONFIG, memory + 5, &len), 0);
	memcpy(&config, memory + 5, sizeof(config));
	EXPECT_EQ(config.initial_smoothed_rtt, 50000);
	/* One byte: the event's switch is missing, which means off. */
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, &event, 2), 0);
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, &event, 1), 0);
	len = 2;
	EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, &event, &len), 0);
	EXPECT_EQ(event.on, 0);
	/* No type at all. */
	EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_EVENT, NULL, 0), EINVAL);
	EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, NULL, 0), EINVAL);
	EXPECT_ERRNO(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, NULL, 0), EINVAL);
	close(fd);
}

/* get writes min(length, size) bytes and not one more, and says so. */
TEST(get_writes_what_was_asked_for)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	unsigned char memory[128], copy[128];
	const struct option *o;
	socklen_t len;
	size_t n, i;

	FOR_EACH(o) {
		if (!o->may_get || !o->size || o->number == QUIC_SOCKOPT_STREAM_OPEN ||
		    o->number == QUIC_SOCKOPT_CONNECTION_ID)
			continue;
		for (n = o->number == QUIC_SOCKOPT_EVENT; n <= sizeof(memory); n++) {
			memset(memory, 0xa5, sizeof(memory));
			memory[0] = o->number == QUIC_SOCKOPT_EVENT ? QUIC_EVENT_KEY_UPDATE : 0;
			memcpy(copy, memory, sizeof(copy));
			len = n;
			EXPECT_EQ(getsockopt(fd, SOL_QUIC, o->number, memory, &len), 0);
			EXPECT_EQ(len, n < o->size ? n : o->size);
			for (i = len; i < sizeof(memory); i++) {
				if (memory[i] != copy[i]) {
					test_fail(__FILE__, __LINE__, "%s: byte %zu of %u", o->name,
						  i, len);
					break;
				}
			}
		}
		len = (socklen_t)-5;
		EXPECT_EQ(getsockopt(fd, SOL_QUIC, o->number, memory, &len), 0);
		EXPECT_EQ(len, o->size);
	}
	close(fd);
}

TEST(get_needs_memory_that_can_be_used)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	const struct option *o;
	char buffer[4096] = {};
	socklen_t len;
	size_t page;
	char *memory = page_edge(&page);

	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, "h3", 2), 0);
	FOR_EACH(o) {
		if (!o->may_get)
			continue;
		EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, o->number, buffer, NULL), EFAULT);
		EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, o->number, buffer, (socklen_t *)8), EFAULT);
		if (!o->size)
			continue;
		len = o->size;
		EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, o->number, NULL, &len), EFAULT);
		EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, o->number, memory + page - 1, &len), EFAULT);
	}
	len = sizeof(buffer);
	EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_ALPN, (void *)8, &len), EFAULT);
	/* Nothing is written where there is nothing to write. */
	len = 0;
	EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, NULL, &len), 0);
	EXPECT_EQ(len, 0);
	close(fd);
}

/* Strings are given whole or not at all. */
TEST(strings_are_not_cut)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM);
	static char ticket[4096], got[4096];
	socklen_t len;

	fill_pattern(ticket, sizeof(ticket), 0, 1);
	EXPECT_EQ(setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, ticket, 100), 0);
	for (len = 0; len < 100; len += 33) {
		socklen_t was = len;

		EXPECT_ERRNO(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, got, &len), EINVAL);
		EXPECT_EQ(len, was);
	}
	len = 100;
	EXPECT_EQ(getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_SESSION_TICKET, got, &len), 0);
	EXPECT_TRUE(len == 100 && !memcmp(got, ticket, 100));
	close(fd);
}
