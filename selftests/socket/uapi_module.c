// SPDX-License-Identifier: GPL-2.0-or-later
/* The module that the sockets come from: uapi.md, sections 2.1 and 7.1. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

/* The module's file, as a guest is given it. */
static char *module_file(size_t *len)
{
	const char *folder = getenv("QUIC_PAYLOAD");
	struct stat st;
	char path[512];
	char *data;
	int fd;

	snprintf(path, sizeof(path), "%s/quic.ko", folder ?: "/run/quic/payload");
	fd = open(path, O_RDONLY);
	if (fd < 0)
		test_skip("no file of the module here: set QUIC_PAYLOAD to its folder");
	ASSERT_EQ(fstat(fd, &st), 0);
	data = malloc(st.st_size);
	ASSERT_TRUE(data != NULL);
	ASSERT_EQ(read(fd, data, st.st_size), st.st_size);
	close(fd);
	*len = st.st_size;
	return data;
}

static bool file_says(const char *data, size_t len, const char *words, size_t words_len)
{
	return memmem(data, len, words, words_len) != NULL;
}

/* The names under which socket() asks for it: sizes include the zero at their ends. */
TEST(aliases_by_family_and_protocol)
{
	static const char v4[] = "alias=net-pf-2-proto-261", v6[] = "alias=net-pf-10-proto-261";
	size_t len;
	char *data = module_file(&len);

	EXPECT_TRUE(file_says(data, len, v4, sizeof(v4)));
	EXPECT_TRUE(file_says(data, len, v6, sizeof(v6)));
	/* None for a type of sockets beside: net-pf-2-proto-261-type-1 */
	EXPECT_TRUE(!file_says(data, len, "-proto-261-type-", 16));
	free(data);
}

/* But for one of an extension of ours, which no program depends on, and one of builds with KUnit suites. */
TEST(name_and_no_parameters)
{
	struct dirent *entry;
	struct stat st;
	DIR *folder;

	if (stat("/sys/module", &st))
		test_skip("no /sys here");
	EXPECT_EQ(stat("/sys/module/quic", &st), 0);
	folder = opendir("/sys/module/quic/parameters");
	ASSERT_TRUE(folder != NULL);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] != '.')
			EXPECT_TRUE(!strcmp(entry->d_name, "async_aead") ||
				    !strcmp(entry->d_name, "deny_vector"));
	}
	closedir(folder);
}

TEST(stays_while_sockets_exist)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int i, fd;

	for (i = 0; i < 2; i++) {
		fd = quic_socket(families[i], SOCK_DGRAM);
		EXPECT_ERRNO(syscall(SYS_delete_module, "quic", O_NONBLOCK), EAGAIN);
		EXPECT_EQ(close(fd), 0);
	}
}
