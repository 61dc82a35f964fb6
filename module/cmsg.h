/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control messages of level SOL_QUIC. uapi.md, sections 1.2 and 3.2. */
#ifndef _QUIC_CMSG_H
#define _QUIC_CMSG_H

#include <linux/socket.h>
#include <uapi/linux/quic.h>

/**
 * struct quic_cmsgs - what accompanied a message
 * @stream:        which stream, and how
 * @handshake:     which level
 * @has_stream:    @stream was given; else it holds the defaults
 * @has_handshake: @handshake was given
 */
struct quic_cmsgs {
	struct quic_stream_info stream;
	struct quic_handshake_info handshake;
	bool has_stream;
	bool has_handshake;
};

int quic_cmsg_parse(struct msghdr *msg, struct quic_cmsgs *cmsgs);
void quic_cmsg_put_stream(struct msghdr *msg, u64 stream_id, u32 flags);
void quic_cmsg_put_handshake(struct msghdr *msg, u8 level);

#endif /* _QUIC_CMSG_H */
