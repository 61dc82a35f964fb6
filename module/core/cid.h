/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connection IDs: those issued to the peer and those it issued to us.
 * RFC 9000, section 5.1 and sections 19.15, 19.16.
 */
#ifndef _QUIC_CORE_CID_H
#define _QUIC_CORE_CID_H

#include "frame.h"

#define QUIC_CIDS_MAX		8
#define QUIC_CIDS_RETIRE_MAX	(2 * QUIC_CIDS_MAX)	/* RFC 9000, section 5.1.2 */
/* Twice the limit: all of them can be replaced before the peer has retired one. */
#define QUIC_LOCAL_CIDS_MAX	(2 * QUIC_CIDS_MAX)

/* A connection ID that we issued. */
struct quic_local_cid {
	u64 seq;
	struct quic_cid cid;
	u8 token[QUIC_STATELESS_TOKEN_LEN];
	bool in_use;
	u8 announce;		/* enum quic_control_state of NEW_CONNECTION_ID */
};

/* A connection ID that the peer issued. */
struct quic_remote_cid {
	u64 seq;
	struct quic_cid cid;
	u8 token[QUIC_STATELESS_TOKEN_LEN];
	bool in_use;
	bool has_token;
	bool used;		/* packets were sent to it: its token counts, it is no spare */
};

struct quic_local_cids {
	struct quic_local_cid cid[QUIC_LOCAL_CIDS_MAX];
	u64 next_seq;
	u64 retire_prior_to;	/* of NEW_CONNECTION_ID; those below do not count for @limit */
	u64 active;		/* sequence number the peer used last */
	u8 limit;		/* how many may be out: the peer's limit, at most QUIC_CIDS_MAX */
};

struct quic_remote_cids {
	struct quic_remote_cid cid[QUIC_CIDS_MAX];
	u64 active;		/* sequence number in use; set by quic_remote_cids_use() */
	u64 largest_seq;
	u64 retire_prior_to;
	u64 seen_from;		/* every number below was seen, or retired unseen */
	u64 seen;		/* bit i: number @seen_from + i was seen */
	u8 limit;		/* our active_connection_id_limit */
	u8 nr_retire;
	struct {
		u64 seq;
		u8 state;	/* enum quic_control_state */
	} retire[QUIC_CIDS_RETIRE_MAX];
};

void quic_local_cids_init(struct quic_local_cids *cids, const struct quic_cid *first);
/* A free slot with the next sequence number, to be filled by the caller; NULL at the limit. */
struct quic_local_cid *quic_local_cids_issue(struct quic_local_cids *cids);
/* Takes back what issue() gave last: the host had no memory for it. */
void quic_local_cids_cancel(struct quic_local_cids *cids, struct quic_local_cid *cid);
/* The peer retired it: frees the slot, moves @active to the lowest left if need be. */
void quic_local_cids_retired(struct quic_local_cids *cids, struct quic_local_cid *cid);
struct quic_local_cid *quic_local_cids_find(struct quic_local_cids *cids, u64 seq);
struct quic_local_cid *quic_local_cids_match(struct quic_local_cids *cids, const u8 *cid, u8 len);
u32 quic_local_cids_count(const struct quic_local_cids *cids);
u64 quic_local_cids_lowest(const struct quic_local_cids *cids);

void quic_remote_cids_init(struct quic_remote_cids *cids, const struct quic_cid *first, u8 limit);
/* Never NULL: one is always held. */
struct quic_remote_cid *quic_remote_cids_active(struct quic_remote_cids *cids);
struct quic_remote_cid *quic_remote_cids_find(struct quic_remote_cids *cids, u64 seq);
/* 0, or the transport error code to close with. */
int quic_remote_cids_add(struct quic_remote_cids *cids, const struct quic_frame_new_cid *frame);
/* Makes @seq the one that packets are sent to; -ENOENT. */
int quic_remote_cids_use(struct quic_remote_cids *cids, u64 seq);
/*
 * Retires @seq; moves @active to the lowest left. -ENOENT; -EBUSY: it is the only
 * one; -ENOSPC: too many unacknowledged retirements.
 */
int quic_remote_cids_retire(struct quic_remote_cids *cids, u64 seq);
/* The lowest one that was never used, for another path; NULL: none. */
struct quic_remote_cid *quic_remote_cids_spare(struct quic_remote_cids *cids);
bool quic_remote_cids_is_reset(const struct quic_remote_cids *cids, const u8 *token);
void quic_remote_cids_on_retire_acked(struct quic_remote_cids *cids, u64 seq);
void quic_remote_cids_on_retire_lost(struct quic_remote_cids *cids, u64 seq);
u32 quic_remote_cids_count(const struct quic_remote_cids *cids, u64 below);
u64 quic_remote_cids_lowest(const struct quic_remote_cids *cids);

#endif /* _QUIC_CORE_CID_H */
