/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libquic: TLS 1.3 for QUIC sockets of the kernel. The library carries TLS
 * messages between an IPPROTO_QUIC socket and GnuTLS and installs the traffic
 * secrets; the kernel does all the rest.
 *
 * Three ways in, from simple to detailed:
 *  - quic_handshake_client(), quic_handshake_server(): one blocking call;
 *  - struct quic_tls: the same in steps, and what remains to be asked later;
 *  - quic_handshake(), quic_handshake_step(): a gnutls_session_t of the
 *    caller's own making.
 */
#ifndef _NETINET_QUIC_H
#define _NETINET_QUIC_H

#include <gnutls/abstract.h>
#include <sys/socket.h>
#include <linux/quic.h>
#include <stddef.h>
#include <stdint.h>

#ifndef SOL_QUIC
#define SOL_QUIC	288
#endif

#ifndef IPPROTO_QUIC
#define IPPROTO_QUIC	261
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define QUIC_PRIORITY \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+PSK:+ECDHE-PSK:" \
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:" \
	"+AES-128-CCM:-GROUP-ALL:+GROUP-SECP256R1:+GROUP-X25519:" \
	"+GROUP-SECP384R1:+GROUP-SECP521R1:" \
	"%DISABLE_TLS13_COMPAT_MODE"

/* ---- Errors ----------------------------------------------------------- */

/*
 * Every function that returns int returns 0 or a negative number. Down to
 * -4095 it is a negated errno; the ranges below are apart from it and from
 * each other. Only the functions that take a gnutls_session_t, and
 * quic_client_handshake() and quic_server_handshake(), report trouble of the
 * TLS library as the bare GnuTLS code.
 */
enum {
	/* what a credentials file holds is of no use */
	QUIC_ERR_CREDENTIALS		= -0x10001,
	/* the peer's certificate, or its absence, is not acceptable */
	QUIC_ERR_CERTIFICATE		= -0x10002,
	/* no application protocol in common */
	QUIC_ERR_ALPN			= -0x10003,
	/* the peer sent no transport parameters */
	QUIC_ERR_NO_TRANSPORT_PARAMS	= -0x10004,
	/* the peer's transport parameters are wrong */
	QUIC_ERR_TRANSPORT_PARAMS	= -0x10005,
	/* the session data to resume is damaged or of another version */
	QUIC_ERR_SESSION_DATA		= -0x10006,
	/* the peer closed the connection and gave no reason */
	QUIC_ERR_CLOSED			= -0x10007,

	/* minus the TLS alert by which the peer ended the handshake */
	QUIC_ERR_PEER_ALERT		= -0x20000,
	/* minus the error code of the CONNECTION_CLOSE that ended it */
	QUIC_ERR_TRANSPORT		= -0x30000,
	/* plus the (negative) GnuTLS code */
	QUIC_ERR_TLS			= -0x40000,
};

const char *quic_strerror(int err);
/* The TLS alert that the peer sent, or -1 if @err does not tell of one. */
int quic_error_alert(int err);
/* Name of a TLS alert ("bad_certificate"), or "unknown". */
const char *quic_alert_name(int alert);

/* ---- Credentials ------------------------------------------------------ */

/*
 * Loaded once, then used by any number of handshakes, at the same time too.
 * Do not change one in use, and destroy it after the last handshake.
 */
struct quic_credentials;

enum quic_client_auth {
	QUIC_CLIENT_AUTH_NONE,		/* no certificate is asked for */
	QUIC_CLIENT_AUTH_REQUEST,	/* one that comes must be good */
	QUIC_CLIENT_AUTH_REQUIRE,
};

int quic_credentials_create_client(struct quic_credentials **creds);
int quic_credentials_create_server(struct quic_credentials **creds);
void quic_credentials_destroy(struct quic_credentials *creds);

/* Trust the CA certificates of @ca_file and not the system's. */
int quic_credentials_set_ca_file(struct quic_credentials *creds,
				 const char *ca_file);
/* Our certificate chain and key, PEM. */
int quic_credentials_set_certificate(struct quic_credentials *creds,
				     const char *cert_file,
				     const char *key_file);
