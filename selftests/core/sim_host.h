/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the link of the simulated world asks of its ends. */
#ifndef _SELFTESTS_CORE_SIM_HOST_H
#define _SELFTESTS_CORE_SIM_HOST_H

#include "sim.h"

#define SIM_CLIENT_HELLO	300	/* bytes of the scripted message */

/* CRYPTO bytes of a level are queued. */
void sim_put(struct quic_conn *conn, u8 level, u32 bytes);
/* Both keys of a level are there. */
void sim_keys(struct quic_conn *conn, u8 level);
/* A level's bytes are complete: what TLS would do next. */
void sim_handshake_step(struct sim_end *end, u8 level);

#endif /* _SELFTESTS_CORE_SIM_HOST_H */
