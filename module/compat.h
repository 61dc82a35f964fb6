/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes an older kernel look like the newest one, which all other files are
 * written for. Kbuild includes it into every file, in out-of-tree builds only;
 * QUIC_HAVE_* come from compat.mk, which looks into the kernel's headers. Each
 * block names the version that brought the change.
 */
#ifndef _QUIC_COMPAT_H
#define _QUIC_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/udp_tunnel.h>

/* 7.0: allocation by type. */
#ifndef kzalloc_obj
#define kmalloc_obj(obj, gfp)	((typeof(obj) *)kmalloc(sizeof(obj), gfp))
#define kzalloc_obj(obj, gfp)	((typeof(obj) *)kzalloc(sizeof(obj), gfp))
#endif

/* 6.16: from_timer() was renamed. */
#ifndef timer_container_of
#define timer_container_of(var, timer, field)	from_timer(var, timer, field)
#endif

/* 6.13: hrtimer_init() took the function along. */
#ifndef QUIC_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.3: completions got their data, not the request. */
#ifndef QUIC_HAVE_CRYPTO_DONE_DATA
#include <crypto/aead.h>

void quic_protect_later_done(void *data, int err);

static inline void quic_crypto_done(struct crypto_async_request *req, int err)
{
	quic_protect_later_done(req->data, err);	/* the only one there is */
}

#define aead_request_set_callback(req, flags, done, data)					\
	aead_request_set_callback(req, flags,							\
		__builtin_choose_expr(__builtin_types_compatible_p(typeof(done), void *),	\
				      NULL, quic_crypto_done), data)
#endif

/* 6.13: the namespace became a string. */
#ifndef QUIC_HAVE_IMPORT_NS_STRING
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)	MODULE_INFO(import_ns, ns)
#endif

/*
 * 6.5: splice to a socket became a flag of sendmsg(). Before, sendpage() had one, and has it where a
 * stable kernel knows the new one, too.
 */
#ifdef MSG_SENDPAGE_NOTLAST
#undef MSG_SPLICE_PAGES
#define MSG_SPLICE_PAGES	MSG_SENDPAGE_NOTLAST

#include <linux/bvec.h>
#include <linux/net.h>

static inline ssize_t quic_compat_sendpage(struct socket *sock, struct page *page, int offset,
					   size_t size, int flags)
{
	struct bio_vec piece = { .bv_page = page, .bv_offset = offset, .bv_len = size };
	struct msghdr msg = { .msg_flags = flags | MSG_SPLICE_PAGES };

	if (flags & MSG_SENDPAGE_NOTLAST)
		msg.msg_flags |= MSG_MORE;
	iov_iter_bvec(&msg.msg_iter, WRITE, &piece, 1, size);
	return sock->ops->sendmsg(sock, &msg, size);
}

/* It stands last in our tables of struct proto_ops. */
#define sock_no_mmap	sock_no_mmap, .sendpage = quic_compat_sendpage
#endif

/* 6.11: the bool of skb_set_delivery_time() became a clock. */
#ifndef QUIC_HAVE_TSTAMP_TYPE
#define SKB_CLOCK_MONOTONIC	true
#endif

/* 6.19: addresses of callers have a type of their own. */
#ifndef QUIC_HAVE_SOCKADDR_UNSIZED
#define sockaddr_unsized	sockaddr
#endif

/* 7.2: the int of sk_drops_add(), and sk_drops_inc(). */
#ifndef QUIC_HAVE_SK_DROPS_INC
#define sk_drops_inc(sk)	atomic_inc(&(sk)->sk_drops)
#endif

/* 6.5: struct proto says where struct ipv6_pinfo is. Before, it was the last
 * member, and max_header is TCP's alone.
 */
#ifndef QUIC_HAVE_IPV6_PINFO_OFFSET
#define ipv6_pinfo_offset	max_header
#endif

/* 6.6: the bits of inet_sock became flags. */
#ifndef inet_test_bit
#define QUIC_INET_RECVERR	recverr
#define QUIC_INET_FREEBIND	freebind
#define QUIC_INET_TRANSPARENT	transparent
#define QUIC_INET_BIND_ADDRESS_NO_PORT	bind_address_no_port
#define QUIC_INET_MC_LOOP	mc_loop
#define inet_test_bit(nr, sk)	((bool)inet_sk(sk)->QUIC_INET_##nr)
#define inet_set_bit(nr, sk)	(inet_sk(sk)->QUIC_INET_##nr = 1)
#define inet_clear_bit(nr, sk)	(inet_sk(sk)->QUIC_INET_##nr = 0)
#define inet_assign_bit(nr, sk, val)	(inet_sk(sk)->QUIC_INET_##nr = !!(val))
#endif

/* 6.7: and those of IPv6. */
#ifndef inet6_test_bit
#define QUIC_INET6_RECVERR6	recverr
#define QUIC_INET6_REPFLOW	repflow
#define QUIC_INET6_AUTOFLOWLABEL	autoflowlabel
#define QUIC_INET6_AUTOFLOWLABEL_SET	autoflowlabel_set
#define inet6_test_bit(nr, sk)	((bool)inet6_sk(sk)->QUIC_INET6_##nr)
#endif

/* 7.2: tunnel sockets are struct sock. */
#ifndef QUIC_HAVE_TUNNEL_SK
#define setup_udp_tunnel_sock(net, sk, cfg)	setup_udp_tunnel_sock(net, (sk)->sk_socket, cfg)
#define udp_tunnel_sock_release(sk)		udp_tunnel_sock_release((sk)->sk_socket)
#endif

