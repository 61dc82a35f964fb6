// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/sys/net/quic: memory limits, and how long data may outlive its socket. */
#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/sysctl.h>

#include "sock.h"

long sysctl_quic_mem[3];
int sysctl_quic_rmem[3];
int sysctl_quic_wmem[3];
/* Milliseconds for which data of a closed socket is still delivered. */
int sysctl_quic_linger = 10000;

static struct ctl_table_header *quic_sysctl_header;
static int quic_sysctl_linger_max = 600000;

/*
 * Least, pressure, most: three pages of quic_mem, or bytes of the others. They are taken only
 * together, and only in that order.
 */
static int quic_sysctl_triple(const struct ctl_table *ctl, int write, void *buffer, size_t *lenp,
			      loff_t *ppos)
{
	bool is_long = ctl->maxlen == sizeof(sysctl_quic_mem);
	struct ctl_table copy = *ctl;
	long pages[3];
	int bytes[3];
	int err, i;

	copy.data = is_long ? (void *)pages : (void *)bytes;
	memcpy(copy.data, ctl->data, ctl->maxlen);
	err = is_long ? proc_doulongvec_minmax(&copy, write, buffer, lenp, ppos) :
			proc_dointvec_minmax(&copy, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	for (i = 0; i < 2; i++) {
		if (is_long ? pages[i] > pages[i + 1] : bytes[i] > bytes[i + 1])
			return -EINVAL;
	}
	memcpy(ctl->data, copy.data, ctl->maxlen);
	return 0;
}

static unsigned long quic_sysctl_mem_max = LONG_MAX >> PAGE_SHIFT;

static struct ctl_table quic_sysctl_table[] = {
	{
		.procname	= "quic_mem",
		.data		= &sysctl_quic_mem,
		.maxlen		= sizeof(sysctl_quic_mem),
		.mode		= 0644,
		.proc_handler	= quic_sysctl_triple,
		.extra2		= &quic_sysctl_mem_max,
	},
	{
		.procname	= "quic_rmem",
		.data		= &sysctl_quic_rmem,
		.maxlen		= sizeof(sysctl_quic_rmem),
		.mode		= 0644,
		.proc_handler	= quic_sysctl_triple,
		.extra1		= SYSCTL_ONE,
	},
	{
		.procname	= "quic_wmem",
		.data		= &sysctl_quic_wmem,
		.maxlen		= sizeof(sysctl_quic_wmem),
		.mode		= 0644,
		.proc_handler	= quic_sysctl_triple,
		.extra1		= SYSCTL_ONE,
	},
	{
		.procname	= "quic_linger_ms",
		.data		= &sysctl_quic_linger,
		.maxlen		= sizeof(sysctl_quic_linger),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= &quic_sysctl_linger_max,
	},
};

/* uapi.md, section 7.2. */
static void __init quic_sysctl_defaults(void)
{
	unsigned long pages = max(nr_free_buffer_pages() / 8, 128UL);
	int most;

	sysctl_quic_mem[0] = pages / 4 * 3;
	sysctl_quic_mem[1] = pages;
	sysctl_quic_mem[2] = sysctl_quic_mem[0] * 2;

	most = min_t(unsigned long, 4UL << 20, (unsigned long)sysctl_quic_mem[1] << (PAGE_SHIFT - 7));
	sysctl_quic_rmem[0] = PAGE_SIZE;
	sysctl_quic_rmem[1] = 1024 * 1024;
	sysctl_quic_rmem[2] = max(1024 * 1024, most);
	sysctl_quic_wmem[0] = PAGE_SIZE;
	sysctl_quic_wmem[1] = 16 * 1024;
	sysctl_quic_wmem[2] = max(64 * 1024, most);
}

/**
 * quic_sysctl_init() - compute the defaults and show them
 *
 * Return: 0, or -ENOMEM.
 */
int __init quic_sysctl_init(void)
{
	quic_sysctl_defaults();
	quic_sysctl_header = register_net_sysctl_sz(&init_net, "net/quic", quic_sysctl_table,
						    ARRAY_SIZE(quic_sysctl_table));
	return IS_ENABLED(CONFIG_SYSCTL) && !quic_sysctl_header ? -ENOMEM : 0;
}

/**
 * quic_sysctl_exit() - undo quic_sysctl_init()
 */
void quic_sysctl_exit(void)
{
	if (quic_sysctl_header)
		unregister_net_sysctl_table(quic_sysctl_header);
}
