# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python view of the kernel interface is that of its header, number by number and byte by byte."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicctl import libquic, uapi
from quicctl.uapi import Config, ConnectionClose, EventType, StreamInfo, StreamUpdate, TransportParams

ROOT = Path(__file__).resolve().parents[2]
UAPI = ROOT / "module" / "include" / "uapi"
compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


def evaluate(folder: Path, headers: list[str], expressions: list[str], *include: Path) -> list[int]:
    """The values that C gives to integer expressions."""
    source = folder / "values.c"
    prints = "\n".join(f'printf("%lld\\n", (long long)({text}));' for text in expressions)
    includes = "\n".join(f"#include <{name}>" for name in ["stdio.h", "stddef.h", *headers])
    source.write_text(f"{includes}\nint main(void) {{\n{prints}\nreturn 0; }}\n")
    program = folder / "values"
    subprocess.run(["gcc", *(f"-I{path}" for path in include), "-o", program, source], check=True, timeout=60)
    return [int(line) for line in subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()]


@compiler
def test_numbers_are_those_of_the_header(tmp_path: Path) -> None:
    expected: dict[str, int] = {"IPPROTO_QUIC": uapi.IPPROTO_QUIC, "SOL_QUIC": uapi.SOL_QUIC}
    expected |= {f"QUIC_SOCKOPT_{option.name}": option for option in uapi.Option}
    expected |= {f"QUIC_EVENT_{kind.name}": kind for kind in EventType}
    expected |= {f"MSG_QUIC_{flag.name}": flag for flag in uapi.MsgFlag}
    expected |= {f"QUIC_CONG_ALG_{name.name}": name for name in uapi.Congestion}
    expected |= {"QUIC_STREAM_INFO": uapi.CMSG_STREAM_INFO, "QUIC_HANDSHAKE_INFO": uapi.CMSG_HANDSHAKE_INFO}
    for state in uapi.StreamState:
        half, _, rest = state.name.partition("_")
        expected[f"QUIC_STREAM_{half}_STATE_{rest}"] = state
    assert evaluate(tmp_path, ["linux/quic.h"], list(expected), UAPI) == list(expected.values())


@compiler
def test_structures_have_the_sizes_of_the_header(tmp_path: Path) -> None:
    expected = {
        "sizeof(struct quic_transport_param)": TransportParams.SIZE,
        "sizeof(struct quic_config)": Config.SIZE,
        "sizeof(struct quic_connection_close)": ConnectionClose.SIZE,
        "sizeof(struct quic_stream_info)": uapi.STREAM_INFO_SIZE,
        "sizeof(struct quic_event_option)": len(uapi.pack_event_option(EventType.STREAM_UPDATE, True)),
        "sizeof(struct quic_errinfo)": len(uapi.pack_errinfo(0, 0)),
        "sizeof(struct quic_crypto_secret)": len(
            uapi.pack_secret(send=True, level=0, cipher=uapi.Cipher.AES_128_GCM, secret=b"")
        ),
    }
    assert evaluate(tmp_path, ["linux/quic.h"], list(expected), UAPI) == list(expected.values())


def as_c_reads(folder: Path, struct_name: str, data: bytes, fields: list[str]) -> list[int]:
    values = ",".join(str(byte) for byte in data)
    text = f"({{ union {{ unsigned char b[{len(data)}]; struct {struct_name} s; }} u = {{ .b = {{ {values} }} }}; u.s.%s; }})"
    return evaluate(folder, ["linux/quic.h"], [text % field for field in fields], UAPI)


@compiler
def test_c_finds_each_field_where_python_puts_it(tmp_path: Path) -> None:
    numbers = [name for name in TransportParams.__dataclass_fields__ if name not in BOOLEANS]
    params = TransportParams(**{name: 21 + index for index, name in enumerate(numbers)}, stateless_reset=True)
    names = list(TransportParams.__dataclass_fields__)
    assert as_c_reads(tmp_path, "quic_transport_param", params.pack(), names) == [int(getattr(params, n)) for n in names]
    config = Config(*range(1, 6), True, False, 8, 9, 10)
    names = list(Config.__dataclass_fields__)
    assert as_c_reads(tmp_path, "quic_config", config.pack(), names) == [int(getattr(config, n)) for n in names]


