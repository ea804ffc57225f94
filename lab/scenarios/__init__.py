"""Scenarios: what happens to a running lab, and the truth about it."""

from lab.scenarios.catalogue import SCENARIOS, Scenario

__all__ = ["SCENARIOS", "Scenario"]
