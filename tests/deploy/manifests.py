"""The files under ``deploy/`` as documents, and the processes that they start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.parts import missing

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
BINARIES = Path(sys.executable).parent
OVERLAYS = ("single", "replicated", "scaled")
WORKLOADS = ("Deployment", "StatefulSet")

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """The documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def tool(name: str) -> str:
    """A program of the machine; the test is skipped where it lacks."""
    path = shutil.which(name)
    if path is None:
        missing(name, "is not installed")
    return path


def kubectl() -> str:
    """kubectl, which no package registry has: the test is skipped without it, even in CI."""
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("kubectl is not installed, so kustomize cannot build")
    return path


@cache
def commands() -> frozenset[str]:
    """The commands that ``pushwake`` has."""
    program = [str(BINARIES / "pushwake"), "--help"]
    shown = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout
    return frozenset(re.findall(r"^    ([a-z-]+)\b", shown, re.MULTILINE))


@cache
def kustomized(overlay: str) -> tuple[Document, ...]:
    """What ``kubectl apply -k`` would send."""
    command = [kubectl(), "kustomize", str(KUBERNETES / overlay)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return tuple(one for one in yaml.safe_load_all(run.stdout) if one)


def of_kind(found: Sequence[Document], *kinds: str) -> list[Document]:
    """The documents of these kinds."""
    return [one for one in found if one["kind"] in kinds]


@dataclass(frozen=True)
class Process:
    """A container of a workload: what is started, and with which surroundings."""

    workload: Document
    container: Document

    @property
    def name(self) -> str:
        """The command of ``pushwake`` that it runs."""
        return str(self.container["args"][0])

    @property
    def pod(self) -> Document:
        """The pod's specification."""
        spec: Document = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def labels(self) -> dict[str, str]:
        """The pod's labels."""
        labels: dict[str, str] = self.workload["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def ports(self) -> dict[str, int]:
        """Named ports."""
        return {one["name"]: one["containerPort"] for one in self.container.get("ports", ())}


def processes(found: Sequence[Document]) -> list[Process]:
    """Every container of every workload."""
    return [
        Process(workload, container)
        for workload in of_kind(found, *WORKLOADS)
        for container in workload["spec"]["template"]["spec"]["containers"]
    ]


def environment(process: Process, secrets: Mapping[str, str]) -> dict[str, str]:
    """The variables that the kubelet would set, those that a Service leaves among them."""
    told = {
        one["name"]: one.get("value") or secrets[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in process.container.get("env", ())
    }
    links = {"PUSHWAKE_SERVICE_HOST": "10.0.0.1", "PUSHWAKE_PORT": "tcp://10.0.0.1:80"}
    links["PUSHWAKE_PORT_80_TCP_ADDR"] = "10.0.0.1"
    outer = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**outer, **links, **told}


def values_of(value: object) -> Iterator[object]:
    """Every leaf of a document."""
    if isinstance(value, dict):
        for one in value.values():
            yield from values_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from values_of(one)
    else:
        yield value
