# SPDX-License-Identifier: GPL-2.0-or-later
"""Loading and unloading: refused politely where it cannot work, undone where it fails half way."""

from __future__ import annotations

import dataclasses
import shutil
import struct
from pathlib import Path

import pytest

from quicctl import errors, modinfo, module, process, settings

INFO = modinfo.ModuleInfo(
    Path("quic.ko"), "quic", "1", "x SMP", "SRC1", "GPL", ("udp_tunnel", "ip6_udp_tunnel"), (), (), (), False, "x64", "ab01"
)


class Machine:
    """A kernel in a folder: /sys/module, /proc/modules, and tools that change them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sys = folder / "sys"
        self.sys.mkdir()
        self.order: list[str] = []
        self.calls: list[list[str]] = []
        self.refused: dict[str, str] = {}
        self.quicker = 0
        """How often somebody takes hold of a module before it can be taken out."""
        self.makes_sockets = True
        self.root = True
        self.proc_net: dict[str, str] = {}
        monkeypatch.setattr(module, "_SYS", self.sys)
        monkeypatch.setattr(module, "_RECORD", folder / "record")
        monkeypatch.setattr(module, "_SOURCE", folder / "source")
        monkeypatch.setattr(module, "usable", lambda: self.makes_sockets and "quic" in self.order)
        monkeypatch.setattr(module, "_names", lambda: tuple(self.order))
        monkeypatch.setattr(module, "check", lambda ko: None)
        monkeypatch.setattr(module, "check_loading_possible", lambda **_: None)
        monkeypatch.setattr(module, "find", lambda name: None)
        monkeypatch.setattr(module, "_tool", Path)
        monkeypatch.setattr(module.os, "geteuid", lambda: 0 if self.root else 1000)
        monkeypatch.setattr(modinfo, "read", lambda ko: INFO)
        monkeypatch.setattr(process, "run", self.run)
        monkeypatch.setattr(process, "which", Path)
        read = module._read
        monkeypatch.setattr(module, "_read", lambda path: self.proc_net.get(str(path), read(path)))

    def insert(self, name: str, build: str = "ab01", references: int = 0) -> None:
        folder = self.sys / name
        folder.mkdir()
        (folder / "refcnt").write_text(f"{references}\n")
        (folder / "notes").mkdir()
        note = struct.pack("=III4s", 4, 2, 3, b"GNU") + bytes.fromhex(build)
        (folder / "notes" / ".note.gnu.build-id").write_bytes(note)
        self.order.insert(0, name)

    def remove(self, name: str) -> None:
        shutil.rmtree(self.sys / name)
        self.order.remove(name)

    def run(self, argv: list[object], **_: object) -> process.Result:
        words = [str(word) for word in argv]
        self.calls.append(words)
        name = Path(words[-1]).stem
        refusal = self.refused.get(words[-1], self.refused.get(name))
        if refusal and words[0] != "rmmod":
            return process.Result(tuple(words), 1, "", f"{words[0]}: ERROR: {refusal}")
        match words[0]:
            case "insmod" | "modprobe":
                known = name in ("quic", "udp_tunnel", "ip6_udp_tunnel", "gcm")
                if not known:
                    return process.Result(tuple(words), 1, "", "not found")
                self.insert(name)
            case "rmmod" if self.quicker:
                self.quicker -= 1
                return process.Result(tuple(words), 1, "", f"rmmod: ERROR: Module {name} is in use")
            case "rmmod":
                self.remove(name)
        return process.Result(tuple(words), 0, "", "")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_dependencies_come_before_the_module(machine: Machine) -> None:
    done = module.load(Path("quic.ko"))
    assert machine.order[0] == "quic"
    assert machine.order[-2:] == ["ip6_udp_tunnel", "udp_tunnel"]
    assert set(done.dependencies) == {"udp_tunnel", "ip6_udp_tunnel", "gcm"}


def test_what_is_there_already_is_not_loaded_again(machine: Machine) -> None:
    machine.insert("udp_tunnel")
    assert "udp_tunnel" not in module.load(Path("quic.ko")).dependencies


def test_unload_takes_out_what_load_brought_in(machine: Machine) -> None:
    machine.insert("udp_tunnel")
    module.load(Path("quic.ko"))
    done = module.unload()
    assert done.removed[0] == "quic"
    assert machine.order == ["udp_tunnel"]


def test_failed_load_leaves_nothing_behind(machine: Machine) -> None:
    machine.refused["quic"] = "could not insert module quic.ko: Unknown symbol in module"
    with pytest.raises(errors.LoadFailed) as caught:
        module.load(Path("quic.ko"))
    assert "Unknown symbol" in caught.value.message
    assert machine.order == []


@pytest.fixture
def builds(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Files of the build that is loaded, and of another."""
    (tmp_path / "new").mkdir()
    old, new = tmp_path / "quic.ko", tmp_path / "new" / "quic.ko"
    old.touch()
    new.touch()
    monkeypatch.setattr(modinfo, "read", lambda ko: dataclasses.replace(INFO, build_id="ab02" if ko == new else "ab01"))
    monkeypatch.setattr(settings, "everything", lambda: ())
    module.load(old)
    return old, new


