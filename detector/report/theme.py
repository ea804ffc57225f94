"""Colours and type of the charts on light and on dark ground."""

from __future__ import annotations

from typing import Any, Literal

Theme = Literal["light", "dark"]
GROUND: dict[Theme, str] = {"light": "#ffffff", "dark": "#12161d"}
"""What lies under a chart: the page's cards have the same."""

_SIGNALS = {
    "light": ["#0b62a8", "#c8501e", "#0a7d5f", "#a8488a", "#9a6b00", "#5b5bd6", "#6b7280"],
    "dark": ["#5eb0ef", "#ff9466", "#3dd6a8", "#e796c8", "#f0c04a", "#a5a5ff", "#9aa4b2"],
}
"""Seven hues that the common forms of colour blindness keep apart, 3:1 or more on their ground."""


def config(theme: Theme) -> dict[str, Any]:
    """The Vega-Lite configuration of a theme: every colour and font of the charts."""
    dark = theme == "dark"
    text, muted = ("#e6e9ef", "#a3adbb") if dark else ("#1b1f27", "#566070")
    grid = "#2a313c" if dark else "#e4e7ec"
    return {
        "background": None,
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted,
            "titleColor": muted,
            "gridColor": grid,
            "domainColor": grid,
            "tickColor": grid,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "labelOverlap": "greedy",
            "labelSeparation": 8,
        },
        "legend": {
            "labelColor": text,
            "titleColor": muted,
            "labelFontSize": 12,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "orient": "top",
            "offset": 8,
            "symbolType": "square",
        },
        "title": {"color": text, "subtitleColor": muted, "anchor": "start", "fontSize": 14},
        "range": {"category": _SIGNALS[theme]},
        "style": _marks(theme, text),
    }


def _marks(theme: Theme, text: str) -> dict[str, Any]:
    """The styles that the charts' marks name."""
    dark = theme == "dark"
    band = "#8b98a9" if dark else "#7b8794"
    shade, edge = ("#8f7bff", "#b7a8ff") if dark else ("#7c5cff", "#5b3fd6")
    alarm = "#ff7a6b" if dark else "#c8321e"
    return {
        "window": {"color": shade, "opacity": 0.22 if dark else 0.14},
        "window-label": {"color": edge, "fontSize": 11, "fontWeight": "bold"},
        "band": {"color": band, "opacity": 0.3},
        "expected": {"color": band, "strokeWidth": 1.5},
        "bar-of-errors": {"stroke": GROUND[theme], "strokeWidth": 0.5},
        "detection": {"color": text, "strokeDash": [4, 3], "strokeWidth": 1.2},
        "detection-label": {"color": text, "fontSize": 11},
        "lane-window": {"color": shade, "stroke": GROUND[theme], "cornerRadius": 2},
        "lane-incident": {"color": alarm, "stroke": GROUND[theme], "cornerRadius": 2},
        "reconnect": {"color": edge, "strokeWidth": 2.5, "opacity": 1},
    }
