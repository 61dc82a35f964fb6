# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of the module, the library and the tool, for those who distribute them.

``recipe`` knows what is said in packages, ``render`` fills the templates of packaging/, ``sources`` lays out what they are
made of, ``build`` runs each format's own tools, ``tree`` puts the module into a kernel tree. Building and loading the module
here is quicctl.builder's and quicctl.module's business.
"""