/* A pre-shared key in binary; a server may have many. */
int quic_credentials_add_psk(struct quic_credentials *creds,
			     const char *identity,
			     const void *key, size_t size);
/* Lines "identity:HEXKEY"; a client uses the first. */
int quic_credentials_add_psk_file(struct quic_credentials *creds,
				  const char *psk_file);
/* Servers: whether clients show a certificate. */
int quic_credentials_set_client_auth(struct quic_credentials *creds,
				     enum quic_client_auth mode);
/* Accept whatever certificate the peer shows. */
int quic_credentials_set_insecure(struct quic_credentials *creds);

/* ---- One handshake ---------------------------------------------------- */

/* quic_handshake_options.flags */
enum {
	/* client: resume with 0-RTT when the session allows it; server: accept it */
	QUIC_HANDSHAKE_EARLY_DATA	= 1 << 0,
	/* server: send no session ticket */
	QUIC_HANDSHAKE_NO_TICKET	= 1 << 1,
};

typedef void (*quic_log_func_t)(void *arg, int level, const char *msg);

/* Zero it, then set @size; every other field may stay zero. */
struct quic_handshake_options {
	size_t		size;		/* sizeof(struct quic_handshake_options) */
	const struct quic_credentials *credentials; /* NULL: client that trusts the system's CAs */
	const char	*hostname;	/* client: SNI, and the name or IP address to check */
	const char	*alpns;		/* "h3,hq-interop": one of them is then mandatory */
	const char	*priority;	/* GnuTLS priority string; NULL: QUIC_PRIORITY */
	const char	*keylog_file;	/* append TLS secrets there; NULL: none */
	const void	*session;	/* client: from quic_tls_get_session() */
	size_t		session_size;
	uint32_t	timeout_ms;	/* for the blocking calls; 0: no limit */
	uint32_t	flags;		/* QUIC_HANDSHAKE_* */
	quic_log_func_t	log;		/* NULL: quic_set_log_func() counts */
	void		*log_arg;
};

enum quic_verify {
	QUIC_VERIFY_NONE,		/* no certificate took part */
	QUIC_VERIFY_OK,
	QUIC_VERIFY_FAILED,
	QUIC_VERIFY_IGNORED,		/* failed, but the credentials are insecure */
	QUIC_VERIFY_RESUMED,		/* done when the session began */
};

enum quic_early_data {
	QUIC_EARLY_DATA_NONE,
	QUIC_EARLY_DATA_REJECTED,
	QUIC_EARLY_DATA_ACCEPTED,
};

/* Set @size before the call; valid after failure as far as things went. */
struct quic_handshake_result {
	size_t		size;		/* sizeof(struct quic_handshake_result) */
	int32_t		error;		/* what the call returned */
	int32_t		alert_sent;	/* TLS alert, -1: none */
	int32_t		alert_received;	/* TLS alert, -1: none */
	uint32_t	close_code;	/* CONNECTION_CLOSE that ended the handshake */
	uint32_t	close_frame;
	uint32_t	cipher_type;	/* TLS_CIPHER_* of <linux/tls.h>, 0: none yet */
	uint32_t	verify;		/* enum quic_verify */
	uint32_t	verify_status;	/* gnutls_certificate_status_t bits */
	uint32_t	early_data;	/* enum quic_early_data */
	uint8_t		resumed;	/* by a session ticket */
	uint8_t		psk;		/* by an external pre-shared key */
	uint8_t		server;
	uint8_t		complete;
	uint64_t	duration_us;	/* from the first to the last step */
	uint64_t	not_after;	/* expiry of the peer's certificate, UNIX time */
	char		close_phrase[64];
	char		cipher_suite[64];	/* "TLS_AES_128_GCM_SHA256" */
	char		group[32];		/* "X25519" */
	char		signature[32];		/* "ECDSA-SECP256R1-SHA256" */
	char		alpn[256];
	char		server_name[256];	/* SNI, both roles */
	char		psk_identity[256];
	char		peer_subject[256];
	char		peer_issuer[256];
	char		peer_sha256[65];	/* fingerprint of the certificate, hex */
	char		verify_text[256];
	char		error_text[256];
};

