"""Counting access log entries the way people do it today: the benchmark's other runners.

Every runner takes a file of lines and returns how many entries it counted by (pod, upstream
cluster, flags, code, 10 s), or raises ``MissingRivalError`` when its program is not there.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

_TEXT = re.compile(
    r'\[(\S+)\] "([^"]*)" (\d+) (\S+) (\S+) (\S+) "([^"]*)" (\d+) (\d+) (\d+) (\S+) "([^"]*)"'
    r' "(.*?)" "([^"]*)" "([^"]*)" "([^"]*)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)'
)
_TIME = r"(?P<time>[^Z]+)Z"
_TEXT_TAIL = r"(?P<cluster>\S+) \S+ \S+ \S+ \S+ \S+"
_MTAIL_PATTERNS = {
    "text": rf'^\[{_TIME}\] "[^"]*" (?P<code>\d+) (?P<flags>\S+) .*" {_TEXT_TAIL}$',
    "json": rf'"start_time":"{_TIME}".*"response_code":(?P<code>\d+),'
    r'"response_flags":"(?P<flags>[^"]+)".*"upstream_cluster":"(?P<cluster>[^"]+)"',
    "fluent-bit": rf'"log":"\[{_TIME}\] \\"[^"]*" (?P<code>\d+) (?P<flags>\S+) .*" {_TEXT_TAIL}'
    r'","kubernetes":',
}
_MTAIL_PROGRAM = """counter entries by cluster, flags, code
/{pattern}/ {{
  strptime($time, "2006-01-02T15:04:05")
  entries[$cluster][$flags][$code]++
}}
"""


BATCH = 20_000


class MissingRivalError(Exception):
    """The rival's program or library is not installed."""


def _bucket(start: str, duration_ms: int) -> int:
    end = datetime.fromisoformat(start) + timedelta(milliseconds=duration_ms)
    return int(end.timestamp()) // 10


def _key(pod: str | None, fields: dict[str, Any]) -> tuple[object, ...]:
    bucket = _bucket(fields["start_time"], int(fields["duration"]))
    cluster, flags = fields["upstream_cluster"], fields["response_flags"]
    return pod, cluster, flags, int(fields["response_code"]), bucket


def _match(line: str) -> dict[str, Any]:
    found = _TEXT.match(line)
    if found is None:
        return {}
    return {
        "start_time": found[1],
        "response_code": found[3],
        "response_flags": found[4],
        "duration": found[10],
        "upstream_cluster": found[17],
    }


def python_loop(path: Path, encoding: str) -> int:
    """A loop over lines with ``json`` or ``re`` and a dict."""
    counts: Counter[tuple[object, ...]] = Counter()
    with path.open("rb") as lines:
        count_lines(lines, encoding, counts)
    return counts.total()


def count_lines(lines: Iterable[bytes], encoding: str, counts: Counter[tuple[object, ...]]) -> None:
    """What a loop does with each line."""
    for raw in lines:
        if encoding == "text":
            pod, fields = None, _match(raw.decode())
        elif encoding == "json":
            pod, fields = None, json.loads(raw)
        else:
            record = json.loads(raw)
            pod, fields = record["kubernetes"]["pod_name"], _match(record["log"])
        if fields:
            counts[_key(pod, fields)] += 1


def polars_alone(path: Path, encoding: str) -> int:
    """What the columns cost at least: polars' readers and a group-by, nothing checked.

    Counts and sums of duration and bytes by source, cluster, flags, code and second of the start.
    """
    values = path.read_bytes().splitlines()
    total = 0
    for start in range(0, len(values), BATCH):
        body = b"\n".join(values[start : start + BATCH])
        keys = ["source", "cluster", "flags", "code", "second"]
        sums = pl.col("duration", "bytes").cast(pl.Int64, strict=False).sum()
        counted = _READERS[encoding](body).group_by(keys).agg(pl.len(), sums)
        total += int(counted.collect(engine="streaming")["len"].sum())
    return total


def _scan_text(body: bytes) -> pl.LazyFrame:
    lines = pl.scan_csv(
        body,
        separator=" ",
        has_header=False,
        schema={f"c{n}": pl.String for n in range(1, 23)},
        truncate_ragged_lines=True,
    )
    return lines.select(
        _address(pl.col("c20")).alias("source"),
        pl.col("c17").alias("cluster"),
        pl.col("c4").alias("flags"),
        pl.col("c3").alias("code"),
        pl.col("c1").str.slice(12, 8).alias("second"),
        pl.col("c10").alias("duration"),
        pl.col("c9").alias("bytes"),
    )


