// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs the suites that were linked in and reports KTAP. With arguments, only
 * cases run whose "suite.case" contains one of them; none at all is an error.
 * A case also fails when it leaves host memory behind, and ends the run when it
 * takes longer than CASE_SECONDS.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <kunit/test.h>

#include "host.h"

#define SUITES_MAX	128
#define NOTES_MAX	65536
#define CASE_SECONDS	120

struct allocation {
	struct allocation *next;
	max_align_t data[];
};

static struct kunit_suite *suites[SUITES_MAX];
static int nr_suites;

/* The case that is running. */
static jmp_buf leave;
static struct allocation *allocations;
static bool failed, skipped;
static char skip_reason[256];
static char notes[NOTES_MAX];
static size_t notes_len;

void kunit_shim_register(struct kunit_suite *suite)
{
	if (nr_suites == SUITES_MAX) {
		fprintf(stderr, "too many suites\n");
		abort();
	}
	suites[nr_suites++] = suite;
}

static void note_va(const char *format, va_list args)
{
	int len;

	if (notes_len >= NOTES_MAX - 1)
		return;
	notes_len += snprintf(notes + notes_len, NOTES_MAX - notes_len, "    # ");
	if (notes_len >= NOTES_MAX - 1)
		return;
	len = vsnprintf(notes + notes_len, NOTES_MAX - notes_len, format, args);
	notes_len = min_t(size_t, notes_len + len, NOTES_MAX - 1);
	if (notes_len && notes[notes_len - 1] != '\n' && notes_len < NOTES_MAX - 1)
		notes[notes_len++] = '\n';
	notes[notes_len] = 0;
}

void kunit_shim_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note_va(format, args);
	va_end(args);
}

void kunit_shim_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	failed = true;
	kunit_shim_note("%s:%d:", file, line);
	va_start(args, format);
	note_va(format, args);
	va_end(args);
}

void kunit_shim_abort(void)
{
	longjmp(leave, 1);
}

void kunit_shim_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, sizeof(skip_reason), format, args);
	va_end(args);
	skipped = true;
	longjmp(leave, 1);
}

void *kunit_shim_alloc(size_t size, bool zero)
{
	struct allocation *a = calloc(1, sizeof(*a) + size);

	if (!a)
		abort();
	if (!zero)
		memset(a->data, 0xa5, size);
	a->next = allocations;
	allocations = a;
	return a->data;
}

static void free_allocations(void)
{
	while (allocations) {
		struct allocation *a = allocations;

		allocations = a->next;
		free(a);
	}
}

/* Names the case that hangs; only what a signal handler may call. */
static char hang_message[512];

static void on_alarm(int signal)
{
	if (write(STDOUT_FILENO, hang_message, strlen(hang_message)) < 0)
		_exit(4);
	_exit(3);
}

static void run_case(struct kunit_suite *suite, struct kunit_case *tc)
{
	struct kunit test = { .name = tc->name };
	long before = quic_test_host_outstanding();

	failed = false;
	skipped = false;
	notes_len = 0;
	notes[0] = 0;
	quic_test_host_reset();
	snprintf(hang_message, sizeof(hang_message), "Bail out! %s.%s ran for more than %d s\n",
		 suite->name, tc->name, CASE_SECONDS);
	alarm(CASE_SECONDS);
	if (!setjmp(leave)) {
		if (!suite->init || !suite->init(&test))
			tc->run_case(&test);
		else
			kunit_shim_fail(__FILE__, __LINE__, "init failed");
	}
	if (!setjmp(leave)) {
		if (suite->exit)
			suite->exit(&test);
	}
	alarm(0);
	free_allocations();
	quic_test_host_reset();
	if (!failed && !skipped && quic_test_host_outstanding() != before)
		kunit_shim_fail(__FILE__, __LINE__, "%ld host allocations leaked",
				quic_test_host_outstanding() - before);
}

static bool is_wanted(const char *suite, const char *name, int argc, char **argv)
{
	char full[512];
	int i;

	if (argc < 2)
		return true;
	snprintf(full, sizeof(full), "%s.%s", suite, name);
	for (i = 1; i < argc; i++)
		if (strstr(full, argv[i]))
			return true;
	return false;
}

static int nr_wanted(struct kunit_suite *suite, int argc, char **argv)
{
	struct kunit_case *tc;
	int n = 0;

	for (tc = suite->test_cases; tc->run_case; tc++)
		n += is_wanted(suite->name, tc->name, argc, argv);
	return n;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct kunit_suite *const *)a)->name,
		      (*(struct kunit_suite *const *)b)->name);
}

int main(int argc, char **argv)
{
	int total = 0, number = 0, bad_suites = 0, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	qsort(suites, nr_suites, sizeof(suites[0]), by_name);
	for (i = 0; i < nr_suites; i++)
		total += nr_wanted(suites[i], argc, argv) > 0;
	printf("KTAP version 1\n1..%d\n", total);
	if (!total) {
		fprintf(stderr, "no test matches\n");
		return 2;
	}

	for (i = 0; i < nr_suites; i++) {
		struct kunit_suite *suite = suites[i];
		int wanted = nr_wanted(suite, argc, argv), n = 0, bad = 0;
		struct kunit_case *tc;

		if (!wanted)
			continue;
		printf("    KTAP version 1\n    # Subtest: %s\n    1..%d\n", suite->name, wanted);
		if (suite->suite_init && suite->suite_init(suite)) {
			printf("not ok %d %s\n", ++number, suite->name);
			bad_suites++;
			continue;
		}
		for (tc = suite->test_cases; tc->run_case; tc++) {
			if (!is_wanted(suite->name, tc->name, argc, argv))
				continue;
			run_case(suite, tc);
			fputs(notes, stdout);
			printf("    %s %d %s", failed ? "not ok" : "ok", ++n, tc->name);
			if (skipped)
				printf(" # SKIP %s", skip_reason);
			printf("\n");
			bad += failed;
		}
		if (suite->suite_exit)
			suite->suite_exit(suite);
		printf("%s %d %s\n", bad ? "not ok" : "ok", ++number, suite->name);
		bad_suites += bad > 0;
	}
	printf("# %d of %d suites failed\n", bad_suites, total);
	return bad_suites ? 1 : 0;
}
