// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls as programs of 32 bits make them: the kernel marks them with MSG_CMSG_COMPAT and takes their
 * headers apart. uapi.md, sections 3.1 and 13.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "pair.h"

#if defined(__x86_64__)

#define SENDMSG_32	370
#define RECVMSG_32	372

/* Structs of a program of 32 bits. */
struct iovec_32 {
	uint32_t base, len;
};

struct msghdr_32 {
	uint32_t name, namelen, iov, iovlen, control, controllen, flags;
};

struct stream_info_32 {
	uint32_t len;
	int32_t level, type;
	struct quic_stream_info info;
} __attribute__((packed));

/* What a call points to, where 32 bits reach. */
struct call {
	struct msghdr_32 msg;
	struct iovec_32 iov;
	struct stream_info_32 control;
	char data[64];
};

static int call_32(int number, int fd, struct call *call, int flags)
{
	int ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(number), "b"(fd), "c"(&call->msg), "d"(flags)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static uint32_t low(const void *pointer)
{
	return (uint32_t)(uintptr_t)pointer;
}

static struct call *call_new(void)
{
	struct call *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT_TRUE(call != MAP_FAILED);
	call->iov = (struct iovec_32){ low(call->data), sizeof(call->data) };
	call->msg = (struct msghdr_32){
		.iov = low(&call->iov), .iovlen = 1,
		.control = low(&call->control), .controllen = sizeof(call->control),
	};
	return call;
}

TEST(programs_of_32_bits)
{
	const char *lane = getenv("QUIC_LANE");
	struct pair pair = {};
	struct call *call;

	if (!lane || strcmp(lane, "vm"))
		test_skip("needs a kernel that is known to run programs of 32 bits");
	pair_open(&pair, AF_INET);
	call = call_new();
	call->control = (struct stream_info_32){
		.len = sizeof(call->control), .level = SOL_QUIC, .type = QUIC_STREAM_INFO,
		.info = { 4, MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_FIN },
	};
	memcpy(call->data, "hello", 5);
	call->iov.len = 5;
	ASSERT_EQ(call_32(SENDMSG_32, pair.client, call, 0), 5);

	ASSERT_TRUE(wait_for(pair.server, POLLIN, 5000));
	munmap(call, sizeof(*call));
	call = call_new();
	ASSERT_EQ(call_32(RECVMSG_32, pair.server, call, 0), 5);
	EXPECT_TRUE(!memcmp(call->data, "hello", 5));
	EXPECT_EQ(call->msg.flags & MSG_CTRUNC, 0);
	EXPECT_EQ(call->control.len, sizeof(call->control));
	EXPECT_EQ(call->control.level, SOL_QUIC);
	EXPECT_EQ(call->control.type, QUIC_STREAM_INFO);
	EXPECT_EQ(call->control.info.stream_id, 4);
	EXPECT_EQ(call->control.info.stream_flags, MSG_QUIC_STREAM_FIN);
	munmap(call, sizeof(*call));
	pair_close(&pair);
}

#else

TEST(programs_of_32_bits)
{
	test_skip("the calls are those of x86");
}

#endif
