# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel takes which suite's tools, and builds by them, in roots that only pretend."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quicctl import archive, builder, debroot, errors, kernel, process, sourcetree, toolroot

RELEASE = "7.3.4+deb13-cloud-amd64"
TOOLS = kernel.Tools("next", ("binutils", "gcc-99"))
FROM_ARCHIVE = {
    f"linux-headers-{RELEASE}": ["gcc-99-for-host", "linux-base", "linux-headers-common", "linux-kbuild-7.3.4"],
    "linux-kbuild-7.3.4": ["libc6", "libelf1t64"],
}
MAKEFILE = """\
modules:
	@echo built >>$(M)/../count
	@printf 'ELF\\0vermagic=7.3.4-next SMP\\0' >$(M)/quic.ko
"""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "quicctl"


def cached(cache: Path, compiler: str = "gcc-99", release: str = RELEASE) -> Path:
    """A kernel of the cache whose tree names a compiler and whose build tools run here."""
    home = cache / "kernels" / release
    kdir = home / "usr" / "src" / f"linux-headers-{release}"
    (kdir / "scripts" / "mod").mkdir(parents=True)
    shutil.copy("/bin/sh", kdir / "scripts" / "mod" / "modpost")
    (kdir / ".kernelvariables").write_text(f"CC = $(if $(X),$(X)) $(CROSS_COMPILE){compiler}\n")
    (home / "boot").mkdir()
    (home / "boot" / f"vmlinuz-{release}").write_text("")
    return home


class Archive:
    def __init__(self, suite: str | None) -> None:
        self.suite = suite

    def depends(self, name: str) -> list[str]:
        return FROM_ARCHIVE.get(name, [])


