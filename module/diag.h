/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_diag; nothing where the kernel has no inet_diag. */
#ifndef _QUIC_DIAG_H
#define _QUIC_DIAG_H

#if IS_REACHABLE(CONFIG_INET_DIAG)
int quic_diag_init(void);	/* module init */
void quic_diag_exit(void);
#else
static inline int quic_diag_init(void)
{
	return 0;
}

static inline void quic_diag_exit(void)
{
}
#endif

#endif /* _QUIC_DIAG_H */
