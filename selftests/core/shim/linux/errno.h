/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/errno.h>. */
#ifndef _SHIM_LINUX_ERRNO_H
#define _SHIM_LINUX_ERRNO_H

#include_next <linux/errno.h>

#endif /* _SHIM_LINUX_ERRNO_H */
