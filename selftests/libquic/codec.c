// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parts without a handshake: structure layouts, errors, reduction of
 * transport parameters, saved sessions, PSK files, stream messages, log.
 */
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "harness.h"
#include "internal.h"

#define AT(type, field, at) EXPECT_EQ(offsetof(struct type, field), at)

TEST(layouts)
{
	EXPECT_EQ(sizeof(struct quic_handshake_step), 32);
	AT(quic_handshake_step, op, 0);
	AT(quic_handshake_step, s_sendmsg, 8);
	AT(quic_handshake_step, s_recvmsg, 8);
	EXPECT_EQ(sizeof(struct quic_handshake_step_sendmsg), 24);
	AT(quic_handshake_step_sendmsg, flags, 8);
	AT(quic_handshake_step_sendmsg, retval, 16);
	EXPECT_EQ(sizeof(struct quic_handshake_step_recvmsg), 24);
	AT(quic_handshake_step_recvmsg, flags, 8);
	AT(quic_handshake_step_recvmsg, retval, 16);

	EXPECT_EQ(sizeof(struct quic_handshake_info), 1);
	EXPECT_EQ(sizeof(struct quic_stream_info), 16);
	AT(quic_stream_info, stream_flags, 8);
	EXPECT_EQ(sizeof(struct quic_errinfo), 16);
	EXPECT_EQ(sizeof(struct quic_connection_id_info), 12);
	AT(quic_connection_id_info, prior_to, 8);
	EXPECT_EQ(sizeof(struct quic_event_option), 2);
	EXPECT_EQ(sizeof(struct quic_stream_update), 24);
	AT(quic_stream_update, errcode, 12);
	AT(quic_stream_update, finalsz, 16);
	EXPECT_EQ(sizeof(struct quic_connection_close), 72);
	AT(quic_connection_close, phrase, 8);
	EXPECT_EQ(sizeof(struct quic_crypto_secret), 56);
	AT(quic_crypto_secret, type, 4);
	AT(quic_crypto_secret, secret, 8);
	EXPECT_EQ(sizeof(union quic_event), 72);
	EXPECT_EQ(sizeof(struct quic_transport_param), 56);
	AT(quic_transport_param, max_datagram_frame_size, 8);
	AT(quic_transport_param, max_idle_timeout, 12);
	AT(quic_transport_param, max_streams_bidi, 20);
	AT(quic_transport_param, max_data, 24);
	AT(quic_transport_param, max_stream_data_uni, 48);
	EXPECT_EQ(sizeof(struct quic_config), 28);
	AT(quic_config, congestion_control_algo, 16);
	AT(quic_config, certificate_request, 20);
	AT(quic_config, keepalive_probe_interval, 24);
}

TEST(error_texts)
{
	int alert, code;

	EXPECT_STR(quic_strerror(0), "success");
	EXPECT_STR(quic_strerror(-ENOENT), strerror(ENOENT));
	EXPECT_STR(quic_strerror(GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR),
		   gnutls_strerror(GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR));
	EXPECT_STR(quic_strerror(QUIC_ERR_TLS + GNUTLS_E_NO_CIPHER_SUITES),
		   gnutls_strerror(GNUTLS_E_NO_CIPHER_SUITES));
	EXPECT(strstr(quic_strerror(QUIC_ERR_PEER_ALERT - 48), "unknown_ca"));
	EXPECT(strstr(quic_strerror(QUIC_ERR_TRANSPORT - 2),
		      "CONNECTION_REFUSED"));
	for (code = QUIC_ERR_CREDENTIALS; code >= QUIC_ERR_CLOSED; code--)
		EXPECT(strcmp(quic_strerror(code), "unknown error"));
	for (alert = 0; alert < 256; alert++) {
		EXPECT(quic_strerror(QUIC_ERR_PEER_ALERT - alert));
		EXPECT(quic_alert_name(alert));
		EXPECT_EQ(quic_error_alert(QUIC_ERR_PEER_ALERT - alert), alert);
		EXPECT(quic_strerror(QUIC_ERR_TRANSPORT - alert));
	}
	EXPECT_EQ(quic_error_alert(0), -1);
	EXPECT_EQ(quic_error_alert(-ENOENT), -1);
	EXPECT_EQ(quic_error_alert(QUIC_ERR_TRANSPORT), -1);
	EXPECT_EQ(quic_error_alert(QUIC_ERR_CLOSED), -1);
	EXPECT_STR(quic_alert_name(-1), "unknown");
	EXPECT_STR(quic_alert_name(256), "unknown");
	EXPECT(quic_strerror(5));
	EXPECT(quic_strerror(-2147483647 - 1));
}

