/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What h3serve answers to a request: which file, and its bytes piece by piece.
 * Nothing of HTTP/3 is in here.
 */
#ifndef H3_ANSWER_H
#define H3_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct answer {
	char		method[8];
	char		path[1024];
	bool		head;		/* fields without the body */
	bool		bad;		/* the path is too long, or no path */
	unsigned int	status;
	const char	*type;		/* of the content */
	uint64_t	size;		/* of the content */
	uint64_t	left;		/* to be read from the file, or from @text */
	const char	*text;		/* what is said instead of a file */
	int		folder;		/* not ours */
	int		file;		/* -1: none */
	/* What was read, of which the first @sent bytes are done with. */
	uint8_t		*bytes;
	size_t		filled, sent;
};

/* NULL without memory. */
struct answer *answer_new(int folder);
void answer_delete(struct answer *answer);

void answer_set_method(struct answer *answer, const char *name, size_t size);
void answer_set_path(struct answer *answer, const char *path, size_t size);
/* Find out what the answer is: @status to @text. */
void answer_prepare(struct answer *answer);

/*
 * The next bytes of the content, which stay where they are until they are
 * freed. Returns their number, 0 if others have to be freed first, or -1 if
 * the file is shorter than it was.
 */
ssize_t answer_read(struct answer *answer, uint8_t **bytes);
/* Returns whether all that was read is free: there is room again. */
bool answer_free_bytes(struct answer *answer, size_t size);

#endif /* H3_ANSWER_H */
