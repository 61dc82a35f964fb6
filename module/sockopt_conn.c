// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Socket options about the connection as a whole: events, closing, transport
 * parameters, configuration, key update. uapi.md, sections 5.1, 5.6, 5.8 to 5.10.
 */
#include <linux/tls.h>

#include "sockopt.h"

/**
 * quic_set_event() - set QUIC_SOCKOPT_EVENT
 * @qs:   locked
 * @data: struct quic_event_option
 * @len:  unused
 *
 * Return: 0, or -EINVAL.
 */
int quic_set_event(struct quic_sock *qs, void *data, u32 len)
{
	const struct quic_event_option *option = data;

	if (option->type <= QUIC_EVENT_NONE || option->type >= QUIC_EVENT_MAX)
		return -EINVAL;
	if (option->on)
		qs->events |= BIT(option->type);
	else
		qs->events &= ~BIT(option->type);
	return 0;
}

/**
 * quic_get_event() - get QUIC_SOCKOPT_EVENT
 * @qs:   locked
 * @data: struct quic_event_option, in and out
 * @len:  unused
 *
 * Return: 0, or -EINVAL.
 */
int quic_get_event(struct quic_sock *qs, void *data, u32 *len)
{
	struct quic_event_option *option = data;

	if (option->type <= QUIC_EVENT_NONE || option->type >= QUIC_EVENT_MAX)
		return -EINVAL;
	option->on = !!(qs->events & BIT(option->type));
	return 0;
}

/**
 * quic_set_offload() - set QUIC_SOCKOPT_OFFLOAD
 * @qs:   locked
 * @data: __u32
 * @len:  unused
 *
 * Return: 0, or -EINVAL.
 */
int quic_set_offload(struct quic_sock *qs, void *data, u32 len)
{
	u32 flags = *(u32 *)data;

	if (flags & ~QUIC_OFFLOAD_ALLOWED)
		return -EINVAL;
	quic_offload_switch(qs, flags & QUIC_OFFLOAD_ALLOWED);
	return 0;
}

/**
 * quic_get_offload() - get QUIC_SOCKOPT_OFFLOAD
 * @qs:   locked
 * @data: __u32, out
 * @len:  unused
 *
 * Return: 0.
 */
int quic_get_offload(struct quic_sock *qs, void *data, u32 *len)
{
	*(u32 *)data = (qs->offload.is_off ? 0 : QUIC_OFFLOAD_ALLOWED) |
		       (quic_offload_does(qs, QUIC_OFFLOAD_TX) ? QUIC_OFFLOAD_SENDING : 0) |
		       (quic_offload_does(qs, QUIC_OFFLOAD_RX) ? QUIC_OFFLOAD_RECEIVING : 0);
	return 0;
}

/**
 * quic_set_connection_close() - set QUIC_SOCKOPT_CONNECTION_CLOSE
 * @qs:   locked
 * @data: struct quic_connection_close
 * @len:  unused
 *
 * Return: 0.
 */
int quic_set_connection_close(struct quic_sock *qs, void *data, u32 len)
{
	const struct quic_connection_close *from = data;
	size_t phrase_len = strnlen(from->phrase, sizeof(from->phrase) - 1);

	memset(&qs->close, 0, sizeof(qs->close));
	qs->close.errcode = from->errcode;
	memcpy(qs->close.phrase, from->phrase, phrase_len);
	return 0;
}

/**
 * quic_get_connection_close() - get QUIC_SOCKOPT_CONNECTION_CLOSE
 * @qs:   locked
 * @data: struct quic_connection_close
 * @len:  unused
 *
 * Return: 0.
 */
int quic_get_connection_close(struct quic_sock *qs, void *data, u32 *len)
{
	memcpy(data, &qs->close, sizeof(qs->close));
	return 0;
}

/**
 * quic_set_key_update() - QUIC_SOCKOPT_KEY_UPDATE
 * @qs:   locked
 * @data: unused
 * @len:  unused
 *
 * Return: 0, or a negative errno.
 */
