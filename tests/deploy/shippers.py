"""What each snippet under ``deploy/shippers`` would put on Kafka for a line in a container's log.

The shapes are those of the shippers' own documentation; which of their variants applies is read
from the snippet, so that a change of it changes what is emitted here.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.deploy.manifests import DEPLOY, Document, documents

SHIPPERS = DEPLOY / "shippers"
WRITTEN = "2026-03-01T12:00:00.310123456Z"
WRITTEN_NS = 1_772_366_400_310_123_456


@dataclass(frozen=True)
class Pod:
    """A container that writes, as the node and the Kubernetes API describe it."""

    name: str
    namespace: str
    container: str
    image: str
    labels: dict[str, str]
    owner: str
    uid: str = "3f0c7a52-8a55-4b0e-9a35-4c1f0a8f2d11"
    node: str = "node-1"

    @property
    def container_log(self) -> str:
        """The link that the kubelet makes for every container."""
        return f"/var/log/containers/{self.name}_{self.namespace}_{self.container}-9ab04c.log"

    @property
    def pod_log(self) -> str:
        """The file that it leads to."""
        return f"/var/log/pods/{self.namespace}_{self.name}_{self.uid}/{self.container}/0.log"


@dataclass(frozen=True)
class Message:
    """What arrives on Kafka."""

    topic: str
    value: bytes


Emit = Callable[[Pod, str], list[Message]]


def snippet(name: str) -> Document:
    """A snippet of one document."""
    (one,) = documents(SHIPPERS / f"{name}.yaml")
    return one


def fluent_bit(pod: Pod, line: str) -> list[Message]:
    """Fluent Bit: the tail inputs, kubernetes filters and kafka outputs of the snippet."""
    pipeline = snippet("fluent-bit")["pipeline"]
    messages = []
    for tail in pipeline["inputs"]:
        if not fnmatch.fnmatch(pod.container_log, tail["path"]):
            continue
        tag = tail["tag"].replace("*", pod.container_log[1:].replace("/", "."))
        record: Document = {"time": WRITTEN, "stream": "stdout", "_p": "F", "log": line}
        for step in pipeline["filters"]:
            if fnmatch.fnmatch(tag, step["match"]) and tag.startswith(step["kube_tag_prefix"]):
                record = _merged(record, line, step) | {"kubernetes": _of_filter(pod, step)}
        for output in pipeline["outputs"]:
            if fnmatch.fnmatch(tag, output["match"]):
                assert output["format"] == "json"
                stamp = WRITTEN if "iso8601" in output["timestamp_format"] else WRITTEN_NS / 1e9
                value = json.dumps({output["timestamp_key"]: stamp, **record}).encode()
                messages.append(Message(output["topics"], value))
    return messages


def _merged(record: Document, line: str, step: Document) -> Document:
    if step["merge_log"] is True and line.startswith("{"):
        record = record | json.loads(line)
    return record


def _of_filter(pod: Pod, step: Document) -> Document:
    told: Document = {
        "pod_name": pod.name,
        "namespace_name": pod.namespace,
        "pod_id": pod.uid,
        "host": pod.node,
        "container_name": pod.container,
        "docker_id": "9ab04c",
        "container_hash": f"{pod.image.partition(':')[0]}@sha256:0a1b",
        "container_image": pod.image,
    }
    return told | ({"labels": pod.labels} if step["labels"] is True else {})


def vector(pod: Pod, line: str) -> list[Message]:
    """Vector: the kubernetes_logs source, filters by container and kafka sinks of the snippet."""
    found = snippet("vector")
    passed = {
        name
        for name, step in found["transforms"].items()
        if step["condition"] == f'.kubernetes.container_name == "{pod.container}"'
    }
    event = {
        "file": pod.pod_log,
        "kubernetes": {
            "container_id": "containerd://9ab04c",
            "container_image": pod.image,
            "container_name": pod.container,
            "namespace_labels": {"istio-injection": "enabled"},
            "pod_ip": "10.4.2.7",
            "pod_ips": ["10.4.2.7"],
            "pod_labels": pod.labels,
            "pod_name": pod.name,
            "pod_namespace": pod.namespace,
            "pod_node_name": pod.node,
            "pod_owner": pod.owner,
            "pod_uid": pod.uid,
        },
        "message": line,
        "source_type": "kubernetes_logs",
        "stream": "stdout",
        "timestamp": WRITTEN,
    }
    sinks = [one for one in found["sinks"].values() if passed.intersection(one["inputs"])]
    encoded = {"json": json.dumps(event).encode(), "text": line.encode()}
    return [Message(one["topic"], encoded[one["encoding"]["codec"]]) for one in sinks]


def otel_collector(pod: Pod, line: str) -> list[Message]:
    """The OpenTelemetry Collector: pipelines of filelog, k8sattributes, batch and kafka.

    Two records go into the batch, as one message of the Collector holds many.
    """
    found = snippet("otel-collector")
    messages = []
    for pipeline in found["service"]["pipelines"].values():
        receivers = [found["receivers"][name] for name in pipeline["receivers"]]
        if not any(
            fnmatch.fnmatch(pod.pod_log, path) for one in receivers for path in one["include"]
        ):
            continue
        assert all(one["operators"] == [{"type": "container"}] for one in receivers)
        attributes = found["processors"]["k8sattributes"]["extract"]
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        for key, value in _resource(pod, attributes).items():
            resource.resource.attributes.add(key=key).value.string_value = value
        records = resource.scope_logs.add().log_records
        for n in range(2):
            record = records.add(time_unix_nano=WRITTEN_NS + n, observed_time_unix_nano=WRITTEN_NS)
            record.body.string_value = line
            record.attributes.add(key="log.iostream").value.string_value = "stdout"
            record.attributes.add(key="logtag").value.string_value = "F"
            record.attributes.add(key="log.file.path").value.string_value = pod.pod_log
        for exporter in (found["exporters"][name]["logs"] for name in pipeline["exporters"]):
            assert exporter["encoding"] == "otlp_proto"
            messages.append(Message(exporter["topic"], request.SerializeToString()))
    return messages


def _resource(pod: Pod, extract: Document) -> dict[str, str]:
    """The container operator reads the path, k8sattributes asks the API for the rest."""
    told = {
        "k8s.namespace.name": pod.namespace,
        "k8s.pod.name": pod.name,
        "k8s.pod.uid": pod.uid,
        "k8s.container.name": pod.container,
        "k8s.container.restart_count": "0",
    }
    known = told | {
        "k8s.deployment.name": pod.name.rsplit("-", 2)[0],
        "k8s.node.name": pod.node,
        "container.image.name": pod.image.rpartition(":")[0],
        "container.image.tag": pod.image.rpartition(":")[2],
    }
    told |= {name: known[name] for name in extract["metadata"]}
    return told | {
        rule["tag_name"]: pod.labels[rule["key"]]
        for rule in extract["labels"]
        if rule["key"] in pod.labels
    }


EMITTERS: dict[str, Emit] = {
    "fluent-bit": fluent_bit,
    "vector": vector,
    "otel-collector": otel_collector,
}