TEST(bare_errors)
{
	EXPECT_EQ(quic_error_bare(0), 0);
	EXPECT_EQ(quic_error_bare(-EPIPE), -EPIPE);
	EXPECT_EQ(quic_error_bare(quic_error_from_tls(-87)), -87);
	EXPECT_EQ(quic_error_bare(QUIC_ERR_ALPN),
		  GNUTLS_E_NO_APPLICATION_PROTOCOL);
	EXPECT_EQ(quic_error_bare(QUIC_ERR_PEER_ALERT - 48),
		  QUIC_ERR_PEER_ALERT - 48);
	EXPECT_EQ(quic_error_from_tls(GNUTLS_E_MEMORY_ERROR), -ENOMEM);
}

static void expect_reduced(const char *in, size_t size, const char *out,
			   size_t out_size, int ret)
{
	uint8_t buf[64];
	size_t n = 99;

	EXPECT_EQ(quic_params_reduce((const uint8_t *)in, size, buf, &n), ret);
	EXPECT_EQ(n, out_size);
	if (n == out_size)
		EXPECT(!memcmp(buf, out, n));
}

#define REDUCED(in, out, ret) \
	expect_reduced(in, sizeof(in) - 1, out, sizeof(out) - 1, ret)

TEST(params_reduce)
{
	REDUCED("", "", 0);
	REDUCED("\x04\x01\x05", "\x04\x01\x05", 0);
	/* unknown ones at the start, in the middle, at the end */
	REDUCED("\x1b\x02xx\x04\x01\x05", "\x04\x01\x05", 0);
	REDUCED("\x04\x01\x05\x1b\x00\x0c\x00", "\x04\x01\x05\x0c\x00", 0);
	REDUCED("\x0c\x00\x1b\x01x", "\x0c\x00", 0);
	/* a known id in a longer form, ids of two and four bytes */
	REDUCED("\x40\x04\x01\x05", "\x40\x04\x01\x05", 0);
	REDUCED("\x6a\xb2\x00", "\x6a\xb2\x00", 0);
	REDUCED("\x80\x00\xba\xad\x00", "\x80\x00\xba\xad\x00", 0);
	/* damaged: the rest alone */
	REDUCED("\x0c\x00\x04", "\x04", -EINVAL);
	REDUCED("\x0c\x00\x04\x05\x01", "\x04\x05\x01", -EINVAL);
	REDUCED("\x0c\x00\x1b\x7f\xff" "x", "\x1b\x7f\xff" "x", -EINVAL);
	REDUCED("\xc0\x00", "\xc0\x00", -EINVAL);
	REDUCED("\x04\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x04\xff\xff\xff\xff\xff\xff\xff\xff", -EINVAL);
}

TEST(saved_session)
{
	struct quic_saved_session in = {
		.verified = true, .hostname = "host", .hostname_size = 4,
		.alpn = "h3", .alpn_size = 2, .tls = "secret", .tls_size = 6,
		.token = "tok", .token_size = 3, .has_params = true,
		.params = { .remote = 1, .max_data = 77 },
	}, out;
	uint8_t buf[512];
	size_t size = 0, need, n;

	EXPECT_EQ(quic_saved_session_encode(&in, NULL, &size), 0);
	need = size;
	EXPECT(need > 6 + 4 + 2 + 3 + sizeof(in.params));
	size = need - 1;
	EXPECT_EQ(quic_saved_session_encode(&in, buf, &size), -ENOSPC);
	EXPECT_EQ(size, need);
	size = sizeof(buf);
	EXPECT_EQ(quic_saved_session_encode(&in, buf, &size), 0);
	EXPECT_EQ(size, need);

	EXPECT_EQ(quic_saved_session_decode(&out, buf, size), 0);
	EXPECT(out.verified);
	EXPECT(out.has_params);
	EXPECT_EQ(out.params.max_data, 77);
	EXPECT(out.hostname_size == 4 && !memcmp(out.hostname, "host", 4));
	EXPECT(out.alpn_size == 2 && !memcmp(out.alpn, "h3", 2));
	EXPECT(out.tls_size == 6 && !memcmp(out.tls, "secret", 6));
	EXPECT(out.token_size == 3 && !memcmp(out.token, "tok", 3));

	for (n = 0; n < size; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, buf, n);
		EXPECT_EQ(quic_saved_session_decode(&out, cut, n),
			  QUIC_ERR_SESSION_DATA);
		/* with a hash that is right: the last fields are missing */
		if (n >= 40) {
			int ret;

			gnutls_hash_fast(GNUTLS_DIG_SHA256, cut + 40, n - 40,
					 cut + 8);
			ret = quic_saved_session_decode(&out, cut, n);
			EXPECT(ret == QUIC_ERR_SESSION_DATA ||
			       (!ret && out.tls_size));
		}
		free(cut);
	}
	buf[7]++;
	EXPECT_EQ(quic_saved_session_decode(&out, buf, size),
		  QUIC_ERR_SESSION_DATA);
}

