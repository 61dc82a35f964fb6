/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The basics that every file of the protocol core may use: memory, lists and
 * trees, arithmetic on 64 bits, errno. In user space the same names come from
 * selftests/core/shim/. Nothing here knows QUIC.
 */
#ifndef _QUIC_CORE_CORE_H
#define _QUIC_CORE_CORE_H

#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/rbtree.h>
#include <linux/string.h>
#include <linux/types.h>

#endif /* _QUIC_CORE_CORE_H */
