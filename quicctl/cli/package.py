# SPDX-License-Identifier: GPL-2.0-or-later
"""``quicctl package``: a command a target."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from quicctl import kernel, sourcetree
from quicctl.cli import complete, output, share
from quicctl.cli.options import DryRunOption, JsonOption
from quicctl.packaging import build, proof, recipe, render, sources, tree
from quicctl.packaging.build import Packaged
from quicctl.packaging.recipe import Recipe

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Leave the results there; default: dist/TARGET.")]
BuildOption = Annotated[bool, typer.Option("--build/--no-build", help="Build, or only lay out what is built from.")]
SuiteOption = Annotated[
    str | None, typer.Option("--suite", metavar="SUITE", help="Build in a Debian root of this suite (as root), not here.")
]
MaintainerOption = Annotated[
    str | None,
    typer.Option("--maintainer", metavar="'NAME <MAIL>'", help="Who answers for the packages; also DEBFULLNAME, DEBEMAIL."),
]
RevisionOption = Annotated[str, typer.Option("--revision", help="Of the packaging, behind the version.")]


@app.callback()
def package() -> None:
    """Make packages of the module, the library and the tool, for those who distribute them."""


def _recipe(revision: str, maintainer: str | None) -> Recipe:
    what = recipe.of(sourcetree.project(), revision=revision, maintainer=maintainer)
    return replace(what, share=tuple(share.files(what.date).items()))


def _make(
    name: str,
    revision: str,
    maintainer: str | None,
    out: Path | None,
    built: bool,
    suite: str | None,
    dry_run: bool,
    json: bool,
    release: str | None = None,
) -> None:
    what = _recipe(revision, maintainer)
    folder = (out or Path("dist") / name).absolute()
    target = kernel.installed(release) if release is not None else None
    if dry_run:
        steps = [f"write {folder / file}" for file in render.render(render.folder(sourcetree.project()), name, what)]
        if built:
            steps += [shlex.join(words) for words in build.commands(name, what, folder, target, suite)]
        output.show_plan(steps, json=json)
        return
    if built and suite is None:
        build.check_tools(name)
    output.progress(f"laying out {folder}")
    with output.writing(folder):
        result = build.lay_out(name, sourcetree.project(), what, folder)
    if built:
        result = build.build(result, what, suite=suite, kernel=target, progress=output.progress)
    output.show(result, json=json, render=_tables)


def _tables(result: Packaged) -> list[output.Table]:
    rows = [["package", str(path)] for path in result.packages] or [["file", str(path)] for path in result.files]
    rows += [["checked by", check] for check in result.checks]
    return [output.Table(f"{result.target} in {result.folder}", (), rows)]


@app.command()
def rpm(
    out: OutOption = None,
    built: BuildOption = True,
    suite: SuiteOption = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--kernel",
            metavar="REL",
            help="Build kmod-quic for this kernel, too, ready to load.",
            autocompletion=complete.kernels,
        ),
    ] = None,
    revision: RevisionOption = "1",
    maintainer: MaintainerOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """RPM packages: quic-dkms, libquic, libquic-devel, quicctl, and a source package of the akmod and kmod flavours.

    Example: quicctl package rpm --kernel $(uname -r) --out dist/rpm
    """
    _make("rpm", revision, maintainer, out, built, suite, dry_run, json, release)


def _format(name: str, about: str) -> None:
    """The command of a format that has no options of its own."""

    def command(
        out: OutOption = None,
        built: BuildOption = True,
        suite: SuiteOption = None,
        revision: RevisionOption = "1",
        maintainer: MaintainerOption = None,
        dry_run: DryRunOption = False,
        json: JsonOption = False,
    ) -> None:
        _make(name, revision, maintainer, out, built, suite, dry_run, json)

    app.command(name, help=about)(command)


_format(
    "deb",
    """Debian source and binary packages: quic-dkms, libquic1, libquic-dev, quicctl; lintian must accept them.

    Example: quicctl package deb --suite bookworm --out dist/deb
    """,
)
_format(
    "arch",
    """Arch Linux packages: quic-dkms, libquic, quicctl; built as nobody if run by root.

    Example: quicctl package arch --no-build --out dist/arch
    """,
)


@app.command()
def dkms(
    out: OutOption = None, maintainer: MaintainerOption = None, dry_run: DryRunOption = False, json: JsonOption = False
) -> None:
    """The module's source as DKMS wants it below /usr/src.

    Example: quicctl package dkms --out /usr/src && dkms install quic/0.1.0
    """
    what = _recipe("1", maintainer)
    folder = (out or Path("dist") / "dkms").absolute()
    home = folder / f"{what.module}-{what.version}"
    if dry_run:
        output.show_plan([f"copy {sourcetree.project() / 'module'} to {home}", f"write {home / 'dkms.conf'}"], json=json)
        return
    with output.writing(folder):
        sources.dkms(sourcetree.project(), what, folder)
    output.show(Packaged("dkms", folder, (home,)), json=json, render=_tables)


@app.command()
def kmm(
    out: OutOption = None,
    registry: Annotated[
        str, typer.Option("--registry", metavar="HOST/PATH", help="Where the cluster finds the images source and kmod.")
    ] = "registry.example/quic",
    maintainer: MaintainerOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Resources of the Kubernetes Kernel Module Management operator, and the Containerfile it builds for each kernel.

    Example: quicctl package kmm --registry registry.local/quic --out quic && kubectl apply -k quic
    """
    _write("kmm", replace(_recipe("1", maintainer), registry=registry), out, dry_run, json)


