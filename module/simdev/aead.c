// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A simulated accelerator: the AEAD driver "gcm-aes-simdev", which completes
 * every request later, as far as its knobs in debugfs let it: never, in the wrong
 * order, or with an error. Nobody gets it who does not ask for it by name.
 */
#include <crypto/internal/aead.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "simdev.h"

/**
 * struct simdev_aead_request - a request of an owner
 * @link: in the queue
 * @req:  the owner's
 * @seal: encrypt
 * @soft: that of the software which does the work; its driver's own follows
 */
struct simdev_aead_request {
	struct list_head link;
	struct aead_request *req;
	bool seal;
	struct aead_request soft;
};

struct simdev_aead_ctx {
	struct crypto_aead *soft;
};

/**
 * struct simdev_aead - the accelerator
 * @lock:       guards @queue and the counters
 * @queue:      what waits
 * @work:       does it, on
 * @wq:         one thread at a time
 * @hold:       knob: do nothing
 * @room:       knob: requests that may wait
 * @lifo:       knob: the newest first
 * @refuse_nth: knob: no room for every nth request
 * @fail_nth:   knob: every nth request ends with an error
 * @waiting:    requests in @queue
 * @most:       the most there have been
 * @taken:      requests taken
 * @refused:    requests refused
 * @failed:     requests that ended with an error of the device
 * @nr:         requests done
 */
static struct simdev_aead {
	spinlock_t lock;	/* see above */
	struct list_head queue;
	struct work_struct work;
	struct workqueue_struct *wq;
	u32 hold;
	u32 room;
	u32 lifo;
	u32 refuse_nth;
	u32 fail_nth;
	u32 waiting;
	u32 most;
	u32 taken;
	u32 refused;
	u32 failed;
	u32 nr;
} simdev_aead = {
	.lock = __SPIN_LOCK_UNLOCKED(simdev_aead.lock),
	.queue = LIST_HEAD_INIT(simdev_aead.queue),
	.room = 1000,
};

static void simdev_aead_do(struct simdev_aead_request *ar)
{
	struct aead_request *req = ar->req;
	struct crypto_aead *tfm = crypto_aead_reqtfm(req);
	struct simdev_aead_ctx *ctx = crypto_aead_ctx(tfm);
	u32 fail_nth = READ_ONCE(simdev_aead.fail_nth);
	int err;

	aead_request_set_tfm(&ar->soft, ctx->soft);
	aead_request_set_callback(&ar->soft, 0, NULL, NULL);
	aead_request_set_ad(&ar->soft, req->assoclen);
	aead_request_set_crypt(&ar->soft, req->src, req->dst, req->cryptlen, req->iv);
	err = ar->seal ? crypto_aead_encrypt(&ar->soft) : crypto_aead_decrypt(&ar->soft);
	if (fail_nth && !(++simdev_aead.nr % fail_nth)) {
		simdev_aead.failed++;
		err = -EIO;
	}
	local_bh_disable();
	aead_request_complete(req, err);
	local_bh_enable();
}

static struct simdev_aead_request *simdev_aead_next(void)
{
	struct simdev_aead_request *ar = NULL;
	struct simdev_aead *sa = &simdev_aead;

	spin_lock_bh(&sa->lock);
	if (!list_empty(&sa->queue) && !READ_ONCE(sa->hold)) {
		ar = sa->lifo ? list_last_entry(&sa->queue, struct simdev_aead_request, link) :
				list_first_entry(&sa->queue, struct simdev_aead_request, link);
		list_del(&ar->link);
		sa->waiting--;
	}
	spin_unlock_bh(&sa->lock);
	return ar;
}

static void simdev_aead_work(struct work_struct *work)
{
	struct simdev_aead_request *ar;

	while ((ar = simdev_aead_next()))
		simdev_aead_do(ar);
}

static int simdev_aead_take(struct aead_request *req, bool seal)
{
	struct simdev_aead_request *ar = aead_request_ctx(req);
	struct simdev_aead *sa = &simdev_aead;
	int err = -EINPROGRESS;

	ar->req = req;
	ar->seal = seal;
	spin_lock_bh(&sa->lock);
	if (sa->waiting >= sa->room ||
	    (sa->refuse_nth && !((sa->taken + sa->refused) % sa->refuse_nth))) {
		sa->refused++;
		err = -ENOSPC;
	} else {
		sa->taken++;
		sa->most = max(sa->most, ++sa->waiting);
		list_add_tail(&ar->link, &sa->queue);
	}
	spin_unlock_bh(&sa->lock);
	if (err == -EINPROGRESS)
		queue_work(sa->wq, &sa->work);
	return err;
}

