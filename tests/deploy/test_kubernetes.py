"""The manifests: what Kubernetes would accept, and what holds of every process in them."""

from __future__ import annotations

import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from detector.configure import load
from tests.deploy.manifests import (
    BINARIES,
    KUBERNETES,
    OVERLAYS,
    WORKLOADS,
    Document,
    Process,
    documents,
    environment,
    kustomized,
    of_kind,
    processes,
)

SECRETS = {"store-url": "postgresql+psycopg://pushwake@db/pushwake"}
FILES = sorted(
    path
    for path in KUBERNETES.rglob("*.yaml")
    if path.name != "kustomization.yaml" and "monitoring" not in path.parts
)
VERSIONS = ("1.28", "1.34", "1.37")
SETTINGS = KUBERNETES / "base" / "pushwake.toml"


def everywhere() -> list[Process]:
    """Every container of every workload that is written down, kustomize or not."""
    return [one for path in FILES for one in processes(documents(path))]


def validated(paths: list[Path], version: str) -> subprocess.CompletedProcess[str]:
    command = [str(BINARIES / "kubernetes-validate"), "-k", version, "--strict", "--quiet"]
    command += map(str, paths)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_the_schema_of_kubernetes(version: str) -> None:
    run = validated(FILES, version)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_schema_would_notice_a_misspelt_field(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    source = (KUBERNETES / "single" / "statefulset.yaml").read_text()
    wrong.write_text(source.replace("terminationGracePeriodSeconds", "terminationGraceSeconds"))
    assert validated([wrong], VERSIONS[-1]).returncode != 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_kustomize_builds_fits_too(overlay: str, tmp_path: Path) -> None:
    built = tmp_path / "built.yaml"
    found = [one for one in kustomized(overlay) if "monitoring.coreos.com" not in one["apiVersion"]]
    built.write_text(yaml.safe_dump_all(found))
    run = validated([built], VERSIONS[-1])
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_of_a_namespace_is_in_that_of_pushwake(overlay: str) -> None:
    found = kustomized(overlay)
    assert {one["metadata"].get("namespace") for one in found if one["kind"] != "Namespace"} == {
        "pushwake"
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_runs_worker_web_and_notifier(overlay: str) -> None:
    wanted = {"notify", "run", "serve"} | ({"rollup"} if overlay == "scaled" else set())
    assert {one.name for one in processes(kustomized(overlay))} == wanted


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rollup_workers_read_for_a_worker_that_knows_of_them(overlay: str) -> None:
    running = {one.name: one for one in processes(kustomized(overlay))}
    told = {
        name: load(SETTINGS, environment(running[name], SECRETS)).rollup.on
        for name in ("run", "rollup")
        if name in running
    }
    assert told == ({"run": True, "rollup": True} if overlay == "scaled" else {"run": False})


def test_a_rollup_worker_keeps_its_name_over_restarts_and_sees_no_store() -> None:
    (rollup,) = [one for one in processes(kustomized("scaled")) if one.name == "rollup"]
    assert rollup.workload["kind"] == "StatefulSet"
    assert load(SETTINGS, environment(rollup, SECRETS)).rollup.instance == ""  # the pod's name
    assert not [one for one in rollup.container["env"] if "STORE" in one["name"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_find_their_pods_and_ports_have_their_names(overlay: str) -> None:
    found = kustomized(overlay)
    running = processes(found)
    for workload in of_kind(found, *WORKLOADS):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for budget in of_kind(found, "PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"]
        (chosen,) = [one for one in running if wanted.items() <= one.labels.items()]
        replicas = chosen.workload["spec"]["replicas"]
        away = budget["spec"].get("maxUnavailable")
        assert (replicas - budget["spec"]["minAvailable"] if away is None else away) > 0
        assert replicas > 1
    for service in of_kind(found, "Service"):
        for port in service["spec"]["ports"]:
            assert [
                one
                for one in running
                if service["spec"]["selector"].items() <= one.labels.items()
                and port["targetPort"] in one.ports
            ], f"{service['metadata']['name']} leads nowhere at {port}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_network_policy_lets_in_what_services_offer_and_nothing_else(overlay: str) -> None:
    found = kustomized(overlay)
    (policy,) = of_kind(found, "NetworkPolicy")
    opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule.get("ports", ())}
    offered = {
        port["targetPort"] for one in of_kind(found, "Service") for port in one["spec"]["ports"]
    }
    assert opened == offered
    assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_gets_rights_in_the_cluster(overlay: str) -> None:
    found = kustomized(overlay)
    assert not [one for one in found if one["kind"].endswith(("Role", "RoleBinding"))]
    for account in of_kind(found, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("process", everywhere(), ids=lambda one: str(one.name))
def test_every_process_is_locked_in_as_the_restricted_standard_demands(process: Process) -> None:
    pod, container = process.pod, process.container
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert pod["terminationGracePeriodSeconds"] >= 25
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("process", everywhere(), ids=lambda one: str(one.name))
def test_every_process_is_probed_where_it_listens(process: Process) -> None:
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        asked = process.container[probe]["httpGet"]
        assert (asked["path"], asked["port"] in process.ports) == (path, True)


@pytest.mark.parametrize("process", everywhere(), ids=lambda one: str(one.name))
def test_what_is_mounted_is_a_volume_and_secrets_stay_files(process: Process) -> None:
    volumes = {one["name"] for one in process.pod["volumes"]}
    claims = process.workload["spec"].get("volumeClaimTemplates", ())
    volumes |= {one["metadata"]["name"] for one in claims}
    mounts = {one["name"]: one["mountPath"] for one in process.container["volumeMounts"]}
    assert mounts.keys() <= volumes
    assert mounts["settings"] == "/etc/pushwake"
    assert mounts["secrets"] == "/run/secrets/pushwake"
    assert f"{mounts['settings']}/{SETTINGS.name}" in process.container["args"]


@pytest.mark.parametrize("process", everywhere(), ids=lambda one: str(one.name))
def test_the_settings_load_in_the_surroundings_of_the_container(process: Process) -> None:
    settings = load(SETTINGS, environment(process, SECRETS))
    assert settings.web.host == "0.0.0.0"
    assert settings.web.port == 8080
    assert (settings.notify.host, settings.notify.port) == ("0.0.0.0", 9471)
    assert (settings.run.host, settings.run.port) == ("", 9470)
    assert (settings.rollup.host, settings.rollup.port) == ("", 9472)
    if process.name == "rollup":
        return
    if process.workload["kind"] == "StatefulSet":
        assert settings.store.url == "sqlite:////var/lib/pushwake/pushwake.db"
    else:
        assert settings.store.url == SECRETS["store-url"]


def test_the_settings_that_are_commented_out_load_as_well(tmp_path: Path) -> None:
    text = "\n".join(
        line.removeprefix("#: ") if line.startswith("#: ") else line
        for line in SETTINGS.read_text().splitlines()
    )
    everything = tmp_path / "everything.toml"
    everything.write_text(text)
    assert tomllib.loads(text) != tomllib.loads(SETTINGS.read_text())
    load(everything)


def test_the_config_map_is_named_after_its_content_so_that_a_change_restarts_the_pods() -> None:
    maps: list[Document] = of_kind(kustomized("single"), "ConfigMap")
    (settings,) = [one for one in maps if "pushwake.toml" in one["data"]]
    assert settings["metadata"]["name"].startswith("pushwake-")
    (mounted,) = [
        volume["configMap"]["name"]
        for volume in processes(kustomized("single"))[0].pod["volumes"]
        if volume["name"] == "settings"
    ]
    assert mounted == settings["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_images_name_is_given_in_one_place(overlay: str) -> None:
    (kustomization,) = documents(KUBERNETES / overlay / "kustomization.yaml")
    (image,) = kustomization["images"]
    built = {one.container["image"] for one in processes(kustomized(overlay))}
    assert built == {f"{image['newName']}:{image['newTag']}"}
    assert image["newTag"] == version("pushwake")
