// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Buffers of the socket: received bytes that pin the packet they came in, send
 * slots shaped like packets, and what both are charged. Order and loss are the
 * core's business, waiting for room the caller's.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "sock.h"
#include "splice.h"

/* Kept for reuse by each CPU; none where use after free is to be seen. */
#define QUIC_STOCK		(IS_ENABLED(CONFIG_KASAN) ? 0 : 512)

/* A packet may not need more: larger ones are put together from several slots. */
#define QUIC_SLOT_PAYLOAD_MAX	(4 * PAGE_SIZE - 256)

/* Bytes shorter than this share of their memory are copied out of it. */
#define QUIC_COPY_SHARE		4
#define QUIC_COPY_MAX		4096

/* Share of the receive buffer that bytes out of order leave free. */
#define QUIC_RESERVE_SHARE	4

/*
 * Spares the allocators: a slot its zeroed page, a chunk the way through the slab. The first word of
 * what lies here is the next one's address.
 */
struct quic_stock {
	void *first;
	u32 count;
};

static DEFINE_PER_CPU(struct quic_stock, quic_slot_stock);
static DEFINE_PER_CPU(struct quic_stock, quic_chunk_stock);
static struct kmem_cache *quic_chunk_cache __read_mostly;

/* BH is off, or nobody else is there. */
static void *quic_stock_pop(struct quic_stock *stock)
{
	void **item = stock->first;

	if (item) {
		stock->first = *item;
		stock->count--;
	}
	return item;
}

static void *quic_stock_take(struct quic_stock __percpu *stocks)
{
	void *item;

	local_bh_disable();
	item = quic_stock_pop(this_cpu_ptr(stocks));
	local_bh_enable();
	return item;
}

/* False: there are enough, the caller frees it. BH is off. */
static bool quic_stock_put(struct quic_stock __percpu *stocks, void *item)
{
	struct quic_stock *stock = this_cpu_ptr(stocks);

	if (stock->count >= QUIC_STOCK)
		return false;
	*(void **)item = stock->first;
	stock->first = item;
	stock->count++;
	return true;
}

/* Is there something that the application can take, and so make room? */
static bool quic_recv_is_waiting(const struct quic_sock *qs)
{
	return !list_empty(&qs->handshake_queue) || !list_empty(&qs->event_queue) ||
	       !list_empty(&qs->data_queue) || !list_empty(&qs->peeled);
}

/*
 * May @size be charged? What is early gets three quarters of the receive buffer, so that it never
 * keeps out the bytes that it waits for. These are taken even without room while nothing lies
 * ready, or a buffer smaller than a packet would stop the stream for good.
 */
static bool quic_rmem_has_room(struct sock *sk, u32 size, bool early)
{
	u64 limit = READ_ONCE(sk->sk_rcvbuf);

	if (early)
		limit -= limit / QUIC_RESERVE_SHARE;
	if (likely((u64)atomic_read(&sk->sk_rmem_alloc) + size <= limit))
		return true;
	return !early && !quic_recv_is_waiting(quic_sk(sk));
}

/**
 * quic_rmem_charge() - charge received memory
 * @sk:    socket, locked
 * @size:  bytes
 * @early: is it data that others must come before?
 *
 * Return: false: the receive buffer is full, or there is no memory.
 */
bool quic_rmem_charge(struct sock *sk, u32 size, bool early)
{
	if (unlikely(!quic_rmem_has_room(sk, size, early)))
		return false;
	if (size > sk->sk_forward_alloc && !__sk_mem_schedule(sk, size, SK_MEM_RECV))
		return false;
	atomic_add(size, &sk->sk_rmem_alloc);
	sk_mem_charge(sk, size);
	return true;
}

/**
 * quic_rmem_uncharge() - received memory is gone
 * @sk:   socket, locked
 * @size: bytes
 */
void quic_rmem_uncharge(struct sock *sk, u32 size)
{
	atomic_sub(size, &sk->sk_rmem_alloc);
	sk_mem_uncharge(sk, size);
}

static struct quic_recv_chunk *quic_recv_chunk_alloc(struct sock *sk, u32 truesize, bool early)
{
	struct quic_recv_chunk *chunk;

