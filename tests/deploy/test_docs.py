"""The pages under ``docs/`` name all there is, and what they tell people to type works."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from detector.commands.lists import markdown
from detector.errors import PushwakeError
from detector.settings import StoreSettings, describe
from detector.store import Store
from detector.store.reading import reading
from detector.store.tables import lease
from tests.deploy import routes
from tests.deploy.manifests import ROOT, commands

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
EVERYTHING = "\n".join(path.read_text() for path in [ROOT / "README.md", *PAGES])
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def block(page: str, containing: str) -> str:
    """The block of code of a page that has these words in it."""
    (found,) = [code for code in CODE.findall((DOCS / page).read_text()) if containing in code]
    return str(found)


def anchors(path: Path) -> set[str]:
    """What headings may be linked as."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_the_reference_of_settings_is_that_of_this_version() -> None:
    assert (DOCS / "settings.md").read_text() == markdown(), (
        "run: pushwake settings --markdown > docs/settings.md"
    )


def test_every_setting_is_named_with_its_default() -> None:
    text = (DOCS / "settings.md").read_text()
    assert [one.key for one in describe() if f"| `{one.key}` | `" not in text] == []


def test_the_page_of_routes_is_that_of_this_version() -> None:
    text = (DOCS / "routes.md").read_text()
    assert text == routes.page(), "run: python -m tests.deploy.routes > docs/routes.md"
    assert len(routes.served()) > 15
    assert [one for one in routes.served() if f"`{one.path}`" not in text or not one.help] == []


def test_every_command_is_named() -> None:
    assert [one for one in sorted(commands()) if f"pushwake {one}" not in EVERYTHING] == []


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"`pushwake ([a-z]+)\b[^`\n]*`", EVERYTHING))
    assert named - commands() == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.name))
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(path.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path if not name else (path.parent / name).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "operating.md").read_text(), re.MULTILINE)
    kinds: list[type[PushwakeError]] = [PushwakeError, *PushwakeError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} <= {int(code) for code in rows}


def test_the_backup_as_told_is_a_store_that_opens(tmp_path: Path) -> None:
    told = block("operating.md", "VACUUM INTO").replace("python", sys.executable, 1)
    here = told.replace("/var/lib/pushwake", str(tmp_path)).replace(
        "/tmp/backup", f"{tmp_path}/backup"
    )
    with Store.open(f"sqlite:///{tmp_path}/pushwake.db"):  # while a worker has it
        subprocess.run(here, shell=True, check=True, timeout=60)
    with sqlite3.connect(f"file:{tmp_path}/backup.db?mode=ro", uri=True) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with reading(StoreSettings(url=f"sqlite:///{tmp_path}/backup.db")) as connection:
        assert connection.scalar(sa.select(lease.c.epoch)) == 1