/* 6.6: no more sentinel behind a table. A module has one table, so that one copy does. */
#ifndef QUIC_HAVE_SYSCTL_SZ
static inline struct ctl_table_header *
register_net_sysctl_sz(struct net *net, const char *path, struct ctl_table *table, size_t size)
{
	static struct ctl_table copy[16];

	if (WARN_ON_ONCE(size >= ARRAY_SIZE(copy)))
		return NULL;
	memset(copy, 0, sizeof(copy));
	memcpy(copy, table, size * sizeof(*table));
	return register_net_sysctl(net, path, copy);
}
#endif

/* 6.11: handlers get a constant table. */
#ifndef QUIC_HAVE_CONST_CTL_TABLE
#define quic_sysctl_triple(table, write, buffer, lenp, ppos) \
	quic_sysctl_triple(struct ctl_table *ctl, write, buffer, lenp, ppos)
#endif

/* 6.5: ioctl() of a protocol got a kernel pointer, the caller copies it out. */
#ifndef QUIC_HAVE_IOCTL_KARG
#define quic_ioctl(first, command, argument)						\
	quic_ioctl_karg(first, command, argument);					\
static int quic_ioctl(struct sock *sk, int cmd, unsigned long arg)			\
{											\
	int karg = 0;									\
	int err = quic_ioctl_karg(sk, cmd, &karg);					\
											\
	return err ?: put_user(karg, (int __user *)arg);				\
}											\
static int quic_ioctl_karg(first, command, argument)
#endif

/* 6.10: the arguments of accept() became a struct. */
#ifndef QUIC_HAVE_ACCEPT_ARG
struct proto_accept_arg {
	int flags;
	int err;
	int is_empty;
	bool kern;
};

#define quic_accept(first, argument)							\
	quic_accept_arg(first, argument);						\
struct sock *quic_accept(struct sock *sk, int flags, int *err, bool kern)		\
{											\
	struct proto_accept_arg arg = { .flags = flags, .kern = kern };			\
	struct sock *child = quic_accept_arg(sk, &arg);					\
											\
	*err = arg.err;									\
	return child;									\
}											\
struct sock *quic_accept_arg(first, argument)
#endif

/* 7.2: recvmsg() of a protocol lost the address length. */
#ifdef QUIC_HAVE_RECVMSG_ADDR_LEN
#define quic_recvmsg(sk, msg, len, flags)	quic_recvmsg(sk, msg, len, flags, int *addr_len)
#endif

/* 6.12: moved from asm. */
#ifndef QUIC_HAVE_LINUX_UNALIGNED
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/* 6.12: copying an extensible struct. */
#ifndef QUIC_HAVE_COPY_STRUCT_SOCKPTR
static inline int copy_struct_from_sockptr(void *dst, size_t ksize, sockptr_t src, size_t usize)
{
	size_t size = min(ksize, usize);
	size_t rest = max(ksize, usize) - size;

	if (!sockptr_is_kernel(src))
		return copy_struct_from_user(dst, ksize, src.user, usize);

	if (usize < ksize) {
		memset(dst + size, 0, rest);
	} else if (usize > ksize) {
		if (memchr_inv((char *)src.kernel + size, 0, rest))
			return -E2BIG;
	}
	memcpy(dst, src.kernel, size);
	return 0;
}
#endif

/* 6.15: the state of ChaCha20 is a struct. The architecture's code is of no use for one block. */
#ifndef QUIC_HAVE_CHACHA_STATE
#include <crypto/chacha.h>

struct chacha_state {
	u32 x[CHACHA_STATE_WORDS];
};

#define chacha_init(state, key, iv)	chacha_init_generic((state)->x, key, iv)
#define chacha20_block(state, out)	chacha_block_generic((state)->x, out, 20)
#endif

/* 6.3: the error callback of a tunnel is told what the ICMP message says. */
#ifndef QUIC_HAVE_ENCAP_ERR_PORT
#define quic_udp_err_rcv(first, buffer, error, sport, extra, quoted)			\
	quic_udp_err_rcv_info(first, buffer, error, sport, extra, quoted);		\
static void quic_udp_err_rcv(struct sock *sk, struct sk_buff *skb, unsigned int off)	\
{											\
	quic_udp_err_rcv_info(sk, skb, 0, 0, 0, skb->data + off + sizeof(struct udphdr));	\
}											\
static void quic_udp_err_rcv_info(first, buffer, error, sport, extra, quoted)
#endif

/* 6.9: a handler of inet_diag says whose it is; before, unregistering waited for requests. */
#ifndef QUIC_HAVE_DIAG_OWNER
#include <linux/inet_diag.h>

struct quic_inet_diag_handler {
	struct module *owner;
	typeof(((struct inet_diag_handler *)0)->dump) dump;
	typeof(((struct inet_diag_handler *)0)->dump_one) dump_one;
	__u16 idiag_type;
};

static inline const struct inet_diag_handler *
quic_inet_diag_handler(const struct quic_inet_diag_handler *handler)
{
	static struct inet_diag_handler copy;

	copy.dump = handler->dump;
	copy.dump_one = handler->dump_one;
	copy.idiag_type = handler->idiag_type;
	return &copy;
}

#define inet_diag_handler		quic_inet_diag_handler
#define inet_diag_register(handler)	inet_diag_register(quic_inet_diag_handler(handler))
#define inet_diag_unregister(handler)	inet_diag_unregister(quic_inet_diag_handler(handler))
#endif

/* 7.0: filters are run by the call that has all of the request. */
#ifndef QUIC_HAVE_DIAG_BC_DATA
#include <linux/inet_diag.h>

#define inet_diag_bc_sk(data, sk) \
	(!(data)->inet_diag_nla_bc || inet_diag_bc_sk((data)->inet_diag_nla_bc, sk))
#endif

#endif /* _QUIC_COMPAT_H */
