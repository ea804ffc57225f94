"""How bad an incident is, from its counts alone.

The measure is how fast it burns the error budget of a 99.9 % objective: a share of failures of
1.44 % burns it 14.4 times too fast, which is where Google's SRE Workbook (chapter 5, alerting on
burn rate) wakes somebody; 0.1 % burns it just as fast as it may burn, which is where it opens a
ticket. Errors that the baselines expect do not count.
"""

from __future__ import annotations

from typing import get_args

from detector.types import Severity

PAGES = 0.0144  # share of the requests concerned
TICKETS = 0.001
MANY = 100.0  # errors: fewer, on a service that hardly anybody calls, wake nobody

_ORDER: tuple[Severity, ...] = get_args(Severity)


def severity(excess: float, requests: float) -> Severity:
    """The severity of so many errors beyond expectation among so many requests.

    >>> severity(400, 9_871), severity(40, 60), severity(400, 1_000_000)
    ('critical', 'warning', 'info')
    """
    share = excess / requests if requests > 0 else 1.0
    if share >= PAGES and excess >= MANY:
        return "critical"
    return "warning" if share >= TICKETS else "info"


def rank(one: Severity) -> int:
    """0 for the mildest; for sorting and for limits."""
    return _ORDER.index(one)


def worse(one: Severity, other: Severity) -> Severity:
    """The worse of two."""
    return max(one, other, key=rank)
