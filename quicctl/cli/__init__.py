# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: each file parses one command's options, calls the library and renders what it returns."""
