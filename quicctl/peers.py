# SPDX-License-Identifier: GPL-2.0-or-later
"""Other QUIC stacks to test against: packages of newer suites and of npm, unpacked into folders of the cache.

Nothing is installed and no script of a package is run: a program is started by the loader and with the libraries of its own
suite. A guest gets the folders read-only, and a list of them; what is done with the programs is the tests' business.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quicctl import archive, cache, errors, guest, process

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "trixie": ("chromium-headless-shell", "curl", "nginx", "ngtcp2-client", "ngtcp2-server", "nodejs", "openssl"),
    "sid": ("caddy", "curl", "haproxy", "ktls-utils", "nginx", "samba", "smbclient"),
}
"""What is taken from each suite, with all that it depends on."""

NPM = "npm"
MODULES: Mapping[str, str] = {"@matrixai/quic": "2.0.9"}
"""What is taken from npm's registry in place of a suite: quiche and a binding for node."""

MANIFEST = "peers.json"
_RECIPE = "1"
_FOLDER = "peers"
_USELESS = ("doc", "man", "locale", "info", "perl", "bug", "lintian")


@dataclass(frozen=True, slots=True)
class Root:
    """The unpacked packages of one suite."""

    suite: str
    tree: Path
    versions: Mapping[str, str]
    """Upstream versions of the packages asked for."""

    def command(self, program: str) -> list[str]:
        """How to start a program of this root: the words before its arguments."""
        path = next((p for folder in ("bin", "sbin") if (p := self.tree / "usr" / folder / program).exists()), None)
        if path is None:
            raise self._lacks(program)
        return [*self.loader(), str(path)]

    def loader(self) -> list[str]:
        """How to start a program that was built for this suite, wherever it lies."""
        loaders = sorted((self.tree / "usr" / "lib64").glob("ld-linux-*.so.*"))
        if not loaders:
            raise self._lacks("loader")
        libraries = [str(folder) for folder in sorted((self.tree / "usr" / "lib").glob("*-linux-*")) if folder.is_dir()]
        return [str(loaders[0]), "--library-path", ":".join(libraries)]

    def _lacks(self, what: str) -> errors.ToolMissing:
        return errors.ToolMissing(
            f"the packages of {self.suite} hold no {what}", remedy=f"remove {self.tree.parent} and try again"
        )


@dataclass(frozen=True, slots=True)
class Absent:
    """A suite that cannot be had here, and why."""

    suite: str
    reason: str


def root(suite: str, progress: Callable[[str], None] | None = None) -> Root:
    """The root of a suite, made once; raises ArchiveUnavailable if the archive does not offer it."""
    packages = PACKAGES[suite]
    home = cache.root() / "roots" / f"peers-{suite}-{cache.key(_RECIPE, archive.architecture(), *packages)}"

    def make(scratch: Path) -> None:
        if progress is not None:
            progress(f"unpacking {', '.join(packages)} of {suite} to test against: once")
        source = archive.Archive(suite)
        tree = scratch / "tree"
        tree.mkdir()
        with tempfile.TemporaryDirectory(dir=scratch.parent) as folder:
            try:
                files = source.download_closure(list(packages), Path(folder))
            except errors.CommandFailed as failure:
                raise errors.ArchiveUnavailable(
                    f"the archive does not offer {', '.join(packages)} of {suite}: {failure.message}",
                    detail=failure.detail, remedy="check the network and /etc/apt",
                ) from failure  # fmt: skip
            archive.unpack(files, tree)
            versions = dict(_name_and_version(path) for path in files)
        for name in _USELESS:
            shutil.rmtree(tree / "usr" / "share" / name, ignore_errors=True)
        (scratch / "versions.json").write_text(json.dumps({name: versions[name] for name in packages}))

    made = cache.entry(home, make)
    return Root(suite, made / "tree", json.loads((made / "versions.json").read_text()))


def modules(progress: Callable[[str], None] | None = None) -> Root:
    """The packages of npm, fetched once; no script of theirs is run. Raises ArchiveUnavailable if they cannot be had."""
    wanted = [f"{name}@{version}" for name, version in MODULES.items()]
    home = cache.root() / "roots" / f"peers-{NPM}-{cache.key(_RECIPE, archive.architecture(), *wanted)}"

    def make(scratch: Path) -> None:
        if progress is not None:
            progress(f"fetching {', '.join(wanted)} of npm to test against: once")
        tree = scratch / "tree"
        tree.mkdir()
        argv = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(tree), *wanted]
        try:
            process.run(argv, timeout=600)
        except (errors.CommandFailed, errors.ToolMissing) as failure:
            raise errors.ArchiveUnavailable(
                f"npm does not offer {', '.join(wanted)}: {failure.message}", detail=failure.detail,
                remedy="install npm, check the network",
            ) from failure  # fmt: skip

    made = cache.entry(home, make)
    return Root(NPM, made / "tree", MODULES)


def roots(progress: Callable[[str], None] | None = None) -> list[Root | Absent]:
    """Every suite's root and npm's, or why it is absent."""
    found: list[Root | Absent] = []
    for suite in (*PACKAGES, NPM):
        try:
            found.append(modules(progress) if suite == NPM else root(suite, progress))
        except errors.ArchiveUnavailable as failure:
            found.append(Absent(suite, failure.message))
    return found


def write_manifest(found: list[Root | Absent], path: Path) -> list[tuple[str, Path]]:
    """Write the list for a guest; returns the folders to mount there, by their names below the guest's base."""
    mounts: list[tuple[str, Path]] = []
    listed: dict[str, dict[str, object]] = {}
    for entry in found:
        if isinstance(entry, Absent):
            listed[entry.suite] = {"absent": entry.reason}
            continue
        name = f"{_FOLDER}/{entry.suite}"
        mounts.append((name, entry.tree))
        listed[entry.suite] = {"tree": f"{guest.BASE}/{name}", "versions": dict(entry.versions)}
    path.write_text(json.dumps(listed))
    return mounts


def here(suite: str) -> Root | Absent:
    """A suite's root as a guest finds it."""
    manifest = Path(os.environ.get("QUIC_PAYLOAD", "/nonexistent")) / MANIFEST
    if not manifest.exists():
        return Absent(suite, "programs of other suites are at hand in the guests of their tests only")
    entry = json.loads(manifest.read_text()).get(suite)
    if entry is None or "absent" in entry:
        return Absent(suite, entry["absent"] if entry else f"nothing is taken from {suite}")
    return Root(suite, Path(entry["tree"]), entry["versions"])


def _name_and_version(package: Path) -> tuple[str, str]:
    """From a package's file name; the version without epoch and Debian's revision."""
    name, version, _ = package.name.split("_")
    upstream = version.replace("%3a", ":").rpartition(":")[2]
    return name, upstream.rpartition("-")[0] or upstream
