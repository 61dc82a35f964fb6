// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's parameter "deny_vector", for machines where the vector registers
 * are never in use when a softirq comes: as if they always were.
 */
#include <asm/simd.h>
#include <crypto/internal/simd.h>
#include <linux/module.h>
#include <linux/preempt.h>

#include "../protect.h"

static bool quic_vector_is_denied;

/* Instead of protect.c's. */
bool quic_protect_has_vector(void)
{
	return crypto_simd_usable() &&
	       !(READ_ONCE(quic_vector_is_denied) && in_serving_softirq());
}

static int quic_vector_deny(const char *value, const struct kernel_param *kp)
{
	int err = param_set_bool(value, kp);

	if (!err)
		quic_protect_need_vector();
	return err;
}

static const struct kernel_param_ops quic_vector_ops = {
	.set = quic_vector_deny,
	.get = param_get_bool,
};

module_param_cb(deny_vector, &quic_vector_ops, &quic_vector_is_denied, 0600);
MODULE_PARM_DESC(deny_vector, "tests: packets are protected in no softirq");