@compiler
def test_library_structures_are_those_of_its_header(tmp_path: Path) -> None:
    if not Path("/usr/include/gnutls/gnutls.h").exists():
        pytest.skip("no headers of GnuTLS")
    for name, ours in (("quic_handshake_options", libquic._Options), ("quic_handshake_result", libquic._Result)):
        fields = [field[0] for field in ours._fields_]
        expressions = [f"sizeof(struct {name})", *(f"offsetof(struct {name}, {field})" for field in fields)]
        import ctypes

        expected = [ctypes.sizeof(ours), *(getattr(ours, field).offset for field in fields)]
        assert evaluate(tmp_path, ["netinet/quic.h"], expressions, UAPI, ROOT / "libquic") == expected


@compiler
def test_library_codes_are_those_of_its_header(tmp_path: Path) -> None:
    if not Path("/usr/include/gnutls/gnutls.h").exists():
        pytest.skip("no headers of GnuTLS")
    names = [name for name in vars(libquic) if name.startswith("ERR_")]
    seen = evaluate(tmp_path, ["netinet/quic.h"], [f"QUIC_{name}" for name in names], UAPI, ROOT / "libquic")
    assert seen == [getattr(libquic, name) for name in names]


BOOLEANS = (
    "disable_active_migration",
    "grease_quic_bit",
    "stateless_reset",
    "disable_1rtt_encryption",
    "disable_compatible_version",
)
byte, short, word, quad = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))


@given(st.builds(TransportParams, *[st.booleans()] * 5, byte, byte, short, short, word, word, short, short, *[quad] * 4))
def test_parameters_survive_packing(params: TransportParams) -> None:
    assert TransportParams.unpack(params.pack()) == params
    assert params.pack(remote=True)[0] == 1


@given(st.builds(Config, word, word, word, word, byte, st.booleans(), st.booleans(), byte, byte, word))
def test_config_survives_packing(config: Config) -> None:
    assert Config.unpack(config.pack()) == config


@given(st.builds(ConnectionClose, word, byte, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=63)))
def test_close_survives_packing(close: ConnectionClose) -> None:
    assert ConnectionClose.unpack(close.pack()) == close


@given(st.integers(-1, 2**62 - 1), word)
def test_stream_info_survives_packing(stream_id: int, flags: int) -> None:
    assert StreamInfo.unpack(StreamInfo(stream_id, flags).pack()) == StreamInfo(stream_id, flags)


def test_structure_of_an_older_kernel_has_zeros_behind() -> None:
    config = Config(version=1, keepalive_probe_interval=2000000)
    assert Config.unpack(config.pack()[:24]) == Config(version=1)


def test_long_phrase_is_cut_to_what_fits() -> None:
    assert len(ConnectionClose.unpack(ConnectionClose(1, 0, "x" * 100).pack()).phrase) == 63


def test_events_are_read_behind_their_type_byte() -> None:
    raw = bytes([EventType.STREAM_UPDATE]) + (4).to_bytes(8, "little") + bytes([3, 0, 0, 0])
    raw += (9).to_bytes(4, "little") + (1000).to_bytes(8, "little")
    assert uapi.unpack_event(raw) == StreamUpdate(4, 3, 9, 1000)
    assert uapi.unpack_event(bytes([EventType.KEY_UPDATE, 1])) == uapi.KeyUpdate(1)
    assert uapi.unpack_event(bytes([EventType.NEW_TOKEN]) + b"token") == uapi.Token(b"token")
    close = ConnectionClose(0x178, 6, "bye")
    assert uapi.unpack_event(bytes([EventType.CONNECTION_CLOSE]) + close.pack()) == close


def test_close_is_told_in_words() -> None:
    assert "no application protocol" in uapi.describe_close(ConnectionClose(0x178))
    assert "connection refused" in uapi.describe_close(ConnectionClose(2))
    assert uapi.describe_close(ConnectionClose(77, 0, "why")) == "application code 77 (why)"