int quic_set_key_update(struct quic_sock *qs, void *data, u32 len)
{
	if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
		return -EPIPE;
	return quic_handshake_update_keys(qs);
}

/* Zero leaves a field alone. */
#define QUIC_MERGE(to, from, field)			\
	do {						\
		if ((from)->field)			\
			(to)->field = (from)->field;	\
	} while (0)
#define QUIC_MERGE_BOOL(to, from, field)		\
	do {						\
		if ((from)->field)			\
			(to)->field = 1;		\
	} while (0)

#define QUIC_PARAM_DATA_MIN	1200
#define QUIC_PARAM_MAX_DATA	536870911
#define QUIC_PARAM_STREAM_DATA	268435455

static bool quic_param_window_is_ok(u64 value, u64 max, bool remote)
{
	return !value || (value >= QUIC_PARAM_DATA_MIN && (remote || value <= max));
}

static bool quic_params_are_ok(const struct quic_transport_param *p)
{
	bool remote = p->remote;

	if (p->active_connection_id_limit &&
	    (p->active_connection_id_limit < 2 || p->active_connection_id_limit > 8))
		return false;
	if (p->ack_delay_exponent > 20)
		return false;
	if (p->max_datagram_frame_size && p->max_datagram_frame_size < 1200)
		return false;
	if (p->max_udp_payload_size && (p->max_udp_payload_size < 1200 ||
					p->max_udp_payload_size > QUIC_TP_UDP_PAYLOAD_MAX))
		return false;
	if (p->max_idle_timeout && p->max_idle_timeout < USEC_PER_SEC)
		return false;
	if (p->max_ack_delay >= 16384 * USEC_PER_MSEC)
		return false;
	if (!remote && (p->max_streams_bidi > QUIC_STREAMS_LIMIT ||
			p->max_streams_uni > QUIC_STREAMS_LIMIT))
		return false;
	return quic_param_window_is_ok(p->max_data, QUIC_PARAM_MAX_DATA, remote) &&
	       quic_param_window_is_ok(p->max_stream_data_bidi_local, QUIC_PARAM_STREAM_DATA,
				       remote) &&
	       quic_param_window_is_ok(p->max_stream_data_bidi_remote, QUIC_PARAM_STREAM_DATA,
				       remote) &&
	       quic_param_window_is_ok(p->max_stream_data_uni, QUIC_PARAM_STREAM_DATA, remote);
}

static void quic_params_merge(struct quic_transport_param *to,
			      const struct quic_transport_param *from)
{
	QUIC_MERGE_BOOL(to, from, disable_active_migration);
	QUIC_MERGE_BOOL(to, from, grease_quic_bit);
	QUIC_MERGE_BOOL(to, from, stateless_reset);
	QUIC_MERGE_BOOL(to, from, disable_1rtt_encryption);
	QUIC_MERGE_BOOL(to, from, disable_compatible_version);
	QUIC_MERGE(to, from, active_connection_id_limit);
	QUIC_MERGE(to, from, ack_delay_exponent);
	QUIC_MERGE(to, from, max_datagram_frame_size);
	QUIC_MERGE(to, from, max_udp_payload_size);
	QUIC_MERGE(to, from, max_idle_timeout);
	QUIC_MERGE(to, from, max_ack_delay);
	QUIC_MERGE(to, from, max_streams_bidi);
	QUIC_MERGE(to, from, max_streams_uni);
	QUIC_MERGE(to, from, max_data);
	QUIC_MERGE(to, from, max_stream_data_bidi_local);
	QUIC_MERGE(to, from, max_stream_data_bidi_remote);
	QUIC_MERGE(to, from, max_stream_data_uni);
}

