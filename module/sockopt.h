/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of level SOL_QUIC: what the dispatcher in sockopt.c calls. A set
 * function gets its struct complete, missing tail zeroed; a string with its
 * length. A get function may read its struct before it fills it in.
 */
#ifndef _QUIC_SOCKOPT_H
#define _QUIC_SOCKOPT_H

#include "sock.h"

#define QUIC_OPTION_MAX	4096

/* sockopt_stream.c */
int quic_get_stream_open(struct quic_sock *qs, void *data, u32 *len);
bool quic_stream_was_used(const struct quic_streams *streams, u64 id);
int quic_set_stream_reset(struct quic_sock *qs, void *data, u32 len);
int quic_set_stream_stop_sending(struct quic_sock *qs, void *data, u32 len);

/* sockopt_path.c */
int quic_set_connection_id(struct quic_sock *qs, void *data, u32 len);
int quic_get_connection_id(struct quic_sock *qs, void *data, u32 *len);
int quic_set_connection_migration(struct quic_sock *qs, void *data, u32 len);

/* sockopt_conn.c */
int quic_set_event(struct quic_sock *qs, void *data, u32 len);
int quic_get_event(struct quic_sock *qs, void *data, u32 *len);
int quic_set_offload(struct quic_sock *qs, void *data, u32 len);
int quic_get_offload(struct quic_sock *qs, void *data, u32 *len);
int quic_set_connection_close(struct quic_sock *qs, void *data, u32 len);
int quic_get_connection_close(struct quic_sock *qs, void *data, u32 *len);
int quic_set_key_update(struct quic_sock *qs, void *data, u32 len);
int quic_set_transport_param(struct quic_sock *qs, void *data, u32 len);
int quic_get_transport_param(struct quic_sock *qs, void *data, u32 *len);
int quic_set_config(struct quic_sock *qs, void *data, u32 len);
int quic_get_config(struct quic_sock *qs, void *data, u32 *len);

/* sockopt_tls.c */
int quic_set_token(struct quic_sock *qs, void *data, u32 len);
int quic_get_token(struct quic_sock *qs, void *data, u32 *len);
int quic_set_alpn(struct quic_sock *qs, void *data, u32 len);
int quic_get_alpn(struct quic_sock *qs, void *data, u32 *len);
int quic_set_session_ticket(struct quic_sock *qs, void *data, u32 len);
int quic_get_session_ticket(struct quic_sock *qs, void *data, u32 *len);
int quic_set_crypto_secret(struct quic_sock *qs, void *data, u32 len);
int quic_set_transport_param_ext(struct quic_sock *qs, void *data, u32 len);
int quic_get_transport_param_ext(struct quic_sock *qs, void *data, u32 *len);

#endif /* _QUIC_SOCKOPT_H */
