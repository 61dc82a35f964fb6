/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cases share: TEST(name) { ... } registers one, expectations, and
 * pairs of handshakes driven against each other step by step in one thread.
 */
#ifndef _HARNESS_H
#define _HARNESS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <netinet/quic.h>

#include "fake_kernel.h"

struct test {
	const char	*name;
	void		(*run)(void);
	struct test	*next;
};

void test_register(struct test *test);

/* A case; it runs in the order of the file. */
#define TEST(name)							\
	static void name(void);						\
	static struct test test_##name = { #name, name, NULL };		\
	__attribute__((constructor)) static void register_##name(void)	\
	{								\
		test_register(&test_##name);				\
	}								\
	static void name(void)

void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define EXPECT(cond)							\
	do {								\
		if (!(cond))						\
			test_fail(__FILE__, __LINE__, "%s", #cond);	\
	} while (0)

#define EXPECT_EQ(a, b)							\
	do {								\
		long long a_ = (long long)(a), b_ = (long long)(b);	\
									\
		if (a_ != b_)						\
			test_fail(__FILE__, __LINE__,			\
				  "%s is %lld, not %s (%lld)", #a, a_,	\
				  #b, b_);				\
	} while (0)

#define EXPECT_STR(a, b)						\
	do {								\
		const char *a_ = (a), *b_ = (b);			\
									\
		if (strcmp(a_, b_))					\
			test_fail(__FILE__, __LINE__,			\
				  "%s is \"%s\", not \"%s\"", #a, a_, b_);	\
	} while (0)

/* A file of the test certificates; the name lasts for hundreds of calls. */
const char *pki(const char *name);
/* A file in a folder that goes away at the end. */
const char *scratch(const char *name);
void write_file(const char *path, const void *data, size_t size);
size_t read_file(const char *path, void *data, size_t room);

struct end {
	int			fd;
	struct quic_tls		*tls;
	struct quic_handshake_step *step;
	struct quic_handshake_options opts;
	struct quic_handshake_result res;
	int			ret;	/* 1 while under way */
};

struct pair {
	int			fds[2];
	struct end		client, server;
};

/* Sockets, options zeroed but for size and ALPN "test" on both sides. */
void pair_init(struct pair *p);
/* Both handshakes to their end; -EDEADLK in ret if neither moves. */
void pair_run(struct pair *p);
void pair_free(struct pair *p);
/* Both succeeded, ended in the same secrets, which are not all the same. */
void pair_expect_success(struct pair *p);

/* Both to their end, with success. */
void pair_succeed(struct pair *p);

/* Credentials that are released behind the case. */
struct quic_credentials *client_creds(const char *ca);
struct quic_credentials *server_creds(const char *cert, const char *key);

/* The standard pair: server.pem and a client that trusts ca.pem. */
void pair_init_cert(struct pair *p);
void pair_set_server(struct pair *p, const char *cert, const char *key);

/* One end gave up with @error and @alert, and the other learnt of it. */
void expect_client_refused(struct pair *p, int error, int alert);
void expect_server_refused(struct pair *p, int error, int alert);

#endif /* _HARNESS_H */
