// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol that both ends speak: chosen, or a reason to end. */
#include "harness.h"

/* RFC 9000, section 7 #2; RFC 9001, section 8.1 #1 */
TEST(alpn_is_chosen)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = "h3, hq-interop,smb";
	p.server.opts.alpns = "smb,hq-interop";
	pair_succeed(&p);
	EXPECT_STR(p.client.res.alpn, p.server.res.alpn);
	EXPECT(!strcmp(p.client.res.alpn, "hq-interop") ||
	       !strcmp(p.client.res.alpn, "smb"));
	/* and whoever looks at the sockets sees it */
	EXPECT_STR(fake_alpn(p.fds[0]), p.client.res.alpn);
	EXPECT_STR(fake_alpn(p.fds[1]), p.client.res.alpn);
	pair_free(&p);
}

/* RFC 9001, section 8.1 #2 #5 */
TEST(alpn_mismatch_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = "h3";
	p.server.opts.alpns = "smb";
	pair_run(&p);
	expect_server_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free(&p);
}

TEST(alpn_not_offered_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = NULL;
	pair_run(&p);
	expect_server_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free(&p);
}

/* RFC 9001, section 8.1 #2 #3 */
TEST(alpn_not_answered_is_refused)
{
	struct pair p;

	pair_init_cert(&p);
	p.server.opts.alpns = NULL;
	pair_run(&p);
	expect_client_refused(&p, QUIC_ERR_ALPN, 120);
	pair_free(&p);
}

TEST(alpn_may_be_absent)
{
	struct pair p;

	pair_init_cert(&p);
	p.client.opts.alpns = p.server.opts.alpns = NULL;
	pair_succeed(&p);
	EXPECT_STR(p.client.res.alpn, "");
	pair_free(&p);
}
