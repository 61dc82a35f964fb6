// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A user of QUIC inside the kernel, to start from: a service that echoes
 * records and a client that calls it, on several streams of one connection.
 *
 * Loading the module is the test: it serves, connects to itself, calls, and
 * compares what comes back. insmod succeeds if all of it did, else it fails
 * with the errno of the step that failed, which the log names.
 *
 * The TLS handshake is made by an agent in user space (tlshd, quicctl tlshd),
 * which net/handshake asks. It takes the protocol (ALPN) from the socket,
 * and certificates from its own configuration.
 *
 * docs/kernel-consumers.md goes through this file.
 */
#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/in.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/quic.h>
#include <linux/slab.h>
#include <net/handshake.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#define RPC_ALPN	"quic-rpc"
#define RPC_RECORD	16384

static ushort port = 4711;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "UDP port of the service, on the loopback address");

static uint streams = 4;
module_param(streams, uint, 0444);
MODULE_PARM_DESC(streams, "streams that the client opens, 1 to 64");

static uint rounds = 4;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "records of 16 KiB that each stream carries each way");

static uint timeout_ms = 20000;
module_param(timeout_ms, uint, 0444);
MODULE_PARM_DESC(timeout_ms, "how long a handshake may take, and a wait for data");

static char *peername = "localhost";
module_param(peername, charp, 0444);
MODULE_PARM_DESC(peername, "name that the server's certificate must bear");

static char *auth = "x509";
module_param(auth, charp, 0444);
MODULE_PARM_DESC(auth, "how the ends know each other: x509, psk, or anon: the client asks for no proof");

static int key;
module_param(key, int, 0444);
MODULE_PARM_DESC(key, "serial number of the pre-shared key: its description is the identity");

static bool resume;
module_param(resume, bool, 0444);
MODULE_PARM_DESC(resume, "call a second time, resuming the session of the first");

/* How long the agent may wait for a ticket, in seconds; odd, for an agent that reads one bit. */
#define RPC_TICKET_WAIT	15

/* One end of a connection. */
struct rpc_end {
	struct socket		*sock;
	/* Owns the socket once it exists: the agent gets a descriptor of it. */
	struct file		*file;
	struct completion	done;
	int			status;
};

struct rpc_server {
	struct socket		*listener;
	struct task_struct	*task;
	wait_queue_head_t	wait;
	atomic_t		knocks;
	/* What listener->sk called before. */
	void			(*data_ready)(struct sock *sk);
};

/* Give a new socket its file, by which it is released from then on. */
static int rpc_end_init(struct rpc_end *end, struct socket *sock)
{
	struct file *file;

	init_completion(&end->done);
	sock->sk->sk_rcvtimeo = msecs_to_jiffies(timeout_ms);
	sock->sk->sk_sndtimeo = msecs_to_jiffies(timeout_ms);
	file = sock_alloc_file(sock, 0, NULL);	/* releases the socket if it fails */
	if (IS_ERR(file))
		return PTR_ERR(file);
	end->sock = sock;
	end->file = file;
	return 0;
}

/* The agent is through with the socket, or was cancelled. */
static void rpc_handshake_done(void *data, int status, key_serial_t peerid)
{
	struct rpc_end *end = data;

	/* Its sign has changed over time. */
	end->status = status > 0 ? -status : status;
	complete(&end->done);
}

/* What the agent is asked for. */
static int rpc_request(struct tls_handshake_args *args, bool server)
{
	if (!strcmp(auth, "psk")) {
		args->ta_num_peerids = 1;
		args->ta_my_peerids[0] = key;
		return server ? tls_server_hello_psk(args, GFP_KERNEL) :
				tls_client_hello_psk(args, GFP_KERNEL);
	}
	if (server)
		return tls_server_hello_x509(args, GFP_KERNEL);
	return strcmp(auth, "anon") ? tls_client_hello_x509(args, GFP_KERNEL) :
				      tls_client_hello_anon(args, GFP_KERNEL);
}

/*
 * Let the agent do the handshake. -ESRCH: there is none; -ETIMEDOUT: it did
 * not answer; else what it found.
 */