/* The peer's parameters as the user sees them. */
static void quic_params_from_remote(const struct quic_transport_params *from,
				    struct quic_transport_param *to)
{
	memset(to, 0, sizeof(*to));
	to->disable_active_migration = from->disable_active_migration;
	to->grease_quic_bit = from->grease_quic_bit;
	to->stateless_reset = from->has_stateless_reset_token;
	to->disable_1rtt_encryption = from->disable_1rtt_encryption;
	to->disable_compatible_version = !from->has_version_information;
	to->active_connection_id_limit = min_t(u64, from->active_connection_id_limit, U8_MAX);
	to->ack_delay_exponent = from->ack_delay_exponent;
	to->max_datagram_frame_size = min_t(u64, from->max_datagram_frame_size, U16_MAX);
	to->max_udp_payload_size = min_t(u64, from->max_udp_payload_size,
					 QUIC_TP_UDP_PAYLOAD_MAX);
	to->max_idle_timeout = min_t(u64, from->max_idle_timeout, U32_MAX);
	to->max_ack_delay = min_t(u64, from->max_ack_delay, U32_MAX);
	to->max_streams_bidi = min_t(u64, from->initial_max_streams_bidi, QUIC_STREAMS_LIMIT);
	to->max_streams_uni = min_t(u64, from->initial_max_streams_uni, QUIC_STREAMS_LIMIT);
	to->max_data = from->initial_max_data;
	to->max_stream_data_bidi_local = from->initial_max_stream_data_bidi_local;
	to->max_stream_data_bidi_remote = from->initial_max_stream_data_bidi_remote;
	to->max_stream_data_uni = from->initial_max_stream_data_uni;
}

static void quic_params_to_remote(const struct quic_transport_param *from,
				  struct quic_transport_params *to)
{
	to->disable_active_migration = from->disable_active_migration;
	to->grease_quic_bit = from->grease_quic_bit;
	to->disable_1rtt_encryption = from->disable_1rtt_encryption;
	to->active_connection_id_limit = from->active_connection_id_limit;
	to->ack_delay_exponent = from->ack_delay_exponent;
	to->max_datagram_frame_size = from->max_datagram_frame_size;
	to->max_udp_payload_size = from->max_udp_payload_size;
	to->max_idle_timeout = from->max_idle_timeout;
	to->max_ack_delay = from->max_ack_delay;
	to->initial_max_streams_bidi = min_t(u64, from->max_streams_bidi, QUIC_STREAMS_LIMIT);
	to->initial_max_streams_uni = min_t(u64, from->max_streams_uni, QUIC_STREAMS_LIMIT);
	to->initial_max_data = from->max_data;
	to->initial_max_stream_data_bidi_local = from->max_stream_data_bidi_local;
	to->initial_max_stream_data_bidi_remote = from->max_stream_data_bidi_remote;
	to->initial_max_stream_data_uni = from->max_stream_data_uni;
}

/*
 * Parameters that the server gave to an earlier connection, for 0-RTT: credit
 * until the real ones come. RFC 9000, section 7.4.1.
 */
static int quic_set_remembered_params(struct quic_sock *qs,
				      const struct quic_transport_param *from)
{
	struct quic_conn *conn = &qs->conn;
	struct quic_transport_params remembered;
	struct quic_transport_param merged;

	if (quic_sock_sk(qs)->sk_state != TCP_SYN_RECV || conn->has_remote_params)
		return -EINVAL;
	if (conn->early.remembered)
		quic_params_from_remote(&conn->remote, &merged);
	else
		memset(&merged, 0, sizeof(merged));
	quic_params_merge(&merged, from);
	if (!merged.max_udp_payload_size)
		merged.max_udp_payload_size = QUIC_TP_UDP_PAYLOAD_MAX;
	quic_transport_params_init(&remembered);
	quic_params_to_remote(&merged, &remembered);
	return quic_conn_remember_params(conn, &remembered);
}

/**
 * quic_set_transport_param() - set QUIC_SOCKOPT_TRANSPORT_PARAM
 * @qs:   locked
 * @data: struct quic_transport_param
 * @len:  unused
 *
 * All or nothing.
 *
 * Return: 0, or -EINVAL.
 */
