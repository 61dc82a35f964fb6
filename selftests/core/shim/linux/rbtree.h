/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for the kernel's <linux/rbtree.h>: the same calls over a
 * height-balanced tree. An erased node is poisoned, so that its use is seen.
 */
#ifndef _SHIM_LINUX_RBTREE_H
#define _SHIM_LINUX_RBTREE_H

#include <linux/container_of.h>
#include <linux/types.h>

struct rb_node {
	struct rb_node *rb_up;
	struct rb_node *rb_left;
	struct rb_node *rb_right;
	int rb_height;
};

struct rb_root {
	struct rb_node *rb_node;
};

#define RB_ROOT			((struct rb_root){ NULL })
#define RB_EMPTY_ROOT(root)	(!(root)->rb_node)
#define RB_EMPTY_NODE(node)	((node)->rb_up == (node))
#define RB_CLEAR_NODE(node)	((node)->rb_up = (node))
#define rb_parent(node)		((node)->rb_up)
#define rb_entry(ptr, type, member)	container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member) \
	({ typeof(ptr) __p = (ptr); __p ? rb_entry(__p, type, member) : NULL; })

/* Hangs @node, still unbalanced, where a search ended. */
static inline void rb_link_node(struct rb_node *node, struct rb_node *parent,
				struct rb_node **link)
{
	node->rb_up = parent;
	node->rb_left = NULL;
	node->rb_right = NULL;
	node->rb_height = 1;
	*link = node;
}

void rb_insert_color(struct rb_node *node, struct rb_root *root);
void rb_erase(struct rb_node *node, struct rb_root *root);
void rb_replace_node(struct rb_node *victim, struct rb_node *node, struct rb_root *root);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);
struct rb_node *rb_first_postorder(const struct rb_root *root);
struct rb_node *rb_next_postorder(const struct rb_node *node);

#define rbtree_postorder_for_each_entry_safe(pos, n, root, field)		\
	for (pos = rb_entry_safe(rb_first_postorder(root), typeof(*pos), field); \
	     pos && ({ n = rb_entry_safe(rb_next_postorder(&pos->field),	\
					 typeof(*pos), field); 1; });		\
	     pos = n)

#endif /* _SHIM_LINUX_RBTREE_H */
