// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs the registered cases and prints KTAP. */
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CASE_SECONDS	30
#define EXIT_SKIP	4

static struct test *first, **tail = &first;
static int failures;

void test_register(struct test *test)
{
	*tail = test;
	tail = &test->next;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list args;

	failures++;
	printf("# %s:%d: ", base ? base + 1 : file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void test_abort(void)
{
	fflush(stdout);
	_exit(1);
}

void test_skip(const char *why)
{
	printf("# SKIP %s\n", why);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

int test_slow(void)
{
	const char *slow = getenv("QUIC_SLOW");
	int factor = slow ? atoi(slow) : 1;

	return factor > 0 ? factor : 1;
}

long long test_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool wanted(const struct test *test, int argc, char **argv)
{
	int i;

	if (argc < 2)
		return true;
	for (i = 1; i < argc; i++) {
		if (strstr(test->name, argv[i]))
			return true;
	}
	return false;
}

/* Exit status of the case, or -1 with the signal or the time-out said. */
static int run_one(struct test *test)
{
	long long deadline = test_now_ms() + CASE_SECONDS * 1000LL * test_slow();
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		printf("# fork: %s\n", strerror(errno));
		return -1;
	}
	if (!pid) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_IGN);
		test->run();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (test_now_ms() > deadline) {
			printf("# not finished in time\n");
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		usleep(2000);
	}
	if (WIFSIGNALED(status)) {
		printf("# ended by signal %d\n", WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int number = 0, failed = 0, count = 0, status;
	struct test *test;
	long long began;

	for (test = first; test; test = test->next)
		count += wanted(test, argc, argv);
	printf("TAP version 13\n1..%d\n", count);
	for (test = first; test; test = test->next) {
		if (!wanted(test, argc, argv))
			continue;
		began = test_now_ms();
		status = run_one(test);
		failed += status && status != EXIT_SKIP;
		printf("%s %d %s%s # time=%lldms\n",
		       status && status != EXIT_SKIP ? "not ok" : "ok", ++number, test->name,
		       status == EXIT_SKIP ? " # SKIP" : "", test_now_ms() - began);
		fflush(stdout);
	}
	return failed ? 1 : 0;
}
