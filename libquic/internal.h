/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the library share: the state of one handshake, and the
 * seam between the driver (handshake.c), the kernel's options
 * (transport_params.c, kernel.c) and the TLS library (gnutls.c).
 */
#ifndef _LIBQUIC_INTERNAL_H
#define _LIBQUIC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "netinet/quic.h"

/* Encoded transport parameters that the kernel takes at most. */
#define QUIC_KERNEL_PARAMS_MAX	512
/* Bytes of one sendmsg(); longer TLS messages are cut. */
#define QUIC_MESSAGE_MAX	4096
#define QUIC_RECV_BUFFER_SIZE	65536
#define QUIC_TICKET_KEY_SIZE	64

enum {
	QUIC_ALERT_NONE			= -1,
	QUIC_ALERT_ILLEGAL_PARAMETER	= 47,
	QUIC_ALERT_INTERNAL_ERROR	= 80,
	QUIC_ALERT_MISSING_EXTENSION	= 109,
	QUIC_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

struct quic_message;

/* How one peer certificate was judged. */
struct quic_verdict {
	enum quic_verify	verify;
	uint32_t		status;
};

/*
 * One handshake: between quic_handshake_init() and _deinit(). Hangs on the
 * TLS session, which is the handle of the public functions.
 */
struct quic_handshake_ctx {
	gnutls_session_t	session;
	int			fd;
	bool			server;
	bool			started;
	bool			alpn_mandatory;
	bool			rx_app;		/* APP receive secret installed */
	bool			tx_app;
	bool			early;		/* a 0-RTT secret installed */
	bool			finished;	/* the TLS library is done */
	bool			ticket_queued;
	bool			complete;	/* nothing left to do */
	bool			heard;		/* the peer said something */
	bool			saw_end;	/* the event of the connection's end came */
	bool			closed;		/* an alert was sent */

	/* the first trouble in a callback, which the TLS library only relays */
	int			error;
	int			alert;		/* to send, or sent */
	int			peer_alert;

	/* queue to the kernel; the head is what the current step sends */
	struct quic_message	*head;
	struct quic_message	*tail;

	/* transport parameters of the peer as first received */
	uint8_t			*peer_params;
	size_t			peer_params_size;
	bool			has_peer_params;

	/* CONNECTION_CLOSE of the socket before we began, to tell the peer's */
	struct quic_connection_close old_close;

	/* the step that the caller performs */
	struct quic_handshake_step step;
	bool			step_out;
	struct msghdr		msg;
	struct iovec		iov;
	union {
		struct cmsghdr	align;
		char		space[CMSG_SPACE(sizeof(struct quic_handshake_info))];
	} control;
	uint8_t			*buffer;

	/* set when a struct quic_tls owns the session */
	const struct quic_credentials *creds;
	const char		*hostname;
	struct quic_verdict	verdict;
	int			keylog_fd;

	quic_log_func_t		log;
	void			*log_arg;
};

/* handshake.c: the driver */
struct quic_handshake_ctx *quic_ctx_create(gnutls_session_t session);
void quic_ctx_destroy(struct quic_handshake_ctx *ctx);
int quic_ctx_start(struct quic_handshake_ctx *ctx,
		   struct quic_handshake_step **pstep);
int quic_ctx_step(struct quic_handshake_ctx *ctx,
		  struct quic_handshake_step **pstep);
int quic_ctx_run(struct quic_handshake_ctx *ctx, uint32_t timeout_ms);
int quic_ctx_queue(struct quic_handshake_ctx *ctx, uint8_t level,
		   const void *data, size_t size);
int quic_ctx_install_secret(struct quic_handshake_ctx *ctx, uint8_t level,
			    bool send, uint32_t cipher, const void *secret,
			    size_t size);
int quic_ctx_set_peer_params(struct quic_handshake_ctx *ctx, const void *data,
			     size_t size);
int quic_ctx_fail(struct quic_handshake_ctx *ctx, int error, int alert);
int quic_ctx_fail_kernel(struct quic_handshake_ctx *ctx, int error);
int quic_ctx_peer_error(struct quic_handshake_ctx *ctx, int error);
uint64_t quic_now_us(void);

/* gnutls.c: the TLS library */
struct quic_handshake_ctx *quic_backend_ctx(gnutls_session_t session);
int quic_backend_attach(gnutls_session_t session,
			struct quic_handshake_ctx **ctx);
int quic_backend_start(struct quic_handshake_ctx *ctx);
void quic_backend_detach(gnutls_session_t session);
int quic_backend_set_alpn(struct quic_handshake_ctx *ctx, const char *alpns,
			  size_t size, unsigned int max);
int quic_backend_advance(struct quic_handshake_ctx *ctx);
int quic_backend_input(struct quic_handshake_ctx *ctx, uint8_t level,
		   const void *data, size_t size);
int quic_backend_finish(struct quic_handshake_ctx *ctx);
int quic_backend_feed_ticket(gnutls_session_t session, const void *data,
			 size_t size);
void quic_backend_tell_alpn(struct quic_handshake_ctx *ctx);
uint32_t quic_backend_cipher_type(gnutls_session_t session);

/* transport_params.c */
int quic_params_get_local(int fd, uint8_t **data, size_t *size);
int quic_params_set_peer(int fd, const uint8_t *data, size_t size);
int quic_params_reduce(const uint8_t *data, size_t size, uint8_t *out,
		       size_t *out_size);

/* kernel.c: the other socket options */
int quic_kernel_is_server(int fd);
int quic_kernel_set_secret(int fd, const struct quic_crypto_secret *secret);
int quic_kernel_get_close(int fd, struct quic_connection_close *close);
int quic_kernel_close(int fd, uint32_t errcode, const char *phrase);
int quic_kernel_get_ticket(int fd, void *data, size_t *size);
int quic_kernel_set_alpn(int fd, const void *name, size_t size);

/* credentials.c */
int quic_credentials_apply(const struct quic_credentials *creds,
			   gnutls_session_t session, const char *priority);
bool quic_credentials_is_server(const struct quic_credentials *creds);
bool quic_credentials_is_insecure(const struct quic_credentials *creds);
const char *quic_credentials_psk_identity(const struct quic_credentials *creds);
bool quic_name_is_address(const char *name, void *addr, unsigned int *size);

/* trust.c */
struct quic_trust;
struct quic_trust_source;
int quic_trust_source_create(const char *ca_file,
			     struct quic_trust_source **source);
void quic_trust_source_destroy(struct quic_trust_source *source);
struct quic_trust_source *quic_trust_source_system(void);
int quic_trust_get(struct quic_trust_source *source,
		   struct quic_trust **trust);
void quic_trust_put(struct quic_trust *trust);
gnutls_x509_trust_list_t quic_trust_list(const struct quic_trust *trust);

/* resumption.c */
int quic_replay_enable(gnutls_session_t session);

/* One saved session; strings and blobs point into the encoded form. */
struct quic_saved_session {
	bool			verified;
	const void		*hostname;
	size_t			hostname_size;
	const void		*alpn;
	size_t			alpn_size;
	const void		*tls;
	size_t			tls_size;
	const void		*token;
	size_t			token_size;
	struct quic_transport_param params;
	bool			has_params;
};

int quic_saved_session_encode(const struct quic_saved_session *saved,
			      void *data, size_t *size);
int quic_saved_session_decode(struct quic_saved_session *saved,
			      const void *data, size_t size);

/* error.c */
int quic_error_bare(int err);
int quic_error_from_tls(int code);

/* log.c */
void quic_log(const struct quic_handshake_ctx *ctx, int level,
	      const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif /* _LIBQUIC_INTERNAL_H */
