/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffers: received bytes that pin their skb, the one receive queue, send
 * slots shaped like packets, and what both cost the socket.
 */
#ifndef _QUIC_CHUNK_H
#define _QUIC_CHUNK_H

#include <linux/skbuff.h>
#include <linux/uio.h>

#include "core/conn.h"
#include "keys.h"

struct quic_sock;

enum quic_recv_kind {
	QUIC_RECV_HANDSHAKE,
	QUIC_RECV_EVENT,
	QUIC_RECV_STREAM,
	QUIC_RECV_DATAGRAM,
};

/**
 * struct quic_recv_chunk - something that recvmsg will hand out
 * @rx:        bytes and place in a queue; while in stream reassembly, in its tree
 * @kind:      what it is
 * @level:     of handshake bytes
 * @fin:       the stream ends behind these bytes
 * @read:      bytes already taken
 * @stream_id: of stream data
 * @skb:       pinned, or NULL when @rx.data lies in @memory (events, copies)
 * @memory:    the chunk's own, or NULL
 * @truesize:  charged to the socket
 */
struct quic_recv_chunk {
	struct quic_rx_chunk rx;
	u8 kind;
	u8 level;
	bool fin;
	u32 read;
	void *memory;
	u32 truesize;
	u64 stream_id;
	struct sk_buff *skb;
	struct sock *sk;
};

#define QUIC_SLOT_HEADROOM	64	/* short header and STREAM frame header */

/**
 * struct quic_slot - part of what a stream sends, shaped like a packet
 * @list:   in quic_send_buf.chunks
 * @offset: of the first byte in the stream
 * @len:    bytes in it
 * @size:   room for payload
 * @truesize: memory that it takes up, charged to the socket
 * @order:  of its pages; slots of QUIC_SLOT_SIZE are recycled, their order is -1; QUIC_SLOT_SPLICED:
 *          its bytes lie in other people's pages, see splice.h
 * @sent:   a packet carried part of it: nothing may be appended
 * @data:   the bytes, behind QUIC_SLOT_HEADROOM bytes of room for headers
 *
 * It lies at the start of the memory that it describes.
 */
struct quic_slot {
	struct list_head list;
	u64 offset;
	u32 len;
	u32 size;
	u32 truesize;
	s8 order;
	bool sent;
	u8 *data;
};

#define QUIC_SLOT_SIZE	2048	/* two in a page: a packet at an MTU of 1500 */
#define QUIC_SLOT_SPLICED	-2

int quic_chunk_init(void);
void quic_chunk_exit(void);

/* Appends up to @len bytes from @from; returns how many, or errno if none. May sleep on memory, not on space. */
u64 quic_send_buf_room(struct quic_sock *qs, const struct quic_send_buf *buf, u64 offset,
		       u64 space);
int quic_send_buf_append(struct quic_sock *qs, struct quic_send_buf *buf, u64 offset,
			 struct iov_iter *from, u32 len);
u32 quic_slot_payload(struct quic_sock *qs, u64 offset);
void quic_slot_drop(struct sock *sk, struct quic_send_buf *buf, struct quic_slot *slot);
void quic_send_gather(struct quic_tx_packet *tx);
/* A chunk with @len bytes of its own, charged; NULL: no memory, or the receive buffer is full. */
struct quic_recv_chunk *quic_recv_chunk_new(struct quic_sock *qs, u8 kind, u32 len);
void quic_recv_chunk_free(struct quic_recv_chunk *chunk);
void quic_recv_chunks_free(struct list_head *queue, struct quic_recv_chunk *last);
void quic_recv_queue_purge(struct quic_sock *qs);
bool quic_rmem_charge(struct sock *sk, u32 size, bool early);
void quic_rmem_uncharge(struct sock *sk, u32 size);
void quic_wmem_uncharge(struct sock *sk, u32 size);
/* Is there still somebody to hand received data to? */
bool quic_host_has_reader(const struct quic_sock *qs);
/* Keys that softirq may not free. */
void quic_host_key_dispose(struct quic_key *key);
void quic_host_exit(void);

#endif /* _QUIC_CHUNK_H */