def test_reload_puts_another_build_in_place(machine: Machine, builds: tuple[Path, Path]) -> None:
    done = module.reload(builds[1])
    assert (done.before and done.before.build_id) == "ab01"
    assert machine.calls[-1] == ["insmod", str(builds[1])]
    assert machine.order.count("quic") == 1


def test_reload_of_what_the_kernel_refuses_brings_back_the_old(machine: Machine, builds: tuple[Path, Path]) -> None:
    machine.refused[str(builds[1])] = "could not insert module: Unknown symbol in module"
    with pytest.raises(errors.LoadFailed) as caught:
        module.reload(builds[1])
    assert "loaded again, as before" in caught.value.remedy
    assert "quic" in machine.order
    assert module.source() == builds[0]


def test_reload_without_the_old_file_says_that_nothing_is_loaded(machine: Machine, builds: tuple[Path, Path]) -> None:
    builds[0].unlink()
    machine.refused[str(builds[1])] = "could not insert module: Unknown symbol in module"
    with pytest.raises(errors.LoadFailed) as caught:
        module.reload(builds[1])
    assert "is gone" in caught.value.remedy
    assert "quic" not in machine.order


def test_reload_is_refused_before_anything_while_sockets_exist(machine: Machine, builds: tuple[Path, Path]) -> None:
    (machine.sys / "quic" / "refcnt").write_text("2\n")
    calls = len(machine.calls)
    for attempt in (lambda: module.reload(builds[1]), lambda: module.check_reload(builds[1]), module.unload):
        with pytest.raises(errors.ModuleBusy, match="2 references"):
            attempt()
    assert len(machine.calls) == calls


def test_reload_waits_for_the_last_socket(
    machine: Machine, builds: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.sys / "quic" / "refcnt").write_text("1\n")
    monkeypatch.setattr(module.time, "sleep", lambda _: (machine.sys / "quic" / "refcnt").write_text("0\n"))
    assert module.reload(builds[1], wait=60).loading.path == builds[1]


def test_missing_dependency_is_named(machine: Machine) -> None:
    machine.refused["ip6_udp_tunnel"] = "not found"
    with pytest.raises(errors.LoadFailed) as caught:
        module.load(Path("quic.ko"))
    assert "ip6_udp_tunnel" in caught.value.message
    assert "linux-modules" in caught.value.remedy
    assert machine.order == []


def test_kernel_that_finds_the_format_wrong_means_another_kernel(machine: Machine) -> None:
    machine.refused["quic"] = "could not insert module quic.ko: Invalid module format"
    with pytest.raises(errors.VermagicMismatch):
        module.load(Path("quic.ko"))


def test_module_that_makes_no_sockets_is_taken_out_again(machine: Machine) -> None:
    machine.makes_sockets = False
    with pytest.raises(errors.LoadFailed):
        module.load(Path("quic.ko"))
    assert machine.order == []


