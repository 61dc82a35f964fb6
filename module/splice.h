/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Send slots whose bytes stay in the pages that sendfile(), splice() or a user
 * inside the kernel handed over.
 */
#ifndef _QUIC_SPLICE_H
#define _QUIC_SPLICE_H

#include <linux/scatterlist.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "chunk.h"

/* A slot is as large as a packet, and begins and ends somewhere in a page; later ones may be pieces. */
#define QUIC_SPLICE_PAGES	6

/**
 * struct quic_splice_slot - a slot in other people's pages
 * @slot:     the generic part; its data is what lies behind @headroom, and never written to
 * @nr:       pages, each with a reference
 * @sg:       what the cipher reads: headers in @headroom, then the pages
 * @headroom: for headers
 */
struct quic_splice_slot {
	struct quic_slot slot;
	u32 nr;
	struct scatterlist sg[1 + QUIC_SPLICE_PAGES];
	u8 headroom[QUIC_SLOT_HEADROOM];
};

static inline struct quic_splice_slot *quic_splice_slot(struct quic_slot *slot)
{
	return container_of(slot, struct quic_splice_slot, slot);
}

/* Does the caller hand over pages? Others' bytes may change as soon as the call returns. */
static inline bool quic_splice_is_wanted(const struct msghdr *msg)
{
	return (msg->msg_flags & MSG_SPLICE_PAGES) && iov_iter_is_bvec(&msg->msg_iter);
}

int quic_splice_append(struct quic_sock *qs, struct quic_send_buf *buf, u64 offset,
		       struct iov_iter *from, u32 len);
void quic_splice_free(struct quic_slot *slot);
void quic_splice_copy(struct quic_slot *slot, u32 at, struct quic_writer *w, u32 len);
struct scatterlist *quic_splice_direct(struct quic_slot *slot, u32 headers);

#endif /* _QUIC_SPLICE_H */
