"""``/``: is the mesh fine, and what is under way?"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from detector.report import phrases, wording
from detector.web.pages.html import PageRoute, page
from detector.web.pages.overview import Overview, read_overview
from detector.web.pages.promise import realised
from detector.web.pages.pulse import Pulse
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)


@router.get("/")
def now(request: Request) -> Response:
    """The first page."""
    state = state_of(request)
    with state.store.reading() as connection:
        found = read_overview(connection, state.settings)
    return page(
        request,
        "now",
        found=found,
        pulse=found.pulse,
        headline=headline(found),
        advice=_advice(found),
        tone=_tone(found),
        realised=realised(found.promise, found.pulse.as_of),
    )


def headline(found: Overview) -> str:
    """What there is to say, in one sentence or two."""
    if found.pulse.mood == "empty":
        return "Nothing was judged yet."
    under_way = _under_way(found)
    if not found.live:
        return f"{_quiet(found.pulse)}.{under_way}"
    worst = found.worst or found.live[0]
    going_on = [one for one in found.live if one.status != "recovering"]
    state = "open" if going_on else "recovering"
    if found.live_count == 1:
        return f"1 incident is {state}: {wording.gist(worst)}."
    many = f"{found.live_count:,} incidents are {state}"
    return f"{many}. The largest: {wording.gist(worst)}."


def _quiet(pulse: Pulse) -> str:
    """What no live incident means: nothing, for the time of which nothing was judged."""
    if pulse.mood not in {"resting", "silent"}:
        return "The mesh is fine"
    return f"The mesh was fine up to {phrases.clock(pulse.as_of)}; nobody knows how it is now"


def _under_way(found: Overview) -> str:
    if not found.going:
        return ""
    window = found.going[0].window
    return f" {wording.window(window).capitalize()} under way, {wording.proxies(window)}."


def _advice(found: Overview) -> str:
    """What to do next, where that is not plain."""
    if found.pulse.mood == "empty":
        return (
            "The store is there, and no worker has judged a bucket of time yet. The first "
            "verdicts come within a minute of the first access log entries."
        )
    fault = found.worst.signature if found.worst else None
    return f"Known fault: {phrases.clean(fault.title, 160)}." if fault else ""


def _tone(found: Overview) -> str:
    if found.live or found.pulse.mood == "silent":
        return "alarm"
    return "fine" if found.pulse.mood in {"live", "learning"} else "empty"
