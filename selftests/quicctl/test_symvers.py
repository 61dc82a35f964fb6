# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel exports is found wherever distributions keep it; types of a module are held against a kernel's."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import pytest

from quicctl import btf, errors, modprobe, symvers

TEXT = (
    "0x0000002a\tudp_tunnel_x\tnet/ipv4/udp_tunnel\tEXPORT_SYMBOL_GPL\t\n"
    "0x00000001\tcrypto_y\tvmlinux\tEXPORT_SYMBOL\tCRYPTO\n"
)


def check(found: symvers.Exports | None) -> None:
    assert found is not None
    assert found.symbols["udp_tunnel_x"] == symvers.Export(42, "udp_tunnel", True, "")
    assert found.symbols["crypto_y"] == symvers.Export(1, "vmlinux", False, "CRYPTO")
    assert found.has_crcs


@pytest.mark.parametrize(
    ("place", "packer"),
    [
        ("lib/modules/1.2/build/Module.symvers", bytes),
        ("lib/modules/1.2/symvers.xz", lzma.compress),
        ("lib/modules/1.2/symvers", bytes),
        ("boot/symvers-1.2.gz", gzip.compress),
    ],
)
def test_list_of_a_release_is_found(tmp_path: Path, place: str, packer: object) -> None:
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(packer(TEXT.encode()))  # type: ignore[operator]
    check(symvers.of_release("1.2", None, tmp_path))
    assert symvers.of_release("1.3", None, tmp_path) is None


def test_tree_of_the_users_comes_first(tmp_path: Path) -> None:
    (tmp_path / "Module.symvers").write_text(TEXT)
    check(symvers.of_release("1.2", tmp_path, tmp_path))


@pytest.mark.parametrize("data", [b"nonsense\n", b"\xff\xfe\n", b"0xzz\ta\tb\tc\t\n"])
def test_other_file_is_no_list(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "Module.symvers").write_bytes(data)
    with pytest.raises(errors.FileUnreadable, match=r"no Module\.symvers"):
        symvers.read(tmp_path / "Module.symvers")
    (tmp_path / "symvers.gz").write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(errors.FileUnreadable):
        symvers.read(tmp_path / "symvers.gz")


def test_running_kernel_tells_names_alone(tmp_path: Path) -> None:
    lines = [f"0000000000000000 r __ksymtab_symbol{n}" for n in range(200)]
    lines += ["0000000000000000 r __ksymtab_udp_x\t[udp_tunnel]", "0000000000000000 t udp_y"]
    (tmp_path / "kallsyms").write_text("\n".join(lines))
    found = symvers.of_running(tmp_path / "kallsyms")
    assert found is not None
    assert (found.symbols["udp_x"].owner, found.symbols["symbol7"].owner) == ("udp_tunnel", "vmlinux")
    assert "udp_y" not in found.symbols
    assert not found.has_crcs
    (tmp_path / "kallsyms").write_text("0000000000000000 t udp_y\n")  # a kernel that lists no exports
    assert symvers.of_running(tmp_path / "kallsyms") is None
    assert symvers.of_running(tmp_path / "none") is None


def types(*entries: bytes, strings: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(strings)) + body + strings


def integer(name: int) -> bytes:
    return struct.pack("IIII", name, 1 << 24, 4, 0)


def structure(name: int, *members: tuple[int, int]) -> bytes:
    return struct.pack("III", name, 4 << 24 | len(members), 8) + b"".join(struct.pack("III", *m, 0) for m in members)


BASE = btf.base(types(integer(1), integer(5), strings=b"\0int\0long\0"))


def test_base_is_counted() -> None:
    assert (BASE.types, BASE.strings) == (3, b"\0int\0long\0")


def test_types_that_go_on_are_fine() -> None:
    # struct own { int member; struct own *...; } with names of the base and of its own
    btf.check(types(structure(10, (14, 1), (5, 3)), strings=b"own\0member\0"), BASE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (types(structure(11), strings=b"own\0"), "middle of another"),
        (types(structure(2), strings=b"own\0"), "middle of another"),
        (types(structure(99), strings=b"own\0"), "middle of another"),
        (types(structure(10, (12, 1)), strings=b"own\0"), "middle of another"),
        (types(structure(10, (1, 4)), strings=b"own\0"), "refers to type 4 of 4"),
        (types(struct.pack("III", 0, 2 << 24, 9), strings=b"\0"), "refers to type 9"),
        (types(struct.pack("III", 0, 31 << 24, 0), strings=b"\0"), "kind 31"),
        (types(integer(1), strings=b"\0")[:-3], "ends too early"),
        (types(b"\1" * 8, strings=b"\0"), "ends too early"),
        (b"\0" * 24, "no BTF"),
        (b"", "too short"),
    ],
)
def test_types_that_do_not_fit(data: bytes, reason: str) -> None:
    with pytest.raises(btf.Invalid, match=reason):
        btf.check(data, BASE)


def test_kernels_blacklist_is_read_from_its_command_line(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_text("quiet module_blacklist=one,quic modprobe.blacklist=three root=/dev/vda\n")
    assert modprobe.kernel_blacklist(tmp_path / "cmdline") == {"one", "quic"}
    assert modprobe.kernel_blacklist(tmp_path / "none") == frozenset()
