# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl sign``."""

from __future__ import annotations

import enum
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from quicctl import errors, modinfo, signature
from quicctl.cli import output
from quicctl.cli.options import DryRunOption, JsonOption
from quicctl.signature import KeyPair, Signing


class _Kind(enum.StrEnum):
    """Kinds of key that can be made."""

    RSA = "rsa"
    EC = "ec"


class _Hash(enum.StrEnum):
    """Digests that kernels verify."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class _Signed:
    """What was done and what is left to do."""

    signing: Signing
    known_to_kernel: bool
    enrolment: tuple[str, ...]


def sign(
    ko: Annotated[Path, typer.Argument(metavar="KO", help="The module file.")],
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Private key, PEM; default: our own.")] = None,
    cert: Annotated[Path | None, typer.Option("--cert", metavar="FILE", help="Its certificate, PEM or DER.")] = None,
    key_dir: Annotated[
        Path | None, typer.Option("--key-dir", metavar="DIR", help="Where our own key is, or is made the first time.")
    ] = None,
    kind: Annotated[_Kind, typer.Option("--new-key", help="What to make if a key has to be made.")] = _Kind.RSA,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Its first line unlocks the key.")
    ] = None,
    hash: Annotated[_Hash, typer.Option("--hash", help="Digest to sign.")] = _Hash.SHA256,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write there instead of replacing KO.")] = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Sign a module for kernels that ask for it: Secure Boot, lockdown, module.sig_enforce.

    The first time a key is made (in ~/.local/share/quicctl/module-signing), unless --key gives one, such as that of
    DKMS: --key /var/lib/dkms/mok.key --cert /var/lib/dkms/mok.pub. A locked key is opened by --passphrase-file, by
    KBUILD_SIGN_PIN, or by asking. A signature that is there already is replaced. The machine must get to know the key
    once; how is told at the end.

    Example: quicctl sign quic.ko && quicctl inspect quic.ko --cert ~/.local/share/quicctl/module-signing/signing.pem
    """
    if cert is not None and key is None:
        raise typer.BadParameter("--cert goes with --key")
    modinfo.read(ko)
    folder = key_dir or signature.home()
    pair = _given(key, cert, passphrase_file) if key else KeyPair(folder / "signing.key", folder / "signing.pem")
    made = key is None and not pair.key.exists()
    if dry_run:
        if made:
            output.line(f"make a key ({kind}) in {folder}")
        else:
            signature.check(pair)
        output.line(f"sign {ko} with {pair.key}" + (f", into {out}" if out else ""))
        return
    if made:
        output.progress(f"making a key in {folder}")
        pair = signature.make_pair(folder, kind=kind)
    done = signature.sign(ko, pair, hash=hash, out=out, made=made)
    known = done.signature.signer in (signature.kernel_keys() or ())
    result = _Signed(done, known, () if known else signature.enrolment(done))
    output.show(result, json=json, render=_render)


def _given(key: Path, cert: Path | None, passphrase_file: Path | None) -> KeyPair:
    found = cert or signature.find_cert(key)
    passphrase = os.environ.get("KBUILD_SIGN_PIN")
    if passphrase_file is not None:
        try:
            passphrase = passphrase_file.read_text().split("\n", 1)[0]
        except (OSError, UnicodeDecodeError) as failure:
            raise errors.FileUnreadable(
                f"{passphrase_file} cannot be read: {failure}", remedy="check the path and its permissions"
            ) from failure
    elif passphrase is None and signature.is_locked(key) and sys.stdin.isatty():
        passphrase = typer.prompt(f"passphrase of {key}", hide_input=True, err=True)
    return KeyPair(key, found, passphrase)


def _render(result: _Signed) -> list[output.Table]:
    done = result.signing
    rows = [
        ["module", str(done.path)],
        ["signature", f"by {done.signature.signer}, {done.signature.hash}, {done.signature.algorithm}, verified"],
        ["key", f"{done.key} ({'made now: keep it, and keep it secret' if done.key_made else 'was there'})"],
        ["certificate", str(done.cert)],
    ]
    if done.replaced:
        rows.append(["before", "another signature, replaced"])
    if result.known_to_kernel:
        rows.append(["kernel", "the running kernel has this key"])
    tables = [output.Table("signed", (), rows)]
    if result.enrolment:
        steps = [[str(number), step] for number, step in enumerate(result.enrolment, 1)]
        tables.append(output.Table("to let a machine with Secure Boot know the key, once", (), steps))
    return tables
