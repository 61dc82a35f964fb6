// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module with planted bugs, one of which it commits when loaded with
 * bug=NAME. It proves that the debug kernel and the reading of its console
 * notice each kind. For guests only.
 */
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *bug = "";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "the bug to commit");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(atomic);

/* Keeps the compiler from seeing through the bugs. */
static noinline void *hide(void *pointer)
{
	OPTIMIZER_HIDE_VAR(pointer);
	return pointer;
}

static void use_after_free(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	kfree(memory);
	*(volatile char *)hide(memory) = 1;
}

static void out_of_bounds(void)
{
	char *memory = kmalloc(60, GFP_KERNEL);

	if (!memory)
		return;
	((volatile char *)hide(memory))[60] = 1;
	kfree(memory);
}

static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	spin_lock(&atomic);
	msleep(1);
	spin_unlock(&atomic);
}

static void leak(void)
{
	int i;

	/* The last pointer may linger in a register or on a stack. */
	for (i = 0; i < 4; i++) {
		char *memory = kmalloc(200, GFP_KERNEL);

		if (memory)
			memset(hide(memory), 0x5a, 200);
	}
}

static void warn(void)
{
	WARN_ON(hide(&atomic));
}

static void shift(void)
{
	volatile int count = 40;
	volatile int value = 1;

	value <<= count;
}

static void oops(void)
{
	*(volatile int *)hide(NULL) = 1;
}

static const struct {
	const char *name;
	void (*commit)(void);
} bugs[] = {
	{ "use-after-free", use_after_free },
	{ "out-of-bounds", out_of_bounds },
	{ "lock-inversion", lock_inversion },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "leak", leak },
	{ "warn", warn },
	{ "shift", shift },
	{ "oops", oops },
	{ "none", NULL },
};

static int __init canary_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (strcmp(bug, bugs[i].name))
			continue;
		pr_info("canary: committing %s\n", bug);
		if (bugs[i].commit)
			bugs[i].commit();
		return 0;
	}
	pr_err("canary: no bug of that name\n");
	return -EINVAL;
}

static void __exit canary_exit(void)
{
}

module_init(canary_init);
module_exit(canary_exit);
MODULE_DESCRIPTION("Planted bugs that a debug kernel must notice");
MODULE_LICENSE("GPL");
