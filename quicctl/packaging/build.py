# SPDX-License-Identifier: GPL-2.0-or-later
"""Lay out each format's source package, and build it with the format's own tools: here, or in a Debian root.

What a format needs and how it is built stands in FORMATS; templates are render.py's, the root debroot.py's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quicctl import archive, debroot, errors, process
from quicctl.kernel import Kernel
from quicctl.packaging import render, sources
from quicctl.packaging.recipe import Recipe

_SECONDS = 1800.0
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Format:
    """A package format: where it is built, by what, and which programs of which Debian packages that takes."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    programs: Mapping[str, str]
    products: tuple[str, ...]
    build_needs: tuple[str, ...] = ()
    """Debian packages beyond those of the programs."""
    folder: str = "."
    """Below the output folder; ``{stem}`` stands for source and version."""
    not_root: bool = False


_RPMBUILD = ("rpmbuild", "--nodeps", "--define=_topdir {out}")
_LIBRARY_NEEDS = ("build-essential", "libgnutls28-dev", "pkg-config")
_WHEEL_NEEDS = ("python3-build", "python3-hatchling", "python3-installer")
FORMATS = {
    "deb": Format(
        "deb",
        folder="{stem}",
        commands=(
            ("dpkg-buildpackage", "-us", "-uc"),
            ("lintian", "--allow-root", "--fail-on", "error,warning", "--info", "{out}/{changes}"),
        ),
        programs={
            "dpkg-buildpackage": "dpkg-dev",
            "dh": "debhelper",
            "dh_dkms": "dh-dkms",
            "pybuild": "dh-python",
            "lintian": "lintian",
        },
        products=("*.deb", "*.dsc", "*.changes", "*.orig.tar.gz", "*.debian.tar.xz"),
        build_needs=(*_LIBRARY_NEEDS, "fakeroot", "pybuild-plugin-pyproject", "python3-all", "python3-hatchling"),
    ),
    "rpm": Format(
        "rpm",
        commands=((*_RPMBUILD, "-ba", "SPECS/linux-quic.spec"), (*_RPMBUILD, "-bs", "SPECS/quic-kmod.spec")),
        programs={"rpmbuild": "rpm"},
        products=("RPMS/*/*.rpm", "SRPMS/*.rpm"),
        build_needs=(*_LIBRARY_NEEDS, *_WHEEL_NEEDS),
    ),
    "arch": Format(
        "arch",
        commands=(("makepkg", "--force", "--nodeps", "--nocheck"),),
        programs={
            "makepkg": "makepkg",
            "pacman": "pacman-package-manager",
            "bsdtar": "libarchive-tools",
            "fakeroot": "fakeroot",
        },
        products=("*.pkg.tar*",),
        build_needs=(*_LIBRARY_NEEDS, *_WHEEL_NEEDS, "python-is-python3"),
        not_root=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Packaged:
    """What packaging left: the source package's folder, and what was built of it."""

    target: str
    folder: Path
    files: tuple[Path, ...]
    packages: tuple[Path, ...] = ()
    checks: tuple[str, ...] = ()
    """What has looked at the result and found no fault."""


def lay_out(name: str, tree: Path, recipe: Recipe, out: Path) -> Packaged:
    """Leave a format's source package below out."""
    out.mkdir(parents=True, exist_ok=True)
    templates = render.folder(tree)
    if name == "deb":
        tarball = sources.tarball(tree, recipe, out)
        shutil.rmtree(out / recipe.stem, ignore_errors=True)
        process.run(["tar", "-x", "-f", tarball, "-C", out])
        orig = tarball.rename(out / f"{recipe.source}_{recipe.version}.orig.tar.gz")
        return Packaged(name, out, (orig, *render.write(templates, name, recipe, out / recipe.stem)))
    tarball = sources.tarball(tree, recipe, out / "SOURCES" if name == "rpm" else out)
    written = render.write(templates, name, replace(recipe, source_sha256=sources.sha256(tarball)), out)
    return Packaged(name, out, (tarball, *written))


def build(
    laid: Packaged,
    recipe: Recipe,
    *,
    suite: str | None = None,
    kernel: Kernel | None = None,
    progress: Progress = lambda text: None,
) -> Packaged:
    """Build a source package with this machine's tools, or in a root of a Debian suite; raises PackagesMissing.

    With a kernel, the RPM of the module for it is built, too; in a root its headers come from the archive.
    """
    form = FORMATS[laid.target]
    with _place(form, laid.folder, suite, progress) as place:
        if suite and kernel:
            for words in (("apt-get", "-q", "update"), ("apt-get", "-q", "-y", "install", f"linux-headers-{kernel.release}")):
                place.run(words, laid.folder)
        for command in (*form.commands, *_for_kernel(kernel, suite)):
            argv = [word.format(out=place.out, changes=_changes(recipe)) for word in command]
            progress(f"running {argv[0]}" + (f" in a root of {suite}" if suite else ""))
            place.run(argv, laid.folder / form.folder.format(stem=recipe.stem))
    packages = tuple(path for pattern in form.products for path in sorted(laid.folder.glob(pattern)))
    if not packages:
        raise errors.PackageBroken(
            f"{form.commands[0][0]} left no package in {laid.folder}", remedy="run it again with --debug"
        )
    return replace(laid, packages=packages, checks=("lintian",) if laid.target == "deb" else ())


def _for_kernel(kernel: Kernel | None, suite: str | None) -> tuple[tuple[str, ...], ...]:
    if kernel is None:
        return ()
    source = f"/lib/modules/{kernel.release}/build" if suite else kernel.kdir
    defines = (f"--define=kernel_version {kernel.release}", f"--define=kernel_source {source}")
    return ((*_RPMBUILD, *defines, "-bb", "SPECS/quic-kmod.spec"),)


def commands(
    name: str, recipe: Recipe, out: Path, kernel: Kernel | None = None, suite: str | None = None
) -> list[tuple[str, ...]]:
    """What build() runs, for a look beforehand."""
    place = debroot.SHARE if suite else out
    return [
        tuple(word.format(out=place, changes=_changes(recipe)) for word in command)
        for command in (*FORMATS[name].commands, *_for_kernel(kernel, suite))
    ]


def lint(name: str, folder: Path, progress: Progress) -> tuple[str, ...]:
    """Let the target's own checker look at what was written, if this machine has it; returns its name."""
    if name != "ansible":
        return ()
    if process.which("ansible-lint") is None:
        progress("not checked: ansible-lint is not installed (Debian: apt-get install ansible-lint)")
        return ()
    progress("running ansible-lint")
    process.run(["ansible-lint", "--offline", "--nocolor", "--strict", "."], cwd=folder, timeout=300, on_line=_quiet)
    return ("ansible-lint",)


def root_packages() -> tuple[str, ...]:
    """What a root needs to build every format."""
    wanted = {package for form in FORMATS.values() for package in (*form.programs.values(), *form.build_needs)}
    return tuple(sorted(wanted))


def check_tools(name: str) -> None:
    """Raise PackagesMissing if this machine lacks what a format is built with."""
    lacking = sorted({package for program, package in FORMATS[name].programs.items() if process.which(program) is None})
    if lacking:
        raise errors.PackagesMissing(
            f"building {name} packages needs what is not installed here: {', '.join(lacking)}",
            remedy=f"apt-get install {' '.join(lacking)}; or build in a root of its own: --suite {_suite_hint()};"
            " or pass --no-build",
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where commands run, and what the output folder is called there."""

    out: str
    run: Callable[[Sequence[str], Path], None]


@contextlib.contextmanager
def _place(form: Format, out: Path, suite: str | None, progress: Progress) -> Iterator[_Place]:
    as_nobody = form.not_root and os.geteuid() == 0
    prefix = _NOBODY if as_nobody else ()
    if as_nobody:
        _give(out, 65534)
    try:
        if suite is None:
            check_tools(form.name)
            environment = {**os.environ, "LC_ALL": "C.UTF-8"}

            def here(words: Sequence[str], at: Path) -> None:
                process.run([*prefix, *words], cwd=at, env=environment, timeout=_SECONDS, on_line=_quiet)

            yield _Place(str(out), here)
            return
        with debroot.session(debroot.root(suite, root_packages(), progress), out) as opened:

            def there(words: Sequence[str], at: Path) -> None:
                inside = f"{debroot.SHARE}/{at.relative_to(out)}"
                opened.run([*prefix, *words], cwd=inside, on_line=_quiet)

            yield _Place(debroot.SHARE, there)
    finally:
        if as_nobody:
            _give(out, 0)


def _quiet(_line: str) -> None:
    """Output is kept for the error's detail; --debug shows the commands."""


def _give(folder: Path, owner: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def _changes(recipe: Recipe) -> str:
    return f"{recipe.source}_{recipe.version}-0upstream{recipe.revision}_{archive.architecture()}.changes"


def _suite_hint() -> str:
    try:
        return archive.host_suite()
    except errors.ArchiveUnavailable:
        return "SUITE"
