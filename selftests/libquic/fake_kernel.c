// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stand-in itself. It keeps the rules that libquic leans on: the states,
 * which level may be sent when, what waits for which key, the tolerances of
 * option lengths, and how a close reaches the other side.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_kernel.h"

#define FAKE_FIRST	5000
#define FAKE_COUNT	64
#define FAKE_PARAMS_MAX	512
#define FAKE_TICKET_MAX	4096

struct fake_message {
	struct fake_message	*next;
	int			level;
	size_t			size, off;
	uint8_t			data[];
};

struct fake_socket {
	bool			used;
	bool			server;
	enum fake_state		state;
	struct fake_socket	*peer;
	struct fake_message	*queue;
	struct fake_secret	secrets[QUIC_CRYPTO_MAX][2];
	uint8_t			local[4096];
	size_t			local_size;
	uint8_t			*remote;
	size_t			remote_size;
	int			refuse;
	struct quic_connection_close close;
	bool			sent_close;
	uint32_t		sent_errcode;
	uint8_t			ticket[FAKE_TICKET_MAX];
	size_t			ticket_size;
	uint8_t			key[64];
	uint8_t			token[120];
	size_t			token_size;
	struct quic_transport_param remembered;
	char			alpn[129];
	uint64_t		max_data;	/* of its own parameters; 0: the default */
	size_t			chunk;
	unsigned int		nuisance;
	bool			mute;
	unsigned int		sends, more;
	size_t			sent_bytes[QUIC_CRYPTO_MAX];
	struct quic_stream_info	stream_sent;
	int			stream_flags;
	const char		*offer;
	bool			offer_has_info;
	struct quic_stream_info	offer_info;
	int			offer_flags;
};

static struct fake_socket fake_sockets[FAKE_COUNT];
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;

int __real_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
int __real_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
int __real_shutdown(int fd, int how);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);

struct fake_socket *fake_get(int fd)
{
	if (fd < FAKE_FIRST || fd >= FAKE_FIRST + FAKE_COUNT)
		return NULL;
	return fake_sockets[fd - FAKE_FIRST].used ?
	       &fake_sockets[fd - FAKE_FIRST] : NULL;
}

static int fake_new(bool server)
{
	/* SCID and a few limits, as a peer would send them */
	static const uint8_t params[] = {
		0x0f, 0x08, 1, 2, 3, 4, 5, 6, 7, 8,
		0x04, 0x04, 0x80, 0x10, 0x00, 0x00,
		0x08, 0x01, 0x10,
	};
	int i;

	for (i = 0; i < FAKE_COUNT; i++)
		if (!fake_sockets[i].used)
			break;
	assert(i < FAKE_COUNT);
	memset(&fake_sockets[i], 0, sizeof(fake_sockets[i]));
	fake_sockets[i].used = true;
	fake_sockets[i].server = server;
	memcpy(fake_sockets[i].local, params, sizeof(params));
	fake_sockets[i].local_size = sizeof(params);
	memset(fake_sockets[i].key, 0x5a, sizeof(fake_sockets[i].key));
	return FAKE_FIRST + i;
}

void fake_pair(int fds[2])
{
	pthread_mutex_lock(&fake_lock);
	fds[0] = fake_new(false);
	fds[1] = fake_new(true);
	fake_get(fds[0])->peer = fake_get(fds[1]);
	fake_get(fds[1])->peer = fake_get(fds[0]);
	pthread_mutex_unlock(&fake_lock);
}

void fake_release(int fds[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		struct fake_socket *s = fake_get(fds[i]);

		while (s->queue) {
			struct fake_message *m = s->queue;

			s->queue = m->next;
			free(m);
		}
		free(s->remote);
		s->used = false;
	}
}

enum fake_state fake_state(int fd) { return fake_get(fd)->state; }

const struct fake_secret *fake_secret(int fd, int level, bool send)
{
	return &fake_get(fd)->secrets[level][send];
}

const char *fake_alpn(int fd)
{
	return fake_get(fd)->alpn;
}