def test_same_build_loaded_twice_is_no_trouble(machine: Machine) -> None:
    module.load(Path("quic.ko"))
    assert module.load(Path("quic.ko")).dependencies == ()


def test_other_build_is_replaced_only_when_asked(machine: Machine) -> None:
    machine.insert("quic", build="cd02")
    with pytest.raises(errors.ModuleAlreadyLoaded) as caught:
        module.load(Path("quic.ko"))
    assert "`replace`" in caught.value.remedy
    module.load(Path("quic.ko"), replace=True)
    now = module.loaded()
    assert now is not None
    assert now.build_id == "ab01"


def test_unload_is_refused_while_connections_live(machine: Machine) -> None:
    machine.insert("quic", references=3)
    machine.proc_net["/proc/net/quic/conns"] = (
        "SOCK\tSTATE\tLOCAL_ADDRESS\tREMOTE_ADDRESS\tUDP_ADDRESS\tWINDOW\tMSS\tIN_FLIGHT\n"
        "0\t1\t127.0.0.1:1\t127.0.0.1:2\t127.0.0.1:1\t14720\t1400\t0"
    )
    machine.proc_net["/proc/net/quic/eps"] = "SOCK\tSTATE\tLOCAL_ADDRESS\tUDP_ADDRESS\n0\t10\t0.0.0.0:1\t0.0.0.0:1"
    with pytest.raises(errors.ModuleBusy) as caught:
        module.unload()
    assert "1 connection, 1 listener, 3 references" in caught.value.message
    assert caught.value.remedy
    assert "quic" in machine.order
    assert not machine.calls


def test_unload_tries_again_when_somebody_was_quicker(machine: Machine) -> None:
    machine.insert("quic")
    machine.quicker = 2
    assert module.unload(wait=60).removed == ("quic",)
    assert not machine.order


def test_socket_that_was_just_closed_is_in_nobodys_way(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the module for a moment still; the check before opens none."""
    machine.insert("quic")
    machine.quicker = 2
    monkeypatch.setattr(module, "usable", lambda: pytest.fail("a socket of our own would hold the module"))
    assert module.unload().removed == ("quic",)
    machine.insert("quic")
    machine.quicker = 1000
    with pytest.raises(errors.ModuleBusy, match="in use"):
        module.unload()


def test_unloading_needs_root(machine: Machine) -> None:
    machine.insert("quic")
    machine.root = False
    with pytest.raises(errors.NotRoot):
        module.unload()


def test_unload_of_nothing_is_no_error(machine: Machine) -> None:
    machine.root = False
    assert module.unload() == module.Unloading(False, ())


def test_status_shows_connections_in_words(machine: Machine) -> None:
    machine.insert("quic", references=1)
    machine.proc_net["/proc/net/quic/conns"] = (
        "SOCK\tSTATE\tLOCAL_ADDRESS\tREMOTE_ADDRESS\tUDP_ADDRESS\tWINDOW\tMSS\tIN_FLIGHT\n"
        "0\t1\t127.0.0.1:1\t127.0.0.1:2\t127.0.0.1:1\t14720\t1400\t7"
    )
    machine.proc_net["/proc/net/quic/snmp"] = "QuicConnActiveEstabs            \t3\nQuicPktDecDrop\t0"
    now = module.status()
    assert now.connections == (module.Connection("established", "127.0.0.1:1", "127.0.0.1:2", 14720, 1400, 7),)
    assert now.counters["QuicConnActiveEstabs"] == 3


def test_loading_needs_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "Path", lambda text: Path("/nowhere") / text[1:])
    monkeypatch.setattr(module, "_TAKEN", tmp_path)
    monkeypatch.setattr(module, "_SYS", tmp_path)
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    with pytest.raises(errors.NotRoot) as caught:
        module.check_loading_possible()
    assert "root" in caught.value.remedy


def test_kernel_without_modules_points_to_the_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAKEN", Path("/nowhere"))
    with pytest.raises(errors.ModulesUnsupported) as caught:
        module.check_loading_possible()
    assert "make demo" in caught.value.remedy
