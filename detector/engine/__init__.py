"""Rollups and baselines in, verdicts out."""

from __future__ import annotations

from detector.engine.engine import Engine
from detector.engine.series import Bucket

__all__ = ["Bucket", "Engine"]