const uint8_t *fake_peer_params(int fd, size_t *size)
{
	*size = fake_get(fd)->remote_size;
	return fake_get(fd)->remote;
}

bool fake_sent_close(int fd, uint32_t *errcode)
{
	*errcode = fake_get(fd)->sent_errcode;
	return fake_get(fd)->sent_close;
}

const struct quic_transport_param *fake_remembered(int fd)
{
	return &fake_get(fd)->remembered;
}

unsigned int fake_sends(int fd, unsigned int *with_more)
{
	*with_more = fake_get(fd)->more;
	return fake_get(fd)->sends;
}

size_t fake_sent_bytes(int fd, int level)
{
	return fake_get(fd)->sent_bytes[level];
}

void fake_set_local_params(int fd, const void *data, size_t size)
{
	memcpy(fake_get(fd)->local, data, size);
	fake_get(fd)->local_size = size;
}

void fake_stream_sent(int fd, struct quic_stream_info *info, int *flags)
{
	*info = fake_get(fd)->stream_sent;
	*flags = fake_get(fd)->stream_flags;
}

void fake_stream_offer(int fd, const char *text,
		       const struct quic_stream_info *info, int msg_flags)
{
	struct fake_socket *s = fake_get(fd);

	s->offer = text;
	s->offer_has_info = info;
	if (info)
		s->offer_info = *info;
	s->offer_flags = msg_flags;
}

void fake_set_max_data(int fd, uint64_t max_data) { fake_get(fd)->max_data = max_data; }
void fake_refuse_peer_params(int fd, int error) { fake_get(fd)->refuse = error; }
void fake_set_chunk(int fd, size_t chunk) { fake_get(fd)->chunk = chunk; }
void fake_set_nuisance(int fd, unsigned int n) { fake_get(fd)->nuisance = n; }
void fake_set_mute(int fd, bool mute) { fake_get(fd)->mute = mute; }

void fake_set_ticket_key(int fd, uint8_t byte)
{
	memset(fake_get(fd)->key, byte, sizeof(fake_get(fd)->key));
}

void fake_set_token(int fd, const void *data, size_t size)
{
	memcpy(fake_get(fd)->token, data, size);
	fake_get(fd)->token_size = size;
}

/* The CONNECTION_CLOSE @errcode arrives at @s. */
static void fake_peer_closed(struct fake_socket *s, uint32_t errcode,
			     const uint8_t *phrase)
{
	if (s->state == FAKE_CLOSED)
		return;
	s->state = FAKE_CLOSED;
	memset(&s->close, 0, sizeof(s->close));
	s->close.errcode = errcode;
	if (phrase)
		memcpy(s->close.phrase, phrase, sizeof(s->close.phrase));
}

void fake_end(int fd, uint32_t errcode)
{
	struct fake_socket *s = fake_get(fd);

	pthread_mutex_lock(&fake_lock);
	if (errcode)
		fake_peer_closed(s, errcode, NULL);
	else
		s->state = FAKE_CLOSED;
	pthread_mutex_unlock(&fake_lock);
}

static int fake_error(int err)
{
	errno = err;
	return -1;
}

/* ---- Messages ----------------------------------------------------------- */

static int fake_message_level(const struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg || cmsg->cmsg_level != SOL_QUIC ||
	    cmsg->cmsg_type != QUIC_HANDSHAKE_INFO ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(struct quic_handshake_info)))
		return -1;
	return ((struct quic_handshake_info *)CMSG_DATA(cmsg))->crypto_level;
}

static void fake_collect_ticket(struct fake_socket *s, const uint8_t *data,
				size_t size)
{
	assert(s->ticket_size + size <= sizeof(s->ticket));
	memcpy(s->ticket + s->ticket_size, data, size);
	s->ticket_size += size;
}

