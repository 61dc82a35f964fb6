// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * setsockopt() and getsockopt(): the table of options, the rules about lengths
 * that keep old and new programs working (uapi.md, section 1.12), and the two
 * functions exported to kernel users. What an option does is in sockopt_*.c.
 */
#include <linux/module.h>
#include <linux/quic.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "peeloff.h"
#include "sockopt.h"

/**
 * struct quic_option - one option
 * @set:  set it, or NULL: cannot be set
 * @get:  get it, or NULL: cannot be got
 * @size: of its struct; 0: a string
 * @no_value: set ignores value and length
 * @terminator: bytes that get wants to be free behind the string
 */
struct quic_option {
	int (*set)(struct quic_sock *qs, void *data, u32 len);
	int (*get)(struct quic_sock *qs, void *data, u32 *len);
	u8 size;
	bool no_value;
	u8 terminator;
};

static const struct quic_option quic_options[] = {
	[QUIC_SOCKOPT_EVENT] = {
		.set = quic_set_event,
		.get = quic_get_event,
		.size = sizeof(struct quic_event_option),
	},
	[QUIC_SOCKOPT_STREAM_OPEN] = {
		.get = quic_get_stream_open,
		.size = sizeof(struct quic_stream_info),
	},
	[QUIC_SOCKOPT_STREAM_RESET] = {
		.set = quic_set_stream_reset,
		.size = sizeof(struct quic_errinfo),
	},
	[QUIC_SOCKOPT_STREAM_STOP_SENDING] = {
		.set = quic_set_stream_stop_sending,
		.size = sizeof(struct quic_errinfo),
	},
	[QUIC_SOCKOPT_CONNECTION_ID] = {
		.set = quic_set_connection_id,
		.get = quic_get_connection_id,
		.size = sizeof(struct quic_connection_id_info),
	},
	[QUIC_SOCKOPT_CONNECTION_CLOSE] = {
		.set = quic_set_connection_close,
		.get = quic_get_connection_close,
		.size = sizeof(struct quic_connection_close),
	},
	[QUIC_SOCKOPT_CONNECTION_MIGRATION] = {
		.set = quic_set_connection_migration,
	},
	[QUIC_SOCKOPT_KEY_UPDATE] = {
		.set = quic_set_key_update,
		.no_value = true,
	},
	[QUIC_SOCKOPT_TRANSPORT_PARAM] = {
		.set = quic_set_transport_param,
		.get = quic_get_transport_param,
		.size = sizeof(struct quic_transport_param),
	},
	[QUIC_SOCKOPT_CONFIG] = {
		.set = quic_set_config,
		.get = quic_get_config,
		.size = sizeof(struct quic_config),
	},
	[QUIC_SOCKOPT_TOKEN] = {
		.set = quic_set_token,
		.get = quic_get_token,
	},
	[QUIC_SOCKOPT_ALPN] = {
		.set = quic_set_alpn,
		.get = quic_get_alpn,
		.terminator = 1,
	},
	[QUIC_SOCKOPT_SESSION_TICKET] = {
		.set = quic_set_session_ticket,
		.get = quic_get_session_ticket,
	},
	[QUIC_SOCKOPT_CRYPTO_SECRET] = {
		.set = quic_set_crypto_secret,
		.size = sizeof(struct quic_crypto_secret),
	},
	[QUIC_SOCKOPT_TRANSPORT_PARAM_EXT] = {
		.set = quic_set_transport_param_ext,
		.get = quic_get_transport_param_ext,
	},
	[QUIC_SOCKOPT_OFFLOAD] = {
		.set = quic_set_offload,
		.get = quic_get_offload,
		.size = sizeof(__u32),
	},
};

static const struct quic_option *quic_option_find(int optname)
{
	return optname >= 0 && optname < ARRAY_SIZE(quic_options) ? &quic_options[optname] : NULL;
}

/* What a call changed is sent before it returns: uapi.md, section 11.1, item 22. */
static void quic_option_settle(struct quic_sock *qs)
{
	if (qs->conn.todo && (quic_conn_is_open(&qs->conn) || qs->was_open))
		quic_sock_settle(qs);
}

/**
 * quic_do_setsockopt() - set an option of level SOL_QUIC
 * @sk:      socket, not locked
 * @optname: QUIC_SOCKOPT_*
 * @optval:  value, of user or kernel
 * @optlen:  its length
 *
 * Return: 0, or a negative errno.
 */
int quic_do_setsockopt(struct sock *sk, int optname, sockptr_t optval, unsigned int optlen)
{
	const struct quic_option *option = quic_option_find(optname);
	u8 small[128] __aligned(8) = {};
	u32 len = optlen;
	u8 *data = small;
	int err;

	if (optlen > QUIC_OPTION_MAX)
		return -EINVAL;
	if (!option || !option->set)
		return -ENOPROTOOPT;
	if (option->no_value)
		len = 0;
	else if (option->size)
		len = min_t(u32, len, option->size);
	if (len > sizeof(small)) {
		data = kmalloc(len, GFP_KERNEL);
		if (!data)
			return -ENOMEM;
	}
	err = -EFAULT;
	if (len && copy_from_sockptr(data, optval, len))
		goto out;

	lock_sock(sk);
	err = option->set(quic_sk(sk), data, len);
	quic_option_settle(quic_sk(sk));
	release_sock(sk);
out:
	if (data != small)
		kfree_sensitive(data);
	else
		memzero_explicit(small, sizeof(small));
	return err;
}
EXPORT_SYMBOL_GPL(quic_do_setsockopt);

