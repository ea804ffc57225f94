"""The deployed worker: topics in, incidents out, for as long as the process lives."""

from detector.live.answers import alive, ready
from detector.live.loop import Live, LiveSource
from detector.live.metrics import Metrics
from detector.live.status import Status
from detector.live.watermarks import Watermarks

__all__ = ["Live", "LiveSource", "Metrics", "Status", "Watermarks", "alive", "ready"]
