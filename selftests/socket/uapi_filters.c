// SPDX-License-Identifier: GPL-2.0-or-later
/* BPF programs around the sockets: uapi.md, sections 2.6 and 2.13. */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hello.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF	51
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF		68
#endif

#define MEMBERS	3
#define CLIENTS	24

/* Listeners of one group, on a port of their own. */
static void open_group(int *listeners, union address *address, const char *alpn)
{
	socklen_t len = sizeof(*address);
	int i, one = 1;

	loopback(AF_INET, 0, address);
	for (i = 0; i < MEMBERS; i++) {
		listeners[i] = quic_socket(AF_INET, SOCK_DGRAM);
		ASSERT_EQ(setsockopt(listeners[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
		if (alpn)
			ASSERT_EQ(setsockopt(listeners[i], SOL_QUIC, QUIC_SOCKOPT_ALPN, alpn,
					     strlen(alpn)), 0);
		ASSERT_EQ(bind(listeners[i], &address->sa, sizeof(address->v4)), 0);
		ASSERT_EQ(listen(listeners[i], 64), 0);
		ASSERT_EQ(getsockname(listeners[i], &address->sa, &len), 0);
		set_nonblock(listeners[i], true);
	}
}

/* How many of CLIENTS each one got. */
static void spread(const int *listeners, const union address *address, int *count)
{
	long long deadline = test_now_ms() + 5000 * test_slow();
	int clients[CLIENTS], i, fd, total = 0;

	memset(count, 0, MEMBERS * sizeof(*count));
	for (i = 0; i < CLIENTS; i++)
		clients[i] = hello_connect(address, "h3", 0);
	while (total < CLIENTS && test_now_ms() < deadline) {
		for (i = 0; i < MEMBERS; i++) {
			while ((fd = accept(listeners[i], NULL, NULL)) >= 0) {
				count[i]++;
				total++;
				close(fd);
			}
		}
		usleep(1000);
	}
	EXPECT_EQ(total, CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		close(clients[i]);
}

/* The program sees the datagram: an Initial with an ID of 8 bytes goes to @member. */
static void choose(int fd, unsigned int member)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, member),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)), 0);
}

static void check_group(const char *alpn)
{
	int listeners[MEMBERS], count[MEMBERS], i, none = 0;
	union address address;

	open_group(listeners, &address, alpn);
	for (i = 1; i < MEMBERS; i++) {
		choose(listeners[0], i);
		spread(listeners, &address, count);
		EXPECT_EQ(count[i], CLIENTS);
	}
	/* A choice that is none leaves it to the peer's address. */
	choose(listeners[1], MEMBERS);
	spread(listeners, &address, count);
	for (i = 0; i < MEMBERS; i++)
		EXPECT_TRUE(count[i] < CLIENTS);
	/* Members that are gone get nothing: the last takes the place of the first. */
	choose(listeners[1], 0);
	ASSERT_EQ(listen(listeners[0], 0), 0);
	spread(listeners, &address, count);
	EXPECT_EQ(count[2], CLIENTS);
	/* Without the program the others share. */
	ASSERT_EQ(setsockopt(listeners[1], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)),
		  0);
	spread(listeners, &address, count);
	EXPECT_EQ(count[0], 0);
	EXPECT_TRUE(count[1] && count[2]);
	for (i = 0; i < MEMBERS; i++)
		close(listeners[i]);
}

/* uapi.md, section 2.6: BPF programs choose within a group. */
TEST(program_chooses_the_listener)
{
	check_group(NULL);
}

TEST(program_chooses_among_those_with_the_protocol)
{
	check_group("h3");
}

static int load(const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insn_cnt = n,
		.insns = (uintptr_t)code,
		.license = (uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* A UDP socket on loopback that takes packets of this priority only. */
static int priority_socket(int priority, union address *address)
{
	const struct bpf_insn code[] = {
		{ BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1,
		  offsetof(struct __sk_buff, priority), 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 65535 },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, 0, 1, priority },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), program = load(code, sizeof(code) / sizeof(code[0]));
	socklen_t len = sizeof(*address);

	if (program < 0 && (errno == ENOSYS || errno == EPERM))
		test_skip("no BPF programs here");
	ASSERT_GE(program, 0);
	loopback(AF_INET, 0, address);
	ASSERT_EQ(bind(fd, &address->sa, sizeof(address->v4)), 0);
	ASSERT_EQ(getsockname(fd, &address->sa, &len), 0);
	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)), 0);
	close(program);
	return fd;
}

/* uapi.md, section 2.13: SO_PRIORITY is that of the packets. */
TEST(packets_bear_the_priority)
{
	union address address;
	int wanted = priority_socket(5, &address), fd, priority = 5;

	fd = make_client(&address);
	EXPECT_TRUE(!wait_for(wanted, POLLIN, 50));
	close(fd);

	fd = quic_socket(AF_INET, SOCK_DGRAM);
	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)), 0);
	ASSERT_EQ(connect(fd, &address.sa, sizeof(address.v4)), 0);
	ASSERT_EQ(send_handshake(fd, QUIC_CRYPTO_INITIAL, "hello", 5, 0), 5);
	EXPECT_TRUE(wait_for(wanted, POLLIN, 2000));
	close(fd);
	close(wanted);
}
