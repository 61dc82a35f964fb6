# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine has and lacks: a row for each thing the project needs, with a remedy where something is missing.

Only looks; what it finds decides nothing. ``fail`` is kept for what stops a command; where another way remains, such as a
guest for a kernel that takes no modules, it is a ``warn``.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quicctl import builder, errors, inspection, kernel, modprobe, module, process
from quicctl.inspection import NEEDS, Need, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One thing looked at."""

    subject: str
    verdict: Verdict
    finding: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All rows."""

    rows: tuple[Row, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(row.verdict is not Verdict.FAIL for row in self.rows)


_OPTIONAL = (
    Need("CONFIG_CRYPTO_ECB", "header protection of several packets at once"),
    Need("CONFIG_CRYPTO_CCM", "AES-CCM"),
    Need("CONFIG_CRYPTO_CHACHA20POLY1305", "ChaCha20-Poly1305"),
    Need("CONFIG_CRYPTO_AES_NI_INTEL", "AES by processor instructions"),
)
_TOOLS = (
    ("make", "make", Verdict.FAIL),
    ("git", "git", Verdict.WARN),
    ("openssl", "openssl", Verdict.WARN),
    ("ip", "iproute2", Verdict.WARN),
    ("insmod", "kmod", Verdict.WARN),
    ("dpkg-deb", "dpkg", Verdict.WARN),
    ("mke2fs", "e2fsprogs", Verdict.WARN),
)


def run() -> Diagnosis:
    """Look at everything; nothing is changed, though the first look at KVM may boot a guest for some seconds."""
    looks: tuple[Callable[[], list[Row]], ...] = (
        _kernel,
        _options,
        _loading,
        _headers,
        _compiler,
        _udp_tunnel,
        _ciphers,
        _gnutls,
        _loaded,
        _blacklist,
        _built,
        _library,
        _emulator,
        _tools,
    )
    rows: list[Row] = []
    for look in looks:
        rows += look()
    rows.append(_place(rows))
    return Diagnosis(tuple(rows))


def _kernel() -> list[Row]:
    release = platform.release()
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if version < (6, 1):
        return [Row("kernel", Verdict.WARN, f"{release}: older than 6.1", "boot a newer kernel, or use the guest")]
    return [Row("kernel", Verdict.OK, f"{release}, {platform.machine()}")]


def _options() -> list[Row]:
    config = kernel.config(platform.release())
    if config is None:
        text = "the running kernel does not show its configuration"
        return [Row("kernel options", Verdict.WARN, text, "install the kernel's package, or load the module configs")]
    missing = [need for need in NEEDS if need.option not in config]
    wished = [need for need in _OPTIONAL if need.option not in config]
    rows = []
    if missing:
        text = "missing: " + ", ".join(f"{need.option} ({need.why})" for need in missing)
        rows.append(Row("kernel options", Verdict.WARN, text, "boot a distribution kernel, or use the guest"))
    else:
        rows.append(Row("kernel options", Verdict.OK, "all that the module needs"))
    if wished:
        text = "without " + ", ".join(f"{need.why} ({need.option})" for need in wished)
        rows.append(Row("optional options", Verdict.WARN, text, "slower or fewer ciphers, nothing else"))
    return rows


def _loading() -> list[Row]:
    try:
        module.check_loading_possible()
    except errors.QuicctlError as reason:
        return [Row("module loading", Verdict.WARN, reason.message, reason.remedy)]
    return [Row("module loading", Verdict.OK, "this process may load modules")]


def _headers() -> list[Row]:
    release = platform.release()
    kdir = Path("/lib/modules") / release / "build"
    if (kdir / "Makefile").exists():
        return [Row("headers", Verdict.OK, str(kdir.resolve()))]
    return [
        Row(
            "headers",
            Verdict.WARN,
            f"none for the running kernel {release}",
            f"install linux-headers-{release}; guests bring their own",
        )
    ]


def _compiler() -> list[Row]:
    path = process.which("gcc") or process.which("cc")
    if path is None:
        return [Row("compiler", Verdict.FAIL, "no C compiler", errors.CompilerMissing.default_remedy)]
    shown = process.run([path, "-dumpfullversion"], check=False).stdout.strip()
    ours = shown.split(".")[0]
    built = re.search(r"gcc[^)]*?\)? (\d+)\.\d+", _read(Path("/proc/version")))
    if built and ours and built[1] != ours:
        text = f"gcc {shown}; the running kernel was built with gcc {built[1]}"
        return [Row("compiler", Verdict.WARN, text, f"install gcc-{built[1]} if a build for this kernel complains")]
    return [Row("compiler", Verdict.OK, f"gcc {shown}")]


def _udp_tunnel() -> list[Row]:
    for name in ("udp_tunnel", "ip6_udp_tunnel"):
        if not _has_module(name):
            return [
                Row(
                    "udp_tunnel",
                    Verdict.WARN,
                    f"this kernel has no {name}",
                    "install the kernel's full module package, or use the guest",
                )
            ]
    return [Row("udp_tunnel", Verdict.OK, "there, with its IPv6 part")]


def _ciphers() -> list[Row]:
    known = set(re.findall(r"^name\s*: (\S+)$", _read(Path("/proc/crypto")), re.MULTILINE))
    drivers = re.findall(r"^name\s*: gcm\(aes\)\ndriver\s*: (\S+)$", _read(Path("/proc/crypto")), re.MULTILINE)
    wanted = {
        "gcm(aes)": ("gcm", "aesni_intel"),
        "ccm(aes)": ("ccm",),
        "rfc7539(chacha20,poly1305)": ("chacha20poly1305",),
    }
    # The kernel makes a cipher from its parts when it is first asked for, so a module that could be loaded will do.
    missing = [n for n, parts in wanted.items() if n not in known and not any(_has_module(part) for part in parts)]
    if missing:
        return [Row("ciphers", Verdict.WARN, "not found: " + ", ".join(missing), "install the kernel's full module package")]
    fast = next((d for d in drivers if "generic-gcm-aesni" in d or "vaes" in d or "-ce" in d), "")
    return [Row("ciphers", Verdict.OK, f"AES-GCM by {fast or (drivers[0] if drivers else 'modules that load on demand')}")]


def _gnutls() -> list[Row]:
    rows = []
    pkg_config = process.which("pkg-config")
    shown = process.run([pkg_config, "--modversion", "gnutls"], check=False) if pkg_config else None
    if shown is None:
        rows.append(Row("GnuTLS", Verdict.WARN, "pkg-config is not installed", "install pkg-config and libgnutls28-dev"))
    elif shown.returncode != 0:
        rows.append(Row("GnuTLS", Verdict.FAIL, "no headers of GnuTLS", "install libgnutls28-dev"))
    else:
        version = tuple(int(part) for part in re.findall(r"\d+", shown.stdout)[:2])
        text = shown.stdout.strip()
        if version < (3, 7):
            rows.append(Row("GnuTLS", Verdict.FAIL, f"{text} is too old", "install GnuTLS 3.7 or newer"))
        else:
            rows.append(Row("GnuTLS", Verdict.OK, text))
    return rows


def _loaded() -> list[Row]:
    now = module.status()
    if now.usable:
        what = f"loaded, version {now.loaded.version or '-'}" if now.loaded else "built into the kernel"
        return [Row("module", Verdict.OK, f"{what}; {len(now.connections)} connections")]
    if now.loaded:
        return [Row("module", Verdict.FAIL, "loaded, but makes no sockets", "see the kernel's log: dmesg")]
    return [Row("module", Verdict.OK, "not loaded")]


def _blacklist() -> list[Row]:
    rows = []
    if module.NAME in modprobe.kernel_blacklist():
        text = f"module_blacklist={module.NAME} on the kernel's command line"
        rows.append(Row("blacklist", Verdict.FAIL, text, "boot without it"))
    for rule in modprobe.rules():
        if rule.module == module.NAME and (rule.bars or rule.word == "blacklist"):
            rows.append(Row("blacklist", Verdict.WARN, f"{rule.file}: {rule.text}", f"remove the line from {rule.file}"))
    return rows


def _built() -> list[Row]:
    """What the running kernel would say to the module built last for it."""
    try:
        latest = builder.latest()
        if not latest.parent.name.startswith(platform.release() + "-"):
            return []  # for guests
        found = inspection.inspect(latest, inspection.running())
    except errors.ModuleNotBuilt:
        return []
    except errors.QuicctlError as failure:
        return [Row("newest build", Verdict.WARN, failure.message, failure.remedy)]
    if found.loadable:
        return [Row("newest build", Verdict.OK, f"{found.module.path}: nothing speaks against loading it")]
    bad = next(row for row in found.findings if row.verdict is Verdict.FAIL)
    return [Row("newest build", Verdict.WARN, f"{bad.subject}: {bad.finding}", bad.remedy)]


def _library() -> list[Row]:
    from quicctl import libquic

    try:
        text = libquic.location()
    except errors.LibraryMissing as reason:
        return [Row("libquic", Verdict.WARN, reason.message, reason.remedy)]
    return [Row("libquic", Verdict.OK, text)]


def _emulator() -> list[Row]:
    program = process.which("qemu-system-x86_64")
    if program is None:
        return [Row("emulator", Verdict.WARN, "qemu-system-x86_64 is not installed", "install qemu-system-x86")]
    version = re.search(r"version (\S+)", process.run([program, "--version"]).stdout)
    rows = [Row("emulator", Verdict.OK, f"QEMU {version[1] if version else '?'}")]
    return rows + _kvm()


def _kvm() -> list[Row]:
    """A /dev/kvm that is there and hangs exists, so a guest has to have booted with it."""
    slower = "guests are emulated, which is slower but works"
    if not Path("/dev/kvm").exists():
        return [Row("KVM", Verdict.WARN, "no /dev/kvm", slower)]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return [Row("KVM", Verdict.WARN, "/dev/kvm is not open to this user", "join the group kvm; else " + slower)]
    from quicctl import vm

    verdict = vm.known_accelerator()
    if verdict is None:
        text = "/dev/kvm is there; no guest has been booted with it yet"
        return [Row("KVM", Verdict.WARN, text, "run a guest once: quicctl vm run -- true")]
    if verdict == "kvm":
        return [Row("KVM", Verdict.OK, "a guest has booted with it")]
    return [Row("KVM", Verdict.WARN, "/dev/kvm is there, but a guest does not boot with it", slower)]


def _tools() -> list[Row]:
    rows = []
    for name, package, verdict in _TOOLS:
        if process.which(name) is None:
            rows.append(Row(f"tool {name}", verdict, "not installed", f"install {package}"))
    if not rows:
        rows.append(Row("tools", Verdict.OK, ", ".join(name for name, _, _ in _TOOLS)))
    return rows


def _place(rows: list[Row]) -> Row:
    """Where make demo would load the module."""
    verdicts = {row.subject: row.verdict for row in rows}

    def fine(*subjects: str) -> bool:
        return all(verdicts.get(subject) is Verdict.OK for subject in subjects)

    if fine("module loading", "headers", "udp_tunnel") and verdicts.get("kernel options") is not Verdict.FAIL:
        return Row("make demo", Verdict.OK, "loads the module into the running kernel")
    if fine("emulator"):
        return Row("make demo", Verdict.OK, "boots a guest")
    return Row("make demo", Verdict.FAIL, "neither this kernel nor a guest can load the module", "install qemu-system-x86")


def _has_module(name: str) -> bool:
    """Loaded, built in, or a file that could be loaded."""
    if (Path("/sys/module") / name).exists():
        return True
    folder = Path("/lib/modules") / platform.release()
    spelled = re.compile(rf"/{name.replace('_', '[-_]')}\.ko", re.MULTILINE)
    if spelled.search(_read(folder / "modules.builtin")) or spelled.search(_read(folder / "modules.dep")):
        return True
    config = kernel.config(platform.release()) or {}
    option = {"udp_tunnel": "CONFIG_NET_UDP_TUNNEL", "ip6_udp_tunnel": "CONFIG_NET_UDP_TUNNEL"}.get(name)
    return option is not None and config.get(option) == "y" and (name != "ip6_udp_tunnel" or config.get("CONFIG_IPV6") == "y")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
