/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the versions of libnghttp3 that these programs build
 * with: 0.8 (Debian 12), 1.8 (Debian 13) and later. Here the newest names are
 * used; nothing else asks for a version.
 */
#ifndef H3_COMPAT_H
#define H3_COMPAT_H

#include <nghttp3/nghttp3.h>
#include <sys/random.h>
#include <time.h>

/*
 * 1.12 wants to know when the bytes came, to notice peers that keep it busy
 * for nothing.
 */
static inline nghttp3_ssize compat_read_stream(nghttp3_conn *http, int64_t id,
					       const uint8_t *data, size_t size,
					       int fin)
{
#if NGHTTP3_VERSION_NUM >= 0x010c00
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return nghttp3_conn_read_stream2(http, id, data, size, fin,
					 now.tv_sec * NGHTTP3_SECONDS + now.tv_nsec);
#else
	return nghttp3_conn_read_stream(http, id, data, size, fin);
#endif
}

#if NGHTTP3_VERSION_NUM >= 0x010b00
static inline void compat_random(uint8_t *to, size_t size)
{
	while (getentropy(to, size < 256 ? size : 256))
		;
	if (size > 256)
		compat_random(to + 256, size - 256);
}
#endif

/* 1.11 asks for randomness by a callback, to harden its tables. */
static inline void compat_callbacks(nghttp3_callbacks *callbacks)
{
#if NGHTTP3_VERSION_NUM >= 0x010b00
	callbacks->rand = compat_random;
#else
	(void)callbacks;
#endif
}

/* A field; in 0.8 its parts are not const, though nobody writes to them. */
static inline nghttp3_nv compat_field(const char *name, const char *value)
{
	nghttp3_nv field = {
		.name = (uint8_t *)name, .namelen = __builtin_strlen(name),
		.value = (uint8_t *)value, .valuelen = __builtin_strlen(value),
	};

	return field;
}

#endif /* H3_COMPAT_H */
