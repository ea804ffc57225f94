"""Kubernetes events as kubernetes-event-exporter writes them to Kafka."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batch import Batch
from pipelines.parse import Parser

TIME = "2020-11-23T10:00:00Z"


def event(reason: str, message: str, about: dict[str, Any], **more: object) -> dict[str, Any]:
    return {
        "metadata": {"name": "x.16", "namespace": "istio-system", "creationTimestamp": TIME},
        "reason": reason,
        "message": message,
        "source": {"component": "deployment-controller"},
        "firstTimestamp": TIME,
        "lastTimestamp": TIME,
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
        "clusterName": "prod-1",
        "involvedObject": {"uid": "7", "apiVersion": "apps/v1", **about},
        **more,
    }  # fmt: skip


def told(document: object, kind: str = "auto") -> tuple[dict[str, Any] | None, dict[str, int]]:
    value = json.dumps(document).encode()
    parsed = Parser().parse(Batch("k8s", 0, 0, 1, [value], "auto" if kind == "auto" else "access"))
    rows = parsed.control.to_dicts()
    return (rows[0] if rows else None), parsed.counts


ISTIOD = {"kind": "Pod", "namespace": "istio-system", "name": "istiod-7f9b8c6d5-x2x9k"}
LABELS = {"labels": {"app": "istiod", "istio.io/rev": "canary"}}
CART = {"kind": "Deployment", "namespace": "shop", "name": "cart"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            event("Started", "Started container discovery", ISTIOD | LABELS),
            {"kind": "control-plane-start", "istiod": ISTIOD["name"], "revision": "canary"},
        ),
        (
            event("Pulled", 'Container image "istio/pilot:1.23.0" already present', ISTIOD),
            {"kind": "control-plane-start", "version": "1.23.0"},
        ),
        (
            event("Killing", "Stopping container discovery", ISTIOD),
            {"kind": "control-plane-stop", "istiod": ISTIOD["name"]},
        ),
        (
            event(
                "ScalingReplicaSet",
                "Scaled up replica set istiod-7f to 2",
                {"kind": "Deployment", "namespace": "istio-system", "name": "istiod"},
            ),
            {"kind": "notice", "reason": "ScalingReplicaSet: Scaled up replica set istiod-7f to 2"},
        ),
        (
            event(
                "LeaderElection",
                "istiod-7f9b8c6d5-x2x9k became leader",
                {"kind": "Lease", "namespace": "istio-system", "name": "istio-leader"},
            ),
            {"kind": "notice"},
        ),
        (
            event(
                "Updated",
                "",
                {"kind": "MutatingWebhookConfiguration", "name": "istio-revision-tag-prod"},
            ),
            {
                "kind": "notice",
                "reason": "Updated: MutatingWebhookConfiguration istio-revision-tag-prod "
                "(revision tag prod)",
            },
        ),
        (
            event("ScalingReplicaSet", "Scaled up replica set cart-6b9f8c5d7 to 3", CART),
            {"kind": "workload-rollout", "workload": "cart.shop"},
        ),
        (
            event(
                "BackOff",
                "Back-off restarting failed container",
                {
                    "kind": "Pod",
                    "namespace": "shop",
                    "name": "cart-6b9f8c5d7-x7k2p",
                    "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-6b9f8c5d7"}],
                },
            ),
            {"kind": "workload-rollout", "workload": "cart.shop"},
        ),
    ],
)  # fmt: skip
def test_what_kubernetes_says_becomes_an_event_of_the_ledger(
    document: dict[str, Any], expected: dict[str, str]
) -> None:
    row, counts = told(document)

    assert row is not None
    assert {name: row[name] for name in expected} == expected
    assert row["time"] == datetime(2020, 11, 23, 10, tzinfo=UTC)
    assert row["source"] == "kubernetes"
    assert counts == {"istiod/kubernetes-event": 1}


def test_the_newer_shape_of_events_says_the_same() -> None:
    old = event("ScalingReplicaSet", "Scaled up", CART)
    new = {
        "metadata": old["metadata"],
        "reason": "ScalingReplicaSet",
        "note": "Scaled up",
        "eventTime": "2020-11-23T10:00:00.000000Z",
        "regarding": old["involvedObject"],
    }

    assert told(new) == told(old)


def test_an_event_is_found_in_any_topic_and_inside_an_envelope() -> None:
    document = event("ScalingReplicaSet", "Scaled up", CART)
    row, _ = told(document)

    assert told(document, "access")[0] == row
    assert told({"log": json.dumps(document) + "\n", "stream": "stdout", "time": TIME})[0] == row


@pytest.mark.parametrize(
    "document",
    [
        event("Scheduled", "Successfully assigned", {"kind": "Pod", "name": "cart-1"}),
        event("Pulled", "Container image", {"kind": "Pod", "name": "cart-1"}),
        event("NodeReady", "", {"kind": "Node", "name": "n1"}),
    ],
)
def test_other_events_are_known_and_tell_nothing(document: dict[str, Any]) -> None:
    assert told(document) == (None, {"istiod/kubernetes-event": 1})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {"involvedObject": st.just({"kind": "Pod"}), "reason": st.just("Killing")},
        optional=dict.fromkeys(
            ("message", "metadata", "lastTimestamp", "eventTime", "regarding"), anything
        ),
    ),
    st.dictionaries(st.sampled_from(["name", "namespace", "labels", "ownerReferences"]), anything),
)
def test_no_event_breaks_the_parser(document: dict[str, Any], about: dict[str, Any]) -> None:
    document["involvedObject"] = document["involvedObject"] | about
    _, counts = told(document)

    assert sum(counts.values()) == 1
