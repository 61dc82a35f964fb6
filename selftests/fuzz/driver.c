// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds one target: first the inputs of its corpus, then mutations of them for
 * a while. The target's code tells which edges it takes (trace-pc), and an
 * input that takes a new one is mutated further. Prints KTAP; the input that
 * ended the program is left in FUZZ_OUT (or .) and printed.
 *
 *   TARGET                    both, for FUZZ_SECONDS (2)
 *   TARGET corpus|mutations   one of the two
 *   TARGET FILE...            just these inputs
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define EDGES		16384
#define POOL_MAX	4096
#define INPUT_MAX	2048

struct input {
	size_t size;
	u8 *data;
};

/* By the compiler and the sanitizers. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));

static u8 edges[EDGES], seen[EDGES];
static unsigned long last_pc;

static struct input pool[POOL_MAX];
static u32 pool_size;
static const u8 *current;
static size_t current_size;
static const char *target;
static u64 state;

__attribute__((no_sanitize_address, no_sanitize_undefined))
void __sanitizer_cov_trace_pc(void)
{
	unsigned long pc = (unsigned long)__builtin_return_address(0);

	edges[(pc ^ last_pc >> 1) % EDGES] = 1;
	last_pc = pc;
}

static u32 below(u32 bound)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % bound;
}

static void leave_input(void)
{
	const char *folder = getenv("FUZZ_OUT");
	char path[512];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "%s/crash-%s", folder ? folder : ".", target);
	file = fopen(path, "w");
	if (file) {
		fwrite(current, 1, current_size, file);
		fclose(file);
	}
	printf("# input of %zu bytes, in %s:", current_size, path);
	for (i = 0; i < current_size; i++)
		printf(" %02x", current[i]);
	printf("\n");
	fflush(stdout);
}

/* Runs the target on a copy that ends where the input does; true: it went somewhere new. */
static bool try(const u8 *data, size_t size)
{
	u8 *copy = malloc(size ? size : 1);
	bool is_new = false;
	u32 i;

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	current = copy;
	current_size = size;
	memset(edges, 0, sizeof(edges));
	last_pc = 0;
	LLVMFuzzerTestOneInput(copy, size);
	for (i = 0; i < EDGES; i += 8) {
		if (!*(u64 *)&edges[i])
			continue;
		is_new |= (*(u64 *)&edges[i] & ~*(u64 *)&seen[i]) != 0;
		*(u64 *)&seen[i] |= *(u64 *)&edges[i];
	}
	free(copy);
	return is_new;
}

static void keep(const u8 *data, size_t size)
{
	struct input *input = &pool[pool_size < POOL_MAX ? pool_size++ : below(POOL_MAX)];

	free(input->data);
	input->data = malloc(size ? size : 1);
	if (!input->data)
		abort();
	if (size)
		memcpy(input->data, data, size);
	input->size = size;
}

static bool try_file(const char *path)
{
	u8 data[INPUT_MAX];
	FILE *file = fopen(path, "r");
	size_t size;

	if (!file)
		return false;
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	try(data, size);
	keep(data, size);
	return true;
}

static u32 try_corpus(void)
{
	struct dirent *entry;
	char path[1024];
	u32 count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, target);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", CORPUS, target, entry->d_name);
		count += try_file(path);
	}
	if (folder)
		closedir(folder);
	return count;
}

/* Values at which something may go over. */
static const u8 edge_bytes[] = { 0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff };

static size_t mutate(u8 *data, size_t size)
{
	u32 at = size ? below(size) : 0;
	const struct input *other;
	size_t n;

	switch (below(8)) {
	case 0:
		if (size)
			data[at] ^= 1 << below(8);
		break;
	case 1:
		if (size)
			data[at] = below(256);
		break;
	case 2:
		if (size)
			data[at] = edge_bytes[below(ARRAY_SIZE(edge_bytes))];
		break;
	case 3:	/* cut */
		size = at;
		break;
	case 4:	/* take out */
		n = size ? below(size - at) + 1 : 0;
		memmove(data + at, data + at + n, size - at - n);
		size -= n;
		break;
	case 5:	/* put in */
		n = below(8) + 1;
		if (size + n > INPUT_MAX)
			break;
		memmove(data + at + n, data + at, size - at);
		size += n;
		while (n--)
			data[at + n] = below(2) ? below(256) :
						  edge_bytes[below(ARRAY_SIZE(edge_bytes))];
		break;
	case 6:	/* repeat a part */
		n = size ? below(min_t(u32, size - at, INPUT_MAX - size + 1)) : 0;
		memmove(data + at + n, data + at, size - at);
		size += n;
		break;
	default:	/* the rest of another one */
		other = &pool[below(pool_size)];
		n = other->size ? below(other->size) : 0;
		n = min_t(size_t, other->size - n, INPUT_MAX - at);
		if (n)
			memcpy(data + at, other->data + other->size - n, n);
		size = at + n;
	}
	return size;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void try_mutations(void)
{
	const char *wanted = getenv("FUZZ_SECONDS");
	double end = seconds() + (wanted ? atof(wanted) : 2);
	const struct input *from;
	u8 data[INPUT_MAX];
	u32 rounds = 0, i;
	size_t size;

	while (rounds % 64 || seconds() < end) {
		rounds++;
		from = &pool[below(pool_size)];
		size = from->size;
		if (size)
			memcpy(data, from->data, size);
		for (i = below(4) + 1; i; i--)
			size = mutate(data, size);
		if (try(data, size))
			keep(data, size);
	}
	printf("# %u inputs tried, %u went somewhere new\n", rounds, pool_size);
}

static bool wants(int argc, char **argv, const char *name)
{
	return argc < 2 || !strcmp(argv[1], name);
}

int main(int argc, char **argv)
{
	const char *seed = getenv("FUZZ_SEED");
	u32 count, number = 0;
	int i;

	target = strrchr(argv[0], '/');
	target = target ? target + 1 : argv[0];
	state = 0x9e3779b97f4a7c15 + (seed ? strtoull(seed, NULL, 0) : 1);
	__sanitizer_set_death_callback(leave_input);

	if (argc > 1 && strcmp(argv[1], "corpus") && strcmp(argv[1], "mutations")) {
		for (i = 1; i < argc; i++)
			if (!try_file(argv[i]))
				return 2;
		return 0;
	}
	printf("KTAP version 1\n1..%d\n", argc < 2 ? 2 : 1);
	fflush(stdout);
	count = try_corpus();
	if (wants(argc, argv, "corpus"))
		printf("%sok %u corpus\n", count ? "" : "not ", ++number);
	if (!pool_size)
		keep(NULL, 0);
	fflush(stdout);
	if (wants(argc, argv, "mutations")) {
		try_mutations();
		printf("ok %u mutations\n", ++number);
	}
	while (pool_size)
		free(pool[--pool_size].data);
	return count ? 0 : 1;
}
