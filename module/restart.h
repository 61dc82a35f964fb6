/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Initial keys that change while the handshake runs: Retry, versions. */
#ifndef _QUIC_RESTART_H
#define _QUIC_RESTART_H

#include "core/header.h"

struct quic_sock;
struct work_struct;

/* A client's token: as Retry brought it, or as the application set it. */
const u8 *quic_restart_token(const struct quic_sock *qs, u32 *len);
void quic_restart_drop_token(struct quic_sock *qs);

/* Softirq. A Retry or Version Negotiation packet; false: not to be acted on. */
bool quic_restart_on_packet(struct quic_sock *qs, const u8 *packet, const struct quic_header *hdr);
/* Softirq. An Initial packet of a version whose keys are not there yet; false: nor will they be. */
bool quic_restart_want(struct quic_sock *qs, u32 version);
/* Softirq. A packet was opened with the keys of the other version. */
void quic_restart_follow(struct quic_sock *qs);
/* A server chose another version: process context. */
int quic_restart_switch(struct quic_sock *qs);
void quic_restart_work(struct work_struct *work);
/* Initial keys have served their time. Any context. */
void quic_restart_discard(struct quic_sock *qs);

#endif /* _QUIC_RESTART_H */
