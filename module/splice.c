// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sending without copies: MSG_SPLICE_PAGES. A slot refers to the pages that it
 * was given until they are acknowledged, and the cipher reads from them. Whoever
 * writes to a page meanwhile changes what is sent, or sent again: as with TCP,
 * that harms nobody but the receiver of the stream.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "sock.h"
#include "splice.h"

/* What comes next, as far as it lies in one page. */
static struct bio_vec quic_splice_next(const struct iov_iter *from)
{
	struct bio_vec rest = *from->bvec;
	struct bvec_iter at = {};

	rest.bv_offset += from->iov_offset;
	rest.bv_len -= from->iov_offset;
	at.bi_size = min_t(size_t, rest.bv_len, from->count);
	return bvec_iter_bvec(&rest, at);
}

static struct quic_splice_slot *quic_splice_new(struct quic_sock *qs, struct quic_send_buf *buf,
						u64 offset)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_splice_slot *spliced;
	struct quic_slot *slot;

	if (!sk_wmem_schedule(sk, sizeof(*spliced)))
		return NULL;
	spliced = kmalloc_obj(*spliced, sk->sk_allocation | __GFP_NOWARN);
	if (!spliced)
		return NULL;
	spliced->nr = 0;
	sg_init_table(spliced->sg, ARRAY_SIZE(spliced->sg));
	slot = &spliced->slot;
	slot->offset = offset;
	slot->len = 0;
	slot->size = quic_slot_payload(qs, offset);
	slot->truesize = sizeof(*spliced);
	slot->order = QUIC_SLOT_SPLICED;
	slot->sent = false;
	slot->data = spliced->headroom + QUIC_SLOT_HEADROOM;
	sk_wmem_queued_add(sk, slot->truesize);
	sk_mem_charge(sk, slot->truesize);
	list_add_tail(&slot->list, &buf->chunks);
	return spliced;
}

/* Bytes join the slot, in the page that they lie in. */
static void quic_splice_add(struct quic_splice_slot *spliced, const struct bio_vec *piece, u32 n)
{
	struct scatterlist *last = &spliced->sg[spliced->nr];

	spliced->slot.len += n;
	if (spliced->nr && sg_page(last) == piece->bv_page &&
	    last->offset + last->length == piece->bv_offset) {
		last->length += n;
		return;
	}
	get_page(piece->bv_page);
	sg_unmark_end(last);
	spliced->nr++;
	sg_set_page(++last, piece->bv_page, n, piece->bv_offset);
	sg_mark_end(last);
}

/* The last slot, if spliced bytes may go into it. */
static struct quic_splice_slot *quic_splice_open(struct quic_send_buf *buf)
{
	struct quic_slot *slot;

	if (list_empty(&buf->chunks))
		return NULL;
	slot = list_last_entry(&buf->chunks, struct quic_slot, list);
	if (slot->order != QUIC_SLOT_SPLICED || slot->sent || slot->len == slot->size ||
	    quic_splice_slot(slot)->nr == QUIC_SPLICE_PAGES)
		return NULL;
	return quic_splice_slot(slot);
}

/* Room in a last slot of copied bytes: a packet that ends early costs more than a copy. */
static u32 quic_splice_gap(const struct quic_send_buf *buf)
{
	struct quic_slot *slot;

	if (list_empty(&buf->chunks))
		return 0;
	slot = list_last_entry(&buf->chunks, struct quic_slot, list);
	return slot->order == QUIC_SLOT_SPLICED || slot->sent ? 0 : slot->size - slot->len;
}

/* Some of the bytes; 0 or a negative errno if none. */
static int quic_splice_some(struct quic_sock *qs, struct quic_send_buf *buf, u64 offset,
			    struct iov_iter *from, u32 len)
{
	struct bio_vec piece = quic_splice_next(from);
	struct sock *sk = quic_sock_sk(qs);
	struct quic_splice_slot *spliced;
	u32 gap = quic_splice_gap(buf);
	u32 n;

	if (gap)
		return quic_send_buf_append(qs, buf, offset, from, min(len, gap));
	/* Nobody may hold on to memory of the slab. */
	if (unlikely(!piece.bv_len || !sendpage_ok(piece.bv_page)))
		return quic_send_buf_append(qs, buf, offset, from,
					    min_t(u32, len, piece.bv_len ?: PAGE_SIZE));
	spliced = quic_splice_open(buf) ?: quic_splice_new(qs, buf, offset);
	if (!spliced)
		return -ENOMEM;
	n = min3(len, piece.bv_len, spliced->slot.size - spliced->slot.len);
	if (!sk_wmem_schedule(sk, n)) {
		if (!spliced->slot.len)
			quic_slot_drop(sk, buf, &spliced->slot);
		return -ENOMEM;
	}
	quic_splice_add(spliced, &piece, n);
	spliced->slot.truesize += n;
	sk_wmem_queued_add(sk, n);
	sk_mem_charge(sk, n);
	iov_iter_advance(from, n);
	return n;
}

/**
 * quic_splice_append() - put pages behind the bytes of a stream
 * @qs:     socket, locked by the user
 * @buf:    buffers of the stream
 * @offset: of the first new byte
 * @from:   the pages
 * @len:    how many bytes at most
 *
 * As quic_send_buf_append(), which takes what cannot be referred to.
 *
 * Return: bytes appended, or -ENOMEM or -EFAULT if none.
 */
int quic_splice_append(struct quic_sock *qs, struct quic_send_buf *buf, u64 offset,
		       struct iov_iter *from, u32 len)
{
	u32 done = 0;
	int n;

	while (done < len) {
		n = quic_splice_some(qs, buf, offset + done, from, len - done);
		if (n <= 0)
			return done ?: n;
		done += n;
	}
	return done;
}

/**
 * quic_splice_free() - let go of a slot and its pages
 * @slot: slot of order QUIC_SLOT_SPLICED, in no list, charged no longer
 */
void quic_splice_free(struct quic_slot *slot)
{
	struct quic_splice_slot *spliced = quic_splice_slot(slot);
	u32 i;

	for (i = 1; i <= spliced->nr; i++)
		put_page(sg_page(&spliced->sg[i]));
	kfree(spliced);
}

/**
 * quic_splice_copy() - bytes for a packet that holds more than this slot, or less
 * @slot: slot of order QUIC_SLOT_SPLICED
 * @at:   where in the slot
 * @w:    where to
 * @len:  how many; they are there
 */
void quic_splice_copy(struct quic_slot *slot, u32 at, struct quic_writer *w, u32 len)
{
	struct quic_splice_slot *spliced = quic_splice_slot(slot);
	u8 *to = quic_write_reserve(w, len);

	if (to)
		sg_pcopy_to_buffer(spliced->sg + 1, spliced->nr, to, len, at);
}

/**
 * quic_splice_direct() - what to encrypt a packet from that holds the whole slot
 * @slot:    slot of order QUIC_SLOT_SPLICED
 * @headers: bytes of headers that were put right before its data
 *
 * Return: headers and pages, valid until the slot is released.
 */
struct scatterlist *quic_splice_direct(struct quic_slot *slot, u32 headers)
{
	struct quic_splice_slot *spliced = quic_splice_slot(slot);

	sg_set_buf(spliced->sg, slot->data - headers, headers);
	return spliced->sg;
}