/* A stream message: remember how it was asked for. */
static ssize_t fake_send_stream(struct fake_socket *s, const struct msghdr *msg,
				int flags)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	assert(cmsg->cmsg_len == CMSG_LEN(sizeof(s->stream_sent)));
	memcpy(&s->stream_sent, CMSG_DATA(cmsg), sizeof(s->stream_sent));
	s->stream_flags = flags;
	return (ssize_t)msg->msg_iov[0].iov_len;
}

static ssize_t fake_recv_stream(struct fake_socket *s, struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t n = strlen(s->offer);

	assert(n <= msg->msg_iov[0].iov_len);
	memcpy(msg->msg_iov[0].iov_base, s->offer, n);
	s->offer = NULL;
	msg->msg_flags = s->offer_flags;
	if (!s->offer_has_info) {
		msg->msg_controllen = 0;
		return (ssize_t)n;
	}
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(s->offer_info));
	memcpy(CMSG_DATA(cmsg), &s->offer_info, sizeof(s->offer_info));
	return (ssize_t)n;
}

static ssize_t fake_sendmsg(struct fake_socket *s, const struct msghdr *msg,
			    int flags)
{
	int level = fake_message_level(msg);
	struct fake_message *m, **tail;
	size_t size = msg->msg_iov[0].iov_len;

	if (s->state == FAKE_CLOSED)
		return fake_error(EPIPE);
	if (s->nuisance && s->nuisance--)
		return fake_error(s->nuisance % 2 ? EINTR : EAGAIN);
	if (CMSG_FIRSTHDR(msg) && CMSG_FIRSTHDR(msg)->cmsg_type == QUIC_STREAM_INFO)
		return fake_send_stream(s, msg, flags);
	if (level < 0 || level == QUIC_CRYPTO_EARLY || level >= QUIC_CRYPTO_MAX)
		return fake_error(EINVAL);
	if (level != QUIC_CRYPTO_INITIAL && !s->secrets[level][1].set)
		return fake_error(EINVAL);
	if (!size)
		return fake_error(EMSGSIZE);
	s->sends++;
	if (flags & MSG_MORE)
		s->more++;
	s->sent_bytes[level] += size;
	if (s->mute || s->peer->state == FAKE_CLOSED)
		return (ssize_t)size;
	if (level == QUIC_CRYPTO_APP) {
		fake_collect_ticket(s->peer, msg->msg_iov[0].iov_base, size);
		return (ssize_t)size;
	}
	m = calloc(1, sizeof(*m) + size);
	assert(m);
	m->level = level;
	m->size = size;
	memcpy(m->data, msg->msg_iov[0].iov_base, size);
	for (tail = &s->peer->queue; *tail; tail = &(*tail)->next)
		;
	*tail = m;
	return (ssize_t)size;
}

static ssize_t fake_recvmsg(struct fake_socket *s, struct msghdr *msg)
{
	struct fake_message **pm = &s->queue, *m;
	struct cmsghdr *cmsg;
	size_t n;

	if (s->nuisance && s->nuisance--)
		return fake_error(s->nuisance % 2 ? EINTR : EAGAIN);
	if (s->offer)
		return fake_recv_stream(s, msg);
	/* Handshake packets wait for their key */
	while (*pm && (*pm)->level == QUIC_CRYPTO_HANDSHAKE &&
	       !s->secrets[QUIC_CRYPTO_HANDSHAKE][0].set)
		pm = &(*pm)->next;
	m = *pm;
	if (!m)
		return fake_error(s->state == FAKE_CLOSED ? ENOTCONN : EAGAIN);
	n = m->size - m->off;
	if (n > msg->msg_iov[0].iov_len)
		n = msg->msg_iov[0].iov_len;
	if (s->chunk && n > s->chunk)
		n = s->chunk;
	memcpy(msg->msg_iov[0].iov_base, m->data + m->off, n);
	m->off += n;
	msg->msg_flags = m->off == m->size ? MSG_EOR : 0;
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_HANDSHAKE_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(struct quic_handshake_info));
	((struct quic_handshake_info *)CMSG_DATA(cmsg))->crypto_level =
		(uint8_t)m->level;
	msg->msg_controllen = CMSG_SPACE(sizeof(struct quic_handshake_info));
	if (m->off == m->size) {
		*pm = m->next;
		free(m);
	}
	return (ssize_t)n;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct fake_socket *s = fake_get(fd);
	ssize_t ret;

	if (!s)
		return __real_sendmsg(fd, msg, flags);
	pthread_mutex_lock(&fake_lock);
	ret = fake_sendmsg(s, msg, flags);
	pthread_mutex_unlock(&fake_lock);
	return ret;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct fake_socket *s = fake_get(fd);
	ssize_t ret;

	if (!s)
		return __real_recvmsg(fd, msg, flags);
	pthread_mutex_lock(&fake_lock);
	ret = fake_recvmsg(s, msg);
	pthread_mutex_unlock(&fake_lock);
	return ret;
}

