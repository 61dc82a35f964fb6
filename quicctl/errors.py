# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can go wrong on purpose: one class a cause, each with its remedy and exit code.

Raised by the library, printed once, in cli/app.py. Exit codes 1 and 2 stay with Python and with wrong usage.
"""

from __future__ import annotations

from typing import ClassVar


class QuicctlError(Exception):
    """A trouble the user can do something about.

    ``message`` says what is wrong, ``remedy`` what to do next, ``detail`` holds output worth seeing (a compiler's last lines,
    a guest's console), and ``exit_code`` is what the command ends with. A keyword of the library that is an option of the
    commands, too, stands in a remedy between backquotes; cli/output.py shows it as the option.
    """

    exit_code: ClassVar[int] = 3
    default_remedy: ClassVar[str] = ""

    def __init_subclass__(cls, *, exit_code: int, remedy: str = "") -> None:
        """A cause has its own exit code, and what mostly helps."""
        cls.exit_code, cls.default_remedy = exit_code, remedy

    def __init__(self, message: str, *, remedy: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = self.default_remedy if remedy is None else remedy
        self.detail = detail


_LOOK_THERE = "look at the other end's output"


# The machine.


class NotRoot(QuicctlError, exit_code=10, remedy="run it as root"):
    """The operation needs privileges this process does not have."""


class ToolMissing(QuicctlError, exit_code=11):
    """A program that is needed is not installed."""


class CompilerMissing(ToolMissing, exit_code=12, remedy="install gcc and make (Debian: apt-get install gcc make)"):
    """There is no C compiler, or not the one the kernel asks for."""


class HeadersMissing(QuicctlError, exit_code=13):
    """A kernel's build tree is not there or not prepared."""


class ArchiveUnavailable(QuicctlError, exit_code=14):
    """The distribution's package archive cannot be read or does not offer what is needed."""


class CommandFailed(QuicctlError, exit_code=15):
    """A program that was run ended with an error; its last output is in ``detail``."""

    def __init__(self, message: str, *, remedy: str | None = None, detail: str = "", returncode: int = 1) -> None:
        super().__init__(message, remedy=remedy, detail=detail)
        self.returncode = returncode


class CommandTimeout(CommandFailed, exit_code=16):
    """A program that was run did not end in time."""


class BuildFailed(CommandFailed, exit_code=17):
    """The compiler refused the module or the library."""


class PackagesMissing(QuicctlError, exit_code=18):
    """Packages that only root can install are not there."""


# The module.


class ModuleNotBuilt(QuicctlError, exit_code=20, remedy="run: quicctl build"):
    """There is no quic.ko to work with."""


class ModuleUnreadable(QuicctlError, exit_code=21):
    """A file given as a module is none."""


class VermagicMismatch(QuicctlError, exit_code=22):
    """The module is built for another kernel."""


class ModuleBusy(QuicctlError, exit_code=23, remedy="close the programs that use QUIC sockets, then try again"):
    """The module is in use: connections live on it."""


class ModuleNotLoaded(QuicctlError, exit_code=24, remedy="run: quicctl load (as root), or work in a guest: quicctl vm shell"):
    """The running kernel does not know protocol 261."""


class ModuleAlreadyLoaded(QuicctlError, exit_code=25, remedy="run: quicctl unload, or pass `replace`"):
    """Another build of the module is already loaded."""


class LoadFailed(QuicctlError, exit_code=26):
    """The kernel refused the module."""


class ModulesUnsupported(QuicctlError, exit_code=27, remedy="use the guest: quicctl vm, or make demo"):
    """The running kernel cannot load modules at all."""


class WrongArchitecture(QuicctlError, exit_code=80):
    """The module is for another processor."""


class KernelOptionMissing(QuicctlError, exit_code=81):
    """The kernel is built without something the module needs."""


class SymbolsMissing(QuicctlError, exit_code=82):
    """The module needs functions that the kernel does not offer, or not to it."""


class SymbolMismatch(QuicctlError, exit_code=83):
    """The module was built against another shape of the kernel's functions: checksums differ."""


class SignatureRefused(QuicctlError, exit_code=84):
    """The kernel asks for a signature that the module does not have."""


class BtfMismatch(QuicctlError, exit_code=85):
    """The module's type information goes on from that of another kernel."""


class ModuleBlacklisted(QuicctlError, exit_code=86):
    """The machine is configured not to load the module."""


class ModuleConflict(QuicctlError, exit_code=87):
    """Something else serves QUIC in this kernel."""


class KeyUnusable(QuicctlError, exit_code=88):
    """A key or its certificate cannot sign modules."""


class InstallFailed(QuicctlError, exit_code=90):
    """A step of an installation failed; what had been done was undone."""


class NoSpace(QuicctlError, exit_code=91):
    """A disk is full."""


class Interrupted(QuicctlError, exit_code=92):
    """A signal ended the command; what had been done was undone."""


class NotInstalled(QuicctlError, exit_code=93, remedy="run: quicctl install"):
    """Nothing of ours is installed there."""


class SettingUnknown(QuicctlError, exit_code=94):
    """There is no setting, parameter or profile of that name."""


class SettingInvalid(QuicctlError, exit_code=95):
    """A value that a setting cannot have."""


# Guests.


class GuestUnavailable(QuicctlError, exit_code=30):
    """No emulator, or no kernel that it could boot."""


class GuestDied(QuicctlError, exit_code=31):
    """The guest ended without reporting; the end of its console is in ``detail``."""


class GuestTimeout(GuestDied, exit_code=32):
    """The guest did not finish in time and was stopped."""


class KernelSplat(GuestDied, exit_code=33):
    """The guest's kernel reported a bug of its own: oops, warning, sanitizer, lockdep, leak."""


class NoSuchTest(QuicctlError, exit_code=34):
    """A pattern selects no test."""


class TestsFailed(QuicctlError, exit_code=35):
    """Tests ran and some failed."""

    __test__ = False


class BenchFailed(QuicctlError, exit_code=36):
    """A measurement did not end with trustworthy figures."""


class TracingUnavailable(
    QuicctlError,
    exit_code=37,
    remedy="mount it (mount -t tracefs none /sys/kernel/tracing); the kernel needs CONFIG_EVENT_TRACING",
):
    """The kernel has no tracer, or it is not mounted, or refuses what is asked of it."""


class NotATrace(QuicctlError, exit_code=38):
    """A file that should hold text of the kernel's tracer does not."""


# Packages.


class KernelTreeUnsuitable(QuicctlError, exit_code=70):
    """A folder given as a kernel tree is none that the module can become a part of."""


class PackageBroken(QuicctlError, exit_code=71):
    """A package that was built is not what it should be."""


# Connections.


class LibraryMissing(QuicctlError, exit_code=40, remedy="run: quicctl build, or set QUICCTL_LIBQUIC to the library's path"):
    """libquic.so.1 cannot be loaded."""


class BadAddress(QuicctlError, exit_code=41):
    """An address that is none, or a name that does not resolve."""


class FileUnreadable(QuicctlError, exit_code=42):
    """A file given on the command line cannot be read."""


class FileUnwritable(QuicctlError, exit_code=43):
    """A file given on the command line cannot be written."""


class CredentialsInvalid(QuicctlError, exit_code=44):
    """A certificate, key or PSK file does not hold what it should."""


class NoAnswer(QuicctlError, exit_code=45):
    """The peer did not answer before the handshake timed out."""


class CertificateNotTrusted(QuicctlError, exit_code=46):
    """The peer's certificate was not accepted."""


class AlpnMismatch(QuicctlError, exit_code=47):
    """The two ends share no application protocol."""


class HandshakeFailed(QuicctlError, exit_code=48):
    """The TLS handshake ended for another reason."""


class ConnectionClosed(QuicctlError, exit_code=49):
    """The peer closed the connection, or it timed out, before everything was moved."""


class HashMismatch(QuicctlError, exit_code=50):
    """The bytes that arrived are not the bytes that were sent."""


class AddressInUse(QuicctlError, exit_code=51):
    """The address to listen on is taken."""


class NetworkUnreachable(QuicctlError, exit_code=52):
    """No route to the peer."""


class PeerRefused(QuicctlError, exit_code=53):
    """The peer answered by refusing the handshake: it closed with a TLS alert or a transport error."""


class PeerFailed(QuicctlError, exit_code=56, remedy=_LOOK_THERE):
    """The peer ended the connection with an error code."""


class IdleTimeout(QuicctlError, exit_code=57, remedy="check the network; `idle_timeout` waits longer"):
    """The peer was silent for so long that the connection ended."""


class StreamReset(QuicctlError, exit_code=58, remedy=_LOOK_THERE):
    """The peer gave up a stream: it sends, or reads, no more of it."""

    def __init__(self, message: str, *, code: int | None = None, remedy: str | None = None, detail: str = "") -> None:
        """``code`` is the application error code that came with it, None if that is not known."""
        super().__init__(message, remedy=remedy, detail=detail)
        self.code = code


# HTTP/3.


class Http3Missing(
    QuicctlError, exit_code=60, remedy="install it: pip install 'quicctl[http3]', or Debian's python3-aioquic"
):
    """The Python package that does HTTP/3's framing is not installed."""


class BadUrl(QuicctlError, exit_code=61):
    """An address of the web that is none, or not for HTTP/3."""


class Http3Failed(QuicctlError, exit_code=62, remedy=_LOOK_THERE):
    """The peer broke HTTP/3, or does not do what was asked of it."""


class HttpStatus(QuicctlError, exit_code=63, remedy="look at the answer"):
    """The server answered, but with a status that says no: 400 or more."""


class NetnsMissing(QuicctlError, exit_code=55):
    """There is no network namespace of that name."""


# The project's own papers.


class BadCitation(QuicctlError, exit_code=54, remedy="cite as docs/testing.md says"):
    """Code, a test or a list names a place in an RFC that does not exist, or names it in a form nobody would find."""
