"""Who wrote a line: pod, namespace, workload, node, container, proxy version, revision.

Every shipper spells the same facts in its own keys; here they become one :class:`Identity`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

import msgspec

MAX_NAME = 253
"""Kubernetes' bound on a name (DNS subdomain, RFC 1123); longer text is no name."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote a record, as its envelope says; the names are those of ``schema.IDENTITY``."""

    pod: str | None = None
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None
    container: str | None = None
    proxy_version: str | None = None
    revision: str | None = None

    def filled_by(self, inner: Identity) -> Identity:
        """This identity, its gaps filled by an envelope found further inside.

        When the two name different pods, the outer one speaks of the shipper and the inner one,
        nearer to the writer, is taken whole.
        """
        if inner is NOBODY:
            return self
        if self is NOBODY or (self.pod and inner.pod and self.pod != inner.pod):
            return inner
        pairs = zip(astuple(self), astuple(inner), strict=True)
        return Identity(*(mine or theirs for mine, theirs in pairs))


NOBODY = Identity()

_TEMPLATE_HASH = r"(?:[bcdf4-9]{4,10}|[0-9]{8,10}|(?=[a-z]*[0-9]+[a-z])[a-z0-9]{6,10})"
_OWNED = re.compile(rf"(.+)-{_TEMPLATE_HASH}-[a-z0-9]{{5}}")
_HASHED = re.compile(rf"(.+)-{_TEMPLATE_HASH}")
_SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]{5}"
_SUFFIXED = re.compile(rf"(.+)-{_SUFFIX}")
_ORDINAL = re.compile(r"(.+)-[0-9]{1,4}")
_CUT = re.compile(rf"(.+)-[bcdf4-9]{{0,10}}{_SUFFIX}")


@lru_cache(maxsize=65536)
def workload_of_pod(pod: str) -> str:
    """The workload's name inside a pod's name.

    Deployments name their pods ``NAME-HASH-SUFFIX``, CronJobs ``NAME-MINUTE-SUFFIX``, DaemonSets
    and Jobs ``NAME-SUFFIX``, StatefulSets ``NAME-ORDINAL``. The suffix is five characters of
    ``bcdfghjklmnpqrstvwxz2456789`` (k8s.io/apimachinery, ``util/rand``). The hash is a 32-bit
    number in decimal whose digits that package maps into ``bcdf456789``; clusters before 1.8
    printed the number itself, and other controllers use any letters, which are believed when
    digits and letters mix. A name cut to 63 characters loses the dash before the suffix.
    """
    if match := _OWNED.fullmatch(pod) or _SUFFIXED.fullmatch(pod) or _ORDINAL.fullmatch(pod):
        return match[1]
    if len(pod) == 63 and (match := _CUT.fullmatch(pod)):
        return match[1]
    return pod


def workload_of_owner(kind: str, name: str) -> str:
    """The workload behind an owner: a ReplicaSet's Deployment, a Job's CronJob, else itself."""
    if kind.lower() == "replicaset" and (match := _HASHED.fullmatch(name)):
        return match[1]
    if kind.lower() == "job" and (match := re.fullmatch(r"(.+)-[0-9]{8,10}", name)):
        return match[1]
    return name


_POD_LOG = re.compile(r"/?pods[/.]([^/_\s]+)_([^/_\s]+)_[^/\s]*[/.]([^/\s]+)[/.]\d+\.log")
_CONTAINER_LOG = re.compile(r"containers[/.]([^/_\s]+)_([^/_\s]+)_([^/_\s]+)-[^-/_\s]+\.log")
_DOCKER_NAME = re.compile(r"/?k8s_([^_\s]+)_([^_\s]+)_([^_\s]+)_")


def from_path(path: str) -> Identity:
    """What the kubelet's own names for log files and containers say, nobody for other names.

    Files are ``/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`` and
    ``/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log``; shippers' tags print them with dots.
    Docker's containers are ``k8s_CONTAINER_POD_NAMESPACE_UID_N``.
    """
    if len(path) > 4 * MAX_NAME:
        return NOBODY
    if match := _POD_LOG.search(path):
        namespace, pod, container = match.groups()
    elif match := _CONTAINER_LOG.search(path):
        pod, namespace, container = match.groups()
    elif match := _DOCKER_NAME.match(path):
        container, pod, namespace = match.groups()
    else:
        return NOBODY
    return describe(pod=pod, namespace=namespace, container=container)


def name_of(value: object) -> str | None:
    """``value`` when it can be a name, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME and value != "-" else None


@lru_cache(maxsize=4096)
def folded(key: str) -> str:
    """A label's key without the dots, slashes and dashes that shippers replace in their ways."""
    return re.sub(r"[^0-9A-Za-z]", "_", key).lower()


def read_labels(labels: object, depth: int = 0, prefix: str = "") -> dict[str, str]:
    """Labels or annotations by folded key, also where a shipper split keys at dots into maps."""
    found: dict[str, str] = {}
    if not isinstance(labels, dict) or depth > 5:
        return found
    for key, value in labels.items():
        if len(key) > MAX_NAME:
            continue
        if isinstance(value, str):
            found[folded(prefix + key)] = value
        elif isinstance(value, dict):
            found.update(read_labels(value, depth + 1, f"{prefix}{key}."))
    return found


_CANONICAL = ("service_istio_io_canonical_name", "app_kubernetes_io_name", "app")
_ISTIOS = ("istio-proxy", "discovery")
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc)[.\d]*)?)(?![.\d])")


def _version(text: str) -> str | None:
    match = _VERSION.match(text)
    return match[1] if match else None


def _sidecar_status(annotations: Mapping[str, str]) -> Mapping[str, Any]:
    """What the injector wrote on the pod: ``{"version": ..., "revision": ...}``."""
    try:
        status = msgspec.json.decode(annotations.get("sidecar_istio_io_status", "{}"))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return {}
    return status if isinstance(status, dict) else {}


def _proxy_version(container: str | None, image: str | None) -> str | None:
    """The version of Istio that a proxy's or istiod's image is; other images' are the app's."""
    repository, _, tag = (image or "").partition("@")[0].rpartition(":")
    if container in _ISTIOS or (container is None and repository.endswith(("/proxyv2", "/pilot"))):
        return _version(tag)
    return None


def describe(
    *,
    pod: str | None = None,
    namespace: str | None = None,
    container: str | None = None,
    node: str | None = None,
    image: str | None = None,
    owner: tuple[str, str] | None = None,
    labels: object = None,
    annotations: object = None,
) -> Identity:
    """One identity out of the facts a shipper gave.

    ``owner`` is (kind, name). The workload is Istio's canonical name, in Istio's own order of
    labels, else the owner's name, else what the pod's name shows. Label and annotation keys
    compare folded.
    """
    tags = read_labels(labels)
    notes = read_labels(annotations)
    workload = next(filter(None, (name_of(tags.get(key)) for key in _CANONICAL)), None)
    if workload is None and owner is not None:
        workload = workload_of_owner(*owner)
    if workload is None and pod is not None:
        workload = workload_of_pod(pod)
    version = _proxy_version(container, image)
    revision = name_of(tags.get("istio_io_rev")) or name_of(notes.get("istio_io_rev"))
    if notes and (version is None or revision is None):
        status = _sidecar_status(notes)
        revision = revision or name_of(status.get("revision"))
        if container in (None, "istio-proxy"):
            version = version or _version(name_of(status.get("version")) or "")
    return Identity(pod, namespace, workload, node, container, version, revision)
