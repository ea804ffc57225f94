"""Scenarios: what happens to a running lab, and the truth about it."""

from lab.scenarios.catalogue import QUIET_S, SCENARIOS, Scenario

__all__ = ["QUIET_S", "SCENARIOS", "Scenario"]