def compilers_here(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(process, "which", lambda name: Path("/usr/bin") / name if name in names else None)


def test_kernel_whose_compiler_is_here_is_built_here(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    cached(own_cache)
    compilers_here(monkeypatch, "gcc-99")
    assert kernel.installed(RELEASE).tools is None


def test_kernel_whose_compiler_is_not_here_takes_its_suites_tools(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    home = cached(own_cache)
    compilers_here(monkeypatch)
    (home / "tools.json").write_text(json.dumps({"suite": "next", "packages": ["binutils", "gcc-99"]}))
    found = kernel.installed(RELEASE)
    assert found.tools == TOOLS
    assert found.kdir == home / "usr" / "src" / f"linux-headers-{RELEASE}"


def test_kernel_whose_tools_do_not_start_here_takes_its_suites_tools(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    home = cached(own_cache)
    compilers_here(monkeypatch, "gcc-99")
    monkeypatch.setattr(kernel, "_starts", lambda tool: False)
    (home / "tools.json").write_text(json.dumps({"suite": "next", "packages": ["binutils", "gcc-99"]}))
    assert kernel.installed(RELEASE).tools == TOOLS


def test_kernel_whose_tools_come_from_nowhere_is_fetched_again(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    cached(own_cache)
    compilers_here(monkeypatch)
    with pytest.raises(errors.HeadersMissing):
        kernel.installed(RELEASE)


@pytest.mark.parametrize(
    ("suite", "root"),
    [("trixie-backports", "trixie"), ("bookworm-security", "bookworm"), ("sid", "sid"), (None, "own")],
)
def test_tools_are_what_the_headers_depend_on_in_the_suite_itself(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path, suite: str | None, root: str
) -> None:
    cached(own_cache)
    compilers_here(monkeypatch)
    monkeypatch.setattr(archive, "host_suite", lambda: "own")
    source = Archive(suite)
    found = kernel._fetch(source, RELEASE)  # type: ignore[arg-type]
    assert found.tools == kernel.Tools(root, ("binutils", "gcc-99-for-host", "libc6", "libelf1t64", "make"))


@dataclass
class Roots:
    """Stands for debroot: what would run in a root runs here."""

    made: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def root(self, suite: str, packages: Sequence[str], progress: Callable[[str], None] | None = None) -> Path:
        self.made.append((suite, tuple(packages)))
        return Path("/nowhere")

    @contextlib.contextmanager
    def session(self, lower: Path, share: Path, place: str = debroot.SHARE) -> Iterator[Roots]:
        assert (str(share), str(lower)) == (place, "/nowhere")
        self.places.append(place)
        yield self

    def run(self, argv: Sequence[str], *, timeout: float, on_line: Callable[[str], None]) -> process.Result:
        return process.run(argv, timeout=timeout, on_line=on_line)


@pytest.fixture
def roots(monkeypatch: pytest.MonkeyPatch) -> Roots:
    made = Roots()
    monkeypatch.setattr(debroot, "root", made.root)
    monkeypatch.setattr(debroot, "session", made.session)
    monkeypatch.setattr(toolroot.os, "geteuid", lambda: 0)
    return made


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> kernel.Kernel:
    tree = tmp_path / "project"
    (tree / "module").mkdir(parents=True)
    (tree / "module" / "Kbuild").write_text("obj-m := quic.o\n")
    monkeypatch.setattr(sourcetree, "project", lambda: tree)
    kdir = tmp_path / "cache" / "quicctl" / "kernels" / "kdir"
    kdir.mkdir(parents=True)
    (kdir / "Makefile").write_text(MAKEFILE)
    return kernel.Kernel("7.3.4-next", kdir, tools=TOOLS)


def test_module_is_built_in_a_root_of_the_suite(
    roots: Roots, target: kernel.Kernel, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")  # this machine needs none
    said: list[str] = []
    built = builder.module(target, progress=said.append)
    assert (built.tools, built.cached, built.module.exists()) == ("next", False, True)
    assert roots.made == [("next", ("binutils", "gcc-99"))]
    assert roots.places == [str(own_cache)]  # sources and headers have the same paths there
    assert any("root of next" in line for line in said)


def test_finished_build_needs_neither_root_nor_rights(
    roots: Roots, target: kernel.Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = builder.module(target)
    monkeypatch.setattr(toolroot.os, "geteuid", lambda: 1000)
    second = builder.module(target)
    assert (second.module, second.cached, second.tools) == (first.module, True, "next")
    assert len(roots.made) == 1


def test_build_by_other_tools_is_another_build(roots: Roots, target: kernel.Kernel) -> None:
    other = kernel.Kernel(target.release, target.kdir, tools=kernel.Tools("later", TOOLS.packages))
    assert builder.module(target).module != builder.module(other).module
    assert [suite for suite, _ in roots.made] == ["next", "later"]


def test_failure_in_the_root_shows_the_compilers_words(roots: Roots, target: kernel.Kernel) -> None:
    (target.kdir / "Makefile").write_text("modules:\n\t@echo 'quic.c:1: error: no such thing' >&2; exit 1\n")
    with pytest.raises(errors.BuildFailed, match=r"7\.3\.4-next") as caught:
        builder.module(target)
    assert "no such thing" in caught.value.detail


def test_without_roots_rights_the_error_names_the_suite_and_leaves_nothing(
    roots: Roots, target: kernel.Kernel, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(toolroot.os, "geteuid", lambda: 1000)
    with pytest.raises(errors.NotRoot, match="next") as caught:
        builder.module(target)
    assert "as root" in caught.value.remedy
    assert "--kernel" in caught.value.remedy, "others build without"
    assert roots.made == []
    assert [p.name for p in (own_cache / "built").iterdir() if not p.name.endswith(".lock")] == []


def small_root(folder: Path) -> Path:
    """A root of a shell and what its commands need."""
    tree = folder / "tree"
    for name in ("proc", "dev", "etc", "tmp"):
        (tree / name).mkdir(parents=True)
    for name in ("sh", "cat", "sleep"):
        program = process.which(name)
        assert program is not None
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
        for path in (str(program), *(word for word in listed if word.startswith("/"))):
            place = tree / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        (tree / "bin").mkdir(exist_ok=True)
        shutil.copy(program, tree / "bin" / name)
    return tree


needs_overlays = pytest.mark.skipif(
    os.geteuid() != 0 or "overlay" not in Path("/proc/filesystems").read_text(),
    reason="entering a root needs root's rights and overlayfs",
)


@needs_overlays
def test_session_shares_a_folder_at_its_own_place_and_leaves_no_mount(tmp_path: Path) -> None:
    lower = small_root(tmp_path / "roots" / "small")
    share = tmp_path / "share"
    share.mkdir()
    (share / "in").write_text("words")
    before = Path("/proc/mounts").read_text()
    with debroot.session(lower, share, str(share)) as opened:
        opened.run(["sh", "-c", f"cat {share}/in >{share}/out; echo x >/left; sleep 300 &"], timeout=60)
        with pytest.raises(errors.CommandFailed):
            opened.run(["sh", "-c", "exit 3"], timeout=60)
    assert (share / "out").read_text() == "words"
    assert not (lower / "left").exists()
    assert [p.name for p in (tmp_path / "roots").iterdir()] == ["small"]
    assert Path("/proc/mounts").read_text() == before


@needs_overlays
def test_session_in_a_root_that_is_an_overlay_itself(tmp_path: Path) -> None:
    """As in a container, whose root cannot hold what another overlay changes."""
    small_root(tmp_path / "lower" / "roots" / "small")
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    code = (
        "import sys; from pathlib import Path; from quicctl import debroot\n"
        "root = Path(sys.argv[1]); before = Path('/proc/mounts').read_text()\n"
        "with debroot.session(root / 'roots/small/tree', root, '/share') as opened:\n"
        "    opened.run(['sh', '-c', 'echo first >/note'], timeout=60)\n"
        "    opened.run(['sh', '-c', 'cat /note >/share/out'], timeout=60)\n"
        "    assert opened.upper('/note').read_text() == 'first\\n'\n"
        "assert Path('/proc/mounts').read_text() == before\n"
        "assert [p.name for p in (root / 'roots').iterdir()] == ['small']\n"
    )
    mount = f"cd {tmp_path}; mount -t overlay over -o lowerdir=lower,upperdir=upper,workdir=work merged; exec \"$@\""
    argv = ["unshare", "--mount", "sh", "-ec", mount, "sh", sys.executable, "-c", code, str(tmp_path / "merged")]
    done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "upper" / "out").read_text() == "first\n"


def test_programs_and_their_library_are_built_in_a_root_from_copies(
    roots: Roots, target: kernel.Kernel, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    """The root sees the cache alone."""
    monkeypatch.setenv("CC", "no-such-compiler")
    tree = sourcetree.project()
    for folder, makefile in (
        ("libquic", "install:\n\tmkdir -p $(DESTDIR)/lib; echo library >$(DESTDIR)/lib/libquic.so.1\n"),
        ("selftests/web", "all:\n\tcat $(LIBQUIC)/lib/libquic.so.1 page.c >$(O)/page\n\tpwd >$(O)/where\n"),
        ("module/include", ""),
    ):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "Makefile").write_text(makefile)
    (tree / "selftests" / "web" / "page.c").write_text("source\n")
    built = builder.programs("web", tools=TOOLS)
    assert (built / "page").read_text() == "library\nsource\n"
    assert own_cache in Path((built / "where").read_text().strip()).parents
    assert roots.made == [("next", TOOLS.packages)] * 2
    (tree / "selftests" / "web" / "page.c").write_text("changed\n")
    assert (builder.programs("web", tools=TOOLS) / "page").read_text() == "library\nchanged\n"
    assert not list((own_cache / "built").glob("libquic-*")), "this machine's programs would take it"