static int psk_file(bool server, const char *text)
{
	const char *path = scratch("psk");
	struct quic_credentials *creds = server ? server_creds(NULL, NULL) :
						  client_creds(NULL);
	int ret;

	write_file(path, text, strlen(text));
	ret = quic_credentials_add_psk_file(creds, path);
	if (!ret && !server && strstr(text, "b:in"))
		EXPECT_STR(quic_credentials_psk_identity(creds), "b:in");
	if (!ret && !server && strstr(text, "#6869"))
		EXPECT_STR(quic_credentials_psk_identity(creds), "hi");
	return ret;
}

TEST(psk_files)
{
	int server;

	for (server = 0; server < 2; server++) {
		EXPECT_EQ(psk_file(server, "a:00ff\n"), 0);
		EXPECT_EQ(psk_file(server, "a:00ff"), 0);
		EXPECT_EQ(psk_file(server, "\n\na:00FF\r\nb:11\n"), 0);
		EXPECT_EQ(psk_file(server, "b:in:0011"), 0);
		EXPECT_EQ(psk_file(server, "#6869:0011"), 0);
		EXPECT_EQ(psk_file(server, "a:00ff\nb:zz\n"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, ""), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, "no colon"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, "a:"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, ":0011"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, "a:001"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, "#6:0011"), QUIC_ERR_CREDENTIALS);
		EXPECT_EQ(psk_file(server, "#:0011"), QUIC_ERR_CREDENTIALS);
	}
}

TEST(credentials_errors)
{
	struct quic_credentials *c = client_creds(NULL);
	struct quic_credentials *s = server_creds(NULL, NULL);

	EXPECT_EQ(quic_credentials_set_ca_file(c, "/nonexistent"), -ENOENT);
	EXPECT_EQ(quic_credentials_set_ca_file(c, pki("psk.txt")),
		  QUIC_ERR_CREDENTIALS);
	EXPECT_EQ(quic_credentials_set_certificate(s, pki("server.pem"),
						   "/nonexistent"), -ENOENT);
	EXPECT_EQ(quic_credentials_set_certificate(s, pki("psk.txt"),
						   pki("server.key")),
		  QUIC_ERR_CREDENTIALS);
	EXPECT_EQ(quic_credentials_set_certificate(s, pki("server.pem"),
						   pki("rsa.key")),
		  QUIC_ERR_TLS + GNUTLS_E_CERTIFICATE_KEY_MISMATCH);
	EXPECT_EQ(quic_credentials_add_psk_file(c, "/nonexistent"), -ENOENT);
	EXPECT_EQ(quic_credentials_set_client_auth(c, QUIC_CLIENT_AUTH_REQUIRE),
		  -EINVAL);
	EXPECT_EQ(quic_credentials_set_client_auth(s, 7), -EINVAL);
	EXPECT_EQ(quic_credentials_set_insecure(NULL), -EINVAL);
	EXPECT_EQ(quic_credentials_create_client(NULL), -EINVAL);
	quic_credentials_destroy(NULL);
}

TEST(names_and_addresses)
{
	static const struct {
		const char	*name;
		unsigned int	size;
	} names[] = {
		{ "127.0.0.1", 4 }, { "::1", 16 }, { "[::1]", 16 },
		{ "fe80::1%eth0", 16 }, { "[fe80::1%eth0]", 16 },
		{ "localhost", 0 }, { "1.2.3", 0 }, { "example.org", 0 },
		{ "", 0 }, { "[]", 0 }, { "::g", 0 },
		{ "a.name.that.is.much.longer.than.any.address.can.be.in.text", 0 },
	};
	unsigned int i, size;
	uint8_t addr[16];

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size = 0;
		EXPECT_EQ(quic_name_is_address(names[i].name, addr, &size),
			  names[i].size != 0);
		EXPECT_EQ(size, names[i].size);
	}
}

