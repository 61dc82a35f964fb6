/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small harness in the style of the kernel's: TEST(name) { ... } registers a
 * case, each runs in a process of its own with a time limit, results are KTAP.
 * EXPECT_* goes on after a failure, ASSERT_* ends the case.
 */
#ifndef _HARNESS_H
#define _HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);
void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void test_abort(void) __attribute__((noreturn));
void test_skip(const char *why) __attribute__((noreturn));
/* Factor for every time limit: how slow this machine is (QUIC_SLOW). */
int test_slow(void);
long long test_now_ms(void);

#define TEST(name)							\
	static void name(void);						\
	static struct test test_##name = { #name, name, NULL };		\
	__attribute__((constructor)) static void register_##name(void)	\
	{								\
		test_register(&test_##name);				\
	}								\
	static void name(void)

#define CHECK_(cond, on_fail, fmt, ...)					\
	do {								\
		if (!(cond)) {						\
			test_fail(__FILE__, __LINE__, fmt, ##__VA_ARGS__); \
			on_fail;					\
		}							\
	} while (0)

#define COMPARE_(a, op, b, on_fail)					\
	do {								\
		int saved_ = errno;					\
		long long a_ = (long long)(a), b_ = (long long)(b);	\
									\
		saved_ = errno ?: saved_;				\
		CHECK_(a_ op b_, on_fail, "%s is %lld, not " #op " %s (%lld), errno %s", \
		       #a, a_, #b, b_, strerror(saved_));		\
	} while (0)

#define EXPECT_TRUE(cond)	CHECK_(cond, , "%s", #cond)
#define ASSERT_TRUE(cond)	CHECK_(cond, test_abort(), "%s", #cond)
#define EXPECT_EQ(a, b)		COMPARE_(a, ==, b, )
#define ASSERT_EQ(a, b)		COMPARE_(a, ==, b, test_abort())
#define EXPECT_GE(a, b)		COMPARE_(a, >=, b, )
#define ASSERT_GE(a, b)		COMPARE_(a, >=, b, test_abort())
#define EXPECT_LE(a, b)		COMPARE_(a, <=, b, )

/* The call must fail with that errno. */
#define EXPECT_ERRNO(call, code)					\
	do {								\
		long long ret_;						\
									\
		errno = 0;						\
		ret_ = (long long)(call);				\
		CHECK_(ret_ == -1 && errno == (code), ,			\
		       "%s gave %lld (%s), not %s", #call, ret_,	\
		       ret_ == -1 ? strerror(errno) : "success", strerror(code)); \
	} while (0)

#endif /* _HARNESS_H */
