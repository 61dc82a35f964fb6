// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First process of trial.py's guest: hands the kernel every file of /m in
 * order, says what it answered, and powers off. One whose name ends in
 * "passing" is taken out again. Lists the kernel's keys, and tries the
 * protocol at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void try_module(const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/m/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !syscall(SYS_finit_module, fd, "", 0))
		errno = 0;
	printf("TRIED %s %s\n", name, errno ? strerror(errno) : "taken");
	if (!errno && strstr(name, "passing.ko"))
		syscall(SYS_delete_module, "quic", O_NONBLOCK);
	if (fd >= 0)
		close(fd);
}

static void show(const char *name, const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, word))
			printf("SHOWN %s=%s", name, line);
	}
	if (file)
		fclose(file);
}

int main(void)
{
	struct dirent **names;
	int i, n;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mkdir("/sys", 0755);
	mount("sys", "/sys", "sysfs", 0, NULL);
	mount("security", "/sys/kernel/security", "securityfs", 0, NULL);
	show("key", "/proc/keys", "asymmetri");
	show("sig_enforce", "/sys/module/module/parameters/sig_enforce", "");
	show("lockdown", "/sys/kernel/security/lockdown", "");
	n = scandir("/m", &names, NULL, alphasort);
	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			try_module(names[i]->d_name);
	}
	errno = 0;
	socket(AF_INET, SOCK_STREAM, 261);
	printf("TRIED socket %s\n", errno ? strerror(errno) : "taken");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