/* Blocking, complete. @res may be NULL. */
int quic_handshake_client(int sockfd, const struct quic_handshake_options *opts,
			  struct quic_handshake_result *res);
int quic_handshake_server(int sockfd, const struct quic_handshake_options *opts,
			  struct quic_handshake_result *res);

/*
 * The same with a handle: wait for a session ticket afterwards, or drive the
 * steps from an event loop. Strings and session data of the options are
 * copied; the credentials must outlive the handle.
 */
struct quic_tls;
struct quic_handshake_step;

int quic_tls_create_client(int sockfd, const struct quic_handshake_options *opts,
			   struct quic_tls **tls);
int quic_tls_create_server(int sockfd, const struct quic_handshake_options *opts,
			   struct quic_tls **tls);
void quic_tls_destroy(struct quic_tls *tls);

/* The blocking call. */
int quic_tls_handshake(struct quic_tls *tls);
/* The step API: start with *step NULL; complete when *step is NULL again. */
int quic_tls_step(struct quic_tls *tls, struct quic_handshake_step **step);
int quic_tls_get_result(const struct quic_tls *tls,
			struct quic_handshake_result *res);
/*
 * Client, after the handshake: what a later connection needs to resume. Waits
 * up to @timeout_ms for the server's ticket (-EAGAIN if none came). With @data
 * NULL only *@size is set. -ENOSPC sets *@size to what is needed.
 */
int quic_tls_get_session(struct quic_tls *tls, uint32_t timeout_ms,
			 void *data, size_t *size);
gnutls_session_t quic_tls_get_gnutls(struct quic_tls *tls);

/* ---- A session of the caller's own ------------------------------------ */

enum quic_handshake_step_op {
	QUIC_HANDSHAKE_STEP_OP_SENDMSG = 1,
	QUIC_HANDSHAKE_STEP_OP_RECVMSG,
};

/* The caller does sendmsg(fd, msg, flags); retval: bytes or negative errno. */
struct quic_handshake_step_sendmsg {
	const struct msghdr	*msg;
	int			flags;
	ssize_t			retval;
};

/* The caller does recvmsg(fd, msg, flags); retval: bytes or negative errno. */
struct quic_handshake_step_recvmsg {
	struct msghdr		*msg;
	int			flags;
	ssize_t			retval;
};

struct quic_handshake_step {
	enum quic_handshake_step_op	op;
	union {
		struct quic_handshake_step_sendmsg	s_sendmsg;
		struct quic_handshake_step_recvmsg	s_recvmsg;
	};
};

int quic_handshake_init(gnutls_session_t session,
			struct quic_handshake_step **pstep);
int quic_handshake_step(gnutls_session_t session,
			struct quic_handshake_step **pstep);
void quic_handshake_deinit(gnutls_session_t session);
int quic_handshake(gnutls_session_t session);

int quic_session_get_data(gnutls_session_t session, void *data, size_t *size);
int quic_session_set_data(gnutls_session_t session, const void *data, size_t size);
int quic_session_get_alpn(gnutls_session_t session, void *alpn, size_t *size);
int quic_session_set_alpn(gnutls_session_t session, const void *alpns, size_t size);

/* ---- Shorthands ------------------------------------------------------- */

/*
 * The server's certificate is verified against the system's CAs, and its name
 * when @hostname is given; use quic_handshake_client() for other CAs.
 */
int quic_client_handshake(int sockfd, const char *pkey_file,
			  const char *hostname, const char *alpns);
int quic_server_handshake(int sockfd, const char *pkey_file,
			  const char *cert_file, const char *alpns);

ssize_t quic_sendmsg(int sockfd, const void *msg, size_t len,
		     int64_t sid, uint32_t flags);
ssize_t quic_recvmsg(int sockfd, void *msg, size_t len,
		     int64_t *sid, uint32_t *flags);

/* ---- Log -------------------------------------------------------------- */

/* Process-wide, levels of <syslog.h>; -1, the default: silent. */
typedef void (*quic_set_log_func_t)(int level, const char *msg);
quic_set_log_func_t quic_set_log_func(quic_set_log_func_t func);
int quic_set_log_level(int level);

#ifdef __cplusplus
}
#endif

#endif /* _NETINET_QUIC_H */