def _address(peer: pl.Expr) -> pl.Expr:
    return peer.str.head(peer.str.find(":", literal=True))


def _scan_json(body: bytes) -> pl.LazyFrame:
    names = (
        *("start_time", "upstream_cluster", "response_flags", "response_code", "duration"),
        *("bytes_sent", "downstream_remote_address"),
    )
    lines = pl.scan_ndjson(body, schema=dict.fromkeys(names, pl.String()))
    return lines.select(
        _address(pl.col("downstream_remote_address")).alias("source"),
        pl.col("upstream_cluster").alias("cluster"),
        pl.col("response_flags").alias("flags"),
        pl.col("response_code").alias("code"),
        pl.col("start_time").str.slice(11, 8).alias("second"),
        pl.col("duration"),
        pl.col("bytes_sent").alias("bytes"),
    )


def _scan_fluent_bit(body: bytes) -> pl.LazyFrame:
    pod = pl.Struct({"pod_name": pl.String()})
    outer = pl.scan_ndjson(body, schema={"log": pl.String(), "kubernetes": pod}).collect()
    inner = _scan_text("\n".join(outer["log"].to_list()).encode()).drop("source").collect()
    pods = outer["kubernetes"].struct.field("pod_name").alias("source")
    return inner.with_columns(pods).lazy()


_READERS: dict[str, Callable[[bytes], pl.LazyFrame]] = {
    "text": _scan_text,
    "json": _scan_json,
    "fluent-bit": _scan_fluent_bit,
}


def mtail(path: Path, encoding: str) -> int:
    """mtail, as it turns logs into metrics (it keeps no event-time buckets)."""
    program = shutil.which("mtail")
    if program is None:
        raise MissingRivalError("install mtail (Debian: apt-get install mtail)")
    with tempfile.TemporaryDirectory() as directory:
        rules = Path(directory) / "entries.mtail"
        rules.write_text(_MTAIL_PROGRAM.format(pattern=_MTAIL_PATTERNS[encoding]))
        command = [program, "--one_shot", "--one_shot_format=json", "--logs", str(path)]
        run = subprocess.run(
            [*command, "--progs", str(rules), "--logtostderr"],
            capture_output=True,
            check=True,
            env={"GOMAXPROCS": "1", "PATH": "/usr/bin:/bin", "TMPDIR": directory},
        )
    metrics = json.loads(run.stdout)["entries"]
    return sum(one["Value"]["Value"] for metric in metrics for one in metric["LabelValues"])


def duckdb(path: Path, encoding: str) -> int:
    """DuckDB's CSV and JSON readers and SQL, on one thread."""
    try:
        engine = importlib.import_module("duckdb")
    except ImportError:
        raise MissingRivalError("pip install duckdb into the benchmark's environment") from None
    connection = engine.connect()
    connection.execute("SET threads = 1")
    row = connection.execute(_SQL[encoding].format(path=path)).fetchone()
    return int(row[0])


_COLUMNS = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(1, 23))
_SPLIT = "string_split(string_split(log, '\"')[{quoted}], ' ')[{place}]"
_SQL = {
    "text": f"""
        SELECT sum(n) FROM (
            SELECT c17, c4, c3, substr(c1, 13, 7), count(*) AS n
            FROM read_csv('{{path}}', delim=' ', quote='"', escape='', header=false,
                          strict_mode=false, null_padding=true, auto_detect=false,
                          columns={{{{{_COLUMNS}}}}})
            GROUP BY ALL)""",
    "json": """
        SELECT sum(n) FROM (
            SELECT upstream_cluster, response_flags, response_code,
                   substr(start_time, 12, 7), count(*) AS n
            FROM read_json('{path}', format='newline_delimited', columns={{
                start_time: 'VARCHAR', upstream_cluster: 'VARCHAR',
                response_flags: 'VARCHAR', response_code: 'INTEGER', duration: 'BIGINT'}})
            GROUP BY ALL)""",
    "fluent-bit": f"""
        SELECT sum(n) FROM (
            SELECT kubernetes.pod_name, {_SPLIT.format(quoted=15, place=2)},
                   {_SPLIT.format(quoted=3, place=3)}, {_SPLIT.format(quoted=3, place=2)},
                   substr(log, 13, 7), count(*) AS n
            FROM read_json('{{path}}', format='newline_delimited', columns={{{{
                log: 'VARCHAR', kubernetes: 'STRUCT(pod_name VARCHAR)'}}}})
            GROUP BY ALL)""",
}

RIVALS: dict[str, Callable[[Path, str], int]] = {
    "python loop": python_loop,
    "mtail": mtail,
    "duckdb": duckdb,
    "polars, unchecked": polars_alone,
}
