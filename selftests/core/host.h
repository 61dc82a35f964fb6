/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the test runner may ask of the user-space host of the protocol core. */
#ifndef _SELFTESTS_CORE_HOST_H
#define _SELFTESTS_CORE_HOST_H

/* Objects handed out by quic_host_*() and not yet given back. */
long quic_test_host_outstanding(void);
/* Ends failure injection and starts the same random sequence again. */
void quic_test_host_reset(void);

#endif /* _SELFTESTS_CORE_HOST_H */
