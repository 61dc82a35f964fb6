// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Socket options about one stream: open it, reset it, ask the peer to stop.
 * uapi.md, sections 5.2 to 5.4.
 */
#include "sockopt.h"

/**
 * quic_get_stream_open() - QUIC_SOCKOPT_STREAM_OPEN
 * @qs:   locked; the lock is dropped while waiting for credit
 * @data: struct quic_stream_info, in and out
 * @len:  unused
 *
 * Return: 0, or a negative errno.
 */
int quic_get_stream_open(struct quic_sock *qs, void *data, u32 *len)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_stream_info *info = data;
	struct quic_stream *stream;
	int err;

	if (sk->sk_state != TCP_SYN_RECV && sk->sk_state != TCP_ESTABLISHED)
		return -EPIPE;
	if (info->stream_flags & ~QUIC_STREAM_FLAGS || info->stream_id < -1)
		return -EINVAL;
	info->stream_flags |= MSG_QUIC_STREAM_NEW;
	stream = quic_send_stream(qs, info->stream_id, info->stream_flags,
				  sock_sndtimeo(sk, false), &err);
	if (!stream)
		return err;
	info->stream_id = stream->id;
	return 0;
}

/**
 * quic_stream_was_used() - was a stream that is not there ever there?
 * @streams: streams of a connection
 * @id:      the stream
 *
 * Return: true if so.
 */
bool quic_stream_was_used(const struct quic_streams *streams, u64 id)
{
	bool uni = id & QUIC_STREAM_UNI;

	return id >> 2 < (quic_stream_is_local(streams, id) ? streams->local[uni].next :
							      streams->remote[uni].next);
}

/**
 * quic_set_stream_reset() - QUIC_SOCKOPT_STREAM_RESET
 * @qs:   locked
 * @data: struct quic_errinfo
 * @len:  unused
 *
 * Return: 0, or a negative errno.
 */
int quic_set_stream_reset(struct quic_sock *qs, void *data, u32 len)
{
	struct quic_streams *streams = &qs->conn.streams;
	const struct quic_errinfo *info = data;
	struct quic_stream *stream;
	bool is_local;
	int err;

	if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
		return -EINVAL;
	if (info->stream_id < 0)
		return -EINVAL;
	is_local = quic_stream_is_local(streams, info->stream_id);
	if ((info->stream_id & QUIC_STREAM_UNI) && !is_local)
		return -EINVAL;
	stream = quic_streams_find(streams, info->stream_id);
	if (!stream)
		return is_local && quic_stream_was_used(streams, info->stream_id) ?
		       -ENOSTR : -EINVAL;
	err = quic_conn_stream_reset(&qs->conn, stream, info->errcode);
	if (!err && streams->active == stream)
		streams->active = NULL;
	return err;
}

/**
 * quic_set_stream_stop_sending() - QUIC_SOCKOPT_STREAM_STOP_SENDING
 * @qs:   locked
 * @data: struct quic_errinfo
 * @len:  unused
 *
 * Return: 0, or a negative errno.
 */
int quic_set_stream_stop_sending(struct quic_sock *qs, void *data, u32 len)
{
	struct quic_streams *streams = &qs->conn.streams;
	const struct quic_errinfo *info = data;
	struct quic_stream *stream;
	bool is_local;

	if (quic_sock_sk(qs)->sk_state != TCP_ESTABLISHED)
		return -EINVAL;
	if (info->stream_id < 0)
		return -EINVAL;
	is_local = quic_stream_is_local(streams, info->stream_id);
	if ((info->stream_id & QUIC_STREAM_UNI) && is_local)
		return -EINVAL;
	stream = quic_streams_find(streams, info->stream_id);
	if (!stream)
		return quic_stream_was_used(streams, info->stream_id) ?
		       -ENOSTR : -EINVAL;
	if (stream->recv.state >= QUIC_RECV_RECVD)
		return -EINVAL;
	if (stream->recv.stop != QUIC_CONTROL_IDLE)
		return -EAGAIN;
	return quic_conn_stream_stop(&qs->conn, stream, info->errcode);
}
