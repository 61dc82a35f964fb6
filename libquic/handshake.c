// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Drives one handshake: keeps the queue of TLS messages for the kernel, hands
 * out the steps that the caller performs on the socket, feeds what came back to
 * the TLS library, and ends a failed handshake with its alert. It knows neither
 * TLS (gnutls.c) nor the encoding of transport parameters.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "internal.h"

struct quic_message {
	struct quic_message	*next;
	size_t			size;
	uint8_t			level;
	uint8_t			data[QUIC_MESSAGE_MAX];
};

uint64_t quic_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- Context ---------------------------------------------------------- */

struct quic_handshake_ctx *quic_ctx_create(gnutls_session_t session)
{
	struct quic_handshake_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->session = session;
	ctx->fd = -1;
	ctx->keylog_fd = -1;
	ctx->alert = QUIC_ALERT_NONE;
	ctx->peer_alert = QUIC_ALERT_NONE;
	return ctx;
}

static void quic_ctx_drop_head(struct quic_handshake_ctx *ctx)
{
	struct quic_message *m = ctx->head;

	ctx->head = m->next;
	if (!ctx->head)
		ctx->tail = NULL;
	free(m);
}

void quic_ctx_destroy(struct quic_handshake_ctx *ctx)
{
	if (!ctx)
		return;
	while (ctx->head)
		quic_ctx_drop_head(ctx);
	free(ctx->peer_params);
	free(ctx->buffer);
	free(ctx);
}

/* ---- What the TLS library asks for ------------------------------------ */

/*
 * Append TLS bytes of one level. Messages of one level share a sendmsg() up to
 * QUIC_MESSAGE_MAX; nothing is in the caller's hands while this runs.
 */
int quic_ctx_queue(struct quic_handshake_ctx *ctx, uint8_t level,
		   const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size) {
		struct quic_message *m = ctx->tail;
		size_t n;

		if (!m || m->level != level || m->size == QUIC_MESSAGE_MAX) {
			m = malloc(sizeof(*m));
			if (!m)
				return -ENOMEM;
			m->next = NULL;
			m->size = 0;
			m->level = level;
			if (ctx->tail)
				ctx->tail->next = m;
			else
				ctx->head = m;
			ctx->tail = m;
		}
		n = QUIC_MESSAGE_MAX - m->size;
		if (n > size)
			n = size;
		memcpy(m->data + m->size, p, n);
		m->size += n;
		p += n;
		size -= n;
	}
	return 0;
}

int quic_ctx_install_secret(struct quic_handshake_ctx *ctx, uint8_t level,
			    bool send, uint32_t cipher, const void *secret,
			    size_t size)
{
	struct quic_crypto_secret s = {
		.send = send, .level = level, .type = cipher,
	};
	int ret;

	if (size > sizeof(s.secret))
		return quic_ctx_fail(ctx, -EOVERFLOW, QUIC_ALERT_INTERNAL_ERROR);
	memcpy(s.secret, secret, size);
	ret = quic_kernel_set_secret(ctx->fd, &s);
	explicit_bzero(&s, sizeof(s));
	/*
	 * The server's last secret lets in what a quick client sent meanwhile,
	 * up to its close. TLS is through by then: the data is there to read,
	 * and the end is found behind it.
	 */
	if (ret == -EPIPE && ctx->server && level == QUIC_CRYPTO_APP && !send)
		ret = 0;
	if (ret)
		return quic_ctx_fail_kernel(ctx, ret);
	if (level == QUIC_CRYPTO_APP) {
		if (send)
			ctx->tx_app = true;
		else
			ctx->rx_app = true;
	} else if (level == QUIC_CRYPTO_EARLY) {
		ctx->early = true;
	}
	quic_log(ctx, LOG_DEBUG, "secret installed: level %u, %s, cipher %u",
		 level, send ? "send" : "receive", cipher);
	return 0;
}

/* The body of the peer's extension; after HelloRetryRequest it comes twice. */
int quic_ctx_set_peer_params(struct quic_handshake_ctx *ctx, const void *data,
			     size_t size)
{
	int ret;

	if (ctx->has_peer_params) {
		if (size == ctx->peer_params_size &&
		    (!size || !memcmp(data, ctx->peer_params, size)))
			return 0;
		return quic_ctx_fail(ctx, QUIC_ERR_TRANSPORT_PARAMS,
				     QUIC_ALERT_ILLEGAL_PARAMETER);
	}
	if (ctx->server && size) {
		ctx->peer_params = malloc(size);
		if (!ctx->peer_params)
			return quic_ctx_fail(ctx, -ENOMEM,
					     QUIC_ALERT_INTERNAL_ERROR);
		memcpy(ctx->peer_params, data, size);
	}
	ctx->peer_params_size = size;
	ctx->has_peer_params = true;
	ret = quic_params_set_peer(ctx->fd, data, size);
	if (!ret)
		return 0;
	ret = quic_ctx_peer_error(ctx, ret);
	if (ret == -EINVAL ||
	    ret == QUIC_ERR_TRANSPORT - QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM)
		ret = QUIC_ERR_TRANSPORT_PARAMS;
	/* the kernel has closed on its own: no alert */
	return quic_ctx_fail(ctx, ret, QUIC_ALERT_NONE);
}

