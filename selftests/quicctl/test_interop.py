# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import re

from quicctl import interop
from quicctl.interop import Cell, Verdict
from quicctl.ktap import CaseResult, Status

PROOF = f"{interop.UNSUPPORTED}--help lists no option"


def passed(name: str) -> tuple[str, CaseResult]:
    return "peers", CaseResult(name, Status.PASS)


def skipped(name: str, reason: str) -> tuple[str, CaseResult]:
    return "peers", CaseResult(name, Status.SKIP, reason)


def failed(name: str) -> tuple[str, CaseResult]:
    return "peers", CaseResult(name, Status.FAIL, "assert 1 == 2")


def test_peer_is_the_parameter_or_the_file() -> None:
    found = interop.cells([passed("test_servers.test_our_client[caddy]"), passed("test_aioquic.test_our_client")])
    assert found == {("our_client", "caddy"): Cell(Verdict.PASSED), ("our_client", "aioquic"): Cell(Verdict.PASSED)}


def test_file_may_say_more_than_the_peer() -> None:
    found = interop.cells([passed("test_aioquic_first_flight.test_version_2"), passed("test_resumption.test_psk")])
    assert set(found) == {("version_2", "aioquic"), ("psk", "aioquic")}


def test_other_parameters_belong_to_the_case() -> None:
    names = ("test_servers.test_our_client_ciphers[caddy-AES-128-GCM]", "test_ngtcp2.test_our_client_ciphers[AES-128-GCM]")
    assert set(interop.cells(passed(name) for name in names)) == {
        ("our_client_ciphers: AES-128-GCM", "caddy"), ("our_client_ciphers: AES-128-GCM", "ngtcp2"),
    }  # fmt: skip


def test_other_groups_and_unknown_peers_are_left_out() -> None:
    results = [("netns", CaseResult("test_aioquic.test_our_client", Status.PASS)), passed("test_what.test_our_client")]
    assert interop.cells(results) == {}


def test_skip_is_the_peers_gap_only_with_its_proof() -> None:
    name = "test_servers.test_our_client_x[caddy]"
    [gap] = interop.cells([skipped(name, PROOF)]).values()
    [hole] = interop.cells([skipped(name, "no root of sid: the network is down")]).values()
    assert gap == Cell(Verdict.UNSUPPORTED, "--help lists no option")
    assert hole == Cell(Verdict.NOT_RUN, "no root of sid: the network is down")


def test_lane_that_failed_outweighs_one_that_passed() -> None:
    name = "test_aioquic.test_our_client"
    for results in ([passed(name), failed(name)], [failed(name), passed(name)], [failed(name), skipped(name, "no")]):
        assert interop.cells(results)["our_client", "aioquic"].verdict is Verdict.FAILED


def test_lane_that_ran_outweighs_one_that_could_not() -> None:
    name = "test_aioquic.test_our_client"
    for results in ([passed(name), skipped(name, "no")], [skipped(name, "no"), passed(name)]):
        assert interop.cells(results)["our_client", "aioquic"].verdict is Verdict.PASSED


def test_table_has_both_roles_with_versions_and_numbered_notes() -> None:
    results = [
        passed("test_servers.test_our_client[caddy]"), skipped("test_servers.test_our_client_x[caddy]", PROOF),
        skipped("test_servers.test_our_client_y[caddy]", PROOF), failed("test_clients.test_our_server[curl_sid]"),
    ]  # fmt: skip
    page = interop.table(results, {"caddy": "2.11", "curl_sid": "8.23"})
    assert "| case | caddy (quic-go) 2.11 of sid |" in page
    assert "| our client | passed |" in page
    assert len(re.findall(r"unsupported \(1\)", page)) == 2
    assert "1. --help lists no option" in page
    assert "| our server | **failed** |" in page


def test_case_that_a_peer_has_not_is_blank() -> None:
    results = [passed("test_servers.test_our_client_x[caddy]"), passed("test_servers.test_our_client[haproxy]")]
    page = interop.table(results, {})
    assert "| our client x | passed |  |" in page


def test_versions_come_from_packages_of_the_suite() -> None:
    found = interop.versions({"sid": {"caddy": "2.11.4"}})
    assert (found["caddy"], found["curl_trixie"]) == ("2.11.4", "")


# The group http3.


def http3(name: str, status: Status = Status.PASS, detail: str = "") -> tuple[str, CaseResult]:
    return "http3", CaseResult(name, status, detail)


def test_http3_has_a_section_for_each_end() -> None:
    page = interop.table(
        [
            http3("test_get.test_cancelled_request[caddy]"), http3("test_serve.test_curl_asks_for_parts[curl_sid]"),
            http3("test_serve.test_chromium_cancels_a_request"), http3("test_serve.test_aioquic_cancels_a_request"),
            http3("test_nghttp3.test_h3get_fetches[trixie-nginx_sid]"), passed("test_servers.test_our_client[caddy]"),
        ],
        {"caddy": "2.11"},
    )  # fmt: skip
    parts = dict(part.split("\n", 1) for part in page.split("## ")[1:])
    assert list(parts) == [
        "Our client, other servers",
        "HTTP/3: quicctl get, other servers",
        "HTTP/3: quicctl serve, other clients",
        "HTTP/3: the example in C on libnghttp3 of each suite",
    ]
    get, serve, example = list(parts.values())[1:]
    assert "| case | caddy (quic-go) 2.11 of sid |" in get and "| cancelled request | passed |" in get
    assert "| case | aioquic | curl (ngtcp2) of sid | Chromium of trixie |" in serve
    assert "| asks for parts |  | passed |  |" in serve and "| cancels a request | passed |  | passed |" in serve
    assert "| h3get fetches: trixie | passed |" in example


def test_http3_gaps_are_notes_and_our_own_ends_are_left_out() -> None:
    page = interop.table(
        [http3("test_get.test_trailers[caddy]", Status.SKIP, PROOF), http3("test_ours.test_body_and_trailers_go_both_ways")], {}
    )
    assert "| trailers | unsupported (1) |" in page and "1. --help lists no option" in page
    assert "both ways" not in page