static int rpc_handshake(struct rpc_end *end, bool server)
{
	struct tls_handshake_args args = {
		.ta_sock	= end->sock,
		.ta_done	= rpc_handshake_done,
		.ta_data	= end,
		.ta_peername	= server ? NULL : peername,
		.ta_timeout_ms	= timeout_ms,
		.ta_keyring	= TLS_NO_KEYRING,
		.ta_my_cert	= TLS_NO_CERT,
		.ta_my_privkey	= TLS_NO_PRIVKEY,
	};
	int err;

	err = rpc_request(&args, server);
	if (err)
		return err;
	if (wait_for_completion_timeout(&end->done, msecs_to_jiffies(timeout_ms)))
		return end->status;
	if (tls_handshake_cancel(end->sock->sk))
		return -ETIMEDOUT;
	/* It was done just now, and end must not go before it has said so. */
	wait_for_completion(&end->done);
	return end->status;
}

static int rpc_set_alpn(struct socket *sock)
{
	return quic_do_setsockopt(sock->sk, QUIC_SOCKOPT_ALPN, KERNEL_SOCKPTR(RPC_ALPN),
				  sizeof(RPC_ALPN) - 1);
}

/* What the agent left of the client's last connection, for the next one. */
static u8 rpc_session[4096];
static u32 rpc_session_len;

/* Before the handshake: ask for a session, and resume the one that there is. */
static int rpc_use_session(struct socket *sock)
{
	struct quic_config config;
	u32 len = sizeof(config);
	int err;

	err = quic_do_getsockopt(sock->sk, QUIC_SOCKOPT_CONFIG, KERNEL_SOCKPTR(&config),
				 KERNEL_SOCKPTR(&len));
	if (err)
		return err;
	config.receive_session_ticket = RPC_TICKET_WAIT;
	err = quic_do_setsockopt(sock->sk, QUIC_SOCKOPT_CONFIG, KERNEL_SOCKPTR(&config), len);
	if (err || !rpc_session_len)
		return err;
	return quic_do_setsockopt(sock->sk, QUIC_SOCKOPT_SESSION_TICKET,
				  KERNEL_SOCKPTR(rpc_session), rpc_session_len);
}

/* After it. */
static int rpc_keep_session(struct socket *sock)
{
	rpc_session_len = sizeof(rpc_session);
	return quic_do_getsockopt(sock->sk, QUIC_SOCKOPT_SESSION_TICKET,
				  KERNEL_SOCKPTR(rpc_session), KERNEL_SOCKPTR(&rpc_session_len));
}

/* What @msg points to, on a stream. */
static int rpc_send_msg(struct socket *sock, s64 id, u32 flags, struct msghdr *msg)
{
	u8 control[CMSG_SPACE(sizeof(struct quic_stream_info))] __aligned(8) = {};
	struct quic_stream_info *info = CMSG_DATA((struct cmsghdr *)control);
	struct cmsghdr *cmsg = (struct cmsghdr *)control;
	size_t len = msg_data_left(msg);
	int sent;

	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(*info));
	info->stream_id = id;
	info->stream_flags = flags;
	msg->msg_control = control;
	msg->msg_controllen = sizeof(control);
	sent = sock_sendmsg(sock, msg);
	if (sent < 0)
		return sent;
	return sent == len ? 0 : -EIO;
}

/* A copy of @data. */
static int rpc_send(struct socket *sock, s64 id, u32 flags, void *data, size_t len)
{
	struct kvec vec = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {};

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &vec, 1, len);
	return rpc_send_msg(sock, id, flags, &msg);
}

/*
 * Not a copy: the socket holds on to the page until the peer has acknowledged it. What is in it
 * must not change before, so the caller lets go of it for good.
 */
static int rpc_send_page(struct socket *sock, s64 id, u32 flags, struct page *page, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_SPLICE_PAGES };
	struct bio_vec vec;

	bvec_set_page(&vec, page, len, 0);
	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, &vec, 1, len);
	return rpc_send_msg(sock, id, flags, &msg);
}