/* ---- Options -------------------------------------------------------------- */

static int fake_get_bytes(void *val, socklen_t *len, const void *data,
			  size_t size)
{
	if (*len < size)
		return fake_error(EINVAL);
	memcpy(val, data, size);
	*len = (socklen_t)size;
	return 0;
}

static int fake_get_struct(void *val, socklen_t *len, const void *data,
			   size_t size)
{
	if (*len > size)
		*len = (socklen_t)size;
	memcpy(val, data, *len);
	return 0;
}

static int fake_getsockopt(struct fake_socket *s, int name, void *val,
			   socklen_t *len)
{
	struct quic_transport_param params = {
		.remote = 1, .max_data = 1048576, .max_streams_bidi = 16,
		.max_stream_data_bidi_remote = 65536,
		.active_connection_id_limit = 7, .ack_delay_exponent = 3,
	};

	if (s->max_data)
		params.max_data = s->max_data;
	switch (name) {
	case QUIC_SOCKOPT_TOKEN:
		if (s->server)
			return fake_error(EINVAL);
		return fake_get_bytes(val, len, s->token, s->token_size);
	case QUIC_SOCKOPT_SESSION_TICKET:
		if (s->server)
			return fake_get_bytes(val, len, s->key, sizeof(s->key));
		return fake_get_bytes(val, len, s->ticket, s->ticket_size);
	case QUIC_SOCKOPT_TRANSPORT_PARAM_EXT:
		if (s->state != FAKE_ESTABLISHING)
			return fake_error(EINVAL);
		return fake_get_bytes(val, len, s->local, s->local_size);
	case QUIC_SOCKOPT_CONNECTION_CLOSE:
		return fake_get_struct(val, len, &s->close, sizeof(s->close));
	case QUIC_SOCKOPT_TRANSPORT_PARAM:
		return fake_get_struct(val, len, &params, sizeof(params));
	default:
		return fake_error(ENOPROTOOPT);
	}
}

static int fake_set_secret(struct fake_socket *s,
			   const struct quic_crypto_secret *secret)
{
	struct fake_secret *slot;

	if (s->state != FAKE_ESTABLISHING)
		return fake_error(EINVAL);
	if (secret->level >= QUIC_CRYPTO_MAX ||
	    secret->level == QUIC_CRYPTO_INITIAL ||
	    secret->type < 51 || secret->type > 54)
		return fake_error(EINVAL);
	slot = &s->secrets[secret->level][!!secret->send];
	assert(!slot->set);
	slot->set = true;
	slot->type = secret->type;
	memcpy(slot->secret, secret->secret, sizeof(slot->secret));
	if (s->secrets[QUIC_CRYPTO_APP][0].set &&
	    s->secrets[QUIC_CRYPTO_APP][1].set)
		s->state = FAKE_ESTABLISHED;
	return 0;
}

