# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/3 over the kernel's QUIC: a client and a server for asyncio, and ``quicctl get`` and ``serve`` on top.

========== ======================================================================================
frames     the frames that aioquic keeps to itself, and limits that it does not know: no I/O
priority   the Priority field of RFC 9218, and whose turn it is to send: no I/O
adapter    aioquic's H3Connection over something else than aioquic's QUIC
exchange   a connection: streams in, events out; what a client and a server have in common
client     requests and their answers
server     answers to requests
files      the files of a folder as answers
fetch      URLs into files
serving    a folder's files until a signal comes
========== ======================================================================================

Framing and QPACK are aioquic's (``pip install 'quicctl[http3]'``); docs/http3.md shows the whole in use.
"""