/* Bytes of one stream, whichever has some; 0 with *fin set at the end of one. */
static int rpc_recv(struct socket *sock, void *data, size_t len, s64 *id, bool *fin)
{
	u8 control[CMSG_SPACE(sizeof(struct quic_stream_info))] __aligned(8) = {};
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;
	struct kvec vec = { .iov_base = data, .iov_len = len };
	struct quic_stream_info *info;
	int got;

	got = kernel_recvmsg(sock, &msg, &vec, 1, len, 0);
	if (got < 0)
		return got;
	if (cmsg->cmsg_level != SOL_QUIC || cmsg->cmsg_type != QUIC_STREAM_INFO)
		return -ENOTCONN;	/* an orderly end of the connection */
	info = CMSG_DATA(cmsg);
	*id = info->stream_id;
	*fin = info->stream_flags & MSG_QUIC_STREAM_FIN;
	return got;
}

/* ---- the service ---- */

/* In softirq: somebody knocks. */
static void rpc_data_ready(struct sock *sk)
{
	struct rpc_server *server = sk->sk_user_data;

	server->data_ready(sk);
	atomic_inc(&server->knocks);
	wake_up(&server->wait);
}

/* Send back what comes, in the page that it came into. */
static int rpc_echo_one(struct socket *sock, struct page *page)
{
	void *data = page_address(page);
	bool fin = false;
	u32 flags;
	s64 id;
	int got;

	got = rpc_recv(sock, data, RPC_RECORD, &id, &fin);
	if (got < 0)
		return got;
	flags = fin ? MSG_QUIC_STREAM_FIN : 0;
	/* The bare end of a stream has no page. */
	return got ? rpc_send_page(sock, id, flags, page, got) : rpc_send(sock, id, flags, data, 0);
}

/* The same until the client leaves. */
static int rpc_echo(struct socket *sock)
{
	struct page *page;
	int err;

	do {
		page = alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(RPC_RECORD));
		if (!page)
			return -ENOMEM;
		err = rpc_echo_one(sock, page);
		put_page(page);
	} while (!err);
	return err;
}

static void rpc_serve_one(struct socket *sock)
{
	struct rpc_end end = {};
	int err;

	err = rpc_end_init(&end, sock);
	if (err)
		return;
	err = rpc_handshake(&end, true);
	if (err)
		pr_info("server: handshake: %d\n", err);
	else
		err = rpc_echo(sock);
	pr_debug("server: ended with %d\n", err);
	fput(end.file);
}

static int rpc_serve(void *data)
{
	struct rpc_server *server = data;
	struct socket *sock;

	while (!kthread_should_stop()) {
		atomic_set(&server->knocks, 0);
		if (!kernel_accept(server->listener, &sock, O_NONBLOCK)) {
			rpc_serve_one(sock);
			continue;
		}
		wait_event_interruptible(server->wait,
					 atomic_read(&server->knocks) || kthread_should_stop());
	}
	return 0;
}

