# SPDX-License-Identifier: GPL-2.0-or-later
"""What inspection says of a module is what a distribution's kernel then does with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trial

from quicctl import builder, errors, inspection, kernel, modinfo, process
from quicctl.inspection import Verdict

pytestmark = pytest.mark.timeout(900)


def patched(old: bytes, new: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        data = path.read_bytes()
        assert data.count(old) == 1
        assert len(old) == len(new)
        path.write_bytes(data.replace(old, new))

    return spoil


def checksum(path: Path) -> None:
    symbol = modinfo.read(path).symbols[7]
    entry = symbol.crc.to_bytes(8, "little") + symbol.name.encode() + b"\0"
    patched(entry, (symbol.crc ^ 1).to_bytes(8, "little") + entry[8:])(path)


def one_checksum(path: Path) -> None:
    symbol = modinfo.read(path).symbols[7]
    patched(symbol.crc.to_bytes(8, "little") + symbol.name.encode() + b"\0", bytes(8) + b"x" * len(symbol.name) + b"\0")(path)


def no_checksums(path: Path) -> None:
    process.run(["objcopy", "--remove-section", "__versions", path])


def unknown_symbol(path: Path) -> None:
    process.run(["objcopy", "--redefine-sym", "inet_diag_register=inet_diag_nowhere", path])


def other_machine(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    path.write_bytes(data)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path: Path) -> None:
    path.write_text("no module\n" * 100)


def other_release(path: Path) -> None:
    found = re.search(rb"\0vermagic=(\S+)", path.read_bytes())
    assert found
    patched(b"\0vermagic=" + found[1], b"\0vermagic=" + b"9" * len(found[1]))(path)


def other_types(path: Path) -> None:
    folder = path.parent
    (folder / "other.c").write_text("struct other { int one; struct other *next; } x; int main(void) { return x.one; }\n")
    process.run(["gcc", "-g", "-c", "-o", folder / "other.o", folder / "other.c"])
    process.run(["pahole", "-J", folder / "other.o"])
    shutil.copy(folder.parent / "whole.ko", path)
    process.run(["objcopy", "--remove-section", ".BTF", path])
    process.run(["pahole", "-J", "--btf_base", folder / "other.o", path], timeout=300)
    process.run(["objcopy", "--strip-debug", path])


# The name says what inspection is to say: "passing" for nothing against it, else the check that fails.
SPECIMENS: dict[str, Callable[[Path], None]] = {
    "vermagic": patched(b" SMP preempt mod_unload", b" SMP preempT mod_unload"),
    "checksums": checksum,
    "checksums-but-one": one_checksum,
    "symbols": unknown_symbol,
    "namespaces": patched(b"import_ns=CRYPTO_INTERNAL\0", b"import_ns=CRYPTO_INTERNAT\0"),
    "licence": patched(b"\0license=GPL\0", b"\0license=BSD\0"),
    "architecture": other_machine,
    "unreadable-half": half,
    "unreadable-text": text,
    "release-passing": other_release,
    "no-vermagic-passing": patched(b"\0vermagic=", b"\0vermagiX="),
    "no-checksums-passing": no_checksums,
    "types-passing": other_types,
    "sound-passing": lambda path: None,
}


def verdict(path: Path, target: inspection.Target) -> str:
    """The first check that fails, ``unreadable`` if it does not come to that, or nothing."""
    try:
        found = inspection.inspect(path, target)
    except errors.ModuleUnreadable:
        return "unreadable"
    return next((row.subject for row in found.findings if row.verdict is Verdict.FAIL), "")


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], str]:
    """What inspection said to each specimen, and the console of the guest whose kernel was asked."""
    folder = tmp_path_factory.mktemp("refusals")
    wanted = kernel.newest(request.param)
    assert wanted.image is not None
    target = inspection.of_kernel(wanted)
    shutil.copy(builder.module(wanted).module, folder / "whole.ko")
    process.run(["objcopy", "--strip-debug", folder / "whole.ko", folder / "quic.ko"])
    verdicts = {}
    tried = [(path.stem, path.read_bytes()) for path in trial.needed(wanted)]
    for name, spoil in SPECIMENS.items():
        place = folder / name
        place.mkdir()
        path = Path(shutil.copy(folder / "quic.ko", place / "quic.ko"))
        spoil(path)
        verdicts[name] = verdict(path, target)
        tried.append((name, path.read_bytes()))
    return verdicts, trial.boot(wanted.image, trial.initramfs(tried, folder))


@pytest.mark.parametrize("name", SPECIMENS)
def test_kernel_does_what_inspection_said(asked: tuple[dict[str, str], str], name: str) -> None:
    verdicts, said = asked
    expected = "" if name.endswith("passing") else name.partition("-")[0]
    assert verdicts[name] == expected
    assert (trial.answer(said, name) == "taken") == (expected == ""), said[-3000:]
