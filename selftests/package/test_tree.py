# SPDX-License-Identifier: GPL-2.0-or-later
"""The module as part of the newest kernel: built as a module and built in, run, and taken out again."""

from __future__ import annotations

from pathlib import Path

from conftest import TREE

from quicctl import uml
from quicctl.packaging import proof, tree


def test_kernel_with_quic_in_its_tree_runs(tmp_path: Path) -> None:
    kdir, objects = tmp_path / "linux", tmp_path / "objects"
    kdir.mkdir()
    uml.unpack_source(kdir)
    lines = {name: (kdir / "net" / name).read_bytes() for name in ("Kconfig", "Makefile")}
    tree.apply(kdir, tree.plan(kdir, TREE / "module"))
    proofs = proof.prove(kdir, objects)
    assert [found.choice for found in proofs] == ["m", "y"]
    assert all(found.kernel.endswith("-quic-tree") for found in proofs)
    assert [found.warnings for found in proofs] == [0, 0]
    tree.apply(kdir, tree.removal(kdir, TREE / "module"))
    assert lines == {name: (kdir / "net" / name).read_bytes() for name in lines}
    assert not (kdir / "net" / "quic").exists()
