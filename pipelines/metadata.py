"""Who wrote a line, as the JSON objects of shippers say."""

from __future__ import annotations

from typing import Any

from pipelines.identity import MAX_NAME, NOBODY, Identity, describe, folded, from_path, name_of

Object = dict[str, Any]


def dig(document: object, *keys: str) -> object:
    """The value under a path of keys, None where the path ends early."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _first(document: Object, *paths: str | tuple[str, ...]) -> str | None:
    for path in paths:
        value = document.get(path) if isinstance(path, str) else dig(document, *path)
        if (name := name_of(value)) is not None:
            return name
    return None


def identity_of(document: Object) -> Identity:
    """Who wrote the line, as any shipper's object says; file names help when nothing else does."""
    cluster = document.get("kubernetes")
    if not isinstance(cluster, dict):
        cluster = _lifted(document)
    who = _kubernetes(cluster, document) if cluster else _loose(document)
    if who.pod is None and (path := path_of(document)):
        return who.filled_by(from_path(path))
    return who


_ROOTS = ("kubernetes", "k8s", "_kubernetes", "_k8s")
FLAT_POD_KEYS = frozenset(f"{root}{a}pod{b}name" for root in _ROOTS for a in "._" for b in "._")
"""The keys by which a flattened ``kubernetes`` object is noticed."""


def _lifted(document: Object) -> Object:
    """The ``kubernetes`` object put together again where a shipper flattened it into keys.

    ``kubernetes.pod_name``, ``kubernetes_labels_app``, ``_k8s_pod_name`` (GELF) and the like.
    """
    if FLAT_POD_KEYS.isdisjoint(document):
        return {}
    cluster: Object = {}
    labels: Object = {}
    for key, value in document.items():
        if key.startswith(_ROOTS) and len(key) <= MAX_NAME:
            name = folded(key).lstrip("_").partition("_")[2]
            if name.startswith(("labels_", "pod_labels_")):
                labels[name.partition("labels_")[2]] = value
            else:
                cluster[name] = value
    return cluster | {"labels": labels}


def _kubernetes(cluster: Object, document: Object) -> Identity:
    """The ``kubernetes`` object of Fluent Bit, Fluentd, Filebeat and Vector."""
    return describe(
        pod=_first(cluster, "pod_name", ("pod", "name"), "pod"),
        namespace=_first(cluster, "namespace_name", "pod_namespace", "namespace"),
        container=_first(cluster, "container_name", ("container", "name")),
        node=_first(cluster, "host", "pod_node_name", ("node", "name"), "node_name"),
        image=_first(cluster, "container_image", ("container", "image"))
        or _first(document, ("container", "image", "name")),
        owner=_owner(cluster),
        labels=cluster.get("labels") or cluster.get("pod_labels"),
        annotations=cluster.get("annotations") or cluster.get("pod_annotations"),
    )


_OWNER_KINDS = ("deployment", "statefulset", "daemonset", "cronjob", "job", "replicaset")
_OWNER_LISTS = ("ownerReferences", "ownerrefs", "owner_references")
_OWNER_KEYS = {"pod_owner", *_OWNER_LISTS, *_OWNER_KINDS}


def _owner(cluster: Object) -> tuple[str, str] | None:
    """(kind, name) from Vector's ``pod_owner``, owner references, or Filebeat's objects."""
    if _OWNER_KEYS.isdisjoint(cluster):
        return None
    kind, slash, name = (_first(cluster, "pod_owner") or "").partition("/")
    if slash and name:
        return kind, name
    for key in _OWNER_LISTS:
        references = cluster.get(key)
        if isinstance(references, list) and references and isinstance(references[0], dict):
            kind, name = (_first(references[0], part) or "" for part in ("kind", "name"))
            if name:
                return kind, name
    for kind in _OWNER_KINDS:
        if named := _first(cluster, (kind, "name")):
            return kind, named
    return None


def _loose(document: Object) -> Identity:
    """Names at the top level: stern's JSON, Google's agent, or a format's own keys."""
    labels = dig(document, "resource", "labels")
    resource = labels if isinstance(labels, dict) else {}
    pod = _first(document, "podName", "pod_name") or _first(resource, "pod_name")
    if pod is None:
        return NOBODY
    return describe(
        pod=pod,
        namespace=_first(document, "namespace", "namespace_name")
        or _first(resource, "namespace_name"),
        container=_first(document, "containerName", "container_name")
        or _first(resource, "container_name"),
        node=_first(document, "nodeName", "node_name"),
        labels=document.get("labels"),
        annotations=document.get("annotations"),
    )


_PATH_KEYS = ("file", "source", "tag", "CONTAINER_NAME", "container_name")


def path_of(document: Object) -> str | None:
    """The file a shipper read the line from, or Docker's name of the container."""
    nested = dig(document, "log", "file", "path")
    for value in (nested, *(document.get(key) for key in _PATH_KEYS)):
        if isinstance(value, str) and (".log" in value or "k8s_" in value):
            return value
    return None
