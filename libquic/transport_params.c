// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The body of the TLS extension quic_transport_parameters between GnuTLS and
 * the kernel, which encodes and judges it. A body longer than the kernel takes
 * is reduced here to the parameters that the kernel knows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define QUIC_PARAMS_FIRST	1024
#define QUIC_PARAMS_LIMIT	65536

/* What the kernel acts upon; anything else it would skip. */
static const uint64_t quic_known_params[] = {
	0x00,	/* original_destination_connection_id */
	0x01,	/* max_idle_timeout */
	0x02,	/* stateless_reset_token */
	0x03,	/* max_udp_payload_size */
	0x04,	/* initial_max_data */
	0x05,	/* initial_max_stream_data_bidi_local */
	0x06,	/* initial_max_stream_data_bidi_remote */
	0x07,	/* initial_max_stream_data_uni */
	0x08,	/* initial_max_streams_bidi */
	0x09,	/* initial_max_streams_uni */
	0x0a,	/* ack_delay_exponent */
	0x0b,	/* max_ack_delay */
	0x0c,	/* disable_active_migration */
	0x0d,	/* preferred_address */
	0x0e,	/* active_connection_id_limit */
	0x0f,	/* initial_source_connection_id */
	0x10,	/* retry_source_connection_id */
	0x11,	/* version_information */
	0x20,	/* max_datagram_frame_size */
	0x2ab2,	/* grease_quic_bit */
	0xbaad,	/* disable_1rtt_encryption */
};

static bool quic_param_is_known(uint64_t id)
{
	size_t i;

	for (i = 0; i < sizeof(quic_known_params) / sizeof(*quic_known_params);
	     i++)
		if (quic_known_params[i] == id)
			return true;
	return false;
}

/* RFC 9000, section 16. Returns the bytes consumed, 0 if there are too few. */
static size_t quic_varint_decode(const uint8_t *p, size_t size, uint64_t *value)
{
	size_t len, i;

	if (!size)
		return 0;
	len = (size_t)1 << (p[0] >> 6);
	if (size < len)
		return 0;
	*value = p[0] & 0x3f;
	for (i = 1; i < len; i++)
		*value = *value << 8 | p[i];
	return len;
}

/**
 * quic_params_reduce() - leave out what the kernel does not know
 * @data:     encoded parameters
 * @size:     their size
 * @out:      buffer of at least @size bytes
 * @out_size: bytes written
 *
 * From a parameter that does not parse on, nothing but the rest is put out, so
 * that the kernel finds it wrong and closes with the right error, even when the
 * end is cut off.
 *
 * Return: 0, or -EINVAL if there was such a parameter.
 */
int quic_params_reduce(const uint8_t *data, size_t size, uint8_t *out,
		       size_t *out_size)
{
	size_t off = 0, written = 0;

	while (off < size) {
		size_t start = off, n;
		uint64_t id, len;

		n = quic_varint_decode(data + off, size - off, &id);
		off += n;
		if (n) {
			n = quic_varint_decode(data + off, size - off, &len);
			off += n;
		}
		if (!n || len > size - off) {
			memcpy(out, data + start, size - start);
			*out_size = size - start;
			return -EINVAL;
		}
		off += len;
		if (quic_param_is_known(id)) {
			memcpy(out + written, data + start, off - start);
			written += off - start;
		}
	}
	*out_size = written;
	return 0;
}

/* Our own, as encoded by the kernel; the caller frees *@data. */
int quic_params_get_local(int fd, uint8_t **data, size_t *size)
{
	socklen_t len = QUIC_PARAMS_FIRST;
	size_t room;

	/* a short buffer is -EINVAL, and so is the wrong state */
	for (room = QUIC_PARAMS_FIRST; room <= QUIC_PARAMS_LIMIT; room *= 4) {
		uint8_t *p = malloc(room);
		int err;

		if (!p)
			return -ENOMEM;
		len = (socklen_t)room;
		if (!getsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT,
				p, &len)) {
			*data = p;
			*size = len;
			return 0;
		}
		err = errno;
		free(p);
		if (err != EINVAL)
			return -err;
	}
	return -EINVAL;
}

static int quic_params_set(int fd, const uint8_t *data, size_t size)
{
	if (setsockopt(fd, SOL_QUIC, QUIC_SOCKOPT_TRANSPORT_PARAM_EXT, data,
		       (socklen_t)size))
		return -errno;
	return 0;
}

int quic_params_set_peer(int fd, const uint8_t *data, size_t size)
{
	uint8_t *known;
	size_t n;
	int ret;

	if (size <= QUIC_KERNEL_PARAMS_MAX)
		return quic_params_set(fd, data, size);
	known = malloc(size);
	if (!known)
		return -ENOMEM;
	if (quic_params_reduce(data, size, known, &n) &&
	    n > QUIC_KERNEL_PARAMS_MAX)
		n = QUIC_KERNEL_PARAMS_MAX;
	ret = quic_params_set(fd, known, n);
	free(known);
	return ret;
}