static int fake_set_peer_params(struct fake_socket *s, const void *val,
				socklen_t len)
{
	if (s->state != FAKE_ESTABLISHING || len > FAKE_PARAMS_MAX)
		return fake_error(EINVAL);
	assert(!s->remote);
	s->remote = malloc(len ? len : 1);
	assert(s->remote);
	memcpy(s->remote, val, len);
	s->remote_size = len;
	if (!s->refuse)
		return 0;
	/* as the kernel: closed on the spot */
	s->state = FAKE_CLOSED;
	s->sent_close = true;
	s->sent_errcode = QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM;
	s->close.errcode = s->sent_errcode;
	fake_peer_closed(s->peer, s->sent_errcode, NULL);
	return fake_error(s->refuse);
}

static int fake_setsockopt(struct fake_socket *s, int name, const void *val,
			   socklen_t len)
{
	if (len > 4096)
		return fake_error(EINVAL);
	switch (name) {
	case QUIC_SOCKOPT_CRYPTO_SECRET:
		assert(len == sizeof(struct quic_crypto_secret));
		return fake_set_secret(s, val);
	case QUIC_SOCKOPT_TRANSPORT_PARAM_EXT:
		return fake_set_peer_params(s, val, len);
	case QUIC_SOCKOPT_CONNECTION_CLOSE:
		memset(&s->close, 0, sizeof(s->close));
		memcpy(&s->close, val,
		       len < sizeof(s->close) ? len : sizeof(s->close));
		return 0;
	case QUIC_SOCKOPT_TRANSPORT_PARAM:
		memcpy(&s->remembered, val,
		       len < sizeof(s->remembered) ? len :
						     sizeof(s->remembered));
		return 0;
	case QUIC_SOCKOPT_TOKEN:
		if (s->server || !len || len > sizeof(s->token))
			return fake_error(EINVAL);
		memcpy(s->token, val, len);
		s->token_size = len;
		return 0;
	case QUIC_SOCKOPT_ALPN:
		if (len >= sizeof(s->alpn))
			return fake_error(EINVAL);
		memset(s->alpn, 0, sizeof(s->alpn));
		memcpy(s->alpn, val, len);
		return 0;
	default:
		return fake_error(ENOPROTOOPT);
	}
}

int __wrap_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct fake_socket *s = fake_get(fd);
	int ret;

	if (!s)
		return __real_getsockopt(fd, level, name, val, len);
	assert(level == SOL_QUIC);
	pthread_mutex_lock(&fake_lock);
	ret = fake_getsockopt(s, name, val, len);
	pthread_mutex_unlock(&fake_lock);
	return ret;
}

int __wrap_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct fake_socket *s = fake_get(fd);
	int ret;

	if (!s)
		return __real_setsockopt(fd, level, name, val, len);
	assert(level == SOL_QUIC);
	pthread_mutex_lock(&fake_lock);
	ret = fake_setsockopt(s, name, val, len);
	pthread_mutex_unlock(&fake_lock);
	return ret;
}

int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
	struct fake_socket *s = fake_get(fd);

	if (!s)
		return __real_shutdown(fd, how);
	pthread_mutex_lock(&fake_lock);
	if (s->state == FAKE_CLOSED) {
		pthread_mutex_unlock(&fake_lock);
		return fake_error(ENOTCONN);
	}
	s->sent_close = true;
	s->sent_errcode = s->close.errcode;
	if (s->state == FAKE_ESTABLISHING &&
	    (s->sent_errcode < 0x100 || s->sent_errcode > 0x1ff))
		s->sent_errcode = QUIC_TRANSPORT_ERROR_APPLICATION;
	s->state = FAKE_CLOSED;
	if (!s->mute)
		fake_peer_closed(s->peer, s->sent_errcode, s->close.phrase);
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	const struct timespec nap = { .tv_nsec = 200000 };

	if (n != 1 || !fake_get(fds[0].fd))
		return __real_poll(fds, n, timeout);
	if (timeout)
		nanosleep(&nap, NULL);
	fds[0].revents = fds[0].events;
	if (fake_state(fds[0].fd) == FAKE_CLOSED)
		fds[0].revents |= POLLHUP | POLLERR;
	return fds[0].revents != 0;
}