/* Keep the first error and its alert. Returns the error that is kept. */
int quic_ctx_fail(struct quic_handshake_ctx *ctx, int error, int alert)
{
	if (!ctx->error) {
		ctx->error = error;
		ctx->alert = alert;
	}
	return ctx->error;
}

/*
 * A socket option failed. If that is because the connection has ended (EPIPE:
 * packets that had waited for a key closed it), there is nobody to alert.
 */
int quic_ctx_fail_kernel(struct quic_handshake_ctx *ctx, int error)
{
	int cause = quic_ctx_peer_error(ctx, error);

	return quic_ctx_fail(ctx, cause, cause == error ?
			     QUIC_ALERT_INTERNAL_ERROR : QUIC_ALERT_NONE);
}

/* ---- Closing ---------------------------------------------------------- */

/*
 * Tell the peer: CONNECTION_CLOSE with CRYPTO_ERROR and the alert, RFC 9001,
 * section 4.8. A connection that has ended already takes no notice.
 */
static void quic_ctx_send_alert(struct quic_handshake_ctx *ctx)
{
	if (ctx->closed || ctx->peer_alert != QUIC_ALERT_NONE ||
	    ctx->alert == QUIC_ALERT_NONE)
		return;
	quic_log(ctx, LOG_NOTICE, "handshake ends with alert %d (%s)",
		 ctx->alert, quic_alert_name(ctx->alert));
	ctx->closed = !quic_kernel_close(ctx->fd, QUIC_TRANSPORT_ERROR_CRYPTO +
					 (uint32_t)ctx->alert,
					 quic_alert_name(ctx->alert));
}

static bool quic_error_ends_socket(int error)
{
	return error == -ENOTCONN || error == -EPIPE || error == -ECONNRESET ||
	       error == -EBADMSG || error == -EINVAL;
}

/*
 * The socket gave @error: if that is because the connection was closed, find
 * the reason that the peer gave, or what the kernel found wrong.
 */
int quic_ctx_peer_error(struct quic_handshake_ctx *ctx, int error)
{
	struct quic_connection_close close;

	/* an application that wants events gets the end of the connection as one */
	if (error == -EBADMSG && ctx->saw_end)
		error = -ENOTCONN;
	if (!quic_error_ends_socket(error))
		return error;
	if (quic_kernel_get_close(ctx->fd, &close))
		return error;
	if (!memcmp(&close, &ctx->old_close, sizeof(close))) {
		/* data in the way, or a call in the wrong state: no close */
		if (error == -EBADMSG || error == -EINVAL)
			return error;
		return ctx->heard ? QUIC_ERR_CLOSED : -ETIMEDOUT;
	}
	if (close.errcode >= QUIC_TRANSPORT_ERROR_CRYPTO &&
	    close.errcode <= QUIC_TRANSPORT_ERROR_CRYPTO + 0xff) {
		ctx->peer_alert = (int)(close.errcode & 0xff);
		return QUIC_ERR_PEER_ALERT - ctx->peer_alert;
	}
	if (close.errcode < QUIC_TRANSPORT_ERROR_CRYPTO)
		return QUIC_ERR_TRANSPORT - (int)close.errcode;
	return QUIC_ERR_CLOSED;
}

/* ---- Steps ------------------------------------------------------------ */

static void quic_ctx_make_send(struct quic_handshake_ctx *ctx)
{
	struct quic_message *m = ctx->head;
	struct quic_handshake_info info = { .crypto_level = m->level };
	struct cmsghdr *cmsg;

	memset(&ctx->control, 0, sizeof(ctx->control));
	ctx->iov = (struct iovec){ .iov_base = m->data, .iov_len = m->size };
	ctx->msg = (struct msghdr){
		.msg_iov = &ctx->iov, .msg_iovlen = 1,
		.msg_control = ctx->control.space,
		.msg_controllen = sizeof(ctx->control.space),
	};
	cmsg = CMSG_FIRSTHDR(&ctx->msg);
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_HANDSHAKE_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));

	ctx->step = (struct quic_handshake_step){
		.op = QUIC_HANDSHAKE_STEP_OP_SENDMSG,
		.s_sendmsg = {
			.msg = &ctx->msg,
			.flags = MSG_NOSIGNAL | (m->next ? MSG_MORE : 0),
			.retval = -EUCLEAN,
		},
	};
}