static void rpc_address(struct sockaddr_in *address)
{
	*address = (struct sockaddr_in) {
		.sin_family	 = AF_INET,
		.sin_port	 = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void rpc_server_stop(struct rpc_server *server)
{
	struct sock *sk = server->listener->sk;

	if (!IS_ERR_OR_NULL(server->task))
		kthread_stop(server->task);
	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (server->data_ready)
		sk->sk_data_ready = server->data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
	sock_release(server->listener);
}

static int rpc_server_start(struct rpc_server *server)
{
	struct sockaddr_in address;
	struct sock *sk;
	int err;

	init_waitqueue_head(&server->wait);
	err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, IPPROTO_QUIC, &server->listener);
	if (err)
		return err;
	sk = server->listener->sk;
	rpc_address(&address);
	err = rpc_set_alpn(server->listener);
	if (!err)
		err = kernel_bind(server->listener, (void *)&address, sizeof(address));
	if (err)
		goto fail;
	write_lock_bh(&sk->sk_callback_lock);
	server->data_ready = sk->sk_data_ready;
	sk->sk_user_data = server;
	sk->sk_data_ready = rpc_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	err = kernel_listen(server->listener, 8);
	if (err)
		goto fail;
	server->task = kthread_run(rpc_serve, server, "quic_rpc");
	err = PTR_ERR_OR_ZERO(server->task);
	if (!err)
		return 0;
fail:
	rpc_server_stop(server);
	return err;
}

/* ---- the client ---- */

/* What stands at an offset of a stream; differs between neighbours. */
static u8 rpc_byte(u32 stream, u32 offset)
{
	return (offset * 2654435761u >> 24) + stream * 37;
}

/* A record goes out on each stream, then all are read back, in any order. */
static int rpc_round(struct socket *sock, u8 *buffer, u32 round, u32 *received)
{
	u32 begin = round * RPC_RECORD, missing = streams * RPC_RECORD, flags, i, stream;
	s64 id;
	bool fin;
	int err;

	flags = round ? 0 : MSG_QUIC_STREAM_NEW;
	if (round == rounds - 1)
		flags |= MSG_QUIC_STREAM_FIN;
	for (stream = 0; stream < streams; stream++) {
		for (i = 0; i < RPC_RECORD; i++)
			buffer[i] = rpc_byte(stream, begin + i);
		/* A client's bidirectional streams are 0, 4, 8, ... */
		err = rpc_send(sock, (s64)stream << 2, flags, buffer, RPC_RECORD);
		if (err)
			return err;
	}
	while (missing) {
		err = rpc_recv(sock, buffer, RPC_RECORD, &id, &fin);
		if (err < 0)
			return err;
		stream = id >> 2;
		if (id & 3 || stream >= streams || err > begin + RPC_RECORD - received[stream])
			return -EPROTO;
		for (i = 0; i < err; i++)
			if (buffer[i] != rpc_byte(stream, received[stream]++))
				return -EBADMSG;
		missing -= err;
	}
	return 0;
}

static int rpc_call(void)
{
	struct sockaddr_in address;
	struct rpc_end end = {};
	u32 *received = NULL;
	struct socket *sock;
	u8 *buffer = NULL;
	u32 round;
	int err;

	err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, IPPROTO_QUIC, &sock);
	if (err)
		return err;
	err = rpc_end_init(&end, sock);
	if (err)
		return err;
	rpc_address(&address);
	err = rpc_set_alpn(sock);
	if (!err && resume)
		err = rpc_use_session(sock);
	if (!err)
		err = kernel_connect(sock, (void *)&address, sizeof(address), 0);
	if (!err)
		err = rpc_handshake(&end, false);
	if (!err && resume)
		err = rpc_keep_session(sock);
	if (err) {
		pr_info("client: handshake: %d\n", err);
		goto out;
	}
	err = -ENOMEM;
	buffer = kmalloc(RPC_RECORD, GFP_KERNEL);
	received = kcalloc(streams, sizeof(*received), GFP_KERNEL);
	if (!buffer || !received)
		goto out;
	for (err = 0, round = 0; !err && round < rounds; round++)
		err = rpc_round(sock, buffer, round, received);
	if (err)
		pr_info("client: round %u: %d\n", round - 1, err);
	else
		pr_info("%u bytes each way on %u streams\n", streams * rounds * RPC_RECORD, streams);
	kernel_sock_shutdown(sock, SHUT_RDWR);
out:
	kfree(received);
	kfree(buffer);
	fput(end.file);
	return err;
}

static int __init rpc_init(void)
{
	struct rpc_server server = {};
	int err;

	if (!streams || streams > 64 || !rounds || rounds > 65536 / streams)
		return -EINVAL;
	err = rpc_server_start(&server);
	if (err) {
		pr_info("server: %d\n", err);
		return err;
	}
	err = rpc_call();
	if (!err && resume)
		err = rpc_call();
	rpc_server_stop(&server);
	return err;
}

static void __exit rpc_exit(void)
{
}

module_init(rpc_init);
module_exit(rpc_exit);
MODULE_DESCRIPTION("QUIC: sample of a user inside the kernel");
MODULE_LICENSE("GPL");
