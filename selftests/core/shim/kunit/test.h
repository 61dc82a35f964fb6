/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for the kernel's <kunit/test.h>, so that the suites of module/tests/
 * run in user space as they stand. main.c registers, runs and reports them.
 */
#ifndef _SHIM_KUNIT_TEST_H
#define _SHIM_KUNIT_TEST_H

#include <stdio.h>
#include <string.h>

#include <linux/array_size.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define GFP_KERNEL	0
#define GFP_ATOMIC	0
#ifndef KERN_INFO
#define KERN_INFO	""
#endif

struct kunit {
	void *priv;
	const char *name;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char name[256];
	int (*suite_init)(struct kunit_suite *suite);
	void (*suite_exit)(struct kunit_suite *suite);
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(function)		{ .run_case = function, .name = #function }
#define KUNIT_CASE_SLOW(function)	KUNIT_CASE(function)

void kunit_shim_register(struct kunit_suite *suite);
void kunit_shim_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void kunit_shim_abort(void) __attribute__((noreturn));
void kunit_shim_skip(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void kunit_shim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *kunit_shim_alloc(size_t size, bool zero);

#define kunit_test_suites(...)						\
static void __attribute__((constructor)) __shim_register(void)		\
{									\
	struct kunit_suite *suites[] = { __VA_ARGS__ };			\
									\
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++)			\
		kunit_shim_register(suites[i]);				\
}									\
struct kunit_shim_semicolon
#define kunit_test_suite(suite)	kunit_test_suites(&suite)

static inline void *kunit_kmalloc(struct kunit *test, size_t size, int gfp)
{
	return kunit_shim_alloc(size, false);
}

static inline void *kunit_kzalloc(struct kunit *test, size_t size, int gfp)
{
	return kunit_shim_alloc(size, true);
}

static inline void *kunit_kcalloc(struct kunit *test, size_t n, size_t size, int gfp)
{
	return kunit_shim_alloc(n * size, true);
}

static inline void *kunit_kmalloc_array(struct kunit *test, size_t n, size_t size, int gfp)
{
	return kunit_shim_alloc(n * size, false);
}

#define kunit_skip(test, fmt, ...)	kunit_shim_skip(fmt, ##__VA_ARGS__)
#define kunit_info(test, fmt, ...)	kunit_shim_note(fmt, ##__VA_ARGS__)
#define kunit_err(test, fmt, ...)	kunit_shim_note(fmt, ##__VA_ARGS__)

#define KUNIT_SUCCEED(test)	do { } while (0)

/* The message, if any, begins at __VA_ARGS__ and is printed behind the failure. */
#define __SHIM_SAID(end, ...)						\
	do {								\
		__VA_OPT__(kunit_shim_note(__VA_ARGS__);)		\
		end;							\
	} while (0)

#define __SHIM_BINARY(end, a, op, b, ...)				\
	do {								\
		typeof(a) __a = (a);					\
		typeof(b) __b = (b);					\
									\
		if (!(__a op __b)) {					\
			kunit_shim_fail(__FILE__, __LINE__,		\
					"%s " #op " %s: %lld (0x%llx) and %lld (0x%llx)", \
					#a, #b, (long long)__a, (long long)__a, \
					(long long)__b, (long long)__b); \
			__SHIM_SAID(end, __VA_ARGS__);			\
		}							\
	} while (0)

#define __SHIM_POINTER(end, a, op, b, ...)				\
	do {								\
		typeof(a) __a = (a);					\
		typeof(b) __b = (b);					\
									\
		if (!((const void *)__a op (const void *)__b)) {					\
			kunit_shim_fail(__FILE__, __LINE__, "%s " #op " %s: %p and %p", \
					#a, #b, (const void *)__a, (const void *)__b); \
			__SHIM_SAID(end, __VA_ARGS__);			\
		}							\
	} while (0)

#define __SHIM_TRUTH(end, condition, want, ...)				\
	do {								\
		bool __truth = (condition);				\
									\
		if (__truth != (want)) {				\
			kunit_shim_fail(__FILE__, __LINE__, "%s is not %s", \
					#condition, (want) ? "true" : "false"); \
			__SHIM_SAID(end, __VA_ARGS__);			\
		}							\
	} while (0)

#define __SHIM_STRING(end, a, op, b, ...)				\
	do {								\
		const char *__a = (a);					\
		const char *__b = (b);					\
									\
		if (!(strcmp(__a, __b) op 0)) {				\
			kunit_shim_fail(__FILE__, __LINE__, "%s " #op " %s: \"%s\" and \"%s\"", \
					#a, #b, __a, __b);		\
			__SHIM_SAID(end, __VA_ARGS__);			\
		}							\
	} while (0)

#define __SHIM_MEMORY(end, a, op, b, size, ...)				\
	do {								\
		if (!(memcmp(a, b, size) op 0)) {			\
			kunit_shim_fail(__FILE__, __LINE__, "bytes: %s " #op " %s", #a, #b); \
			__SHIM_SAID(end, __VA_ARGS__);			\
		}							\
	} while (0)

#define __SHIM_GO_ON	do { } while (0)

#define KUNIT_FAIL(test, ...) \
	do { \
		kunit_shim_fail(__FILE__, __LINE__, "failed"); \
		kunit_shim_note(__VA_ARGS__); \
	} while (0)
#define KUNIT_FAIL_AND_ABORT(test, ...) \
	do { \
		KUNIT_FAIL(test, __VA_ARGS__); \
		kunit_shim_abort(); \
	} while (0)

#define KUNIT_EXPECT_EQ(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, ==, b)
#define KUNIT_EXPECT_EQ_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, ==, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_NE(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, !=, b)
#define KUNIT_EXPECT_NE_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, !=, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_LT(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, <, b)
#define KUNIT_EXPECT_LT_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, <, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_LE(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, <=, b)
#define KUNIT_EXPECT_LE_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, <=, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_GT(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, >, b)
#define KUNIT_EXPECT_GT_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, >, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_GE(test, a, b) \
	__SHIM_BINARY(__SHIM_GO_ON, a, >=, b)
#define KUNIT_EXPECT_GE_MSG(test, a, b, ...) \
	__SHIM_BINARY(__SHIM_GO_ON, a, >=, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_PTR_EQ(test, a, b) \
	__SHIM_POINTER(__SHIM_GO_ON, a, ==, b)
#define KUNIT_EXPECT_PTR_EQ_MSG(test, a, b, ...) \
	__SHIM_POINTER(__SHIM_GO_ON, a, ==, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_PTR_NE(test, a, b) \
	__SHIM_POINTER(__SHIM_GO_ON, a, !=, b)
#define KUNIT_EXPECT_PTR_NE_MSG(test, a, b, ...) \
	__SHIM_POINTER(__SHIM_GO_ON, a, !=, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_NULL(test, a) \
	__SHIM_POINTER(__SHIM_GO_ON, a, ==, NULL)
#define KUNIT_EXPECT_NULL_MSG(test, a, ...) \
	__SHIM_POINTER(__SHIM_GO_ON, a, ==, NULL, ##__VA_ARGS__)
#define KUNIT_EXPECT_NOT_NULL(test, a) \
	__SHIM_POINTER(__SHIM_GO_ON, a, !=, NULL)
#define KUNIT_EXPECT_NOT_NULL_MSG(test, a, ...) \
	__SHIM_POINTER(__SHIM_GO_ON, a, !=, NULL, ##__VA_ARGS__)
#define KUNIT_EXPECT_TRUE(test, a) \
	__SHIM_TRUTH(__SHIM_GO_ON, a, true)
#define KUNIT_EXPECT_TRUE_MSG(test, a, ...) \
	__SHIM_TRUTH(__SHIM_GO_ON, a, true, ##__VA_ARGS__)
#define KUNIT_EXPECT_FALSE(test, a) \
	__SHIM_TRUTH(__SHIM_GO_ON, a, false)
#define KUNIT_EXPECT_FALSE_MSG(test, a, ...) \
	__SHIM_TRUTH(__SHIM_GO_ON, a, false, ##__VA_ARGS__)
#define KUNIT_EXPECT_STREQ(test, a, b) \
	__SHIM_STRING(__SHIM_GO_ON, a, ==, b)
#define KUNIT_EXPECT_STREQ_MSG(test, a, b, ...) \
	__SHIM_STRING(__SHIM_GO_ON, a, ==, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_STRNEQ(test, a, b) \
	__SHIM_STRING(__SHIM_GO_ON, a, !=, b)
#define KUNIT_EXPECT_STRNEQ_MSG(test, a, b, ...) \
	__SHIM_STRING(__SHIM_GO_ON, a, !=, b, ##__VA_ARGS__)
#define KUNIT_EXPECT_MEMEQ(test, a, b, size) \
	__SHIM_MEMORY(__SHIM_GO_ON, a, ==, b, size)
#define KUNIT_EXPECT_MEMEQ_MSG(test, a, b, size, ...) \
	__SHIM_MEMORY(__SHIM_GO_ON, a, ==, b, size, ##__VA_ARGS__)
#define KUNIT_EXPECT_MEMNEQ(test, a, b, size) \
	__SHIM_MEMORY(__SHIM_GO_ON, a, !=, b, size)
#define KUNIT_EXPECT_MEMNEQ_MSG(test, a, b, size, ...) \
	__SHIM_MEMORY(__SHIM_GO_ON, a, !=, b, size, ##__VA_ARGS__)
#define KUNIT_EXPECT_NOT_ERR_OR_NULL(test, a) KUNIT_EXPECT_NOT_NULL(test, a)

#define KUNIT_ASSERT_EQ(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, ==, b)
#define KUNIT_ASSERT_EQ_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, ==, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_NE(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, !=, b)
#define KUNIT_ASSERT_NE_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, !=, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_LT(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, <, b)
#define KUNIT_ASSERT_LT_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, <, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_LE(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, <=, b)
#define KUNIT_ASSERT_LE_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, <=, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_GT(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, >, b)
#define KUNIT_ASSERT_GT_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, >, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_GE(test, a, b) \
	__SHIM_BINARY(kunit_shim_abort(), a, >=, b)
#define KUNIT_ASSERT_GE_MSG(test, a, b, ...) \
	__SHIM_BINARY(kunit_shim_abort(), a, >=, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_PTR_EQ(test, a, b) \
	__SHIM_POINTER(kunit_shim_abort(), a, ==, b)
#define KUNIT_ASSERT_PTR_EQ_MSG(test, a, b, ...) \
	__SHIM_POINTER(kunit_shim_abort(), a, ==, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_PTR_NE(test, a, b) \
	__SHIM_POINTER(kunit_shim_abort(), a, !=, b)
#define KUNIT_ASSERT_PTR_NE_MSG(test, a, b, ...) \
	__SHIM_POINTER(kunit_shim_abort(), a, !=, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_NULL(test, a) \
	__SHIM_POINTER(kunit_shim_abort(), a, ==, NULL)
#define KUNIT_ASSERT_NULL_MSG(test, a, ...) \
	__SHIM_POINTER(kunit_shim_abort(), a, ==, NULL, ##__VA_ARGS__)
#define KUNIT_ASSERT_NOT_NULL(test, a) \
	__SHIM_POINTER(kunit_shim_abort(), a, !=, NULL)
#define KUNIT_ASSERT_NOT_NULL_MSG(test, a, ...) \
	__SHIM_POINTER(kunit_shim_abort(), a, !=, NULL, ##__VA_ARGS__)
#define KUNIT_ASSERT_TRUE(test, a) \
	__SHIM_TRUTH(kunit_shim_abort(), a, true)
#define KUNIT_ASSERT_TRUE_MSG(test, a, ...) \
	__SHIM_TRUTH(kunit_shim_abort(), a, true, ##__VA_ARGS__)
#define KUNIT_ASSERT_FALSE(test, a) \
	__SHIM_TRUTH(kunit_shim_abort(), a, false)
#define KUNIT_ASSERT_FALSE_MSG(test, a, ...) \
	__SHIM_TRUTH(kunit_shim_abort(), a, false, ##__VA_ARGS__)
#define KUNIT_ASSERT_STREQ(test, a, b) \
	__SHIM_STRING(kunit_shim_abort(), a, ==, b)
#define KUNIT_ASSERT_STREQ_MSG(test, a, b, ...) \
	__SHIM_STRING(kunit_shim_abort(), a, ==, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_STRNEQ(test, a, b) \
	__SHIM_STRING(kunit_shim_abort(), a, !=, b)
#define KUNIT_ASSERT_STRNEQ_MSG(test, a, b, ...) \
	__SHIM_STRING(kunit_shim_abort(), a, !=, b, ##__VA_ARGS__)
#define KUNIT_ASSERT_MEMEQ(test, a, b, size) \
	__SHIM_MEMORY(kunit_shim_abort(), a, ==, b, size)
#define KUNIT_ASSERT_MEMEQ_MSG(test, a, b, size, ...) \
	__SHIM_MEMORY(kunit_shim_abort(), a, ==, b, size, ##__VA_ARGS__)
#define KUNIT_ASSERT_MEMNEQ(test, a, b, size) \
	__SHIM_MEMORY(kunit_shim_abort(), a, !=, b, size)
#define KUNIT_ASSERT_MEMNEQ_MSG(test, a, b, size, ...) \
	__SHIM_MEMORY(kunit_shim_abort(), a, !=, b, size, ##__VA_ARGS__)
#define KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a) KUNIT_ASSERT_NOT_NULL(test, a)

#endif /* _SHIM_KUNIT_TEST_H */