static int simdev_aead_encrypt(struct aead_request *req)
{
	return simdev_aead_take(req, true);
}

static int simdev_aead_decrypt(struct aead_request *req)
{
	return simdev_aead_take(req, false);
}

static int simdev_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int len)
{
	struct simdev_aead_ctx *ctx = crypto_aead_ctx(tfm);

	return crypto_aead_setkey(ctx->soft, key, len);
}

static int simdev_aead_setauthsize(struct crypto_aead *tfm, unsigned int size)
{
	struct simdev_aead_ctx *ctx = crypto_aead_ctx(tfm);

	return crypto_aead_setauthsize(ctx->soft, size);
}

static int simdev_aead_init_tfm(struct crypto_aead *tfm)
{
	struct simdev_aead_ctx *ctx = crypto_aead_ctx(tfm);

	ctx->soft = crypto_alloc_aead("gcm(aes)", 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(ctx->soft))
		return PTR_ERR(ctx->soft);
	crypto_aead_set_reqsize(tfm, sizeof(struct simdev_aead_request) +
				     crypto_aead_reqsize(ctx->soft));
	return 0;
}

static void simdev_aead_exit_tfm(struct crypto_aead *tfm)
{
	struct simdev_aead_ctx *ctx = crypto_aead_ctx(tfm);

	crypto_free_aead(ctx->soft);
}

static struct aead_alg simdev_aead_alg = {
	.base = {
		.cra_name = "gcm(aes)",
		.cra_driver_name = "gcm-aes-simdev",
		.cra_priority = 1,
		.cra_flags = CRYPTO_ALG_ASYNC,
		.cra_blocksize = 1,
		.cra_ctxsize = sizeof(struct simdev_aead_ctx),
		.cra_module = THIS_MODULE,
	},
	.setkey = simdev_aead_setkey,
	.setauthsize = simdev_aead_setauthsize,
	.encrypt = simdev_aead_encrypt,
	.decrypt = simdev_aead_decrypt,
	.init = simdev_aead_init_tfm,
	.exit = simdev_aead_exit_tfm,
	.ivsize = 12,
	.maxauthsize = 16,
};

static int simdev_aead_hold_get(void *data, u64 *value)
{
	*value = READ_ONCE(simdev_aead.hold);
	return 0;
}

static int simdev_aead_hold_set(void *data, u64 value)
{
	WRITE_ONCE(simdev_aead.hold, value);
	queue_work(simdev_aead.wq, &simdev_aead.work);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(simdev_aead_hold, simdev_aead_hold_get, simdev_aead_hold_set, "%llu\n");

/**
 * simdev_aead_init() - register the driver
 * @root: folder of all devices
 *
 * Return: 0, or a negative errno.
 */
int simdev_aead_init(struct dentry *root)
{
	struct dentry *dir;
	int err;

	simdev_aead.wq = alloc_ordered_workqueue("quic_simdev", 0);
	if (!simdev_aead.wq)
		return -ENOMEM;
	INIT_WORK(&simdev_aead.work, simdev_aead_work);
	dir = debugfs_create_dir("aead", root);
	debugfs_create_file_unsafe("hold", 0644, dir, NULL, &simdev_aead_hold);
	debugfs_create_u32("room", 0644, dir, &simdev_aead.room);
	debugfs_create_u32("lifo", 0644, dir, &simdev_aead.lifo);
	debugfs_create_u32("refuse_nth", 0644, dir, &simdev_aead.refuse_nth);
	debugfs_create_u32("fail_nth", 0644, dir, &simdev_aead.fail_nth);
	debugfs_create_u32("waiting", 0444, dir, &simdev_aead.waiting);
	debugfs_create_u32("most", 0644, dir, &simdev_aead.most);
	debugfs_create_u32("taken", 0444, dir, &simdev_aead.taken);
	debugfs_create_u32("refused", 0444, dir, &simdev_aead.refused);
	debugfs_create_u32("failed", 0444, dir, &simdev_aead.failed);
	err = crypto_register_aead(&simdev_aead_alg);
	if (err)
		destroy_workqueue(simdev_aead.wq);
	return err;
}

/**
 * simdev_aead_exit() - take the driver away: no key uses it, or this module would stay
 */
void simdev_aead_exit(void)
{
	crypto_unregister_aead(&simdev_aead_alg);
	destroy_workqueue(simdev_aead.wq);
}
