/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/kernel.h>, which gathers the basics. */
#ifndef _SHIM_LINUX_KERNEL_H
#define _SHIM_LINUX_KERNEL_H

#include_next <linux/kernel.h>

#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/types.h>

#endif /* _SHIM_LINUX_KERNEL_H */
