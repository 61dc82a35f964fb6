// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames handed up while the vector registers are in use, as if they had come in
 * a softirq that interrupted their user. Only where the crypto API has drivers
 * that look whether they may run: others take it for impossible.
 */
#include <linux/crypto.h>
#include <linux/module.h>
#if defined(CONFIG_X86) && !defined(CONFIG_UML)
#include <asm/fpu/api.h>
#define SIMDEV_HAS_VECTOR	1
#else
#define SIMDEV_HAS_VECTOR	0
static inline void kernel_fpu_begin(void)
{
}

static inline void kernel_fpu_end(void)
{
}
#endif

#include "simdev.h"

static void simdev_vector_work(struct work_struct *work)
{
	struct simdev *sim = container_of(work, struct simdev, vector_work);
	u32 nth = READ_ONCE(sim->vector_nth);
	struct sk_buff *skb;
	bool in_use;

	while ((skb = skb_dequeue(&sim->vector_queue))) {
		in_use = nth && ++sim->vector_nr % nth == 0;
		local_bh_disable();
		if (in_use)
			kernel_fpu_begin();
		netif_receive_skb(skb);
		if (in_use)
			kernel_fpu_end();
		local_bh_enable();
	}
}

/**
 * simdev_vector_receive() - hand up a frame that came, if this is how
 * @sim: device
 * @skb: the frame, taken over then
 *
 * Return: false: it is to be handed up as usual.
 */
bool simdev_vector_receive(struct simdev *sim, struct sk_buff *skb)
{
	if (!READ_ONCE(sim->vector_nth))
		return false;
	skb_queue_tail(&sim->vector_queue, skb);
	queue_work(system_unbound_wq, &sim->vector_work);
	return true;
}

static int simdev_vector_get(void *data, u64 *value)
{
	struct simdev *sim = data;

	*value = READ_ONCE(sim->vector_nth);
	return 0;
}

static int simdev_vector_set(void *data, u64 value)
{
	struct simdev *sim = data;

	if (value && (!SIMDEV_HAS_VECTOR ||
		      !crypto_has_alg("__gcm(aes)", CRYPTO_ALG_INTERNAL, CRYPTO_ALG_INTERNAL)))
		return -EOPNOTSUPP;
	WRITE_ONCE(sim->vector_nth, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(simdev_vector, simdev_vector_get, simdev_vector_set, "%llu\n");

/**
 * simdev_vector_create() - the knob of a device
 * @sim: device
 * @dir: its folder
 */
void simdev_vector_create(struct simdev *sim, struct dentry *dir)
{
	debugfs_create_file_unsafe("vector_nth", 0644, dir, sim, &simdev_vector);
}

/**
 * simdev_vector_init() - a new device has none
 * @sim: device
 */
void simdev_vector_init(struct simdev *sim)
{
	skb_queue_head_init(&sim->vector_queue);
	INIT_WORK(&sim->vector_work, simdev_vector_work);
}

/**
 * simdev_vector_stop() - the device goes down, and its peer sends nothing more
 * @sim: device
 */
void simdev_vector_stop(struct simdev *sim)
{
	cancel_work_sync(&sim->vector_work);
	skb_queue_purge(&sim->vector_queue);
}
