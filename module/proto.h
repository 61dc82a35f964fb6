/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registration of QUIC sockets with the rest of the kernel. */
#ifndef _QUIC_PROTO_H
#define _QUIC_PROTO_H

int quic_proto_init(void);
void quic_proto_exit(void);

#endif /* _QUIC_PROTO_H */