	truesize += sizeof(*chunk);
	if (!quic_rmem_charge(sk, truesize, early))
		return NULL;
	chunk = quic_stock_take(&quic_chunk_stock) ?:
		kmem_cache_alloc(quic_chunk_cache, GFP_ATOMIC);
	if (!chunk) {
		quic_rmem_uncharge(sk, truesize);
		return NULL;
	}
	chunk->sk = sk;
	chunk->truesize = truesize;
	chunk->skb = NULL;
	chunk->read = 0;
	chunk->fin = false;
	chunk->memory = NULL;
	chunk->rx.data = NULL;
	chunk->rx.len = 0;
	return chunk;
}

static struct quic_recv_chunk *quic_recv_chunk_own(struct quic_sock *qs, u8 kind, u32 len,
						   bool early)
{
	struct quic_recv_chunk *chunk;

	chunk = quic_recv_chunk_alloc(quic_sock_sk(qs), len, early);
	if (!chunk)
		return NULL;
	chunk->kind = kind;
	if (len) {
		chunk->memory = kmalloc(len, GFP_ATOMIC);
		if (!chunk->memory) {
			quic_recv_chunk_free(chunk);
			return NULL;
		}
		chunk->rx.data = chunk->memory;
		chunk->rx.len = len;
	}
	return chunk;
}

/**
 * quic_recv_chunk_new() - a chunk with room of its own
 * @qs:   socket, locked
 * @kind: enum quic_recv_kind
 * @len:  bytes of room at rx.data
 *
 * Return: the chunk, or NULL without memory or room in the receive buffer.
 */
struct quic_recv_chunk *quic_recv_chunk_new(struct quic_sock *qs, u8 kind, u32 len)
{
	return quic_recv_chunk_own(qs, kind, len, false);
}

/* It is charged no longer. BH is off. */
static void quic_recv_chunk_put(struct quic_recv_chunk *chunk)
{
	if (chunk->skb)
		kfree_skb(chunk->skb);
	else
		kfree(chunk->memory);
	if (!quic_stock_put(&quic_chunk_stock, chunk))
		kmem_cache_free(quic_chunk_cache, chunk);
}

/**
 * quic_recv_chunk_free() - let go of a chunk and what it pins
 * @chunk: chunk, in no list or tree
 */
void quic_recv_chunk_free(struct quic_recv_chunk *chunk)
{
	quic_rmem_uncharge(chunk->sk, chunk->truesize);
	local_bh_disable();
	quic_recv_chunk_put(chunk);
	local_bh_enable();
}

/**
 * quic_recv_chunks_free() - let go of the first chunks of a queue, all at once
 * @queue: chunks of one connection
 * @last:  the last of them
 */
void quic_recv_chunks_free(struct list_head *queue, struct quic_recv_chunk *last)
{
	struct quic_recv_chunk *chunk, *next;
	struct sock *sk = last->sk;
	LIST_HEAD(first);
	u32 size = 0;

	list_cut_position(&first, queue, &last->rx.link);
	local_bh_disable();
	list_for_each_entry_safe(chunk, next, &first, rx.link) {
		size += chunk->truesize;
		quic_recv_chunk_put(chunk);
	}
	local_bh_enable();
	quic_rmem_uncharge(sk, size);
}

/* The chunk for bytes of a packet: pins the packet, or copies what wastes it. */
struct quic_rx_chunk *quic_host_chunk_new(struct quic_conn *conn, const struct quic_rx_packet *rx,
					  const u8 *data, u32 len, bool early)
{
	struct quic_sock *qs = quic_conn_sock(conn);
	struct quic_recv_chunk *chunk;

	if (len <= QUIC_COPY_MAX && len < rx->share / QUIC_COPY_SHARE) {
		chunk = quic_recv_chunk_own(qs, QUIC_RECV_STREAM, len, early);
		if (chunk && len)
			memcpy(chunk->rx.data, data, len);
	} else {
		chunk = quic_recv_chunk_alloc(quic_sock_sk(qs), rx->share, early);
		if (chunk) {
			chunk->skb = skb_get(rx->host);
			chunk->rx.data = (u8 *)data;
			chunk->rx.len = len;
		}
	}
	return chunk ? &chunk->rx : NULL;
}

struct quic_rx_chunk *quic_host_chunk_split(struct quic_rx_chunk *rx, u32 at)
{
	struct quic_recv_chunk *chunk = container_of(rx, struct quic_recv_chunk, rx);
	struct quic_recv_chunk *rest;
	u32 len = rx->len - at;

