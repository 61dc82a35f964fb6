# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's archive, read through a private apt state: packages are downloaded and unpacked, never installed.

The archive's address comes from the machine's own apt configuration; another suite of the same archive is that configuration
with the suite replaced. What to do with a package's files is left to the callers.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from quicctl import cache, errors, process

_UNSTABLE = "sid"

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
INDEX_LIFETIME = 3 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a suite offers."""

    name: str
    version: str


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts 6.12.9 before 6.12.10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[^\d]+", text))


def host_suite() -> str:
    """The code name of this machine's release: the one that apt has sources of. Unstable bears the name of the next release."""
    named = _os_release()
    names = {source.codename for source in _host_sources()}
    return named if named in names or _UNSTABLE not in names else _UNSTABLE


def _os_release() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise errors.ArchiveUnavailable(
        "this machine is no Debian release with a code name",
        remedy="pass --kdir DIR for a kernel tree of your own, or run on Debian 12 or newer",
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """A component of a suite in apt's configuration."""

    uri: str
    suite: str
    """As it is written there, which may be an alias such as stable."""
    codename: str
    component: str


def _host_sources() -> list[_Source]:
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)", "Created-By: Packages"]
    # Where apt-get update never ran, older ones tell nothing unless no more is asked for than the configuration has.
    shown = process.run(ask).stdout or process.run([*ask, "--no-release-info"]).stdout
    sources = []
    for line in shown.splitlines():
        uri, suite, component, codename = line.split()
        # Without the lists that apt-get update brings no code name is known, and the word stays.
        sources.append(_Source(uri, suite, suite if codename.startswith("$") else codename, component))
    return sources


class Archive:
    """One suite of the archive, or this machine's own selection of suites if suite is None."""

    def __init__(self, suite: str | None = None) -> None:
        self.suite = suite
        self._home = cache.root() / "apt" / (suite or "own")
        self._ready = False

    def newest(self, pattern: str) -> Package | None:
        """The package whose name matches pattern in full and sorts highest."""
        for name in reversed(self.names(pattern)):
            version = self.version(name)
            if version:
                return Package(name, version)
        return None

    def names(self, pattern: str) -> list[str]:
        """The names that match pattern in full, lowest first; not each need be on offer."""
        self._refresh()
        names = self._apt("apt-cache", "pkgnames").stdout.split()
        return sorted((n for n in names if re.fullmatch(pattern, n)), key=natural)

    def version(self, name: str) -> str:
        """The version that would be downloaded, or an empty string."""
        self._refresh()
        shown = self._apt("apt-cache", "policy", name).stdout
        match = re.search(r"^  Candidate: (\S+)$", shown, re.MULTILINE)
        return match[1] if match and match[1] != "(none)" else ""

    def source_lines(self) -> list[str]:
        """The suite as lines for a sources.list(5)."""
        self._refresh()
        return (self._home / "sources.list").read_text().splitlines()

    def depends(self, name: str) -> list[str]:
        """The names in the package's Depends field, first alternatives only."""
        self._refresh()
        shown = self._apt("apt-cache", "depends", "--no-recommends", "--no-suggests", name).stdout
        found = []
        alternative = False
        for line in shown.splitlines():
            match = re.match(r"^ ([ |])Depends: <?([^>\s]+)>?$", line)
            if not match:
                continue
            if not alternative:
                found.append(match[2])
            alternative = match[1] == "|"
        return found

    def download(self, names: list[str], folder: Path) -> list[Path]:
        """Put the packages' files into folder."""
        self._refresh()
        before = set(folder.glob("*.deb"))
        self._apt("apt-get", "download", *names, cwd=folder, timeout=1800)
        return sorted(set(folder.glob("*.deb")) - before)

    def download_closure(self, names: list[str], folder: Path) -> list[Path]:
        """Put the packages and all they depend on into folder."""
        self._refresh()
        (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        status = folder / "status"
        status.write_text("")
        self._apt(
            "apt-get", "install", "--yes", "--download-only", "--no-install-recommends",
            "-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={folder / 'archives'}",
            "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", *names,
            timeout=1800,
        )  # fmt: skip
        return sorted((folder / "archives").glob("*.deb"))

    def _refresh(self) -> None:
        if self._ready:
            return
        stamp = self._home / "stamp"
        with cache.locked(self._home):
            if not stamp.exists() or time.time() - stamp.stat().st_mtime > INDEX_LIFETIME:
                self._configure()
                try:
                    self._apt("apt-get", "update", timeout=600)
                except errors.CommandFailed as failure:
                    if not stamp.exists():
                        raise errors.ArchiveUnavailable(
                            f"the package index of {self.suite or 'this machine'} cannot be read: {failure.message}",
                            remedy="check the network and /etc/apt, or pass --kdir DIR",
                        ) from failure
                stamp.touch()
        self._ready = True

    def _configure(self) -> None:
        for part in ("lists/partial", "cache/archives/partial"):
            (self._home / part).mkdir(parents=True, exist_ok=True)
        signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
        sources = [f"deb {signed}{uri} {suite} {part}" for uri, suite, part in self._sources()]
        (self._home / "sources.list").write_text("\n".join(sources) + "\n")
        (self._home / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{self._home}/sources.list";\n'
            'Dir::Etc::sourceparts "-";\nDir::Etc::preferencesparts "-";\n'
            f'Dir::State::lists "{self._home}/lists";\nDir::Cache "{self._home}/cache";\n'
            'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\nAPT::Sandbox::User "";\n'
            'APT::Architectures { "' + architecture() + '"; };\n'
        )

    def _sources(self) -> list[tuple[str, str, str]]:
        """Address, suite and component of each source to read."""
        home = host_suite()
        own = sorted({(s.uri, s.suite, s.codename, s.component) for s in _host_sources() if s.codename.startswith(home)})
        if self.suite is None:
            sources = [(uri, suite, part) for uri, suite, _, part in own]
        else:
            sources = [(uri, self.suite, "main") for uri, _, codename, part in own if codename == home and part == "main"][:1]
        if not sources:
            raise errors.ArchiveUnavailable(
                f"apt on this machine is not set up for {home}", remedy="add the release's archive to /etc/apt/sources.list.d"
            )
        return sources

    def _apt(self, *argv: str, cwd: Path | None = None, timeout: float = 120) -> process.Result:
        program, *rest = argv
        # Images for containers switch these indexes off, which costs a second a call.
        indexes = [f"-oDir::Cache::{name}={name}.bin" for name in ("pkgcache", "srcpkgcache")]
        return process.run(
            [program, *indexes, *rest], cwd=cwd, timeout=timeout,
            env={**os.environ, "APT_CONFIG": str(self._home / "apt.conf"), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip


def architecture() -> str:
    """Debian's name for this machine's processor family."""
    return process.run(["dpkg", "--print-architecture"]).stdout.strip()


def unpack(packages: list[Path], folder: Path) -> None:
    """Lay the packages' files out below folder, as installing would, without running anything of theirs."""
    for part in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / part).mkdir(parents=True, exist_ok=True)
        if not (folder / part).is_symlink():
            (folder / part).symlink_to(f"usr/{part}")
    archive = folder / ".package.tar"
    for package in packages:
        with open(archive, "wb") as out:
            process.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=out)
        process.run(["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-f", str(archive), "-C", str(folder)])
    archive.unlink(missing_ok=True)