static int quic_ctx_make_recv(struct quic_handshake_ctx *ctx)
{
	if (!ctx->buffer) {
		ctx->buffer = malloc(QUIC_RECV_BUFFER_SIZE);
		if (!ctx->buffer)
			return -ENOMEM;
	}
	memset(&ctx->control, 0, sizeof(ctx->control));
	ctx->iov = (struct iovec){ .iov_base = ctx->buffer,
				   .iov_len = QUIC_RECV_BUFFER_SIZE };
	ctx->msg = (struct msghdr){
		.msg_iov = &ctx->iov, .msg_iovlen = 1,
		.msg_control = ctx->control.space,
		.msg_controllen = sizeof(ctx->control.space),
	};
	ctx->step = (struct quic_handshake_step){
		.op = QUIC_HANDSHAKE_STEP_OP_RECVMSG,
		.s_recvmsg = {
			.msg = &ctx->msg,
			.flags = MSG_DONTWAIT,
			.retval = -EUCLEAN,
		},
	};
	return 0;
}

/* Let the TLS library run as far as it gets with what it has. */
static int quic_ctx_advance(struct quic_handshake_ctx *ctx)
{
	int ret;

	if (!ctx->finished) {
		ret = quic_backend_advance(ctx);
		if (ret == -EAGAIN)
			return 0;
		if (ret)
			goto fail;
		ctx->finished = true;
		quic_backend_tell_alpn(ctx);
	}
	if (ctx->rx_app && !ctx->ticket_queued) {
		ctx->ticket_queued = true;
		ret = quic_backend_finish(ctx);
		if (ret)
			goto fail;
	}
	return 0;
fail:
	quic_ctx_send_alert(ctx);
	return ret;
}

static int quic_ctx_next(struct quic_handshake_ctx *ctx,
			 struct quic_handshake_step **pstep)
{
	int ret;

	if (ctx->head) {
		quic_ctx_make_send(ctx);
	} else if (ctx->finished && ctx->rx_app) {
		ctx->complete = true;
		ctx->step_out = false;
		*pstep = NULL;
		free(ctx->buffer);
		ctx->buffer = NULL;
		quic_log(ctx, LOG_DEBUG, "handshake complete");
		return 0;
	} else {
		ret = quic_ctx_make_recv(ctx);
		if (ret)
			return ret;
	}
	ctx->step_out = true;
	*pstep = &ctx->step;
	return 0;
}

/*
 * Keep what the application configured as CONNECTION_CLOSE, so that it is not
 * taken for the peer's later; unless the connection has ended before we came.
 */
static int quic_ctx_look_at_socket(struct quic_handshake_ctx *ctx)
{
	static const struct quic_connection_close none;
	struct pollfd pfd = { .fd = ctx->fd };
	struct quic_connection_close close;
	int ret;

	ret = quic_kernel_get_close(ctx->fd, &close);
	if (ret)
		return ret;
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP)) {
		if (!memcmp(&close, &none, sizeof(close)))
			return -ENOTCONN;
		return quic_ctx_peer_error(ctx, -ENOTCONN);
	}
	ctx->old_close = close;
	return 0;
}

int quic_ctx_start(struct quic_handshake_ctx *ctx,
		   struct quic_handshake_step **pstep)
{
	int ret;

	ret = quic_ctx_look_at_socket(ctx);
	if (ret)
		return ret;
	ctx->started = true;
	if (!ctx->server) {
		ret = quic_ctx_advance(ctx);
		if (ret)
			return ret;
	}
	return quic_ctx_next(ctx, pstep);
}

static int quic_ctx_on_sent(struct quic_handshake_ctx *ctx, ssize_t retval)
{
	/* only a session ticket was left, and the client is gone */
	if (retval == -EPIPE && ctx->server && ctx->finished && ctx->rx_app) {
		while (ctx->head)
			quic_ctx_drop_head(ctx);
		return 0;
	}
	if (retval < 0)
		return (int)retval;
	if ((size_t)retval < ctx->head->size)
		return -EMSGSIZE;
	quic_ctx_drop_head(ctx);
	return 0;
}

