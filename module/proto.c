// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables by which the rest of the kernel knows QUIC sockets: struct proto
 * and proto_ops for IPv4 and IPv6, and their registration for SOCK_STREAM and
 * SOCK_DGRAM, which behave alike.
 */
#include <linux/module.h>
#include <net/inet_common.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/transp_v6.h>

#include "proto.h"
#include "sock.h"

static struct percpu_counter quic_sockets_allocated;
static atomic_long_t quic_memory_allocated;
DEFINE_PER_CPU(int, quic_memory_per_cpu_fw_alloc);
static unsigned long quic_memory_pressure;

static void quic_enter_memory_pressure(struct sock *sk)
{
	WRITE_ONCE(quic_memory_pressure, 1);
}

/* There is no disconnect: uapi.md, section 2.3. */
static int quic_disconnect(struct sock *sk, int flags)
{
	return -EOPNOTSUPP;
}

#define QUIC_PROTO_COMMON						\
	.owner			= THIS_MODULE,				\
	.init			= quic_sock_init,			\
	.destroy		= quic_sock_destroy,			\
	.close			= quic_sock_close,			\
	.disconnect		= quic_disconnect,			\
	.accept			= quic_accept,				\
	.setsockopt		= quic_setsockopt,			\
	.getsockopt		= quic_getsockopt,			\
	.unhash			= quic_sock_unhash,			\
	.backlog_rcv		= quic_input_backlog,			\
	.release_cb		= quic_sock_release_cb,			\
	.no_autobind		= true,					\
	.enter_memory_pressure	= quic_enter_memory_pressure,		\
	.memory_pressure	= &quic_memory_pressure,		\
	.memory_allocated	= &quic_memory_allocated,		\
	.per_cpu_fw_alloc	= &quic_memory_per_cpu_fw_alloc,	\
	.sockets_allocated	= &quic_sockets_allocated,		\
	.sysctl_mem		= sysctl_quic_mem,			\
	.sysctl_rmem		= sysctl_quic_rmem,			\
	.sysctl_wmem		= sysctl_quic_wmem

struct proto quic_prot = {
	.name			= "QUIC",
	.obj_size		= sizeof(struct quic_sock),
	QUIC_PROTO_COMMON,
};

#if IS_ENABLED(CONFIG_IPV6)
struct proto quicv6_prot = {
	.name			= "QUICv6",
	.obj_size		= sizeof(struct quic6_sock),
	.ipv6_pinfo_offset	= offsetof(struct quic6_sock, inet6),
	QUIC_PROTO_COMMON,
};
#endif

#define QUIC_PROTO_OPS_COMMON						\
	.owner			= THIS_MODULE,				\
	.bind			= quic_bind,				\
	.connect		= quic_connect,				\
	.socketpair		= sock_no_socketpair,			\
	.accept			= inet_accept,				\
	.getname		= quic_sock_getname,			\
	.poll			= quic_sock_poll,			\
	.ioctl			= quic_sock_ioctl,			\
	.gettstamp		= sock_gettstamp,			\
	.listen			= quic_listen,				\
	.shutdown		= quic_sock_shutdown,			\
	.setsockopt		= sock_common_setsockopt,		\
	.getsockopt		= sock_common_getsockopt,		\
	.sendmsg		= quic_sock_sendmsg,			\
	.recvmsg		= quic_sock_recvmsg,			\
	.mmap			= sock_no_mmap

static const struct proto_ops quic_proto_ops = {
	.family			= PF_INET,
	.release		= inet_release,
	QUIC_PROTO_OPS_COMMON,
};

static struct inet_protosw quic_protosw[] = {
	{
		.type		= SOCK_STREAM,
		.protocol	= IPPROTO_QUIC,
		.prot		= &quic_prot,
		.ops		= &quic_proto_ops,
	},
	{
		.type		= SOCK_DGRAM,
		.protocol	= IPPROTO_QUIC,
		.prot		= &quic_prot,
		.ops		= &quic_proto_ops,
	},
};

#if IS_ENABLED(CONFIG_IPV6)
static const struct proto_ops quicv6_proto_ops = {
	.family			= PF_INET6,
	.release		= inet6_release,
	QUIC_PROTO_OPS_COMMON,
};

static struct inet_protosw quicv6_protosw[] = {
	{
		.type		= SOCK_STREAM,
		.protocol	= IPPROTO_QUIC,
		.prot		= &quicv6_prot,
		.ops		= &quicv6_proto_ops,
	},
	{
		.type		= SOCK_DGRAM,
		.protocol	= IPPROTO_QUIC,
		.prot		= &quicv6_prot,
		.ops		= &quicv6_proto_ops,
	},
};

static int __init quic_proto_init_v6(void)
{
	int err, i, n;

	err = proto_register(&quicv6_prot, 1);
	if (err)
		return err;
	for (n = 0; n < ARRAY_SIZE(quicv6_protosw); n++) {
		err = inet6_register_protosw(&quicv6_protosw[n]);
		if (err)
			goto unregister;
	}
	return 0;

unregister:
	for (i = 0; i < n; i++)
		inet6_unregister_protosw(&quicv6_protosw[i]);
	proto_unregister(&quicv6_prot);
	return err;
}

static void quic_proto_exit_v6(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(quicv6_protosw); i++)
		inet6_unregister_protosw(&quicv6_protosw[i]);
	proto_unregister(&quicv6_prot);
}
#else
static int __init quic_proto_init_v6(void)
{
	return 0;
}

static void quic_proto_exit_v6(void)
{
}
#endif

/**
 * quic_proto_init() - let sockets be created; the last step of loading
 *
 * Return: 0, or a negative errno.
 */
int __init quic_proto_init(void)
{
	int err, i;

	err = percpu_counter_init(&quic_sockets_allocated, 0, GFP_KERNEL);
	if (err)
		return err;
	err = proto_register(&quic_prot, 1);
	if (err)
		goto counter;
	err = quic_proto_init_v6();
	if (err)
		goto proto;
	for (i = 0; i < ARRAY_SIZE(quic_protosw); i++)
		inet_register_protosw(&quic_protosw[i]);
	return 0;

proto:
	proto_unregister(&quic_prot);
counter:
	percpu_counter_destroy(&quic_sockets_allocated);
	return err;
}

/**
 * quic_proto_exit() - no more sockets
 */
void quic_proto_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(quic_protosw); i++)
		inet_unregister_protosw(&quic_protosw[i]);
	quic_proto_exit_v6();
	proto_unregister(&quic_prot);
	percpu_counter_destroy(&quic_sockets_allocated);
}
