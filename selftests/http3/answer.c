// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of a folder, and what is said where there is none. See answer.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answer.h"

#define BUFFER	65536

static const struct {
	const char *end, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" }, { ".txt", "text/plain; charset=utf-8" },
	{ ".css", "text/css" }, { ".js", "text/javascript" }, { ".json", "application/json" },
	{ ".png", "image/png" }, { ".jpg", "image/jpeg" }, { ".svg", "image/svg+xml" },
};

struct answer *answer_new(int folder)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (answer) {
		answer->folder = folder;
		answer->file = -1;
		answer->type = "text/plain";
		answer->bytes = malloc(BUFFER);
	}
	if (answer && !answer->bytes) {
		free(answer);
		return NULL;
	}
	return answer;
}

void answer_delete(struct answer *answer)
{
	if (answer->file >= 0)
		close(answer->file);
	free(answer->bytes);
	free(answer);
}

void answer_set_method(struct answer *answer, const char *name, size_t size)
{
	snprintf(answer->method, sizeof(answer->method), "%.*s", (int)size, name);
	answer->head = !strcmp(answer->method, "HEAD");
}

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Without the query, and with what is escaped by %. */
void answer_set_path(struct answer *answer, const char *path, size_t size)
{
	size_t at, length = 0;

	for (at = 0; at < size && path[at] != '?'; at++) {
		char c = path[at];

		if (length + sizeof("index.html") >= sizeof(answer->path)) {
			answer->bad = true;
			break;
		}
		if (c == '%' && at + 2 < size && isxdigit((unsigned char)path[at + 1]) &&
		    isxdigit((unsigned char)path[at + 2])) {
			c = digit(path[at + 1]) << 4 | digit(path[at + 2]);
			at += 2;
		}
		/* Such a name is in no folder, and not fit for a line of the log. */
		if (iscntrl((unsigned char)c)) {
			answer->bad = true;
			break;
		}
		answer->path[length++] = c;
	}
	answer->path[length] = '\0';
	answer->bad |= *answer->path != '/';
}

static void answer_say(struct answer *answer, unsigned int status, const char *text)
{
	answer->status = status;
	answer->text = text;
	answer->size = strlen(text);
}

static const char *type_of(const char *path)
{
	size_t length = strlen(path), end, i;

	if (path[length - 1] == '/')
		return types[0].type;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		end = strlen(types[i].end);
		if (length > end && !strcmp(path + length - end, types[i].end))
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Nothing leads out of the folder; a FIFO holds up nobody. */
static int open_beneath(int folder, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char name[sizeof(((struct answer *)0)->path)];

	path += strspn(path, "/");
	snprintf(name, sizeof(name), "%s%s", path,
		 *path && path[strlen(path) - 1] != '/' ? "" : "index.html");
	return syscall(SYS_openat2, folder, name, &how, sizeof(how));
}

void answer_prepare(struct answer *answer)
{
	struct stat found;

	if (strcmp(answer->method, "GET") && !answer->head) {
		answer_say(answer, 405, "only GET and HEAD are known here\n");
	} else if (answer->bad) {
		answer_say(answer, 400, "this is no path\n");
	} else {
		answer->file = open_beneath(answer->folder, answer->path);
		if (answer->file < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
			answer_say(answer, 503, "too busy at the moment\n");
		else if (answer->file < 0 || fstat(answer->file, &found) ||
			 !S_ISREG(found.st_mode))
			answer_say(answer, 404, "there is no such file\n");
		else {
			answer->status = 200;
			answer->size = found.st_size;
			answer->type = type_of(answer->path);
		}
	}
	answer->left = answer->head ? 0 : answer->size;
}

ssize_t answer_read(struct answer *answer, uint8_t **bytes)
{
	size_t room = BUFFER - answer->filled;
	ssize_t size = answer->left < room ? (ssize_t)answer->left : (ssize_t)room;

	if (!size)
		return 0;
	*bytes = answer->bytes + answer->filled;
	if (answer->text)
		memcpy(*bytes, answer->text + answer->size - answer->left, size);
	else
		size = read(answer->file, *bytes, size);
	if (size <= 0)
		return -1;
	answer->filled += size;
	answer->left -= size;
	return size;
}

bool answer_free_bytes(struct answer *answer, size_t size)
{
	answer->sent += size;
	if (answer->sent < answer->filled)
		return false;
	answer->filled = 0;
	answer->sent = 0;
	return true;
}
