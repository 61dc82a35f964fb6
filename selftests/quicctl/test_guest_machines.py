# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests boot from, up to the command line that would boot them: images are made, nothing is booted."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quicctl import archive, cache, errors, guest, process, rootfs, uml, vm
from quicctl.guest import Job
from quicctl.kernel import Kernel

pytestmark = pytest.mark.skipif(
    any(process.which(tool) is None for tool in ("mke2fs", "debugfs", "depmod")), reason="no tools for images"
)
PORTS = {"stdout": 11, "stderr": 12, "control": 13}
RELEASE = "6.12.1-test"


def inside(image: Path, path: str) -> str:
    """A file of an image, or a folder's list."""
    tool = str(process.which("debugfs"))
    stat = subprocess.run([tool, "-R", f"stat {path}", image], capture_output=True, text=True, check=True).stdout
    command = "ls -p" if "Type: directory" in stat else "cat"
    return subprocess.run([tool, "-R", f"{command} {path}", image], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def booted(home: Path) -> Kernel:
    """A kernel's package, unpacked."""
    modules = home / "kernel" / "lib" / "modules" / RELEASE
    for name, packed in (
        ("kernel/fs/ext4/ext4.ko.xz", True),
        ("kernel/drivers/virtio/virtio.ko", False),
        ("kernel/sound/x.ko", False),
    ):
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_bytes(lzma.compress(b"ext4") if packed else b"plain")
    (modules / "modules.builtin").write_text("")
    (modules / "modules.order").write_text("")
    image = home / "vmlinuz"
    image.write_bytes(b"kernel")
    return Kernel(RELEASE, home, image=image, modules=modules)


@pytest.fixture
def distribution(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An archive whose packages are a few files."""

    class Small:
        def version(self, name: str) -> str:
            return "" if name == "ngtcp2-client" else "1"

        def download_closure(self, names: list[str], folder: Path) -> list[Path]:
            assert "python3" in names
            assert "ngtcp2-client" not in names, "an archive that offers no such peer makes a root without it"
            return []

    def unpack(packages: list[Path], folder: Path) -> None:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for name in (f"usr/bin/{version}", "usr/bin/dash", f"usr/lib/{version}/os.py", f"usr/lib/{version}/idlelib/x.py",
                     "usr/lib/python3/y.py", "usr/share/doc/z"):  # fmt: skip
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        (folder / "etc").mkdir()

    monkeypatch.setattr(archive, "Archive", Small)
    monkeypatch.setattr(archive, "unpack", unpack)
    monkeypatch.setattr(archive, "host_suite", lambda: "bookworm")
    yield


# Images.


def test_root_has_what_a_distribution_lacks(distribution: None) -> None:
    image = rootfs.distribution()
    assert rootfs.python_version(image) == sys.version_info[:2]
    assert "nobody" in inside(image, "/etc/passwd")
    assert "doc" not in inside(image, "/usr/share")
    assert "idlelib" not in inside(image, f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}")
    assert rootfs.distribution() == image


def test_modules_are_those_that_guests_need(booted: Kernel) -> None:
    made = rootfs.kernel_modules(booted)
    folder = made / "tree" / "lib" / "modules" / RELEASE
    assert (folder / "kernel/fs/ext4/ext4.ko").read_bytes() == b"ext4"
    assert (folder / "kernel/drivers/virtio/virtio.ko").read_bytes() == b"plain"
    assert not (folder / "kernel/sound").exists()
    assert (folder / "modules.dep").exists()
    assert "ext4.ko" in inside(made / "modules.img", f"/{RELEASE}/kernel/fs/ext4")


def test_zstd_is_left_to_its_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(process, "run", lambda argv, **_: asked.append(argv))
    rootfs._unpack_module(home / "x.ko.zst", home / "y" / "x.ko.zst")
    assert asked == [["zstd", "-q", "-d", str(home / "x.ko.zst"), "-o", str(home / "y" / "x.ko")]]


def test_kernel_without_modules(home: Path) -> None:
    with pytest.raises(errors.HeadersMissing):
        rootfs.kernel_modules(Kernel(RELEASE, home))


def test_packages_of_the_environment_go_along(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (home / "python").write_text(version + "\n")
    packages = home / "env" / "lib" / f"python{version}" / "site-packages"
    for name in ("rich/x.py", "mypy/x.py", "rich-13.dist-info/METADATA"):
        (packages / name).parent.mkdir(parents=True)
        (packages / name).write_text("x")
    monkeypatch.setattr(sys, "prefix", str(home / "env"))
    image = rootfs.site_packages(home / "root.img")
    assert image is not None
    assert "rich" in inside(image, "/")
    assert "mypy" not in inside(image, "/")
    assert rootfs.site_packages(home / "root.img") == image
    (home / "python").write_text("3.4\n")
    with pytest.raises(errors.GuestUnavailable, match=r"the guest has 3\.4"):
        rootfs.site_packages(home / "root.img")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert rootfs.site_packages(home / "root.img") is None


def test_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "which", lambda _: None)
    with pytest.raises(errors.ToolMissing, match="mke2fs"):
        rootfs.make_image(tmp_path, tmp_path / "image")


# Lane vm.


@pytest.fixture
def emulator(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An emulator that knows its processors and its version, and boots nothing."""
    program = home / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\ncase $* in\n*-cpu*help) echo x86 max erms fsrm other;;\n*--version) echo QEMU emulator version 7.2.1;;\n"
        "*accel=kvm*) cat $(dirname $0)/console;;\nesac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(archive, "architecture", lambda: "amd64")
    monkeypatch.setattr(guest, "guest_init", lambda: program)
    return program


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
@pytest.mark.parametrize("icount", [False, True])
def test_command_line_of_a_machine(
    distribution: None, booted: Kernel, emulator: Path, home: Path, monkeypatch: pytest.MonkeyPatch, icount: bool
) -> None:
    monkeypatch.setattr(vm, "_accelerator", lambda *_: "tcg")
    monkeypatch.setattr(rootfs, "site_packages", lambda _: home / "python.img")
    tree = home / "tree"
    (tree / "module").mkdir(parents=True)
    (tree / "module" / "a.c").write_text("int a;")
    (tree / "module" / "a.o").write_text("built")
    scratch = home / "scratch"
    (scratch / "payload").mkdir(parents=True)
    (home / "peer").mkdir()
    (home / "peer" / "program").write_text("peer")
    mounts = (("peers/sid", home / "peer"),)
    job = Job(("true",), tree=tree, kernel=booted, icount=icount, memory=512, panic_on_warn=True, mounts=mounts)
    launch = vm.prepare(job, scratch, PORTS)
    words = list(launch.argv)
    assert words[0] == str(emulator)
    assert words[words.index("-m") + 1] == "512"
    assert words[words.index("-kernel") + 1] == str(booted.image)
    assert words[words.index("-smp") + 1] == ("1" if icount else "2")
    assert words[words.index("-cpu") + 1] == "max,-erms,-fsrm,-cx16"
    assert ("-icount" in words) is icount
    assert "panic_on_warn=1" in words[words.index("-append") + 1]
    disks = [word.rpartition("file=")[2] for word in words if word.startswith("if=none")]
    assert len(disks) == 6
    assert launch.inherited == (11, 12, 13)
    assert inside(scratch / "payload.img", "/tree/module/a.c") == "int a;"
    assert "a.o" not in inside(scratch / "payload.img", "/tree/module")
    orders = (scratch / "initramfs").read_bytes()
    assert b"module /m/0.ko\n" in orders
    assert f"mount /dev/vdd ext4 ro {guest.BASE}/python".encode() in orders
    assert f"mount /dev/vde ext4 ro {guest.BASE}/peers/sid".encode() in orders
    assert inside(Path(disks[4]), "/program") == "peer"
    assert "sid" in inside(scratch / "payload.img", "/peers")
    assert "QUIC_OUT_DEVICE=/dev/vdf" in inside(scratch / "payload.img", "/payload/env.sh")
    assert rootfs.folder_image(home / "peer") == Path(disks[4]), "made again"
    (home / "left").mkdir()
    (home / "left" / "x").write_text("result")
    subprocess.run(["tar", "-C", home / "left", "-cf", scratch / "results.img", "x"], check=True)
    (home / "back").mkdir()
    launch.results(home / "back")
    assert (home / "back" / "x").read_text() == "result"


