"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ROOMS = ("models", "pipelines", "detector")
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 45
CLOCK = Path("detector/clock.py")
CLOCK_READERS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def modules() -> Iterator[Path]:
    for folder in (*ROOMS, "tests", "benchmarks", "lab"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring, which may be as long as its contract."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def targets() -> set[str]:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(re.findall(r"^ +make (\w+)", shown.stdout, re.MULTILINE))


def commands() -> set[str]:
    shown = subprocess.run(
        [Path(sys.executable).parent / "pushwake", "--help"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"},
    )
    return set(re.findall(r"^[│|]? +([a-z][a-z-]+) {2,}\S", shown.stdout, re.MULTILINE))


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {
        path: len((ROOT / path).read_text().splitlines())
        for path in modules()
        if path.parts[0] != "tests"
    }

    assert len(lengths) > 20
    assert {path: n for path, n in lengths.items() if n > MAX_MODULE_LINES} == {}


def test_no_function_is_longer_than_45_lines() -> None:
    lengths = {
        f"{path}:{function.name}": lines_of(function)
        for path in modules()
        if path.parts[0] != "tests"
        for function in functions(ast.parse((ROOT / path).read_text()))
    }

    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_nothing_in_the_rooms_reads_the_clock_but_the_clock() -> None:
    readings = [
        f"{path}:{node.lineno}"
        for path in modules()
        if path.parts[0] in ROOMS and path != CLOCK
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in CLOCK_READERS.get(node.value.id, set())
    ]

    assert readings == []


def test_no_type_error_is_silenced() -> None:
    silencer = re.compile(r"#\s*type:\s*ignore|#\s*mypy:|#\s*pyright:")

    assert [p for p in modules() if silencer.search((ROOT / p).read_text())] == []


def test_every_make_target_is_explained() -> None:
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert declared is not None
    assert set(declared[1].split()) == targets()


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
def test_the_readme_names_every_make_target() -> None:
    text = README.read_text()

    assert [target for target in sorted(targets()) if f"make {target}" not in text] == []


@pytest.mark.skipif(
    not README.exists() or not (ROOT / "detector/cli.py").exists(),
    reason="there is no README or no command yet",
)
def test_the_readme_names_every_command() -> None:
    text = README.read_text()
    found = commands()

    assert "replay" in found
    assert [command for command in sorted(found) if f"pushwake {command}" not in text] == []


def test_requirements_are_pinned_with_hashes_and_name_no_address() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pin = re.compile(r"[a-z0-9._-]+==[\w.+!-]+( ; [\w .'<>=!()]+)? \\")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")

    assert len(lines) > 100
    assert [line for line in lines if not pin.fullmatch(line) and not digest.fullmatch(line)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed_for_those_who_import_it(room: str) -> None:
    assert (ROOT / room / "py.typed").exists()
