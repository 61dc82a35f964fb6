// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library as a packager installs it: the work is done by check-install.
 */
#include <stdlib.h>

#include "harness.h"

TEST(installed_library_is_complete_and_usable)
{
	EXPECT_EQ(system(CHECK_INSTALL), 0);
}
