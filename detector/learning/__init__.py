"""Baselines from the past, so that a new installation judges from its first minute."""

from __future__ import annotations

from detector.learning.learn import Learned, learn

__all__ = ["Learned", "learn"]