static int quic_option_get_struct(struct quic_sock *qs, const struct quic_option *option,
				  sockptr_t optval, u32 *len)
{
	u8 data[128] __aligned(8) = {};
	u32 size = option->size;
	int err;

	*len = min(*len, size);
	if (*len && copy_from_sockptr(data, optval, *len))
		return -EFAULT;
	lock_sock(quic_sock_sk(qs));
	err = option->get(qs, data, &size);
	quic_option_settle(qs);
	release_sock(quic_sock_sk(qs));
	if (!err && *len && copy_to_sockptr(optval, data, *len))
		err = -EFAULT;
	return err;
}

static int quic_option_get_string(struct quic_sock *qs, const struct quic_option *option,
				  sockptr_t optval, u32 *len)
{
	u32 size = QUIC_OPTION_MAX;
	void *data;
	int err;

	data = kmalloc(size, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	lock_sock(quic_sock_sk(qs));
	err = option->get(qs, data, &size);
	quic_option_settle(qs);
	release_sock(quic_sock_sk(qs));
	if (err)
		goto out;
	err = -EINVAL;
	if (size && *len < size + option->terminator)
		goto out;
	err = -EFAULT;
	if (size && copy_to_sockptr(optval, data, size))
		goto out;
	*len = size;
	err = 0;
out:
	kfree_sensitive(data);
	return err;
}

/**
 * quic_do_getsockopt() - get an option of level SOL_QUIC
 * @sk:      socket, not locked
 * @optname: QUIC_SOCKOPT_*
 * @optval:  buffer, of user or kernel
 * @optlen:  int: its length in, that of the value out
 *
 * Return: 0, or a negative errno.
 */
int quic_do_getsockopt(struct sock *sk, int optname, sockptr_t optval, sockptr_t optlen)
{
	const struct quic_option *option = quic_option_find(optname);
	u32 len;
	int err;

	if (optname == QUIC_SOCKOPT_STREAM_PEELOFF)
		return quic_get_stream_peeloff(sk, optval, optlen);
	if (copy_from_sockptr(&len, optlen, sizeof(len)))
		return -EFAULT;
	if (!option || !option->get)
		return -ENOPROTOOPT;
	if (option->size)
		err = quic_option_get_struct(quic_sk(sk), option, optval, &len);
	else
		err = quic_option_get_string(quic_sk(sk), option, optval, &len);
	if (!err && copy_to_sockptr(optlen, &len, sizeof(len)))
		err = -EFAULT;
	return err;
}
EXPORT_SYMBOL_GPL(quic_do_getsockopt);

/**
 * quic_setsockopt() - setsockopt(2), all levels but SOL_SOCKET
 * @sk:      socket
 * @level:   SOL_QUIC; those of IP go to the generic handlers
 * @optname: option
 * @optval:  value
 * @optlen:  its length
 *
 * Return: 0, or a negative errno.
 */
int quic_setsockopt(struct sock *sk, int level, int optname, sockptr_t optval,
		    unsigned int optlen)
{
	if (level == SOL_QUIC)
		return quic_do_setsockopt(sk, optname, optval, optlen);
	if (level == SOL_IP)
		return ip_setsockopt(sk, level, optname, optval, optlen);
#if IS_ENABLED(CONFIG_IPV6)
	if (level == SOL_IPV6 && sk->sk_family == AF_INET6)
		return ipv6_setsockopt(sk, level, optname, optval, optlen);
#endif
	return -ENOPROTOOPT;
}

/**
 * quic_getsockopt() - getsockopt(2), all levels but SOL_SOCKET
 * @sk:      socket
 * @level:   SOL_QUIC; those of IP go to the generic handlers
 * @optname: option
 * @optval:  buffer
 * @optlen:  its length
 *
 * Return: 0, or a negative errno.
 */
int quic_getsockopt(struct sock *sk, int level, int optname, char __user *optval,
		    int __user *optlen)
{
	if (level == SOL_QUIC)
		return quic_do_getsockopt(sk, optname, USER_SOCKPTR(optval), USER_SOCKPTR(optlen));
	if (level == SOL_IP)
		return ip_getsockopt(sk, level, optname, optval, optlen);
#if IS_ENABLED(CONFIG_IPV6)
	if (level == SOL_IPV6 && sk->sk_family == AF_INET6)
		return ipv6_getsockopt(sk, level, optname, optval, optlen);
#endif
	return -ENOPROTOOPT;
}
