/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for the kernel's <linux/jump_label.h>: a key is a variable. */
#ifndef _SHIM_LINUX_JUMP_LABEL_H
#define _SHIM_LINUX_JUMP_LABEL_H

#include <stdbool.h>

struct static_key_false {
	bool enabled;
};

#define DECLARE_STATIC_KEY_FALSE(name)	extern struct static_key_false name
#define DEFINE_STATIC_KEY_FALSE(name)	struct static_key_false name
#define static_branch_unlikely(key)	__builtin_expect((key)->enabled, 0)
#define static_branch_enable(key)	((key)->enabled = true)
#define static_branch_disable(key)	((key)->enabled = false)

#endif /* _SHIM_LINUX_JUMP_LABEL_H */
