# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can go wrong on purpose: one class a cause, each with its remedy and exit code.

Raised by the library, printed once, in cli/app.py. Exit codes 1 and 2 stay with Python and with wrong usage.
"""

from __future__ import annotations

from typing import ClassVar


class QuicctlError(Exception):
    """A trouble the user can do something about.

    ``message`` says what is wrong, ``remedy`` what to do next, ``detail`` holds output worth seeing (a compiler's last lines,
    a guest's console), and ``exit_code`` is what the command ends with.
    """

    exit_code: ClassVar[int] = 3
    default_remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, remedy: str | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = self.default_remedy if remedy is None else remedy
        self.detail = detail


# The machine.


class NotRoot(QuicctlError):
    """The operation needs privileges this process does not have."""

    exit_code = 10
    default_remedy = "run it as root"


class ToolMissing(QuicctlError):
    """A program that is needed is not installed."""

    exit_code = 11


class CompilerMissing(ToolMissing):
    """There is no C compiler, or not the one the kernel asks for."""

    exit_code = 12
    default_remedy = "install gcc and make (Debian: apt-get install gcc make)"


class HeadersMissing(QuicctlError):
    """A kernel's build tree is not there or not prepared."""

    exit_code = 13


class ArchiveUnavailable(QuicctlError):
    """The distribution's package archive cannot be read or does not offer what is needed."""

    exit_code = 14


class CommandFailed(QuicctlError):
    """A program that was run ended with an error; its last output is in ``detail``."""

    exit_code = 15

    def __init__(self, message: str, *, remedy: str | None = None, detail: str = "", returncode: int = 1) -> None:
        super().__init__(message, remedy=remedy, detail=detail)
        self.returncode = returncode


class CommandTimeout(CommandFailed):
    """A program that was run did not end in time."""

    exit_code = 16


class BuildFailed(CommandFailed):
    """The compiler refused the module or the library."""

    exit_code = 17


class PackagesMissing(QuicctlError):
    """Packages that only root can install are not there."""

    exit_code = 18


# The module.


class ModuleNotBuilt(QuicctlError):
    """There is no quic.ko to work with."""

    exit_code = 20
    default_remedy = "run: quicctl build"


class ModuleUnreadable(QuicctlError):
    """A file given as a module is none."""

    exit_code = 21


class VermagicMismatch(QuicctlError):
    """The module is built for another kernel."""

    exit_code = 22


class ModuleBusy(QuicctlError):
    """The module is in use: connections live on it."""

    exit_code = 23
    default_remedy = "close the programs that use QUIC sockets, then try again"


class ModuleNotLoaded(QuicctlError):
    """The running kernel does not know protocol 261."""

    exit_code = 24
    default_remedy = "run: quicctl load (as root)"


class ModuleAlreadyLoaded(QuicctlError):
    """Another build of the module is already loaded."""

    exit_code = 25
    default_remedy = "run: quicctl unload, or pass --replace"


class LoadFailed(QuicctlError):
    """The kernel refused the module."""

    exit_code = 26


class ModulesUnsupported(QuicctlError):
    """The running kernel cannot load modules at all."""

    exit_code = 27
    default_remedy = "use the guest: quicctl vm, or make demo"


class WrongArchitecture(QuicctlError):
    """The module is for another processor."""

    exit_code = 80


class KernelOptionMissing(QuicctlError):
    """The kernel is built without something the module needs."""

    exit_code = 81


class SymbolsMissing(QuicctlError):
    """The module needs functions that the kernel does not offer, or not to it."""

    exit_code = 82


class SymbolMismatch(QuicctlError):
    """The module was built against another shape of the kernel's functions: checksums differ."""

    exit_code = 83


class SignatureRefused(QuicctlError):
    """The kernel asks for a signature that the module does not have."""

    exit_code = 84


class BtfMismatch(QuicctlError):
    """The module's type information goes on from that of another kernel."""

    exit_code = 85


class ModuleBlacklisted(QuicctlError):
    """The machine is configured not to load the module."""

    exit_code = 86


class ModuleConflict(QuicctlError):
    """Something else serves QUIC in this kernel."""

    exit_code = 87


class KeyUnusable(QuicctlError):
    """A key or its certificate cannot sign modules."""

    exit_code = 88


class InstallFailed(QuicctlError):
    """A step of an installation failed; what had been done was undone."""

    exit_code = 90


class NoSpace(QuicctlError):
    """A disk is full."""

    exit_code = 91


class Interrupted(QuicctlError):
    """A signal ended the command; what had been done was undone."""

    exit_code = 92


class NotInstalled(QuicctlError):
    """Nothing of ours is installed there."""

    exit_code = 93
    default_remedy = "run: quicctl install"


class SettingUnknown(QuicctlError):
    """There is no setting, parameter or profile of that name."""

    exit_code = 94


class SettingInvalid(QuicctlError):
    """A value that a setting cannot have."""

    exit_code = 95


# Guests.


class GuestUnavailable(QuicctlError):
    """No emulator, or no kernel that it could boot."""

    exit_code = 30


class GuestDied(QuicctlError):
    """The guest ended without reporting; the end of its console is in ``detail``."""

    exit_code = 31


class GuestTimeout(GuestDied):
    """The guest did not finish in time and was stopped."""

    exit_code = 32


class KernelSplat(GuestDied):
    """The guest's kernel reported a bug of its own: oops, warning, sanitizer, lockdep, leak."""

    exit_code = 33


class NoSuchTest(QuicctlError):
    """A pattern selects no test."""

    exit_code = 34


class TestsFailed(QuicctlError):
    """Tests ran and some failed."""

    __test__ = False
    exit_code = 35


class BenchFailed(QuicctlError):
    """A measurement did not end with trustworthy figures."""

    exit_code = 36


class TracingUnavailable(QuicctlError):
    """The kernel has no tracer, or it is not mounted, or refuses what is asked of it."""

    exit_code = 37
    default_remedy = "mount it (mount -t tracefs none /sys/kernel/tracing); the kernel needs CONFIG_EVENT_TRACING"


class NotATrace(QuicctlError):
    """A file that should hold text of the kernel's tracer does not."""

    exit_code = 38


# Packages.


class KernelTreeUnsuitable(QuicctlError):
    """A folder given as a kernel tree is none that the module can become a part of."""

    exit_code = 70


class PackageBroken(QuicctlError):
    """A package that was built is not what it should be."""

    exit_code = 71


# Connections.


class LibraryMissing(QuicctlError):
    """libquic.so.1 cannot be loaded."""

    exit_code = 40
    default_remedy = "run: quicctl build, or set QUICCTL_LIBQUIC to the library's path"


class BadAddress(QuicctlError):
    """An address that is none, or a name that does not resolve."""

    exit_code = 41


class FileUnreadable(QuicctlError):
    """A file given on the command line cannot be read."""

    exit_code = 42


class FileUnwritable(QuicctlError):
    """A file given on the command line cannot be written."""

    exit_code = 43


class CredentialsInvalid(QuicctlError):
    """A certificate, key or PSK file does not hold what it should."""

    exit_code = 44


class NoAnswer(QuicctlError):
    """The peer did not answer before the handshake timed out."""

    exit_code = 45


class CertificateNotTrusted(QuicctlError):
    """The peer's certificate was not accepted."""

    exit_code = 46


class AlpnMismatch(QuicctlError):
    """The two ends share no application protocol."""

    exit_code = 47


class HandshakeFailed(QuicctlError):
    """The TLS handshake ended for another reason."""

    exit_code = 48


class ConnectionClosed(QuicctlError):
    """The peer closed the connection, or it timed out, before everything was moved."""

    exit_code = 49


class HashMismatch(QuicctlError):
    """The bytes that arrived are not the bytes that were sent."""

    exit_code = 50


class AddressInUse(QuicctlError):
    """The address to listen on is taken."""

    exit_code = 51


class NetworkUnreachable(QuicctlError):
    """No route to the peer."""

    exit_code = 52


class PeerRefused(QuicctlError):
    """The peer answered by refusing the handshake: it closed with a TLS alert or a transport error."""

    exit_code = 53


class PeerFailed(QuicctlError):
    """The peer ended the connection with an error code."""

    exit_code = 56
    default_remedy = "look at the other end's output"


class IdleTimeout(QuicctlError):
    """The peer was silent for so long that the connection ended."""

    exit_code = 57
    default_remedy = "check the network; --idle-timeout waits longer"


class StreamReset(QuicctlError):
    """The peer gave up a stream: it sends, or reads, no more of it."""

    exit_code = 58
    default_remedy = "look at the other end's output"

    def __init__(self, message: str, *, code: int | None = None, remedy: str | None = None, detail: str = "") -> None:
        """``code`` is the application error code that came with it, None if that is not known."""
        super().__init__(message, remedy=remedy, detail=detail)
        self.code = code


# HTTP/3.


class Http3Missing(QuicctlError):
    """The Python package that does HTTP/3's framing is not installed."""

    exit_code = 60
    default_remedy = "install it: pip install 'quicctl[http3]', or Debian's python3-aioquic"


class BadUrl(QuicctlError):
    """An address of the web that is none, or not for HTTP/3."""

    exit_code = 61


class Http3Failed(QuicctlError):
    """The peer broke HTTP/3, or does not do what was asked of it."""

    exit_code = 62
    default_remedy = "look at the other end's output"


class HttpStatus(QuicctlError):
    """The server answered, but with a status that says no: 400 or more."""

    exit_code = 63
    default_remedy = "look at the answer"


class NetnsMissing(QuicctlError):
    """There is no network namespace of that name."""

    exit_code = 55


# The project's own papers.


class BadCitation(QuicctlError):
    """Code, a test or a list names a place in an RFC that does not exist, or names it in a form nobody would find."""

    exit_code = 54
    default_remedy = "cite as docs/testing.md says"
