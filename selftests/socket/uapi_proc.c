// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/net/quic and /proc/sys/net/quic: uapi.md, sections 7.1 to 7.3. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pair.h"

#define LINES	64

static char lines[LINES][512];

/* The lines of a file, without their ends. */
static int read_lines(const char *path)
{
	FILE *file = fopen(path, "r");
	int n = 0;

	ASSERT_TRUE(file != NULL);
	while (n < LINES && fgets(lines[n], sizeof(lines[n]), file)) {
		EXPECT_TRUE(strchr(lines[n], '\n') != NULL);
		lines[n][strcspn(lines[n], "\n")] = 0;
		n++;
	}
	fclose(file);
	return n;
}

static unsigned long counter(const char *name)
{
	int n = read_lines("/proc/net/quic/snmp"), i;

	for (i = 0; i < n; i++) {
		if (!strncmp(lines[i], name, strlen(name)) && lines[i][strlen(name)] == ' ')
			return strtoul(strchr(lines[i], '\t'), NULL, 10);
	}
	test_fail(__FILE__, __LINE__, "no %s", name);
	return 0;
}

TEST(snmp_format)
{
	static const char * const names[] = {
		"QuicConnCurrentEstabs", "QuicConnPassiveEstabs", "QuicConnActiveEstabs",
		"QuicPktRcvFastpaths", "QuicPktDecFastpaths", "QuicPktEncFastpaths",
		"QuicPktRcvBacklogs", "QuicPktDecBacklogs", "QuicPktEncBacklogs",
		"QuicPktInvHdrDrop", "QuicPktInvNumDrop", "QuicPktInvFrmDrop", "QuicPktRcvDrop",
		"QuicPktDecDrop", "QuicPktEncDrop", "QuicFrmRcvBufDrop", "QuicFrmRetrans",
		"QuicFrmOutCloses", "QuicFrmInCloses",
	};
	int n = read_lines("/proc/net/quic/snmp"), count = sizeof(names) / sizeof(names[0]), i;
	char start[64];
	struct stat st;

	EXPECT_GE(n, count);
	for (i = 0; i < count && i < n; i++) {
		/* 32 columns, a tab, a number, nothing else */
		snprintf(start, sizeof(start), "%-32s\t", names[i]);
		if (strncmp(lines[i], start, strlen(start)) || !lines[i][33] ||
		    lines[i][33 + strspn(lines[i] + 33, "0123456789")])
			test_fail(__FILE__, __LINE__, "line %d: %s", i, lines[i]);
	}
	EXPECT_EQ(stat("/proc/net/quic/snmp", &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0444);
	EXPECT_EQ(stat("/proc/net/quic/conns", &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0444);
	EXPECT_EQ(stat("/proc/net/quic/eps", &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0444);
}

TEST(counters_count)
{
	unsigned long current = counter("QuicConnCurrentEstabs");
	unsigned long passive = counter("QuicConnPassiveEstabs");
	unsigned long active = counter("QuicConnActiveEstabs");
	unsigned long received = counter("QuicPktRcvFastpaths") + counter("QuicPktRcvBacklogs");
	unsigned long decrypted = counter("QuicPktDecFastpaths");
	unsigned long encrypted = counter("QuicPktEncFastpaths");
	struct pair pair = {};

	pair_open(&pair, AF_INET);
	EXPECT_EQ(counter("QuicConnCurrentEstabs"), current + 2);
	EXPECT_EQ(counter("QuicConnPassiveEstabs"), passive + 1);
	EXPECT_EQ(counter("QuicConnActiveEstabs"), active + 1);
	EXPECT_GE(counter("QuicPktRcvFastpaths") + counter("QuicPktRcvBacklogs"), received + 3);
	EXPECT_GE(counter("QuicPktDecFastpaths"), decrypted + 3);
	EXPECT_GE(counter("QuicPktEncFastpaths"), encrypted + 3);
	shutdown(pair.client, SHUT_RDWR);
	ASSERT_TRUE(wait_for(pair.server, POLLHUP, 2000));
	EXPECT_EQ(counter("QuicConnCurrentEstabs"), current);
	EXPECT_EQ(counter("QuicConnPassiveEstabs"), passive + 1);
	pair_close(&pair);
}

/* Splits a line at its tabs; returns how many fields. */
static int split(char *line, char **field, int max)
{
	int n = 0;

	for (;;) {
		if (n < max)
			field[n] = line;
		n++;
		line = strchr(line, '\t');
		if (!line)
			return n;
		*line++ = 0;
	}
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

static int find_line(const char *path, const char *word)
{
	int n = read_lines(path), i;

	for (i = 1; i < n; i++) {
		if (strstr(lines[i], word))
			return i;
	}
	return -1;
}

static uint16_t local_port(int fd)
{
	union address name;
	socklen_t len = sizeof(name);

	ASSERT_EQ(getsockname(fd, &name.sa, &len), 0);
	return address_port(&name);
}

TEST(conns_format)
{
	struct pair pair = {};
	char *field[20], local[64], remote[64], word[160];
	struct stat st;
	int line, i;

	pair_open(&pair, AF_INET);
	snprintf(local, sizeof(local), "127.0.0.1:%u", local_port(pair.client));
	snprintf(remote, sizeof(remote), "127.0.0.1:%u", address_port(&pair.address));
	/* The server has the same addresses, in other columns. */
	snprintf(word, sizeof(word), "\t1\t%s\t%s\t", local, remote);
	line = find_line("/proc/net/quic/conns", word);
	EXPECT_TRUE(!strcmp(lines[0], "SOCK\tSTATE\tLOCAL_ADDRESS\tREMOTE_ADDRESS\tUDP_ADDRESS\t"
			    "WINDOW\tMSS\tIN_FLIGHT\tTX_QUEUE\tRX_QUEUE\tSNDBUF\tRCVBUF\tUID\tINODE"));
	ASSERT_GE(line, 1);
	ASSERT_EQ(split(lines[line], field, 20), 14);
	EXPECT_EQ(atoi(field[1]), 1);	/* TCP_ESTABLISHED */
	EXPECT_TRUE(!strcmp(field[2], local));
	EXPECT_TRUE(!strcmp(field[3], remote));
	EXPECT_TRUE(!strcmp(field[4], local));
	for (i = 5; i < 14; i++)
		EXPECT_TRUE(is_number(field[i]));
	EXPECT_GE(atoi(field[5]), 1200);
	EXPECT_GE(atoi(field[6]), 1200);
	EXPECT_EQ(atoi(field[11]), 8388480);
	EXPECT_EQ(atoi(field[12]), getuid());
	EXPECT_EQ(fstat(pair.client, &st), 0);
	EXPECT_EQ(strtoull(field[13], NULL, 10), st.st_ino);
	/* Ended, it stays until its owner closes it. */
	shutdown(pair.client, SHUT_RDWR);
	word[1] = '7';
	line = find_line("/proc/net/quic/conns", word);
	ASSERT_GE(line, 1);
	split(lines[line], field, 20);
	EXPECT_EQ(atoi(field[1]), 7);	/* TCP_CLOSE */
	close(pair.client);
	EXPECT_EQ(find_line("/proc/net/quic/conns", word), -1);
	pair.client = -1;
	pair_close(&pair);
}

TEST(addresses_of_ipv6)
{
	struct pair pair = {};
	char word[64];

	pair_open(&pair, AF_INET6);
	snprintf(word, sizeof(word), "\t::1:%u\t::1:%u\t", local_port(pair.client),
		 address_port(&pair.address));
	EXPECT_GE(find_line("/proc/net/quic/conns", word), 1);
	pair_close(&pair);
}

TEST(eps_format)
{
	int fd = quic_socket(AF_INET, SOCK_DGRAM), line;
	char *field[20], word[32], address[32];
	struct stat st;

	EXPECT_EQ(listen(fd, 3), 0);
	snprintf(address, sizeof(address), "0.0.0.0:%u", local_port(fd));
	snprintf(word, sizeof(word), ":%u", local_port(fd));
	line = find_line("/proc/net/quic/eps", word);
	EXPECT_TRUE(!strcmp(lines[0], "SOCK\tSTATE\tLOCAL_ADDRESS\tUDP_ADDRESS\tUID\tINODE"));
	ASSERT_GE(line, 1);
	ASSERT_EQ(split(lines[line], field, 20), 6);
	EXPECT_EQ(atoi(field[1]), 10);	/* TCP_LISTEN */
	EXPECT_TRUE(!strcmp(field[2], address));
	EXPECT_TRUE(!strcmp(field[3], address));
	EXPECT_EQ(atoi(field[4]), getuid());
	EXPECT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(strtoull(field[5], NULL, 10), st.st_ino);
	/* Neither of the files lists what only is bound. */
	EXPECT_EQ(listen(fd, 0), 0);
	EXPECT_EQ(find_line("/proc/net/quic/eps", word), -1);
	EXPECT_EQ(find_line("/proc/net/quic/conns", word), -1);
	close(fd);
}

TEST(files_are_each_namespaces)
{
	struct pair pair = {};
	char word[32];

	pair_open(&pair, AF_INET);
	snprintf(word, sizeof(word), ":%u\t", address_port(&pair.address));
	EXPECT_GE(find_line("/proc/net/quic/eps", word), 1);
	EXPECT_GE(find_line("/proc/net/quic/conns", word), 1);
	EXPECT_GE(counter("QuicConnActiveEstabs"), 1);
	if (unshare(CLONE_NEWNET))
		test_skip("needs the right to make a network namespace");
	EXPECT_EQ(read_lines("/proc/net/quic/eps"), 1);
	EXPECT_EQ(read_lines("/proc/net/quic/conns"), 1);
	EXPECT_EQ(counter("QuicConnActiveEstabs"), 0);
	EXPECT_EQ(counter("QuicConnCurrentEstabs"), 0);
	pair_close(&pair);
}

/* uapi.md, section 2.1: names in /proc/net/protocols. */
TEST(protocols_are_listed)
{
	int v4 = quic_socket(AF_INET, SOCK_STREAM);
	FILE *file = fopen("/proc/net/protocols", "r");
	char line[256], name[32];
	int found = 0, sockets;

	ASSERT_TRUE(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %*d %d", name, &sockets) != 2)
			continue;
		if (!strcmp(name, "QUIC")) {
			found |= 1;
			EXPECT_GE(sockets, 1);
		}
		if (!strcmp(name, "QUICv6"))
			found |= 2;
	}
	fclose(file);
	EXPECT_EQ(found, 3);
	close(v4);
}

static int write_sysctl(const char *name, const char *text)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/quic/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static void read_sysctl(const char *name, char *text, size_t len)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/quic/%s", name);
	file = fopen(path, "r");
	ASSERT_TRUE(file && fgets(text, len, file));
	fclose(file);
}

/* uapi.md, section 7.2; the three values of each are taken together or not at all. */
TEST(sysctls)
{
	static const char * const names[] = { "quic_mem", "quic_rmem", "quic_wmem" };
	char before[128], after[128];
	long value[3], page = sysconf(_SC_PAGESIZE);
	struct stat st;
	size_t i;

	for (i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/sys/net/quic/%s", names[i]);
		EXPECT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, 0644);
		read_sysctl(names[i], before, sizeof(before));
		ASSERT_EQ(sscanf(before, "%ld %ld %ld", &value[0], &value[1], &value[2]), 3);
		EXPECT_LE(value[0], value[1]);
		EXPECT_LE(value[1], value[2]);
		if (i == 0)
			EXPECT_EQ(value[2], 2 * value[0]);
		else
			EXPECT_EQ(value[0], page);
		if (i == 1)
			EXPECT_EQ(value[1], 1048576);
		if (i == 2)
			EXPECT_EQ(value[1], 16384);

		EXPECT_EQ(write_sysctl(names[i], "5000 6000 5500"), EINVAL);
		EXPECT_EQ(write_sysctl(names[i], "7000 6000 8000"), EINVAL);
		EXPECT_EQ(write_sysctl(names[i], "99999999999999999999 1 2"), EINVAL);
		EXPECT_EQ(write_sysctl(names[i], "nonsense"), EINVAL);
		read_sysctl(names[i], after, sizeof(after));
		EXPECT_TRUE(!strcmp(before, after));
		EXPECT_EQ(write_sysctl(names[i], "5000 600000 700000"), 0);
		read_sysctl(names[i], after, sizeof(after));
		EXPECT_TRUE(!strcmp(after, "5000\t600000\t700000\n"));
		EXPECT_EQ(write_sysctl(names[i], before), 0);
	}
	EXPECT_EQ(write_sysctl("quic_rmem", "0 6000 7000"), EINVAL);
	EXPECT_EQ(write_sysctl("quic_wmem", "-5 6000 7000"), EINVAL);
}
