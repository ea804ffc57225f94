"""Alerts fire when they should and only then; all that they and the dashboard ask for exists."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from detector.live import Status
from detector.live.metrics import Metrics
from detector.live.rolling import Share
from detector.live.share_metrics import registry_of
from detector.notify.meter import Meter
from detector.web.meter import Meter as WebMeter
from tests.deploy.manifests import (
    DEPLOY,
    ROOT,
    Document,
    documents,
    kubectl,
    kustomized,
    of_kind,
    tool,
)

MONITORING = DEPLOY / "monitoring"
CRDS = ROOT / "tests" / "data" / "crds"
DOCS = ROOT / "docs"
NAME = re.compile(r"\bpushwake_[a-z_]+")
MINUTES = 180

HEALTHY = {
    'pushwake_phase{phase="live"}': "1x180",
    'pushwake_phase{phase="standby"}': "0x180",
    "pushwake_values_read_total": "0+60000x180",
    'pushwake_records_total{kind="access",format="istio-json"}': "0+59000x180",
    'pushwake_records_total{kind="istiod",format="istiod-text"}': "0+20x180",
    'pushwake_rejects_total{reason="unknown-layout"}': "0+100x180",
    "pushwake_late_total": "0+100x180",
    "pushwake_lost_offsets_total": "0x180",
    "pushwake_series_evicted_total": "0x180",
    "pushwake_watermark_delay_seconds": "25x180",
    "pushwake_checkpoint_age_seconds": "3x180",
    'pushwake_data_conditions{kind="late"}': "0x180",
    'pushwake_incidents_open{cause="workload"}': "2x180",
    'pushwake_incidents_open{cause="control-plane"}': "0x180",
    'pushwake_notification_channel_stopped{channel="on-call"}': "0x180",
    'pushwake_notification_oldest_seconds{channel="on-call"}': "2x180",
    'pushwake_rollup_partitions{pod="pushwake-rollup-0"}': "3x180",
    'pushwake_rollup_partitions{pod="pushwake-rollup-1"}': "3x180",
    "pushwake_rollup_lag_records": "0x180",
    "pushwake_rollup_records_total": "0+60000x180",
    "pushwake_rollup_refused_total": "0x180",
    'pushwake_http_requests_total{route="/",status="200"}': "0+60x180",
    'pushwake_http_requests_total{route="/",status="503"}': "0+1x180",
}
"""A live worker, two that roll up for it, a notifier and a web process, a minute a value."""
GONE = "_x180"
CASES: dict[str, dict[str, str]] = {
    "PushwakeDown": dict.fromkeys(HEALTHY, GONE),
    "PushwakeNobodyWorks": {
        'pushwake_phase{phase="live"}': "0x180",
        'pushwake_phase{phase="standby"}': "1x180",
    },
    "PushwakeNothingToRead": {name: "5000x180" for name in HEALTHY if "_total" in name},
    "PushwakeNoControlPlane": {
        'pushwake_records_total{kind="istiod",format="istiod-text"}': "900x180"
    },
    "PushwakeBehind": {"pushwake_watermark_delay_seconds": "900x180"},
    "PushwakeCommitsStalled": {"pushwake_checkpoint_age_seconds": "0+60x180"},
    "PushwakeRecordsLost": {"pushwake_lost_offsets_total": "0x170 4000x10"},
    "PushwakeManyRejects": {'pushwake_rejects_total{reason="unknown-layout"}': "0+6000x180"},
    "PushwakeManyLate": {"pushwake_late_total": "0+6000x180"},
    "PushwakeInputWrong": {'pushwake_data_conditions{kind="late"}': "3x180"},
    "PushwakeForgets": {"pushwake_series_evicted_total": "0+50x180"},
    "PushwakeChannelStopped": {'pushwake_notification_channel_stopped{channel="on-call"}': "1x180"},
    "PushwakeTellsLate": {'pushwake_notification_oldest_seconds{channel="on-call"}': "0+60x180"},
    "PushwakePartitionsUnread": {
        'pushwake_rollup_partitions{pod="pushwake-rollup-1"}': "3x150 _x30"
    },
    "PushwakeRollupBehind": {"pushwake_rollup_lag_records": "900000x180"},
    "PushwakeRollupRefused": {"pushwake_rollup_refused_total": "0+2x180"},
    "PushwakePagesFail": {'pushwake_http_requests_total{route="/",status="503"}': "0+6x180"},
    "PushwakeIncidentOpen": {'pushwake_incidents_open{cause="control-plane"}': "1x180"},
}


def rules() -> list[Document]:
    (document,) = documents(MONITORING / "prometheusrule.yaml")
    return [rule for group in document["spec"]["groups"] for rule in group["rules"]]


def dashboard() -> Document:
    found: Document = json.loads((MONITORING / "pushwake.json").read_text())
    return found


def panels() -> list[Document]:
    return [one for one in dashboard()["panels"] if one["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every expression, Grafana's variables filled in."""
    for rule in rules():
        yield rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m")