def test_machine_that_cannot_be(emulator: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.GuestUnavailable, match="no image"):
        vm.prepare(Job(("true",), kernel=Kernel(RELEASE, home)), home, PORTS)
    emulator.unlink()
    monkeypatch.setenv("PATH", str(emulator.parent))
    with pytest.raises(errors.GuestUnavailable, match="not installed"):
        vm._emulator()
    monkeypatch.setattr(archive, "architecture", lambda: "arm64")
    with pytest.raises(errors.GuestUnavailable, match="x86-64"):
        vm._emulator()


class Devices:
    """Paths with a /dev/kvm that the test makes."""

    def __init__(self, folder: Path) -> None:
        self.kvm = folder / "kvm"

    def __call__(self, text: str) -> Path:
        return self.kvm if text == "/dev/kvm" else Path(text)


@pytest.mark.parametrize(("console", "verdict"), [("VFS: Unable to mount root fs", "kvm"), ("nothing", "tcg")])
def test_kvm_is_believed_when_something_booted(
    emulator: Path, booted: Kernel, home: Path, monkeypatch: pytest.MonkeyPatch, console: str, verdict: str
) -> None:
    devices = Devices(home)
    monkeypatch.setattr(vm, "Path", devices)
    monkeypatch.setattr(
        "builtins.open",
        lambda path, *rest, **more: os.fdopen(os.dup(0), "rb") if path == "/dev/kvm" else _open(path, *rest, **more),
    )
    assert vm._accelerator(str(emulator), booted) == "tcg"
    assert vm.known_accelerator() is None
    devices.kvm.touch()
    (emulator.parent / "console").write_text(console)
    assert vm._accelerator(str(emulator), booted) == verdict
    assert vm._accelerator(str(emulator), booted) == verdict
    (cache.root() / "kernels" / RELEASE).mkdir(parents=True)
    assert vm.known_accelerator() == verdict
    assert vm._cpu(str(emulator), "kvm") == "host"


