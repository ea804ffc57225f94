"""``pushwake run --check`` and ``--print-effective``."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.configure import load
from detector.effective import effective
from detector.settings import StoreSettings
from detector.store import Store
from tests.parts.kafka import PASSWORD, USER, Broker

MakeTopic = Callable[..., str]
CANARY = "canary-92ab@:/x"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detector.cli", "run", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env=environment
    )


def test_the_settings_in_force_are_a_file_that_gives_them_again(tmp_path: Path) -> None:
    overrides = ['kafka.topics={"^a.*" = "auto"}', 'redaction.patterns="a\\\\d",b', "run.port=1"]
    settings = load(overrides=[*overrides, 'formats.mine="%START_TIME% x"'])
    file = tmp_path / "pushwake.toml"
    file.write_text(effective(settings))
    assert load(file) == settings


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:{}@db/pushwake",
        "postgresql://db/pushwake?user=me&password={}",
        "postgresql+psycopg://me:{}@db:5432/pushwake?sslmode=require",
    ],
)
def test_no_password_of_an_address_is_shown(address: str) -> None:
    secret = "canary-3%40x"
    shown = effective(load(overrides=[f"store.url={address.format(secret)}"]))
    assert "canary" not in shown
    assert "***" in tomllib.loads(shown)["store"]["url"]


def test_a_worker_that_could_work_is_told_so_and_nothing_is_made(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    topic, letters = make_topic(3, "access"), make_topic(name="letters")
    store = tmp_path / "new.db"
    told = run(
        "--check",
        *("--set", f"store.url=sqlite:///{store}"),
        *("--set", f'kafka.topics={{"{topic}" = "access"}}'),
        *("--set", f"kafka.dead_letter_topic={letters}"),
        *("--set", f"kafka.bootstrap_servers=127.0.0.1:{apache.sasl_port}"),
        *("--set", "kafka.security_protocol=SASL_PLAINTEXT", "--set", f"kafka.username={USER}"),
        PUSHWAKE_KAFKA_PASSWORD=PASSWORD,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"ok    topics    {topic} (3 partitions)" in told.stdout
    assert f"ok    store     {store} will be made" in told.stdout
    assert PASSWORD not in told.stdout + told.stderr
    assert not store.exists()


def test_everything_that_is_wrong_is_told_at_once_with_what_to_do(tmp_path: Path) -> None:
    told = run(
        "--check",
        *("--set", f"store.url=sqlite:///{tmp_path}/no/folder.db"),
        *("--set", "kafka.bootstrap_servers=127.0.0.1:9", "--set", "kafka.timeout_s=1"),
    )
    assert told.returncode == 3
    assert "ok    settings  valid" in told.stdout
    assert "FAIL  topics    127.0.0.1:9: no broker answers" in told.stdout
    assert "its folder does not exist. Make " in told.stdout


def test_wrong_credentials_are_a_reason_that_is_told_and_are_not_shown(
    apache: Broker, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text(CANARY)
    told = run(
        "--check",
        *("--set", f"store.url=sqlite:///{tmp_path}/live.db", "--set", "kafka.timeout_s=2"),
        *("--set", f"kafka.bootstrap_servers=127.0.0.1:{apache.sasl_port}"),
        *("--set", "kafka.security_protocol=SASL_PLAINTEXT", "--set", f"kafka.username={USER}"),
        *("--set", f"kafka.password_file={secret}"),
    )
    assert told.returncode == 3
    assert "Check kafka.bootstrap_servers, the credentials" in told.stdout
    assert "canary" not in told.stdout + told.stderr


def test_a_store_that_is_held_is_told_by_whom(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    with Store.open(url, owner="the other one", settings=StoreSettings(lease_s=600)):
        told = run("--check", "--set", f"store.url={url}", "--set", "kafka.timeout_s=1")
    assert "ok    store     held by the other one" in told.stdout