int quic_set_transport_param(struct quic_sock *qs, void *data, u32 len)
{
	const struct quic_transport_param *from = data;
	struct sock *sk = quic_sock_sk(qs);

	if (sk->sk_state == TCP_ESTABLISHED || !quic_params_are_ok(from))
		return -EINVAL;
	if (from->remote)
		return quic_set_remembered_params(qs, from);
	quic_params_merge(&qs->params, from);
	WRITE_ONCE(sk->sk_rcvbuf, min_t(u64, 4 * qs->params.max_data, INT_MAX));
	quic_sock_apply_params(qs);
	return 0;
}

/**
 * quic_get_transport_param() - get QUIC_SOCKOPT_TRANSPORT_PARAM
 * @qs:   locked
 * @data: struct quic_transport_param, in and out
 * @len:  unused
 *
 * Return: 0.
 */
int quic_get_transport_param(struct quic_sock *qs, void *data, u32 *len)
{
	struct quic_transport_param *param = data;
	bool remote = param->remote;

	if (!remote)
		*param = qs->params;
	else if (qs->conn.has_remote_params || qs->conn.early.remembered)
		quic_params_from_remote(&qs->conn.remote, param);
	else
		memset(param, 0, sizeof(*param));
	param->remote = remote;
	return 0;
}

static bool quic_config_is_ok(const struct quic_config *c)
{
	if (c->plpmtud_probe_interval && (c->plpmtud_probe_interval < 5 * USEC_PER_SEC ||
					  c->plpmtud_probe_interval > 143165576))
		return false;
	if (c->initial_smoothed_rtt && (c->initial_smoothed_rtt < USEC_PER_MSEC ||
					c->initial_smoothed_rtt > 6 * USEC_PER_SEC))
		return false;
	if (c->payload_cipher_type && (c->payload_cipher_type < TLS_CIPHER_AES_GCM_128 ||
				       c->payload_cipher_type > TLS_CIPHER_CHACHA20_POLY1305))
		return false;
	if (!quic_cong_find(c->congestion_control_algo))
		return false;
	return !c->keepalive_probe_interval ||
	       c->keepalive_probe_interval >= 1500 * USEC_PER_MSEC;
}

static void quic_config_merge(struct quic_config *to, const struct quic_config *from)
{
	QUIC_MERGE(to, from, version);
	QUIC_MERGE(to, from, plpmtud_probe_interval);
	QUIC_MERGE(to, from, initial_smoothed_rtt);
	QUIC_MERGE(to, from, payload_cipher_type);
	QUIC_MERGE(to, from, congestion_control_algo);
	QUIC_MERGE_BOOL(to, from, validate_peer_address);
	QUIC_MERGE_BOOL(to, from, stream_data_nodelay);
	QUIC_MERGE(to, from, receive_session_ticket);
	QUIC_MERGE(to, from, certificate_request);
	QUIC_MERGE(to, from, keepalive_probe_interval);
}

/**
 * quic_set_config() - set QUIC_SOCKOPT_CONFIG
 * @qs:   locked
 * @data: struct quic_config
 * @len:  unused
 *
 * An established connection takes only what it has already: uapi.md, section 16.
 *
 * Return: 0, or -EINVAL.
 */
int quic_set_config(struct quic_sock *qs, void *data, u32 len)
{
	const struct quic_config *from = data;
	struct quic_config merged = qs->config;

	if (!quic_config_is_ok(from))
		return -EINVAL;
	quic_config_merge(&merged, from);
	if (quic_sock_sk(qs)->sk_state == TCP_ESTABLISHED)
		return memcmp(&merged, &qs->config, sizeof(merged)) ? -EINVAL : 0;
	qs->config = merged;
	quic_sock_apply_config(qs);
	return 0;
}

/**
 * quic_get_config() - get QUIC_SOCKOPT_CONFIG
 * @qs:   locked
 * @data: struct quic_config
 * @len:  unused
 *
 * Return: 0.
 */
int quic_get_config(struct quic_sock *qs, void *data, u32 *len)
{
	memcpy(data, &qs->config, sizeof(qs->config));
	return 0;
}
