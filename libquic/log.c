// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Log messages: to the callback of the handshake if it has one, else to the
 * process-wide function, which by default is silent.
 */
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "internal.h"

#define QUIC_LOG_SIZE	128

static int quic_log_level = -1;
static quic_set_log_func_t quic_log_func;

quic_set_log_func_t quic_set_log_func(quic_set_log_func_t func)
{
	return __atomic_exchange_n(&quic_log_func, func, __ATOMIC_ACQ_REL);
}

int quic_set_log_level(int level)
{
	return __atomic_exchange_n(&quic_log_level, level, __ATOMIC_ACQ_REL);
}

static const char *quic_log_prefix(int level)
{
	switch (level) {
	case LOG_ERR:
		return "ERROR";
	case LOG_NOTICE:
		return "NOTICE";
	default:
		return "DEBUG";
	}
}

void quic_log(const struct quic_handshake_ctx *ctx, int level,
	      const char *fmt, ...)
{
	quic_set_log_func_t func;
	char msg[QUIC_LOG_SIZE];
	va_list ap;

	if (!(ctx && ctx->log) &&
	    level > __atomic_load_n(&quic_log_level, __ATOMIC_ACQUIRE))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);

	if (ctx && ctx->log) {
		ctx->log(ctx->log_arg, level, msg);
		return;
	}
	func = __atomic_load_n(&quic_log_func, __ATOMIC_ACQUIRE);
	if (func)
		func(level, msg);
	else
		printf("[%s] %s\n", quic_log_prefix(level), msg);
}
