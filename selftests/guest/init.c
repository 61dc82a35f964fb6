// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * First process of a test guest, both under QEMU (from an initramfs) and in
 * User-Mode Linux (from the host's file system). It carries out a short list
 * of orders (load a module, mount, open an output port), runs one session
 * script, and powers the machine off. What the session does is not its
 * business.
 *
 * Orders, one a line:
 *	module FILE			insert a kernel module
 *	overlay DEVICE			ext4 root, read-only under a tmpfs; becomes /
 *	mount SOURCE TYPE ro|rw PATH	OPTIONS of hostfs are its SOURCE
 *	port stdout|stderr|control DEVICE
 *	exec SCRIPT
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int out_fd = -1, err_fd = -1, control_fd = -1;

/* To the control port if there is one, and always to the console. */
static void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (write(2, line, n) != n)
		return;
	if (control_fd >= 0 && write(control_fd, line, n) != n)
		return;
}

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	if (control_fd >= 0)
		tcdrain(control_fd);
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void __attribute__((noreturn)) give_up(const char *what, const char *arg)
{
	say("QUICCTL failed %s %s: %s\n", what, arg, strerror(errno));
	power_off();
}

static void make_dirs(const char *path)
{
	char copy[512];
	char *p;

	snprintf(copy, sizeof(copy), "%s", path);
	for (p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(copy, 0755);
		*p = '/';
	}
	mkdir(copy, 0755);
}

/* A device shows up a moment after its driver. */
static void wait_for(const char *path)
{
	struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	for (i = 0; i < 1000 && access(path, F_OK); i++)
		nanosleep(&tick, NULL);
	if (access(path, F_OK))
		give_up("wait", path);
}

static void must_mount(const char *source, const char *path, const char *type,
		       unsigned long flags, const char *data)
{
	make_dirs(path);
	if (mount(source, path, type, flags, data))
		give_up("mount", path);
}

static void load_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		give_up("module", file);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		give_up("module", file);
	close(fd);
}

/* ext4 below, tmpfs above, and the result becomes the root. */
static void enter_overlay(const char *device)
{
	wait_for(device);
	must_mount(device, "/lower", "ext4", MS_RDONLY, NULL);
	must_mount("upper", "/upper", "tmpfs", 0, "mode=755");
	make_dirs("/upper/data");
	make_dirs("/upper/work");
	must_mount("root", "/new", "overlay", 0,
		   "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work");
	make_dirs("/new/dev");
	if (mount("/dev", "/new/dev", NULL, MS_MOVE, NULL))
		give_up("move", "/dev");
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		give_up("enter", device);
}

static void mount_kernel_trees(void)
{
	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sys", "/sys", "sysfs", 0, NULL);
	make_dirs("/dev/pts");
	make_dirs("/dev/shm");
	must_mount("pts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666");
	must_mount("shm", "/dev/shm", "tmpfs", 0, "mode=1777");
	must_mount("tmp", "/tmp", "tmpfs", 0, "mode=1777");
	must_mount("run", "/run", "tmpfs", 0, "mode=755");
	/* Absent from some kernels, and then nobody needs them. */
	mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("trace", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL);
	if (symlink("/proc/self/fd", "/dev/fd") && errno != EEXIST)
		give_up("link", "/dev/fd");
}

/* The list of orders can lie below /tmp or /run, so it is read before these
 * are covered; the kernel's trees are mounted by the first order that needs
 * the final root.
 */
static void mount_source(const char *source, const char *type,
			 const char *mode, const char *path)
{
	unsigned long flags = strcmp(mode, "ro") ? 0 : MS_RDONLY;

	if (!strcmp(type, "hostfs")) {
		must_mount("none", path, type, flags, source);
		return;
	}
	if (source[0] == '/')
		wait_for(source);
	must_mount(source, path, type, flags, NULL);
}

static int open_port(const char *device)
{
	struct termios raw;
	int fd;

	wait_for(device);
	fd = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		give_up("port", device);
	if (isatty(fd) && !tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		give_up("up", "lo");
	close(fd);
}

static void __attribute__((noreturn)) run_session(const char *script)
{
	struct rlimit files = { 65536, 65536 };
	pid_t child, pid;
	int status;

	setrlimit(RLIMIT_NOFILE, &files);
	loopback_up();
	if (sethostname("guest", 5))
		give_up("name", "guest");
	child = fork();
	if (child < 0)
		give_up("fork", script);
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		dup2(null, 0);
		dup2(out_fd >= 0 ? out_fd : 2, 1);
		dup2(err_fd >= 0 ? err_fd : 2, 2);
		dup2(control_fd >= 0 ? control_fd : null, 3);
		execl("/bin/sh", "sh", script, NULL);
		_exit(127);
	}
	while ((pid = wait(&status)) != child)
		if (pid < 0 && errno != EINTR)
			give_up("wait", script);
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (out_fd >= 0)
		tcdrain(out_fd);
	if (err_fd >= 0)
		tcdrain(err_fd);
	say("QUICCTL done %d\n",
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	power_off();
}

static void obey(char *line)
{
	char *word[6] = { NULL };
	static int mounted;
	char *save = NULL;
	int n = 0;

	for (char *p = strtok_r(line, " \n", &save); p && n < 5;
	     p = strtok_r(NULL, " \n", &save))
		word[n++] = p;
	if (!n)
		return;
	if (!mounted && strcmp(word[0], "module") &&
	    strcmp(word[0], "overlay")) {
		mount_kernel_trees();
		mounted = 1;
	}
	if (!strcmp(word[0], "module") && n == 2) {
		load_module(word[1]);
	} else if (!strcmp(word[0], "overlay") && n == 2) {
		enter_overlay(word[1]);
	} else if (!strcmp(word[0], "mount") && n == 5) {
		mount_source(word[1], word[2], word[3], word[4]);
	} else if (!strcmp(word[0], "port") && n == 3) {
		int fd = open_port(word[2]);

		if (!strcmp(word[1], "stdout"))
			out_fd = fd;
		else if (!strcmp(word[1], "stderr"))
			err_fd = fd;
		else
			control_fd = fd;
	} else if (!strcmp(word[0], "exec") && n == 2) {
		run_session(word[1]);
	} else {
		errno = EINVAL;
		give_up("order", word[0]);
	}
}

/* quic_orders=PATH of the kernel's command line reaches init as a variable
 * of the environment, named as it was written.
 */
static const char *orders_path(void)
{
	const char *path = getenv("quic_orders");

	return path ? path : "/orders";
}

int main(void)
{
	static char text[16384];
	char *save = NULL;
	ssize_t n;
	int fd;

	if (getpid() != 1) {
		fprintf(stderr, "init: runs as the first process of a guest only\n");
		return 2;
	}
	make_dirs("/dev");
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	fd = open(orders_path(), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up("orders", orders_path());
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		give_up("orders", orders_path());
	close(fd);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		obey(line);
	errno = EINVAL;
	give_up("orders", "without exec");
}
