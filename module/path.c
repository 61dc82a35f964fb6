// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's side of network paths: the addresses and the route of each.
 * Whether a path is to be used is the core's decision (core/conn_path.c).
 */
#include "sock.h"

/**
 * quic_route_release() - a path is of no use any more
 * @route: its route; empty afterwards
 */
void quic_route_release(struct quic_route *route)
{
	quic_udp_put(route->udp);
	dst_release(route->dst);
	memset(route, 0, sizeof(*route));
}
