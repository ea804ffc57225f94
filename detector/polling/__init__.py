"""istiod's own metrics and debug pages, asked now and then, as control-plane events."""

from __future__ import annotations

from detector.polling.poller import Health, Poller

__all__ = ["Health", "Poller"]