TEST(stream_messages)
{
	struct quic_stream_info info, offer = { .stream_id = 12,
						.stream_flags = MSG_QUIC_STREAM_FIN };
	uint32_t flags;
	char buf[16];
	int fds[2], msg_flags;
	int64_t sid;

	fake_pair(fds);
	EXPECT_EQ(quic_sendmsg(fds[0], "hello", 5, 8, MSG_QUIC_STREAM_NEW |
			       MSG_QUIC_STREAM_FIN | MSG_DONTWAIT), 5);
	fake_stream_sent(fds[0], &info, &msg_flags);
	EXPECT_EQ(info.stream_id, 8);
	EXPECT_EQ(info.stream_flags, MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_FIN);
	EXPECT_EQ(msg_flags, MSG_DONTWAIT);
	EXPECT_EQ(quic_sendmsg(fds[0], "x", 1, -1, MSG_QUIC_STREAM_UNI |
			       MSG_QUIC_STREAM_DONTWAIT | MSG_MORE |
			       MSG_QUIC_STREAM_SNDBLOCK | MSG_QUIC_DATAGRAM), 1);
	fake_stream_sent(fds[0], &info, &msg_flags);
	EXPECT_EQ(info.stream_id, -1);
	EXPECT_EQ(info.stream_flags, MSG_QUIC_STREAM_UNI |
		  MSG_QUIC_STREAM_DONTWAIT | MSG_QUIC_STREAM_SNDBLOCK);
	EXPECT_EQ(msg_flags, MSG_MORE | MSG_QUIC_DATAGRAM);

	fake_stream_offer(fds[0], "data", &offer, 0);
	sid = 99;
	flags = MSG_DONTWAIT;
	EXPECT_EQ(quic_recvmsg(fds[0], buf, sizeof(buf), &sid, &flags), 4);
	EXPECT_EQ(sid, 12);
	EXPECT_EQ(flags, MSG_QUIC_STREAM_FIN);
	/* a datagram: the stream ID keeps its old value */
	fake_stream_offer(fds[0], "dg", NULL, MSG_QUIC_DATAGRAM | MSG_EOR);
	EXPECT_EQ(quic_recvmsg(fds[0], buf, sizeof(buf), &sid, &flags), 2);
	EXPECT_EQ(sid, 12);
	EXPECT_EQ(flags, MSG_QUIC_DATAGRAM | MSG_EOR);
	fake_stream_offer(fds[0], "data", &offer, 0);
	EXPECT_EQ(quic_recvmsg(fds[0], buf, sizeof(buf), NULL, NULL), 4);
	EXPECT_EQ(quic_recvmsg(fds[0], buf, sizeof(buf), NULL, NULL), -1);
	EXPECT_EQ(errno, EAGAIN);
	fake_release(fds);
}

static int log_count, log_worst;

static void on_log(int level, const char *msg)
{
	log_count++;
	if (level > log_worst)
		log_worst = level;
	EXPECT(strlen(msg) < 128);
}

TEST(log_settings)
{
	char longer[400];

	EXPECT_EQ(quic_set_log_level(LOG_NOTICE), -1);
	EXPECT(!quic_set_log_func(on_log));
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	quic_log(NULL, LOG_ERR, "%s", longer);
	quic_log(NULL, LOG_NOTICE, "two");
	quic_log(NULL, LOG_DEBUG, "not this one");
	EXPECT_EQ(log_count, 2);
	EXPECT_EQ(log_worst, LOG_NOTICE);
	EXPECT_EQ(quic_set_log_level(-1), LOG_NOTICE);
	quic_log(NULL, LOG_ERR, "nor this");
	EXPECT_EQ(log_count, 2);
	EXPECT(quic_set_log_func(NULL) == on_log);
}

/* Nothing is printed unless a level was set: the output is what counts. */
TEST(silent_by_default)
{
	const char *path = scratch("stdout");
	char text[256];
	FILE *saved;
	int fd;

	fflush(stdout);
	fd = dup(1);
	saved = freopen(path, "w", stdout);
	EXPECT(saved);
	quic_log(NULL, LOG_ERR, "hidden");
	quic_set_log_level(LOG_ERR);
	quic_log(NULL, LOG_ERR, "shown");
	quic_set_log_level(-1);
	fflush(stdout);
	dup2(fd, 1);
	close(fd);
	memset(text, 0, sizeof(text));
	read_file(path, text, sizeof(text) - 1);
	EXPECT_STR(text, "[ERROR] shown\n");
}
