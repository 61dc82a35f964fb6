# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl tlshd``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from quicctl import errors
from quicctl import tlshd as agent
from quicctl import tlshd_config as file
from quicctl.cli import output


def tlshd(
    config: Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="tlshd's configuration.")] = file.DEFAULT,
) -> None:
    """Make TLS handshakes for QUIC sockets of the kernel's own, until interrupted.

    Files of PEM stand in the sections authenticate.client and authenticate.server: x509.truststore, x509.certificate,
    x509.private_key. keyrings in [authenticate] names keyrings with pre-shared keys, separated by semicolons.

    Example: quicctl tlshd --config /etc/tlshd/config
    """
    settings = file.read(config)
    logging.basicConfig(format="%(message)s")  # to standard error, unless --debug has seen to it
    logging.getLogger("quicctl.tlshd").setLevel(logging.INFO if settings.loglevel else logging.WARNING)
    try:
        agent.serve(settings, lambda: output.line("ready"))
    except FileNotFoundError as failure:
        raise errors.KernelOptionMissing(
            "the running kernel asks nobody for handshakes", remedy="it takes CONFIG_NET_HANDSHAKE"
        ) from failure
    except PermissionError as failure:
        raise errors.NotRoot("the kernel asks root only for handshakes") from failure
