"""The command as a newcomer and as a script meet it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.cli import main
from tests.detector.conftest import RECORDINGS

CRASH = RECORDINGS / "d_backend_crash"
CLEAN = RECORDINGS / "l_clean"
LINE = (
    '[2026-11-23T05:39:48.123Z] "GET /cart HTTP/1.1" 503 NC cluster_not_found - "-" 0 0 0 - "-" '
    '"okhttp/4.12.0" "dc586364-02b6" "cart:9080" "-" - - '
    "127.96.0.12:9080 127.244.1.11:34493 - default"
)


def run(*arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_replay_writes_incidents_report_and_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "incidents.ndjson", tmp_path / "report.html"
    code, told, _ = run(
        *("replay", "--access-log", CRASH / "access.log.zst"),
        *("--control-plane", CRASH / "istiod.log.zst", "--truth", CRASH / "truth.ndjson"),
        *("--out", out, "--report", report),
        capsys=capsys,
    )
    assert code == 0
    (incident,) = [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]
    assert incident["attribution"]["cause"] == "workload"
    assert incident["services"] == ["payments.default.svc.cluster.local"]
    figures: dict[str, Any] = msgspec.json.decode(told[told.index("{") : told.index("}") + 1])
    assert (figures["recall"], figures["precision"], figures["attribution"]) == (1.0, 1.0, 1.0)
    assert report.read_text().startswith("<!doctype html>")


def test_several_paths_follow_one_flag_and_globs_are_resolved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told, _ = run(
        *("replay", "--access-log", CLEAN / "access.log.zst", CLEAN / "prox*.zst", "--out", "-"),
        *("--control-plane", CLEAN / "istiod.log.zst"),
        capsys=capsys,
    )
    assert (code, told) == (0, "")


def test_incidents_fail_a_script_only_when_it_asks_for_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("replay", "--quiet", "--access-log", CRASH / "access.log.zst")
    assert run(*arguments, capsys=capsys) == (0, "", "")
    assert run(*arguments, "--fail-on-incident", capsys=capsys)[0] == 10


def test_an_unreadable_file_among_others_is_named_and_the_rest_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.log.gz"
    cut.write_bytes(b"\x1f\x8b\x08\x00no gzip")
    out = tmp_path / "out.ndjson"
    code, _, err = run(
        *("replay", "--access-log", CRASH / "access.log.zst", cut, tmp_path / "none.log"),
        *("--out", out),
        capsys=capsys,
    )
    assert code == 5
    assert str(cut) in err
    assert "none.log: cannot be read (No such file or directory)" in err
    assert len(out.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "COMMAND"),
        (("replay",), 3, "Give either --access-log PATH... or --rollups PATH..."),
        (("replay", "--access-log", "none"), 3, "none: cannot be read"),
        (("replay", "--access-log", "none", "--rollups", "none"), 3, "Give either"),
        (("replay", "--access-log", "x", "--set", "detection.buckt_s=1"), 2, "detection.bucket_s"),
        (("replay", "--access-log", "x", "--format", "%START_TIME"), 2, "formats.flag1"),
        (("explain", "x", "--config", "none.toml"), 2, "none.toml"),
        (("explain", "x", "--kind", "kafka"), 2, "--kind"),
    ],
)
def test_wrong_usage_says_what_where_and_what_to_do(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, _, err = run(*arguments, capsys=capsys)
    assert got == code
    assert words in err
    assert "Traceback" not in err


def test_input_without_access_log_entries_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.log"
    file.write_text("hello\nworld\n")
    code, _, err = run("replay", "--access-log", file, capsys=capsys)
    assert code == 3
    assert "no access log entry among 2 records (2 unknown-layout)" in err


def test_what_was_not_understood_is_counted_by_reason_and_shown_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mixed.log"
    file.write_bytes(LINE.encode() + b"\nhello \x1b[31m\n" + b"x" * 70_000 + b"\nworld\n")
    code, _, err = run("replay", "--access-log", file, capsys=capsys)
    assert code == 0
    assert f"2 records not understood: unknown-layout ({file}:2: 'hello \\x1b[31m'; {file}:4" in err
    assert f"1 record not understood: too-long ({file}:3: 'xxxx" in err
    assert "\x1b" not in err


def test_a_result_that_cannot_be_written_leaves_no_half_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(
        *("replay", "--access-log", CRASH / "access.log.zst"),
        *("--out", tmp_path / "no" / "folder" / "x.ndjson"),
        capsys=capsys,
    )
    assert code == 3
    assert "cannot be written" in err
    assert list(tmp_path.iterdir()) == []


def test_explain_tells_a_line_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = run("explain", LINE, capsys=capsys)
    assert code == 0
    assert "an access log entry (istio-text-1.9)" in told
    assert "cluster_not_found" in told
    assert run("explain", "hello", capsys=capsys)[1].startswith("Not understood (unknown-layout)")


def test_explain_json_answers_one_object_per_line_in_order() -> None:
    lines = [
        LINE,
        "",
        "hello",
        "2026-11-23T05:38:57.337957Z\tinfo\tads\tADS: new connection for node:web-1.shop-1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "detector.cli", "explain", "--json"],
        input="\n".join(lines).encode(),
        capture_output=True,
        check=True,
    )
    told = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in told] == ["access", "reject", "reject", "istiod"]
    assert told[0]["fields"]["response_flags"] == ["NC"]
    assert told[2]["reason"] == "unknown-layout"
    assert told[3]["fields"]["event"] == "connect"


@pytest.mark.parametrize(
    ("command", "words"),
    [("formats", "istio-text-1.9"), ("signatures", "rollout"), ("settings", "lateness_s")],
)
def test_lists_are_printed(command: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = run(command, capsys=capsys)
    assert code == 0
    assert words in told


def test_demo_tells_what_happened_and_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "demo.html"
    code, told, _ = run("demo", "--report", report, capsys=capsys)
    assert code == 0
    assert "this follows the istiod upgrade" in " ".join(told.split())
    assert report.stat().st_size > 100_000


def test_a_second_replay_on_a_store_goes_on_and_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'pushwake.db'}"
    outs = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for out in outs:
        code, *_ = run(
            *("replay", "--access-log", CRASH / "access.log.zst", "--store", url, "--out", out),
            capsys=capsys,
        )
        assert code == 0
    assert outs[0].read_bytes() == outs[1].read_bytes() != b""