	if (chunk->skb) {
		/* Both pin all of the packet: either may outlive the other. */
		rest = quic_recv_chunk_alloc(chunk->sk, chunk->truesize - sizeof(*chunk), true);
		if (!rest)
			return NULL;
		rest->skb = skb_get(chunk->skb);
		rest->rx.data = rx->data + at;
		rest->rx.len = len;
	} else {
		rest = quic_recv_chunk_own(quic_sk(chunk->sk), chunk->kind, len, true);
		if (!rest)
			return NULL;
		memcpy(rest->rx.data, rx->data + at, len);
	}
	rest->kind = chunk->kind;
	rest->level = chunk->level;
	rest->stream_id = chunk->stream_id;
	rest->rx.offset = rx->offset + at;
	rx->len = at;
	return &rest->rx;
}

void quic_host_chunk_free(struct quic_rx_chunk *rx)
{
	quic_recv_chunk_free(container_of(rx, struct quic_recv_chunk, rx));
}

static void quic_recv_list_purge(struct list_head *list)
{
	struct quic_recv_chunk *chunk, *next;

	list_for_each_entry_safe(chunk, next, list, rx.link) {
		list_del(&chunk->rx.link);
		quic_recv_chunk_free(chunk);
	}
}

/**
 * quic_recv_queue_purge() - throw away all that recvmsg could have handed out
 * @qs: socket, locked or dying
 */
void quic_recv_queue_purge(struct quic_sock *qs)
{
	quic_recv_list_purge(&qs->handshake_queue);
	quic_recv_list_purge(&qs->event_queue);
	quic_recv_list_purge(&qs->data_queue);
}

/* BH is off. */
static void quic_slot_put(void *slot)
{
	if (!quic_stock_put(&quic_slot_stock, slot))
		put_page(virt_to_page(slot));
}

static void *quic_slot_get(struct sock *sk)
{
	void *slot = quic_stock_take(&quic_slot_stock);
	struct page *page;

	if (slot)
		return slot;
	/* Two at a time; each holds a reference on the page. */
	page = alloc_page(sk->sk_allocation);
	if (!page)
		return NULL;
	get_page(page);
	local_bh_disable();
	quic_slot_put(page_address(page) + QUIC_SLOT_SIZE);
	local_bh_enable();
	return page_address(page);
}

/**
 * quic_slot_payload() - bytes of a stream that fill a packet
 * @qs:     socket, locked
 * @offset: of the first of them
 *
 * The frame header is taken as long as it gets for the first 4096 streams of each type.
 *
 * Return: bytes.
 */
u32 quic_slot_payload(struct quic_sock *qs, u64 offset)
{
	u32 size = quic_conn_path(&qs->conn)->mss;

	size -= 1 + quic_remote_cids_active(&qs->conn.remote_cids)->cid.len + 4;
	size -= quic_frame_stream_overhead(1 << 13, offset, size);
	if (!qs->conn.plaintext)
		size -= QUIC_TAG_LEN;
	return min_t(u32, size, QUIC_SLOT_PAYLOAD_MAX);
}

static struct quic_slot *quic_slot_new(struct quic_sock *qs, u64 offset)
{
	u32 size = quic_slot_payload(qs, offset);
	struct sock *sk = quic_sock_sk(qs);
	struct quic_slot *slot;
	s8 order = -1;
	u32 room;

	room = size + sizeof(*slot) + QUIC_SLOT_HEADROOM;
	if (room <= QUIC_SLOT_SIZE) {
		room = QUIC_SLOT_SIZE;
	} else {
		order = get_order(room);
		room = PAGE_SIZE << order;
	}

	if (!sk_wmem_schedule(sk, room))
		return NULL;
	slot = order < 0 ? quic_slot_get(sk) :
			   (void *)__get_free_pages(sk->sk_allocation | __GFP_NOWARN, order);
	if (!slot)
		return NULL;
	slot->offset = offset;
	slot->len = 0;
	slot->size = size;
	slot->truesize = room;
	slot->order = order;
	slot->sent = false;
	slot->data = (u8 *)slot + sizeof(*slot) + QUIC_SLOT_HEADROOM;
	sk_wmem_queued_add(sk, room);
	sk_mem_charge(sk, room);
	return slot;
}