def exposed() -> set[str]:
    """The names that the metrics pages of all processes can hold."""
    worker = Metrics(Status(), lambda: datetime(2026, 3, 1, tzinfo=UTC), "hash").registry
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    endings["info"] = ("_info",)
    return {
        family.name + ending
        for registry in (
            worker,
            Meter().registry,
            WebMeter("hash", lambda: 0).registry,
            registry_of(Share()),
        )
        for family in registry.collect()
        for ending in endings.get(family.type, ("",))
    }


def firing(tmp_path: Path, changed: dict[str, str], minute: int) -> set[str]:
    """The alerts that fire at a minute, as promtool evaluates the rules."""
    (document,) = documents(MONITORING / "prometheusrule.yaml")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document["spec"]))
    series = [{"series": k, "values": v} for k, v in (HEALTHY | changed).items()]
    asked = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m", "exp_samples": []}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    written = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(written))
    run = subprocess.run(
        [tool("promtool"), "test", "rules", str(tmp_path / "test.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return set(re.findall(r'alertname="(\w+)"', run.stdout + run.stderr))


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(rule["alert"] for rule in rules())


def test_a_worker_that_does_well_is_left_alone(tmp_path: Path) -> None:
    assert firing(tmp_path, {}, MINUTES - 1) == set()


@pytest.mark.parametrize(("alert", "changed"), CASES.items(), ids=CASES.keys())
def test_an_alert_fires_when_it_should_and_alone(
    tmp_path: Path, alert: str, changed: dict[str, str]
) -> None:
    assert firing(tmp_path, changed, MINUTES - 5) == {alert}


def test_rollup_workers_that_are_all_gone_are_noticed_and_those_that_never_were_are_not(
    tmp_path: Path,
) -> None:
    rollups = [name for name in HEALTHY if name.startswith("pushwake_rollup")]
    ended = {name: HEALTHY[name].replace("x180", "x150 _x30") for name in rollups}
    assert firing(tmp_path, ended, MINUTES - 5) == {"PushwakePartitionsUnread"}
    assert firing(tmp_path, dict.fromkeys(rollups, GONE), MINUTES - 5) == set()


def test_a_partition_that_is_counted_twice_while_it_moves_is_not_missed_later(
    tmp_path: Path,
) -> None:
    moving = {'pushwake_rollup_partitions{pod="pushwake-rollup-0"}': "3x160 6x1 3x20"}
    assert firing(tmp_path, moving, MINUTES - 5) == set()


def test_the_control_planes_absence_is_noticed_also_when_it_never_spoke(tmp_path: Path) -> None:
    silent = {'pushwake_records_total{kind="istiod",format="istiod-text"}': GONE}
    assert firing(tmp_path, silent, MINUTES - 5) == {"PushwakeNoControlPlane"}


def test_a_restart_of_a_minute_wakes_nobody(tmp_path: Path) -> None:
    gone = {
        name: f"{values.split('x')[0]}x100 _x2 {values.split('x')[0]}x70"
        for name, values in HEALTHY.items()
    }
    assert firing(tmp_path, gone, 103) == set()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_what_it_means_and_stands_in_the_docs(rule: Document) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert f"`{rule['alert']}`" in (DOCS / "operating.md").read_text()


def test_rules_and_monitor_fit_the_operators_schema() -> None:
    for name in ("prometheusrule", "servicemonitor"):
        (document,) = documents(MONITORING / f"{name}.yaml")
        schema: Document = json.loads((CRDS / f"{name}-v1.json").read_text())
        jsonschema_rs.validate(schema, document)


def test_the_monitor_finds_the_service_and_its_ports() -> None:
    (monitor,) = documents(MONITORING / "servicemonitor.yaml")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    (found,) = [
        one
        for one in of_kind(kustomized("scaled"), "Service")
        if wanted.items() <= one["metadata"].get("labels", {}).items()
    ]
    assert {one["port"] for one in monitor["spec"]["endpoints"]} == {
        one["name"] for one in found["spec"]["ports"]
    }


def test_kustomize_builds_it_with_the_dashboard_in_a_config_map() -> None:
    command = [kubectl(), "kustomize", str(MONITORING)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    built = {one["kind"]: one for one in yaml.safe_load_all(run.stdout)}
    assert built.keys() == {"ServiceMonitor", "PrometheusRule", "ConfigMap"}
    assert built["ConfigMap"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(built["ConfigMap"]["data"]["pushwake.json"]) == dashboard()


def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    asked = [{"record": f"x:{n}", "expr": one} for n, one in enumerate(expressions())]
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": asked}]}))
    run = subprocess.run(
        [tool("promtool"), "check", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(asked)} rules found" in run.stdout


def test_every_metric_that_is_asked_for_exists() -> None:
    asked = {name for one in expressions() for name in NAME.findall(one)}
    assert len(asked) > 15
    assert asked - exposed() == set()


def test_every_metric_is_named_in_the_docs() -> None:
    text = (DOCS / "metrics.md").read_text()
    names = {name for name in exposed() if name.startswith("pushwake_")}
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert [name for name in sorted(base) if f"`{name}`" not in text] == []


def test_panels_do_not_overlap_and_each_has_title_unit_and_source() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
                assert x < 24
    for panel in panels():
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["description"]