static int quic_ctx_on_received(struct quic_handshake_ctx *ctx, ssize_t retval)
{
	struct quic_handshake_info info;
	struct cmsghdr *cmsg;
	int ret;

	if (retval < 0)
		return (int)retval;
	if (!retval)
		return -ECONNRESET;
	if (ctx->msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	if ((ctx->msg.msg_flags & MSG_QUIC_NOTIFICATION) &&
	    ctx->buffer[0] == QUIC_EVENT_CONNECTION_CLOSE)
		ctx->saw_end = true;
	if (ctx->msg.msg_flags & MSG_CTRUNC)
		return -EBADMSG;
	cmsg = CMSG_FIRSTHDR(&ctx->msg);
	if (!cmsg || cmsg->cmsg_level != SOL_QUIC ||
	    cmsg->cmsg_type != QUIC_HANDSHAKE_INFO ||
	    cmsg->cmsg_len < CMSG_LEN(sizeof(info)) ||
	    (size_t)retval > QUIC_RECV_BUFFER_SIZE)
		return -EBADMSG;
	memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
	if (info.crypto_level != QUIC_CRYPTO_INITIAL &&
	    info.crypto_level != QUIC_CRYPTO_HANDSHAKE)
		return -EBADMSG;

	ctx->heard = true;
	ret = quic_backend_input(ctx, info.crypto_level, ctx->buffer,
			     (size_t)retval);
	if (ret) {
		quic_ctx_send_alert(ctx);
		return ret;
	}
	return quic_ctx_advance(ctx);
}

int quic_ctx_step(struct quic_handshake_ctx *ctx,
		  struct quic_handshake_step **pstep)
{
	int ret;

	if (!pstep || *pstep != &ctx->step || !ctx->step_out)
		return -EINVAL;
	ctx->step_out = false;
	switch (ctx->step.op) {
	case QUIC_HANDSHAKE_STEP_OP_SENDMSG:
		ret = quic_ctx_on_sent(ctx, ctx->step.s_sendmsg.retval);
		break;
	case QUIC_HANDSHAKE_STEP_OP_RECVMSG:
		ret = quic_ctx_on_received(ctx, ctx->step.s_recvmsg.retval);
		break;
	default:
		ret = -EINVAL;
		break;
	}
	if (ret)
		return ret;
	return quic_ctx_next(ctx, pstep);
}

/* ---- The blocking loop ------------------------------------------------ */

/*
 * Wait for the socket, at most a second. Before the peer's flow control credit
 * is known a QUIC socket never polls writable, so to send we look again soon.
 */
static int quic_ctx_wait(struct quic_handshake_ctx *ctx, short events,
			 uint64_t deadline)
{
	struct pollfd pfd = { .fd = ctx->fd, .events = events };
	uint64_t left = events & POLLOUT ? 20000 : 1000000;
	uint64_t now = quic_now_us();

	if (deadline) {
		if (now >= deadline)
			return -ETIMEDOUT;
		if (deadline - now < left)
			left = deadline - now;
	}
	if (poll(&pfd, 1, (int)((left + 999) / 1000)) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Perform one step on the socket, however long it takes. */
static int quic_ctx_perform(struct quic_handshake_ctx *ctx, uint64_t deadline)
{
	bool is_send = ctx->step.op == QUIC_HANDSHAKE_STEP_OP_SENDMSG;
	/* with a deadline a full send buffer must not block us */
	int extra = deadline ? MSG_DONTWAIT : 0;
	ssize_t n;
	int ret;

	for (;;) {
		if (is_send)
			n = sendmsg(ctx->fd, ctx->step.s_sendmsg.msg,
				    ctx->step.s_sendmsg.flags | extra);
		else
			n = recvmsg(ctx->fd, ctx->step.s_recvmsg.msg,
				    ctx->step.s_recvmsg.flags);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			n = -errno;
			break;
		}
		ret = quic_ctx_wait(ctx, is_send ? POLLOUT : POLLIN, deadline);
		if (ret)
			return ret;
	}
	if (is_send)
		ctx->step.s_sendmsg.retval = n;
	else
		ctx->step.s_recvmsg.retval = n;
	return 0;
}

int quic_ctx_run(struct quic_handshake_ctx *ctx, uint32_t timeout_ms)
{
	struct quic_handshake_step *step = NULL;
	uint64_t deadline = 0;
	int ret;

	if (timeout_ms)
		deadline = quic_now_us() + (uint64_t)timeout_ms * 1000;

	ret = quic_ctx_start(ctx, &step);
	if (ret)
		return ret;
	while (!ret && step) {
		ret = quic_ctx_perform(ctx, deadline);
		if (!ret)
			ret = quic_ctx_step(ctx, &step);
	}
	return quic_ctx_peer_error(ctx, ret);
}
