# SPDX-License-Identifier: GPL-2.0-or-later
"""Lane uml: User-Mode Linux with the debug kernel, built once from the archive's newest source.

The host's file system is its root, read-only; /tmp and /run are its own. The configuration and the one patch are in
selftests/guest/.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from quicctl import archive, cache, errors, guest, process
from quicctl.kernel import Kernel

_SUITES = ("trixie-backports", "sid")
_SOURCE = r"linux-source-7\.[0-9]+"
_BUILD_SECONDS = 3600.0


def prepare(job: guest.Job, scratch: Path, ports: Mapping[str, int]) -> guest.Launch:
    """Lay out a job's folders and the command line that boots the debug kernel on them."""
    if job.icount:
        raise errors.GuestUnavailable("instructions are counted in lane vm only", remedy="use --where vm")
    debug = job.kernel or debug_kernel()
    payload, out = scratch / "payload", scratch / "out"
    out.mkdir()
    guest.write_env(
        payload, job,
        {
            "PATH": f"{guest.BASE}/payload/bin:{guest.BASE}/python/bin:/usr/local/sbin:/usr/local/bin"
            ":/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": f"{guest.BASE}/tree", "QUIC_LANE": "uml",
        },
    )  # fmt: skip
    orders = [
        f"mount {payload} hostfs ro {guest.BASE}/payload",
        *([f"mount {job.tree.resolve()} hostfs ro {guest.BASE}/tree"] if job.tree else []),
        # Under paths of their own: the environment may lie below /tmp, which the guest has its own of.
        f"mount {Path(sys.executable).parent.parent} hostfs ro {guest.BASE}/python",
        *(f"mount {folder} hostfs ro {guest.BASE}/{name}" for name, folder in job.mounts),
        f"mount {out} hostfs rw {guest.BASE}/out",
        *(f"port {name} /dev/ttyS{number}" for number, name in enumerate(ports)),
        f"exec {guest.BASE}/payload/session.sh",
    ]
    (scratch / "orders").write_text("\n".join([*orders, ""]))
    argv = [
        str(_program(debug)), f"mem={job.memory}M", f"ncpus={job.processors}", "seccomp=on", f"umid={scratch.name}",
        f"uml_dir={scratch}/", "root=none", "rootfstype=hostfs", "rootflags=/", "ro", f"init={guest.guest_init()}",
        f"quic_orders={scratch / 'orders'}", "con=null", "con0=null,fd:1", "ssl=null", "kasan_multi_shot", "log_buf_len=8M",
        # With checks on, caches go without their per-processor sheaves, whose stale pointers hide leaks from kmemleak.
        # Suites are started one by one; a slow one is no hung task.
        "slab_debug=F", "kunit.autorun=0", "sysctl.kernel.hung_task_timeout_secs=400", "loglevel=7", "panic=-1", "oops=panic",
        *(f"ssl{number}=fd:{fd}" for number, fd in enumerate(ports.values())),
        *([] if job.leaks else ["kmemleak=off"]),
        *(["panic_on_warn=1"] if job.panic_on_warn else []),
    ]  # fmt: skip

    def fetch(place: Path) -> None:
        shutil.copytree(out, place, symlinks=True, dirs_exist_ok=True)

    return guest.Launch(tuple(argv), tuple(ports.values()), fetch, {"TMPDIR": str(scratch)})


def debug_kernel(on_start: Callable[[str], None] | None = None) -> Kernel:
    """The debug kernel, built if it is not there yet; on_start is told before that begins."""
    built = _newest_built()
    if built is not None:
        return built
    source, package = _newest_source()
    home = _home() / f"{package.version.replace('/', '_')}-{_recipe()}"
    if on_start is not None:
        on_start(f"building the debug kernel from {package.name} {package.version}: about 15 minutes, once")

    def make(scratch: Path) -> None:
        _unpack(source, package, scratch)
        for patch in sorted(guest.guest_folder().glob("uml-*.patch")):
            process.run(["patch", "-p1", "-d", str(scratch), "-i", str(patch)])
        quiet = ["nice", "make", "-C", str(scratch), "ARCH=um", f"-j{os.cpu_count() or 1}"]
        process.run([*quiet, "defconfig"], timeout=300)
        process.run(["scripts/kconfig/merge_config.sh", "-m", ".config", str(guest.guest_folder() / "uml.config")], cwd=scratch)
        process.run([*quiet, "olddefconfig"], timeout=300)
        _check_config(scratch / ".config")
        process.run(quiet, timeout=_BUILD_SECONDS)
        if not home.name.endswith(_recipe()):
            raise errors.GuestUnavailable(
                f"{guest.guest_folder()} has changed while the debug kernel was built from it", remedy="retry"
            )
        process.run(["find", str(scratch), "-name", "*.o", "-not", "-path", "*/scripts/*", "-delete"])

    cache.entry(home, make)
    found = _newest_built()
    if found is None:
        raise errors.GuestUnavailable(f"the debug kernel below {home} is not complete", remedy=f"remove {home} and retry")
    return found


def unpack_source(folder: Path) -> archive.Package:
    """Lay the newest kernel source of the archive out in folder, as distributed; returns what it is."""
    source, package = _newest_source()
    _unpack(source, package, folder)
    return package


def _unpack(source: archive.Archive, package: archive.Package, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive.unpack(source.download([package.name], Path(scratch)), Path(scratch) / "package")
        [tarball] = (Path(scratch) / "package" / "usr" / "src").glob("linux-source-*.tar.xz")
        process.run(["tar", "-x", "--strip-components=1", "-f", str(tarball), "-C", str(folder)], timeout=900)


def _home() -> Path:
    return cache.root() / "uml"


def _recipe() -> str:
    folder = guest.guest_folder()
    return cache.key(folder / "uml.config", *sorted(folder.glob("uml-*.patch")))


def _newest_built() -> Kernel | None:
    """The newest kernel built by the present recipe, so that a warm run asks no archive."""
    trees = sorted(_home().glob(f"[0-9]*-{_recipe()}"), key=lambda p: archive.natural(p.name))
    for tree in reversed(trees):
        release = tree / "include" / "config" / "kernel.release"
        if (tree / "linux").exists() and release.exists():
            return Kernel(release.read_text().strip(), tree, arch="um", image=tree / "linux")
    return None


def _newest_source() -> tuple[archive.Archive, archive.Package]:
    offers = []
    for suite in _SUITES:
        source = archive.Archive(suite)
        package = source.newest(_SOURCE)
        if package is not None:
            offers.append((source, package))
    if not offers:
        raise errors.GuestUnavailable("the archive offers no linux-source-7", remedy="check the network and /etc/apt")
    return max(offers, key=lambda offer: archive.natural(offer[1].version))


def _check_config(config: Path) -> None:
    """Kconfig drops silently what it cannot grant; a debug kernel without its sanitizers would be worse than none."""
    granted = set(config.read_text().splitlines())
    wanted = [line for line in (guest.guest_folder() / "uml.config").read_text().splitlines() if line.startswith("CONFIG_")]
    refused = [line for line in wanted if line not in granted]
    if refused:
        raise errors.GuestUnavailable(
            "the debug kernel's configuration was not accepted: " + ", ".join(refused),
            remedy="adjust selftests/guest/uml.config to this kernel",
        )


def _program(debug: Kernel) -> Path:
    if debug.image is None or not os.access(debug.image, os.X_OK):
        raise errors.GuestUnavailable(f"{debug.kdir} holds no kernel program", remedy=f"remove {debug.kdir} and retry")
    return debug.image