_open = open


def test_kvm_that_may_not_be_opened(emulator: Path, booted: Kernel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices(home)
    devices.kvm.mkdir()
    monkeypatch.setattr(vm, "Path", devices)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    assert vm._accelerator(str(emulator), booted) == "tcg"


def test_kvm_that_hangs(emulator: Path, booted: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise errors.CommandTimeout("took too long")

    monkeypatch.setattr(process, "run", hang)
    assert not vm._kvm_boots(str(emulator), booted)


# Lane uml.


@pytest.fixture
def source(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """An archive with kernel sources, and the programs that would build them; returns what was run."""
    ran: list[list[str]] = []
    wanted = [line for line in (guest.guest_folder() / "uml.config").read_text().splitlines() if line.startswith("CONFIG_")]

    class Sources:
        def __init__(self, suite: str) -> None:
            self.suite = suite

        def newest(self, pattern: str) -> archive.Package | None:
            return archive.Package("linux-source-7.1", "7.1.2-1") if self.suite == "sid" else None

        def download(self, names: list[str], folder: Path) -> list[Path]:
            return [folder / "x.deb"]

    def unpack(packages: list[Path], folder: Path) -> None:
        (folder / "usr" / "src").mkdir(parents=True)
        (folder / "usr" / "src" / "linux-source-7.1.tar.xz").touch()

    def run(argv: list[str], **_: object) -> process.Result:
        ran.append([str(word) for word in argv])
        if argv[-1] == "olddefconfig":
            tree = Path(argv[argv.index("-C") + 1])
            (tree / ".config").write_text("\n".join(wanted))
            (tree / "include" / "config").mkdir(parents=True)
            (tree / "include" / "config" / "kernel.release").write_text("7.1.2\n")
            (tree / "linux").write_text("")
            (tree / "linux").chmod(0o755)
        return process.Result((), 0, "", "")

    monkeypatch.setattr(archive, "Archive", Sources)
    monkeypatch.setattr(archive, "unpack", unpack)
    monkeypatch.setattr(process, "run", run)
    return ran


def test_debug_kernel_is_built_once(source: list[list[str]], home: Path) -> None:
    told: list[str] = []
    built = uml.debug_kernel(told.append)
    assert (built.release, built.arch) == ("7.1.2", "um")
    assert "7.1.2-1" in told[0]
    assert [argv[-1] for argv in source if argv[0] == "nice"][:2] == ["defconfig", "olddefconfig"]
    assert any(argv[0] == "patch" for argv in source)
    before = len(source)
    assert uml.debug_kernel(told.append) == built
    assert (len(source), len(told)) == (before, 1)


def test_debug_kernel_that_is_refused_something(source: list[list[str]], home: Path) -> None:
    (home / "config").write_text("CONFIG_UML=y\n")
    with pytest.raises(errors.GuestUnavailable, match="CONFIG_KASAN"):
        uml._check_config(home / "config")


def test_source_by_itself(source: list[list[str]], home: Path) -> None:
    (home / "out").mkdir()
    assert uml.unpack_source(home / "out").version == "7.1.2-1"
    assert "--strip-components=1" in source[-1]


def test_archive_without_sources(source: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive.Archive, "newest", lambda *_: None)
    with pytest.raises(errors.GuestUnavailable, match="no linux-source-7"):
        uml.debug_kernel()


def test_build_that_left_nothing(source: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uml, "_newest_built", lambda: None)
    with pytest.raises(errors.GuestUnavailable, match="not complete"):
        uml.debug_kernel()


def test_debug_machine_brings_its_results_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "guest_init", lambda: home / "init")
    program = home / "linux"
    program.touch(0o755)
    scratch = home / "scratch"
    (scratch / "payload").mkdir(parents=True)
    launch = uml.prepare(Job(("true",), kernel=Kernel("7.1", home, arch="um", image=program)), scratch, PORTS)
    (scratch / "out" / "x").write_text("result")
    launch.results(home / "back")
    assert (home / "back" / "x").read_text() == "result"
    with pytest.raises(errors.GuestUnavailable, match="lane vm only"):
        uml.prepare(Job(("true",), icount=True), scratch, PORTS)
    with pytest.raises(errors.GuestUnavailable, match="no kernel program"):
        uml._program(Kernel("7.1", home))
