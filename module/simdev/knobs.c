// SPDX-License-Identifier: GPL-2.0-or-later
/* /sys/kernel/debug/quic_simdev/NAME: what to do wrong, and what was done. */
#include <linux/seq_file.h>

#include "simdev.h"

static int simdev_assocs_show(struct seq_file *seq, void *v)
{
	struct simdev *sim = seq->private;
	struct simdev_assoc *sa;

	seq_puts(seq, "INDEX\tDIRECTION\tVERSION\tCIPHER\tCID\tGENERATIONS\tLARGEST\tPACKETS\n");
	rcu_read_lock();
	list_for_each_entry_rcu(sa, &sim->assocs, link) {
		spin_lock_bh(&sa->lock);
		seq_printf(seq, "%u\t%s\t%08x\t%u\t%*phN\t", sa->assoc->index,
			   sa->assoc->direction == QUIC_OFFLOAD_TX ? "tx" : "rx",
			   sa->assoc->version, sa->cipher, sa->assoc->cid_len, sa->assoc->cid);
		if (sa->slot[0].aead)
			seq_printf(seq, "%u", sa->slot[0].generation);
		seq_putc(seq, ',');
		if (sa->slot[1].aead)
			seq_printf(seq, "%u", sa->slot[1].generation);
		seq_printf(seq, "\t%lld\t%llu\n", sa->largest, sa->packets);
		spin_unlock_bh(&sa->lock);
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(simdev_assocs);

static int simdev_registered_get(void *data, u64 *value)
{
	struct simdev *sim = data;

	*value = !!READ_ONCE(sim->quic);
	return 0;
}

static int simdev_registered_set(void *data, u64 value)
{
	if (value)
		return simdev_register(data);
	simdev_unregister(data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(simdev_registered, simdev_registered_get, simdev_registered_set,
			 "%llu\n");

/**
 * simdev_knobs_create() - the files of a device
 * @sim:  device
 * @root: folder of all devices
 */
void simdev_knobs_create(struct simdev *sim, struct dentry *root)
{
	struct simdev_counts *counts = &sim->counts;
	struct simdev_knobs *knobs = &sim->knobs;
	struct dentry *dir = debugfs_create_dir(sim->netdev->name, root);

	sim->dir = dir;
	debugfs_create_file("assocs", 0444, dir, sim, &simdev_assocs_fops);
	debugfs_create_file_unsafe("registered", 0644, dir, sim, &simdev_registered);
#define KNOB(name)	debugfs_create_u32(#name, 0644, dir, &knobs->name)
	KNOB(capacity);
	KNOB(add_delay_ms);
	KNOB(add_errno);
	KNOB(rekey_errno);
	KNOB(decline_nth);
	KNOB(gso);
	KNOB(directions);
	KNOB(rx_phases);
	KNOB(verify);
	KNOB(lie);
	KNOB(lie_nth);
	KNOB(loss_percent);
	KNOB(corrupt_nth);
	KNOB(reorder_nth);
	KNOB(flip_phase_nth);
	simdev_vector_create(sim, dir);
#undef KNOB
#define COUNT(name)	debugfs_create_u64(#name, 0444, dir, &counts->name)
	COUNT(tx_encrypted);
	COUNT(tx_not_ours);
	COUNT(tx_discarded);
	COUNT(tx_failed);
	COUNT(verify_equal);
	COUNT(verify_different);
	COUNT(verify_skipped);
	COUNT(rx_opened);
	COUNT(rx_auth_failed);
	COUNT(rx_phase_mismatch);
	COUNT(wire_lost);
	COUNT(wire_corrupted);
	COUNT(wire_reordered);
#undef COUNT
}