/* BH is off. */
static void quic_slot_free(struct quic_slot *slot)
{
	if (slot->order == QUIC_SLOT_SPLICED)
		quic_splice_free(slot);
	else if (slot->order < 0)
		quic_slot_put(slot);
	else
		free_pages((unsigned long)slot, slot->order);
}

/**
 * quic_wmem_uncharge() - memory of data to send is gone
 * @sk:   socket, locked
 * @size: bytes
 */
void quic_wmem_uncharge(struct sock *sk, u32 size)
{
	sk_wmem_queued_add(sk, -(int)size);
	sk_mem_uncharge(sk, size);
}

/**
 * quic_slot_drop() - take away the last slot, which holds nothing
 * @sk:   socket, locked
 * @buf:  where it is
 * @slot: the slot
 */
void quic_slot_drop(struct sock *sk, struct quic_send_buf *buf, struct quic_slot *slot)
{
	if (buf->cursor == slot)
		buf->cursor = NULL;
	list_del(&slot->list);
	quic_wmem_uncharge(sk, slot->truesize);
	local_bh_disable();
	quic_slot_free(slot);
	local_bh_enable();
}

/* Small slots lie within a page, whose bounds are all that has to be checked. */
static size_t quic_slot_fill(struct quic_slot *slot, size_t n, struct iov_iter *from)
{
	u8 *to = slot->data + slot->len;

	if (likely(slot->order < 0))
		return copy_page_from_iter(virt_to_page(to), offset_in_page(to), n, from);
	return copy_from_iter(to, n, from);
}

/**
 * quic_send_buf_room() - how much to append for the send buffer to be full
 * @qs:     socket, locked
 * @buf:    buffers of a stream
 * @offset: where they end
 * @space:  bytes of memory left in the send buffer, more than none
 *
 * The last slot is filled although it may pass the limit: a slot cut short
 * would make a short packet of it.
 *
 * Return: bytes.
 */
u64 quic_send_buf_room(struct quic_sock *qs, const struct quic_send_buf *buf, u64 offset,
		       u64 space)
{
	u32 size = quic_slot_payload(qs, offset);
	struct quic_slot *slot;
	u64 room = 0;

	if (!list_empty(&buf->chunks)) {
		slot = list_last_entry(&buf->chunks, struct quic_slot, list);
		if (!slot->sent && slot->order != QUIC_SLOT_SPLICED)
			room = slot->size - slot->len;
	}
	return room + DIV_ROUND_UP_ULL(space, max_t(u32, size, QUIC_SLOT_SIZE)) * size;
}

/**
 * quic_send_buf_append() - copy bytes of the application behind those of a stream
 * @qs:     socket, locked by the user
 * @buf:    buffers of the stream
 * @offset: of the first new byte
 * @from:   where they come from
 * @len:    how many at most
 *
 * May sleep for memory, not for room in the send buffer: that was checked.
 *
 * Return: bytes copied, or -ENOMEM or -EFAULT if none.
 */
int quic_send_buf_append(struct quic_sock *qs, struct quic_send_buf *buf, u64 offset,
			 struct iov_iter *from, u32 len)
{
	struct sock *sk = quic_sock_sk(qs);
	struct quic_slot *slot = NULL;
	u32 copied = 0;
	size_t n;

	if (!list_empty(&buf->chunks))
		slot = list_last_entry(&buf->chunks, struct quic_slot, list);
	while (copied < len) {
		if (!slot || slot->order == QUIC_SLOT_SPLICED || slot->sent ||
		    slot->len == slot->size) {
			slot = quic_slot_new(qs, offset + copied);
			if (!slot)
				return copied ?: -ENOMEM;
			list_add_tail(&slot->list, &buf->chunks);
		}
		n = min(len - copied, slot->size - slot->len);
		n = quic_slot_fill(slot, n, from);
		slot->len += n;
		copied += n;
		if (!n) {
			if (!slot->len)
				quic_slot_drop(sk, buf, slot);
			return copied ?: -EFAULT;
		}
	}
	return copied;
}

/* The slot that holds @offset: most often the one asked for last or the next. */
static struct quic_slot *quic_slot_find(struct quic_send_buf *buf, u64 offset)
{
	struct quic_slot *slot = buf->cursor;

	if (!slot || offset < slot->offset)
		slot = list_first_entry(&buf->chunks, struct quic_slot, list);
	list_for_each_entry_from(slot, &buf->chunks, list) {
		if (offset < slot->offset + slot->len) {
			buf->cursor = slot;
			return slot;
		}
	}
	return NULL;
}

