// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Control messages: read on send, written on receive. What they mean is for
 * sendmsg.c and recvmsg.c.
 */
#include <linux/net.h>

#include "cmsg.h"
#include "sock.h"

/* The part that both sides know; a missing tail keeps what is preset: uapi.md, section 1.12. */
static void quic_cmsg_copy(void *to, size_t size, const struct cmsghdr *cmsg)
{
	memcpy(to, CMSG_DATA(cmsg), min_t(size_t, size, cmsg->cmsg_len - sizeof(*cmsg)));
}

/**
 * quic_cmsg_parse() - read the control messages of sendmsg()
 * @msg:   message
 * @cmsgs: result, filled with defaults first
 *
 * Return: 0, or -EINVAL.
 */
int quic_cmsg_parse(struct msghdr *msg, struct quic_cmsgs *cmsgs)
{
	struct cmsghdr *cmsg;

	memset(cmsgs, 0, sizeof(*cmsgs));
	cmsgs->stream.stream_id = -1;
	for_each_cmsghdr(cmsg, msg) {
		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		if (cmsg->cmsg_level != SOL_QUIC)
			continue;
		switch (cmsg->cmsg_type) {
		case QUIC_STREAM_INFO:
			memset(&cmsgs->stream, 0, sizeof(cmsgs->stream));
			cmsgs->stream.stream_id = -1;
			quic_cmsg_copy(&cmsgs->stream, sizeof(cmsgs->stream), cmsg);
			if (cmsgs->stream.stream_flags & ~QUIC_STREAM_FLAGS)
				return -EINVAL;
			cmsgs->has_stream = true;
			break;
		case QUIC_HANDSHAKE_INFO:
			memset(&cmsgs->handshake, 0, sizeof(cmsgs->handshake));
			quic_cmsg_copy(&cmsgs->handshake, sizeof(cmsgs->handshake), cmsg);
			cmsgs->has_handshake = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

/**
 * quic_cmsg_put_stream() - tell which stream received data belongs to
 * @msg:       message
 * @stream_id: the stream
 * @flags:     MSG_QUIC_STREAM_FIN or 0
 *
 * Who gave no room for it finds the flags among those of the message.
 */
void quic_cmsg_put_stream(struct msghdr *msg, u64 stream_id, u32 flags)
{
	struct quic_stream_info info;

	memset(&info, 0, sizeof(info));
	info.stream_id = stream_id;
	info.stream_flags = flags;
	put_cmsg(msg, SOL_QUIC, QUIC_STREAM_INFO, sizeof(info), &info);
	if (msg->msg_flags & MSG_CTRUNC)
		msg->msg_flags |= flags;
}

/**
 * quic_cmsg_put_handshake() - tell which level received handshake bytes belong to
 * @msg:   message
 * @level: QUIC_CRYPTO_INITIAL or QUIC_CRYPTO_HANDSHAKE
 */
void quic_cmsg_put_handshake(struct msghdr *msg, u8 level)
{
	struct quic_handshake_info info;

	memset(&info, 0, sizeof(info));
	info.crypto_level = level;
	put_cmsg(msg, SOL_QUIC, QUIC_HANDSHAKE_INFO, sizeof(info), &info);
}
