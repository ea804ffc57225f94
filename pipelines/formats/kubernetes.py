"""Kubernetes events, as kubernetes-event-exporter writes them to Kafka.

Its default JSON is the event itself (core/v1, or events.k8s.io/v1 with other names for the same
facts) with ``involvedObject`` completed by labels and owners. Read are the facts about istiod
(pods that start and end, scaling, who leads, webhooks and revision tags) and about workloads
(rollouts, scaling, pods that die), which are the other explanation for errors.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pipelines.formats.istio_log import parse_time
from pipelines.identity import name_of, read_labels, workload_of_owner, workload_of_pod

Fields = dict[str, Any]

_TIMES = ("eventTime", "lastTimestamp", "deprecatedLastTimestamp", "firstTimestamp")
_ISTIOD = re.compile(r"(?:istiod|istio-pilot)(?:-.+)?")
_IMAGE = re.compile(
    r"/(?:pilot|istiod)(?:-\w+)?:v?(\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc)[.\d]*)?)"
)
_CONTAINER = re.compile(r"[Cc]ontainer \"?discovery\b")
_TAG = re.compile(r"istio-revision-tag-(.+)")
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "Job"})
_ROLLED = frozenset(
    {
        *("ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete", "SuccessfulRescale"),
        *("RolloutUpdated", "RolloutCompleted", "RolloutAborted"),
    }
)
_DIED = frozenset(
    {
        *("Killing", "BackOff", "OOMKilling", "Evicted", "Preempted", "Preempting", "Unhealthy"),
        *("NodeNotReady", "TaintManagerEviction", "Failed", "FailedScheduling"),
    }
)
_MAX_TEXT = 300


def is_event(document: dict[str, Any]) -> bool:
    """Whether an object is a Kubernetes event."""
    about = document.get("involvedObject") or document.get("regarding")
    reason = document.get("reason")
    return (
        isinstance(about, dict) and isinstance(about.get("kind"), str) and isinstance(reason, str)
    )


def read(document: dict[str, Any]) -> Fields | None:
    """What an event says, or None when the object is none or has no time.

    ``event`` is one of start, stop, notice, rollout (see `schema.CONTROL_KINDS`) or other, for
    what is about neither istiod nor a workload's pods.
    """
    if not is_event(document):
        return None
    time = next(filter(None, (_time(document.get(name)) for name in _TIMES)), None)
    time = time or _time(_sub(document, "metadata").get("creationTimestamp"))
    if time is None:
        return None
    about = _sub(document, "involvedObject") or _sub(document, "regarding")
    said: Fields = {
        "time": time,
        "reason": document["reason"][:_MAX_TEXT],
        "message": str(document.get("message") or document.get("note") or "")[:_MAX_TEXT],
        "object_kind": about["kind"],
        "object": name_of(about.get("name")) or "",
        "namespace": name_of(about.get("namespace")),
    }
    labels = read_labels(about.get("labels"))
    said["revision"] = name_of(labels.get("istio_io_rev"))
    istiod = labels.get("app") in {"istiod", "pilot"} or _ISTIOD.fullmatch(said["object"])
    return said | (_of_istiod(said) if istiod else _of_others(said, about))


def _of_istiod(said: Fields) -> Fields:
    reason, message = said["reason"], said["message"]
    if said["object_kind"] != "Pod":
        return {"event": "notice"}
    if image := _IMAGE.search(message):
        return {"event": "start", "istiod": said["object"], "version": image[1]}
    if reason == "Started" and _CONTAINER.search(message):
        return {"event": "start", "istiod": said["object"]}
    if reason == "Killing" and _CONTAINER.search(message):
        return {"event": "stop", "istiod": said["object"]}
    return {"event": "notice", "istiod": said["object"]}


def _of_others(said: Fields, about: dict[str, Any]) -> Fields:
    kind, reason = said["object_kind"], said["reason"]
    if reason == "LeaderElection":
        leads = "istio" in said["object"] or "istiod" in said["message"]
        return {"event": "notice" if leads else "other"}
    if kind.endswith("WebhookConfiguration") and "istio" in said["object"]:
        tag = _TAG.fullmatch(said["object"])
        return {"event": "notice", "tag": tag[1]} if tag else {"event": "notice"}
    workload = None
    if kind in _WORKLOADS and reason in _ROLLED:
        workload = workload_of_owner(kind, said["object"])
    elif kind == "Pod" and reason in _DIED:
        workload = _owner(about) or workload_of_pod(said["object"])
    if not workload:
        return {"event": "other"}
    namespace = f".{said['namespace']}" if said["namespace"] else ""
    return {"event": "rollout", "workload": f"{workload}{namespace}"}


def _owner(about: dict[str, Any]) -> str | None:
    owners = about.get("ownerReferences")
    first = owners[0] if isinstance(owners, list) and owners else None
    if not isinstance(first, dict):
        return None
    kind, name = name_of(first.get("kind")), name_of(first.get("name"))
    return workload_of_owner(kind, name) if kind and name else None


def _sub(document: dict[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _time(value: object) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None
