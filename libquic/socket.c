// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * quic_sendmsg() and quic_recvmsg(): stream data with its stream ID and flags
 * in the control message, packed and unpacked.
 */
#include <string.h>

#include "internal.h"

#define QUIC_STREAM_FLAGS \
	((uint32_t)(MSG_QUIC_STREAM_NEW | MSG_QUIC_STREAM_FIN | \
		    MSG_QUIC_STREAM_UNI | MSG_QUIC_STREAM_DONTWAIT | \
		    MSG_QUIC_STREAM_SNDBLOCK))

union quic_stream_control {
	struct cmsghdr	align;
	char		space[CMSG_SPACE(sizeof(struct quic_stream_info))];
};

ssize_t quic_sendmsg(int sockfd, const void *msg, size_t len, int64_t sid,
		     uint32_t flags)
{
	struct quic_stream_info info = {
		.stream_id = sid, .stream_flags = flags & QUIC_STREAM_FLAGS,
	};
	struct iovec iov = { .iov_base = (void *)msg, .iov_len = len };
	union quic_stream_control control;
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&hdr);
	cmsg->cmsg_level = SOL_QUIC;
	cmsg->cmsg_type = QUIC_STREAM_INFO;
	cmsg->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));

	return sendmsg(sockfd, &hdr, (int)(flags & ~QUIC_STREAM_FLAGS));
}

ssize_t quic_recvmsg(int sockfd, void *msg, size_t len, int64_t *sid,
		     uint32_t *flags)
{
	struct iovec iov = { .iov_base = msg, .iov_len = len };
	union quic_stream_control control;
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct quic_stream_info info;
	struct cmsghdr *cmsg;
	ssize_t ret;

	memset(&control, 0, sizeof(control));
	ret = recvmsg(sockfd, &hdr, flags ? (int)*flags : 0);
	if (ret < 0)
		return ret;
	if (flags)
		*flags = (uint32_t)hdr.msg_flags;

	for (cmsg = CMSG_FIRSTHDR(&hdr); cmsg; cmsg = CMSG_NXTHDR(&hdr, cmsg)) {
		if (cmsg->cmsg_level != SOL_QUIC ||
		    cmsg->cmsg_type != QUIC_STREAM_INFO ||
		    cmsg->cmsg_len < CMSG_LEN(sizeof(info)))
			continue;
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		if (sid)
			*sid = info.stream_id;
		if (flags)
			*flags |= info.stream_flags;
	}
	return ret;
}
