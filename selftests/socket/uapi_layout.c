// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers and layouts of the header, which no release may change: uapi.md, section 1. */
#include <stddef.h>
#include <linux/tls.h>

#include "pair.h"

struct number {
	const char *name;
	long long is, must;
};

static void check(const struct number *numbers, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (numbers[i].is != numbers[i].must)
			test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", numbers[i].name,
				  numbers[i].is, numbers[i].must);
	}
}

#define N(name, value)		{ #name, name, value }
#define CHECK_ALL(numbers)	check(numbers, sizeof(numbers) / sizeof(numbers[0]))
#define SIZE(type, size, align)						\
	{ "sizeof " #type, sizeof(type), size },			\
	{ "alignof " #type, _Alignof(type), align }
#define AT(type, field, offset, size)					\
	{ #type "." #field, offsetof(type, field), offset },		\
	{ "size of " #type "." #field, sizeof(((type *)0)->field), size }

/* uapi.md, sections 1.1 and 1.2 */
TEST(levels_and_control_messages)
{
	static const struct number numbers[] = {
		N(IPPROTO_QUIC, 261), N(SOL_QUIC, 288),
		N(QUIC_STREAM_INFO, 0), N(QUIC_HANDSHAKE_INFO, 1),
		{ "length of STREAM_INFO", CMSG_LEN(sizeof(struct quic_stream_info)), 32 },
		{ "space of STREAM_INFO", CMSG_SPACE(sizeof(struct quic_stream_info)), 32 },
		{ "length of HANDSHAKE_INFO", CMSG_LEN(sizeof(struct quic_handshake_info)), 17 },
		{ "space of HANDSHAKE_INFO", CMSG_SPACE(sizeof(struct quic_handshake_info)), 24 },
	};

	CHECK_ALL(numbers);
#ifndef IPPROTO_QUIC
	test_fail(__FILE__, __LINE__, "IPPROTO_QUIC is no macro");
#endif
#ifndef _UAPI_LINUX_QUIC_H
	test_fail(__FILE__, __LINE__, "the guard has another name");
#endif
}

/* uapi.md, section 1.3 */
TEST(message_flags)
{
	static const struct number numbers[] = {
		N(MSG_QUIC_STREAM_NEW, 0x400), N(MSG_QUIC_STREAM_FIN, 0x200),
		N(MSG_QUIC_STREAM_UNI, 0x800), N(MSG_QUIC_STREAM_DONTWAIT, 0x10000),
		N(MSG_QUIC_STREAM_SNDBLOCK, 0x2000), N(MSG_QUIC_DATAGRAM, 0x1000),
		N(MSG_QUIC_NOTIFICATION, 0x8000),
		/* the names of older programs */
		N(MSG_STREAM_NEW, 0x400), N(MSG_STREAM_FIN, 0x200), N(MSG_STREAM_UNI, 0x800),
		N(MSG_STREAM_DONTWAIT, 0x10000), N(MSG_STREAM_SNDBLOCK, 0x2000),
		N(MSG_DATAGRAM, 0x1000), N(MSG_NOTIFICATION, 0x8000),
	};

	CHECK_ALL(numbers);
}

/* uapi.md, sections 1.4 to 1.8 */
TEST(enumerations)
{
	static const struct number numbers[] = {
		N(QUIC_STREAM_TYPE_SERVER_MASK, 1), N(QUIC_STREAM_TYPE_UNI_MASK, 2),
		N(QUIC_STREAM_TYPE_MASK, 3),
		N(QUIC_CRYPTO_APP, 0), N(QUIC_CRYPTO_INITIAL, 1), N(QUIC_CRYPTO_HANDSHAKE, 2),
		N(QUIC_CRYPTO_EARLY, 3), N(QUIC_CRYPTO_MAX, 4),
		N(QUIC_SOCKOPT_EVENT, 0), N(QUIC_SOCKOPT_STREAM_OPEN, 1),
		N(QUIC_SOCKOPT_STREAM_RESET, 2), N(QUIC_SOCKOPT_STREAM_STOP_SENDING, 3),
		N(QUIC_SOCKOPT_CONNECTION_ID, 4), N(QUIC_SOCKOPT_CONNECTION_CLOSE, 5),
		N(QUIC_SOCKOPT_CONNECTION_MIGRATION, 6), N(QUIC_SOCKOPT_KEY_UPDATE, 7),
		N(QUIC_SOCKOPT_TRANSPORT_PARAM, 8), N(QUIC_SOCKOPT_CONFIG, 9),
		N(QUIC_SOCKOPT_TOKEN, 10), N(QUIC_SOCKOPT_ALPN, 11),
		N(QUIC_SOCKOPT_SESSION_TICKET, 12), N(QUIC_SOCKOPT_CRYPTO_SECRET, 13),
		N(QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, 14), N(QUIC_SOCKOPT_STREAM_PEELOFF, 15), N(QUIC_SOCKOPT_OFFLOAD, 16),
		N(QUIC_VERSION_V1, 1), N(QUIC_VERSION_V2, 0x6b3343cf),
		N(QUIC_CONG_ALG_RENO, 0), N(QUIC_CONG_ALG_CUBIC, 1), N(QUIC_CONG_ALG_MAX, 2),
		N(QUIC_CRYPTO_SECRET_BUFFER_SIZE, 48), N(QUIC_CLOSE_PHRASE_BUFFER_SIZE, 64),
		N(TLS_CIPHER_AES_GCM_128, 51), N(TLS_CIPHER_AES_GCM_256, 52),
		N(TLS_CIPHER_AES_CCM_128, 53), N(TLS_CIPHER_CHACHA20_POLY1305, 54),
		N(QUIC_EVENT_NONE, 0), N(QUIC_EVENT_STREAM_UPDATE, 1),
		N(QUIC_EVENT_STREAM_MAX_DATA, 2), N(QUIC_EVENT_STREAM_MAX_STREAM, 3),
		N(QUIC_EVENT_CONNECTION_ID, 4), N(QUIC_EVENT_CONNECTION_CLOSE, 5),
		N(QUIC_EVENT_CONNECTION_MIGRATION, 6), N(QUIC_EVENT_KEY_UPDATE, 7),
		N(QUIC_EVENT_NEW_TOKEN, 8), N(QUIC_EVENT_NEW_SESSION_TICKET, 9),
		N(QUIC_EVENT_MAX, 10),
	};

	CHECK_ALL(numbers);
}

/* uapi.md, sections 1.9 and 1.10 */
TEST(states_and_error_codes)
{
	static const struct number numbers[] = {
		N(QUIC_STREAM_SEND_STATE_READY, 0), N(QUIC_STREAM_SEND_STATE_SEND, 1),
		N(QUIC_STREAM_SEND_STATE_SENT, 2), N(QUIC_STREAM_SEND_STATE_RECVD, 3),
		N(QUIC_STREAM_SEND_STATE_RESET_SENT, 4), N(QUIC_STREAM_SEND_STATE_RESET_RECVD, 5),
		N(QUIC_STREAM_RECV_STATE_RECV, 6), N(QUIC_STREAM_RECV_STATE_SIZE_KNOWN, 7),
		N(QUIC_STREAM_RECV_STATE_RECVD, 8), N(QUIC_STREAM_RECV_STATE_READ, 9),
		N(QUIC_STREAM_RECV_STATE_RESET_RECVD, 10), N(QUIC_STREAM_RECV_STATE_RESET_READ, 11),
		N(QUIC_TRANSPORT_ERROR_NONE, 0), N(QUIC_TRANSPORT_ERROR_INTERNAL, 1),
		N(QUIC_TRANSPORT_ERROR_CONNECTION_REFUSED, 2), N(QUIC_TRANSPORT_ERROR_FLOW_CONTROL, 3),
		N(QUIC_TRANSPORT_ERROR_STREAM_LIMIT, 4), N(QUIC_TRANSPORT_ERROR_STREAM_STATE, 5),
		N(QUIC_TRANSPORT_ERROR_FINAL_SIZE, 6), N(QUIC_TRANSPORT_ERROR_FRAME_ENCODING, 7),
		N(QUIC_TRANSPORT_ERROR_TRANSPORT_PARAM, 8),
		N(QUIC_TRANSPORT_ERROR_CONNECTION_ID_LIMIT, 9),
		N(QUIC_TRANSPORT_ERROR_PROTOCOL_VIOLATION, 10),
		N(QUIC_TRANSPORT_ERROR_INVALID_TOKEN, 11), N(QUIC_TRANSPORT_ERROR_APPLICATION, 12),
		N(QUIC_TRANSPORT_ERROR_CRYPTO_BUF_EXCEEDED, 13),
		N(QUIC_TRANSPORT_ERROR_KEY_UPDATE, 14),
		N(QUIC_TRANSPORT_ERROR_AEAD_LIMIT_REACHED, 15),
		N(QUIC_TRANSPORT_ERROR_NO_VIABLE_PATH, 16),
		N(QUIC_TRANSPORT_ERROR_VERSION_NEGOTIATION, 17), N(QUIC_TRANSPORT_ERROR_CRYPTO, 0x100),
	};

	CHECK_ALL(numbers);
}

/* uapi.md, section 1.11 */
TEST(small_structs)
{
	static const struct number numbers[] = {
		SIZE(struct quic_handshake_info, 1, 1),
		AT(struct quic_handshake_info, crypto_level, 0, 1),
		SIZE(struct quic_stream_info, 16, 8),
		AT(struct quic_stream_info, stream_id, 0, 8),
		AT(struct quic_stream_info, stream_flags, 8, 4),
		SIZE(struct quic_errinfo, 16, 8),
		AT(struct quic_errinfo, stream_id, 0, 8), AT(struct quic_errinfo, errcode, 8, 4),
		SIZE(struct quic_connection_id_info, 12, 4),
		AT(struct quic_connection_id_info, dest, 0, 1),
		AT(struct quic_connection_id_info, active, 4, 4),
		AT(struct quic_connection_id_info, prior_to, 8, 4),
		SIZE(struct quic_event_option, 2, 1),
		AT(struct quic_event_option, type, 0, 1), AT(struct quic_event_option, on, 1, 1),
		SIZE(struct quic_stream_update, 24, 8),
		AT(struct quic_stream_update, id, 0, 8), AT(struct quic_stream_update, state, 8, 1),
		AT(struct quic_stream_update, errcode, 12, 4),
		AT(struct quic_stream_update, finalsz, 16, 8),
		SIZE(struct quic_stream_max_data, 16, 8),
		AT(struct quic_stream_max_data, id, 0, 8),
		AT(struct quic_stream_max_data, max_data, 8, 8),
		SIZE(struct quic_connection_close, 72, 4),
		AT(struct quic_connection_close, errcode, 0, 4),
		AT(struct quic_connection_close, frame, 4, 1),
		AT(struct quic_connection_close, phrase, 8, 64),
		SIZE(struct quic_crypto_secret, 56, 4),
		AT(struct quic_crypto_secret, send, 0, 1), AT(struct quic_crypto_secret, level, 1, 1),
		AT(struct quic_crypto_secret, reserved, 2, 2),
		AT(struct quic_crypto_secret, type, 4, 4), AT(struct quic_crypto_secret, secret, 8, 48),
		SIZE(union quic_event, 72, 8),
		AT(union quic_event, update, 0, 24), AT(union quic_event, max_data, 0, 16),
		AT(union quic_event, close, 0, 72), AT(union quic_event, info, 0, 12),
		AT(union quic_event, max_stream, 0, 8), AT(union quic_event, local_migration, 0, 1),
		AT(union quic_event, key_update_phase, 0, 1),
		SIZE(struct quic_stream_peeloff, 16, 8),
		AT(struct quic_stream_peeloff, stream_id, 0, 8),
		AT(struct quic_stream_peeloff, flags, 8, 4), AT(struct quic_stream_peeloff, sd, 12, 4),
	};

	CHECK_ALL(numbers);
}

TEST(large_structs)
{
	static const struct number numbers[] = {
		SIZE(struct quic_transport_param, 56, 8),
		AT(struct quic_transport_param, remote, 0, 1),
		AT(struct quic_transport_param, disable_active_migration, 1, 1),
		AT(struct quic_transport_param, grease_quic_bit, 2, 1),
		AT(struct quic_transport_param, stateless_reset, 3, 1),
		AT(struct quic_transport_param, disable_1rtt_encryption, 4, 1),
		AT(struct quic_transport_param, disable_compatible_version, 5, 1),
		AT(struct quic_transport_param, active_connection_id_limit, 6, 1),
		AT(struct quic_transport_param, ack_delay_exponent, 7, 1),
		AT(struct quic_transport_param, max_datagram_frame_size, 8, 2),
		AT(struct quic_transport_param, max_udp_payload_size, 10, 2),
		AT(struct quic_transport_param, max_idle_timeout, 12, 4),
		AT(struct quic_transport_param, max_ack_delay, 16, 4),
		AT(struct quic_transport_param, max_streams_bidi, 20, 2),
		AT(struct quic_transport_param, max_streams_uni, 22, 2),
		AT(struct quic_transport_param, max_data, 24, 8),
		AT(struct quic_transport_param, max_stream_data_bidi_local, 32, 8),
		AT(struct quic_transport_param, max_stream_data_bidi_remote, 40, 8),
		AT(struct quic_transport_param, max_stream_data_uni, 48, 8),
		SIZE(struct quic_config, 28, 4),
		AT(struct quic_config, version, 0, 4),
		AT(struct quic_config, plpmtud_probe_interval, 4, 4),
		AT(struct quic_config, initial_smoothed_rtt, 8, 4),
		AT(struct quic_config, payload_cipher_type, 12, 4),
		AT(struct quic_config, congestion_control_algo, 16, 1),
		AT(struct quic_config, validate_peer_address, 17, 1),
		AT(struct quic_config, stream_data_nodelay, 18, 1),
		AT(struct quic_config, receive_session_ticket, 19, 1),
		AT(struct quic_config, certificate_request, 20, 1),
		AT(struct quic_config, reserved, 21, 3),
		AT(struct quic_config, keepalive_probe_interval, 24, 4),
	};

	CHECK_ALL(numbers);
}
