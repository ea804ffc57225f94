"""One frozen tree of settings: fields, defaults, ranges and help in one place.

A section is a file of its own; `tree` puts them together.
"""

from detector.settings.detection import DetectionSettings
from detector.settings.istiod import IstiodSettings
from detector.settings.kafka import KafkaSettings
from detector.settings.notify import ChannelKind, ChannelSettings, NotifySettings
from detector.settings.report import RedactionSettings, ReportSettings
from detector.settings.rollup import RollupSettings
from detector.settings.run import RunSettings
from detector.settings.section import Section
from detector.settings.signatures import SignatureSettings
from detector.settings.store import StoreSettings
from detector.settings.tree import Setting, Settings, describe
from detector.settings.web import WebSettings
from detector.settings.windows import WindowSettings

__all__ = [
    "ChannelKind",
    "ChannelSettings",
    "DetectionSettings",
    "IstiodSettings",
    "KafkaSettings",
    "NotifySettings",
    "RedactionSettings",
    "ReportSettings",
    "RollupSettings",
    "RunSettings",
    "Section",
    "Setting",
    "Settings",
    "SignatureSettings",
    "StoreSettings",
    "WebSettings",
    "WindowSettings",
    "describe",
]
