"""Names out of Kubernetes' names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity import NOBODY, Identity, describe, from_path, workload_of_pod

NAMES = st.from_regex(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
TEMPLATE_HASHES = st.integers(10**7, 2**32 - 1).map(
    lambda number: "".join("bcdfghjklmnpqrstvwxz2456789"[ord(digit) % 27] for digit in str(number))
)
SUFFIXES = st.text("bcdfghjklmnpqrstvwxz2456789", min_size=5, max_size=5)


@given(NAMES, TEMPLATE_HASHES, SUFFIXES)
def test_a_deployments_pod_names_its_deployment(name: str, template: str, suffix: str) -> None:
    assert workload_of_pod(f"{name}-{template}-{suffix}") == name
    owner = describe(pod="x", owner=("ReplicaSet", f"{name}-{template}"))
    assert owner.workload == name


@given(NAMES, st.integers(0, 9999))
def test_a_statefulsets_pod_names_its_set(name: str, ordinal: int) -> None:
    assert workload_of_pod(f"{name}-{ordinal}") == name


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("istiod-5d95bbc58f-78xxg", "istiod"),
        ("frontend-v1-d892h245fc-93b82", "frontend-v1"),
        ("istio-ingressgateway-cbc89j67cf-9245b", "istio-ingressgateway"),
        ("web-6d9f-abcde", "web"),
        ("web-2035384211-z4k2p", "web"),
        ("node-exporter-x7k2p", "node-exporter"),
        ("kube-proxy-linux64-x7k2p", "kube-proxy-linux64"),
        ("report-27812345-x7k2p", "report"),
        ("report-1596172200-x7k2p", "report"),
        ("migrate-x7k2p", "migrate"),
        ("orders-db-0", "orders-db"),
        ("orders-db", "orders-db"),
        ("debug-shell", "debug-shell"),
        ("my-redis", "my-redis"),
        ("web", "web"),
        ("", ""),
        ("a" * 50 + "-6d9f8c7x7k2p", "a" * 50),
        ("a" * 57 + "-x7k2p", "a" * 57),
    ],
)
def test_the_workload_is_what_the_controller_did_not_add(pod: str, workload: str) -> None:
    assert workload_of_pod(pod) == workload


@given(st.text())
def test_any_pod_name_gives_a_beginning_of_itself(pod: str) -> None:
    assert pod.startswith(workload_of_pod(pod))


@pytest.mark.parametrize(
    "path",
    [
        "/var/log/pods/shop_web-6d9f8c7b5d-x7k2p_3f0c-11/istio-proxy/0.log",
        "/var/log/containers/web-6d9f8c7b5d-x7k2p_shop_istio-proxy-9ab0cd.log",
        "kube.var.log.containers.web-6d9f8c7b5d-x7k2p_shop_istio-proxy-9ab0cd.log",
    ],
)
def test_the_kubelets_file_names_say_who_wrote(path: str) -> None:
    assert from_path(path) == Identity(
        pod="web-6d9f8c7b5d-x7k2p", namespace="shop", workload="web", container="istio-proxy"
    )


@pytest.mark.parametrize("path", ["/var/log/syslog", "", "/var/log/pods/", "x" * 5000])
def test_another_file_names_nobody(path: str) -> None:
    assert from_path(path) is NOBODY


def test_the_workload_is_istios_canonical_name_before_any_other() -> None:
    owner = ("Deployment", "deploy")
    labels = {
        "app": "by-app",
        "app.kubernetes.io/name": "by-name",
        "service.istio.io/canonical-name": "canonical",
    }
    told = []
    for key in ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app"):
        told.append(describe(pod="pod-0", owner=owner, labels=labels).workload)
        del labels[key]
    told.append(describe(pod="pod-0", owner=owner, labels=labels).workload)
    told.append(describe(pod="pod-0").workload)
    assert told == ["canonical", "by-name", "by-app", "deploy", "pod"]


@pytest.mark.parametrize(
    "key",
    [
        "service.istio.io/canonical-name",
        "service_istio_io/canonical-name",
        "service_istio_io_canonical-name",
        "service_istio_io_canonical_name",
    ],
)
def test_label_keys_compare_without_their_punctuation(key: str) -> None:
    assert describe(labels={key: "web"}).workload == "web"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("istio/proxyv2:1.7.5", "1.7.5"),
        ("docker.io/istio/proxyv2:1.7.5-distroless", "1.7.5"),
        ("registry:5000/istio/proxyv2:1.31.0-rc.0", "1.31.0-rc.0"),
        ("istio/proxyv2:1.7.5@sha256:0a1b", "1.7.5"),
        ("istio/proxyv2@sha256:0a1b", None),
        ("istio/proxyv2:latest", None),
        ("registry:5000/proxyv2", None),
        ("", None),
    ],
)
def test_the_proxys_version_is_its_images_tag(image: str, version: str | None) -> None:
    assert describe(container="istio-proxy", image=image).proxy_version == version


def test_an_applications_image_says_nothing_about_the_proxy() -> None:
    assert describe(container="app", image="shop/web:2.0.1").proxy_version is None
    assert describe(image="istio/proxyv2:1.7.5").proxy_version == "1.7.5"


def test_the_injectors_annotation_fills_in_version_and_revision() -> None:
    notes = {"sidecar.istio.io/status": '{"version":"1.9.2","revision":"canary"}'}
    who = describe(container="istio-proxy", annotations=notes)
    assert (who.proxy_version, who.revision) == ("1.9.2", "canary")
    template_hash = {"sidecar_istio_io/status": '{"version":"887285bb7fa76191bf7f637f283183f0"}'}
    assert describe(container="istio-proxy", annotations=template_hash).proxy_version is None


@pytest.mark.parametrize("status", ["", "{", "[]", "7", '{"revision": 7}', "[" * 100_000])
def test_a_broken_annotation_is_no_identity(status: str) -> None:
    assert describe(annotations={"sidecar.istio.io/status": status}) == NOBODY


def test_labels_out_of_bounds_are_left_out() -> None:
    nested: dict[str, object] = {"app": "deep"}
    for _ in range(9):
        nested = {"x": nested}
    labels = {"a" * 300: "x", "app": "w" * 300, "istio.io/rev": 7, "nested": nested}
    assert describe(labels=labels) == NOBODY


def test_an_identity_is_filled_from_inside_unless_the_pods_differ() -> None:
    outer = Identity(pod="web-0", workload="web")
    assert outer.filled_by(Identity(pod="web-0", node="n")) == Identity(
        pod="web-0", workload="web", node="n"
    )
    assert outer.filled_by(Identity(pod="db-0")) == Identity(pod="db-0")
    assert outer.filled_by(NOBODY) is outer