u32 quic_host_send_contig(struct quic_send_buf *buf, u64 offset)
{
	struct quic_slot *slot = quic_slot_find(buf, offset);

	if (WARN_ON_ONCE(!slot))
		return 0;
	return slot->offset + slot->len - offset;
}

/*
 * Bytes that fill what is left of a 1-RTT packet are not copied: the headers
 * are repeated in front of them and the cipher reads them from the slot.
 */
static bool quic_send_direct(struct quic_slot *slot, u64 offset, u32 len,
			     struct quic_tx_packet *tx)
{
	u32 headers = tx->w.pos - tx->w.start;

	if (!tx->may_direct || offset != slot->offset || len != slot->len ||
	    headers > QUIC_SLOT_HEADROOM || quic_writer_left(&tx->w) - len >= 128)
		return false;
	memcpy(slot->data - headers, tx->w.start, headers);
	tx->direct = slot->data - (tx->w.pos - tx->start);
	tx->direct_len = (tx->w.pos - tx->start) + len;
	if (slot->order == QUIC_SLOT_SPLICED)
		tx->pieces = quic_splice_direct(slot, headers);
	quic_write_reserve(&tx->w, len);
	return true;
}

void quic_host_send_copy(struct quic_send_buf *buf, u64 offset, u32 len,
			 struct quic_tx_packet *tx)
{
	struct quic_slot *slot = quic_slot_find(buf, offset);
	u32 n;

	if (WARN_ON_ONCE(!slot))
		return;
	slot->sent = true;
	if (quic_send_direct(slot, offset, len, tx))
		return;
	while (len) {
		n = min_t(u32, len, slot->offset + slot->len - offset);
		if (unlikely(slot->order == QUIC_SLOT_SPLICED))
			quic_splice_copy(slot, offset - slot->offset, &tx->w, n);
		else
			quic_write_bytes(&tx->w, slot->data + (offset - slot->offset), n);
		slot->sent = true;
		offset += n;
		len -= n;
		slot = list_next_entry(slot, list);
	}
}

/**
 * quic_send_gather() - payload that was left where it lies goes behind its header after all
 * @tx: filled packet with @direct set
 */
void quic_send_gather(struct quic_tx_packet *tx)
{
	struct scatterlist *pieces = tx->pieces;

	if (pieces)
		sg_pcopy_to_buffer(pieces, sg_nents(pieces), tx->start, tx->direct_len,
				   tx->start - tx->w.start);
	else
		memcpy(tx->start, tx->direct, tx->direct_len);
}

void quic_host_send_release(struct quic_conn *conn, struct quic_send_buf *buf, u64 offset)
{
	struct quic_slot *slot, *next, *last = NULL;
	LIST_HEAD(first);
	u32 size = 0;

	list_for_each_entry(slot, &buf->chunks, list) {
		if (slot->offset + slot->len > offset)
			break;
		if (buf->cursor == slot)
			buf->cursor = NULL;
		size += slot->truesize;
		last = slot;
	}
	if (!last)
		return;
	list_cut_position(&first, &buf->chunks, &last->list);
	quic_wmem_uncharge(quic_sock_sk(quic_conn_sock(conn)), size);
	local_bh_disable();
	list_for_each_entry_safe(slot, next, &first, list)
		quic_slot_free(slot);
	local_bh_enable();
}

int quic_chunk_init(void)
{
	BUILD_BUG_ON(sizeof(struct quic_slot) + QUIC_SLOT_HEADROOM + 1472 > QUIC_SLOT_SIZE);
	quic_chunk_cache = KMEM_CACHE(quic_recv_chunk, SLAB_HWCACHE_ALIGN);
	return quic_chunk_cache ? 0 : -ENOMEM;
}

/* All of both stocks is given back; nobody takes or puts any more. */
void quic_chunk_exit(void)
{
	void *item;
	int cpu;

	for_each_possible_cpu(cpu) {
		while ((item = quic_stock_pop(per_cpu_ptr(&quic_slot_stock, cpu))))
			put_page(virt_to_page(item));
		while ((item = quic_stock_pop(per_cpu_ptr(&quic_chunk_stock, cpu))))
			kmem_cache_free(quic_chunk_cache, item);
	}
	kmem_cache_destroy(quic_chunk_cache);
}