@app.command()
def ansible(
    out: OutOption = None, maintainer: MaintainerOption = None, dry_run: DryRunOption = False, json: JsonOption = False
) -> None:
    """An Ansible role that installs the packages, loads the module and sets net.quic; ansible-lint looks at it if it is here.

    Example: quicctl package ansible --out quic && ansible-playbook -i hosts quic/playbook.yml
    """
    _write("ansible", _recipe("1", maintainer), out, dry_run, json)


def _write(name: str, what: Recipe, out: Path | None, dry_run: bool, json: bool) -> None:
    folder = (out or Path("dist") / name).absolute()
    templates = render.folder(sourcetree.project())
    if dry_run:
        output.show_plan([f"write {folder / file}" for file in render.render(templates, name, what)], json=json)
        return
    with output.writing(folder):
        files = render.write(templates, name, what, folder)
    checks = build.lint(name, folder, output.progress)
    output.show(Packaged(name, folder, tuple(files), checks=checks), json=json, render=_tables)


@app.command("tree")
def tree_(
    kdir: Annotated[Path, typer.Argument(metavar="KDIR", help="Top folder of a kernel's source.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the module out of the tree again.")] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Build the tree for User-Mode Linux, as a module and built in, and run both.")
    ] = False,
    objects: Annotated[
        Path | None, typer.Option("--objects", metavar="DIR", help="Where --prove builds; default: KDIR-quic-objects.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the change as a patch, and do nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Put the module into a kernel tree as net/quic, with its headers and the lines in net/Kconfig and net/Makefile.

    Example: quicctl package tree linux-7.3 --prove
    """
    kdir = kdir.absolute()
    module = sourcetree.project() / "module"
    changes = tree.removal(kdir, module) if remove else tree.plan(kdir, module)
    if dry_run:
        output.show_plan([change.diff().rstrip("\n") for change in changes], json=json)
        return
    with output.writing(kdir):
        tree.apply(kdir, changes)
    proofs: list[proof.Proof] = []
    if prove and not remove:
        proofs = proof.prove(kdir, (objects or kdir.with_name(f"{kdir.name}-quic-objects")).absolute(), output.progress)
    done = _Tree(kdir, tuple(_File(change.action, change.path) for change in changes), tuple(proofs))
    output.show(done, json=json, render=_tree_tables)


@dataclass(frozen=True, slots=True)
class _File:
    action: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a kernel tree has become."""

    kdir: Path
    files: tuple[_File, ...]
    proofs: tuple[proof.Proof, ...]


def _tree_tables(done: _Tree) -> list[output.Table]:
    counts = {word: sum(file.action == word for file in done.files) for word in ("add", "edit", "remove")}
    rows = [["files", ", ".join(f"{count} to {word}" for word, count in counts.items() if count) or "nothing to do"]]
    rows += [["edited", str(file.path)] for file in done.files if file.action == "edit"]
    rows += [
        [f"CONFIG_IP_QUIC={p.choice}", f"{p.kernel}: handshake {p.handshake_ms:.0f} ms, {p.bytes >> 20} MiB each way, "
         f"{p.warnings} warnings"]
        for p in done.proofs
    ]  # fmt: skip
    return [output.Table(str(done.kdir), (), rows)]
