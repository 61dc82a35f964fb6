// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A height-balanced (AVL) tree behind the kernel's rbtree calls, so that the
 * protocol core keeps its O(log n) bounds in user space, too.
 */
#include <linux/rbtree.h>

static int height(const struct rb_node *node)
{
	return node ? node->rb_height : 0;
}

static void update_height(struct rb_node *node)
{
	int left = height(node->rb_left), right = height(node->rb_right);

	node->rb_height = 1 + (left > right ? left : right);
}

/* Makes @child stand where @node stood below its parent. */
static void set_in_parent(struct rb_node *node, struct rb_node *child, struct rb_root *root)
{
	struct rb_node *up = node->rb_up;

	if (!up)
		root->rb_node = child;
	else if (up->rb_left == node)
		up->rb_left = child;
	else
		up->rb_right = child;
	if (child)
		child->rb_up = up;
}

/* Lifts the left child above @node; returns it. */
static struct rb_node *rotate_right(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *pivot = node->rb_left;

	set_in_parent(node, pivot, root);
	node->rb_left = pivot->rb_right;
	if (node->rb_left)
		node->rb_left->rb_up = node;
	pivot->rb_right = node;
	node->rb_up = pivot;
	update_height(node);
	update_height(pivot);
	return pivot;
}

static struct rb_node *rotate_left(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *pivot = node->rb_right;

	set_in_parent(node, pivot, root);
	node->rb_right = pivot->rb_left;
	if (node->rb_right)
		node->rb_right->rb_up = node;
	pivot->rb_left = node;
	node->rb_up = pivot;
	update_height(node);
	update_height(pivot);
	return pivot;
}

/* Restores the balance from @node up to the root. */
static void rebalance(struct rb_node *node, struct rb_root *root)
{
	for (; node; node = node->rb_up) {
		int skew = height(node->rb_left) - height(node->rb_right);

		if (skew > 1) {
			if (height(node->rb_left->rb_left) < height(node->rb_left->rb_right))
				rotate_left(node->rb_left, root);
			node = rotate_right(node, root);
		} else if (skew < -1) {
			if (height(node->rb_right->rb_right) < height(node->rb_right->rb_left))
				rotate_right(node->rb_right, root);
			node = rotate_left(node, root);
		} else {
			update_height(node);
		}
	}
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	rebalance(node->rb_up, root);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *start;

	if (node->rb_left && node->rb_right) {
		struct rb_node *heir = node->rb_right;

		while (heir->rb_left)
			heir = heir->rb_left;
		start = heir->rb_up == node ? heir : heir->rb_up;
		set_in_parent(heir, heir->rb_right, root);
		set_in_parent(node, heir, root);
		heir->rb_left = node->rb_left;
		heir->rb_left->rb_up = heir;
		heir->rb_right = node->rb_right;
		if (heir->rb_right)
			heir->rb_right->rb_up = heir;
		heir->rb_height = node->rb_height;
	} else {
		start = node->rb_up;
		set_in_parent(node, node->rb_left ? node->rb_left : node->rb_right, root);
	}
	rebalance(start, root);
	node->rb_left = (struct rb_node *)0x200;
	node->rb_right = (struct rb_node *)0x222;
}

void rb_replace_node(struct rb_node *victim, struct rb_node *node, struct rb_root *root)
{
	*node = *victim;
	set_in_parent(victim, node, root);
	if (node->rb_left)
		node->rb_left->rb_up = node;
	if (node->rb_right)
		node->rb_right->rb_up = node;
}

static struct rb_node *leftmost(struct rb_node *node)
{
	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

static struct rb_node *rightmost(struct rb_node *node)
{
	while (node && node->rb_right)
		node = node->rb_right;
	return node;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return leftmost(root->rb_node);
}

struct rb_node *rb_last(const struct rb_root *root)
{
	return rightmost(root->rb_node);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->rb_right)
		return leftmost(node->rb_right);
	while (node->rb_up && node->rb_up->rb_right == node)
		node = node->rb_up;
	return node->rb_up;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	if (node->rb_left)
		return rightmost(node->rb_left);
	while (node->rb_up && node->rb_up->rb_left == node)
		node = node->rb_up;
	return node->rb_up;
}

/* The deepest node of a subtree, reached by going left where possible. */
static struct rb_node *first_leaf(struct rb_node *node)
{
	for (;;) {
		if (node->rb_left)
			node = node->rb_left;
		else if (node->rb_right)
			node = node->rb_right;
		else
			return node;
	}
}

struct rb_node *rb_first_postorder(const struct rb_root *root)
{
	return root->rb_node ? first_leaf(root->rb_node) : NULL;
}

struct rb_node *rb_next_postorder(const struct rb_node *node)
{
	struct rb_node *up;

	if (!node)
		return NULL;
	up = node->rb_up;
	if (up && up->rb_left == node && up->rb_right)
		return first_leaf(up->rb_right);
	return up;
}
