// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the frames of Initial packets to the ALPN list of the ClientHello in
 * them. Who serves which protocol is for the host. RFC 8446, section 4.1.2;
 * RFC 7301, section 3.1.
 */
#include "client_hello.h"
#include "cursor.h"
#include "frame.h"
#include "host.h"

#define TLS_CLIENT_HELLO	1
#define TLS_HEADER_LEN		4	/* type, 24 bits of length */
#define TLS_RANDOM_LEN		32
#define TLS_EXTENSION_ALPN	16

/**
 * quic_client_hello_init() - nothing has come yet
 * @hello: to be filled
 */
void quic_client_hello_init(struct quic_client_hello *hello)
{
	quic_range_set_init(&hello->got);
	hello->data = NULL;
	hello->room = 0;
	hello->is_probed = false;
}

/**
 * quic_client_hello_destroy() - free what is held
 * @hello: the message
 */
void quic_client_hello_destroy(struct quic_client_hello *hello)
{
	quic_range_set_clear(&hello->got);
	quic_host_free(hello->data);
	hello->data = NULL;
	hello->room = 0;
}

/* Makes room for @len bytes: most messages fit into the first step. */
static int client_hello_grow(struct quic_client_hello *hello, u32 len)
{
	u32 room = hello->room ?: 512;
	u8 *data;

	while (room < len)
		room *= 2;
	if (room == hello->room)
		return 0;
	data = quic_host_alloc(room);
	if (!data)
		return -ENOMEM;
	if (hello->data)
		memcpy(data, hello->data, hello->room);
	quic_host_free(hello->data);
	hello->data = data;
	hello->room = room;
	return 0;
}

static int client_hello_add(struct quic_client_hello *hello, u64 offset, const u8 *data, u64 len)
{
	int err;

	if (offset >= QUIC_CLIENT_HELLO_MAX)
		return 0;
	len = min_t(u64, len, QUIC_CLIENT_HELLO_MAX - offset);
	if (!len || quic_range_set_contains(&hello->got, offset, offset + len))
		return 0;
	if (hello->got.count >= QUIC_CLIENT_HELLO_HOLES)
		return -ENOBUFS;
	err = client_hello_grow(hello, offset + len);
	if (err)
		return err;
	err = quic_range_set_add(&hello->got, offset, offset + len);
	if (!err)
		memcpy(hello->data + offset, data, len);
	return err;
}

/**
 * quic_client_hello_add_packet() - take the CRYPTO data of an Initial packet
 * @hello:   the message
 * @payload: frames of the packet, authenticated
 * @len:     their length
 *
 * Return: 0; -EBADMSG: these frames do not belong there; -ENOBUFS: too many
 * holes; -ENOMEM.
 */
int quic_client_hello_add_packet(struct quic_client_hello *hello, const u8 *payload, u32 len)
{
	bool has_crypto = false, has_ping = false;
	struct quic_frame frame;
	struct quic_reader r;
	u64 code;
	int err;

	quic_reader_init(&r, payload, len);
	while (quic_reader_left(&r)) {
		if (quic_frame_decode(&r, &frame, &code) ||
		    !quic_frame_is_allowed(frame.type, QUIC_PACKET_INITIAL))
			return -EBADMSG;
		has_ping |= frame.type == QUIC_FRAME_PING;
		if (frame.type != QUIC_FRAME_CRYPTO)
			continue;
		has_crypto = true;
		err = client_hello_add(hello, frame.data.offset, frame.data.data, frame.data.len);
		if (err)
			return err;
	}
	hello->is_probed |= has_ping && !has_crypto;
	return 0;
}

/* A vector with a length of @width bytes in front, as a reader of its own. */
static void client_hello_vector(struct quic_reader *r, u8 width, struct quic_reader *vector)
{
	u32 len = width == 1 ? quic_read_u8(r) : quic_read_u16(r);
	const u8 *data = quic_read_bytes(r, len);

	quic_reader_init(vector, data, data ? len : 0);
}

/* The list of an ALPN extension: names of one byte and more, nothing else. */
static int client_hello_read_alpn(struct quic_reader *extension, const u8 **alpn, u32 *len)
{
	struct quic_reader list, name;

	client_hello_vector(extension, 2, &list);
	*alpn = list.pos;
	*len = quic_reader_left(&list);
	if (extension->failed || quic_reader_left(extension) || !*len ||
	    *len > QUIC_CLIENT_HELLO_ALPN_MAX)
		return -EBADMSG;
	while (quic_reader_left(&list)) {
		client_hello_vector(&list, 1, &name);
		if (list.failed || !quic_reader_left(&name))
			return -EBADMSG;
	}
	return 0;
}

static int client_hello_read_extensions(struct quic_reader *r, const u8 **alpn, u32 *len)
{
	struct quic_reader extension;
	u32 count = 0;
	u16 type;

	while (quic_reader_left(r)) {
		type = quic_read_u16(r);
		client_hello_vector(r, 2, &extension);
		if (r->failed || ++count > QUIC_CLIENT_HELLO_EXTENSIONS)
			return -EBADMSG;
		if (type != TLS_EXTENSION_ALPN)
			continue;
		/* RFC 8446, section 4.2: one of each type. */
		if (*len || client_hello_read_alpn(&extension, alpn, len))
			return -EBADMSG;
	}
	return 0;
}

/* @r: the message behind its header, all of it. */
static int client_hello_read(struct quic_reader *r, const u8 **alpn, u32 *len)
{
	struct quic_reader session_id, suites, compression, extensions;

	quic_read_u16(r);
	quic_read_bytes(r, TLS_RANDOM_LEN);
	client_hello_vector(r, 1, &session_id);
	client_hello_vector(r, 2, &suites);
	client_hello_vector(r, 1, &compression);
	client_hello_vector(r, 2, &extensions);
	if (r->failed || quic_reader_left(r))
		return -EBADMSG;
	/* RFC 9001, section 8.4: no middlebox is to be fooled here. */
	if (quic_reader_left(&session_id) || !quic_reader_left(&suites) ||
	    quic_reader_left(&suites) % 2 || !quic_reader_left(&compression))
		return -EBADMSG;
	return client_hello_read_extensions(&extensions, alpn, len);
}

/**
 * quic_client_hello_find_alpn() - which protocols does the client offer?
 * @hello: the message
 * @alpn:  its list, each name with a length byte in front; valid until @hello changes
 * @len:   bytes there, 0: it offers none
 *
 * What follows the message is not looked at. uapi.md, section 4.11.
 *
 * Return: 0; -EAGAIN: some of it has not come yet; -EBADMSG: this is no
 * ClientHello, or one that breaks a rule.
 */
int quic_client_hello_find_alpn(const struct quic_client_hello *hello, const u8 **alpn, u32 *len)
{
	const u8 *data = hello->data;
	struct quic_reader r;
	u32 size;

	*alpn = data;
	*len = 0;
	if (!quic_range_set_contains(&hello->got, 0, 1))
		return -EAGAIN;
	if (data[0] != TLS_CLIENT_HELLO)
		return -EBADMSG;
	if (!quic_range_set_contains(&hello->got, 0, TLS_HEADER_LEN))
		return -EAGAIN;
	size = (u32)data[1] << 16 | data[2] << 8 | data[3];
	if (size > QUIC_CLIENT_HELLO_MAX - TLS_HEADER_LEN)
		return -EBADMSG;
	if (!quic_range_set_contains(&hello->got, 0, TLS_HEADER_LEN + size))
		return -EAGAIN;
	quic_reader_init(&r, data + TLS_HEADER_LEN, size);
	return client_hello_read(&r, alpn, len);
}
