"""What people do on the page of an incident, by forms that need no script.

Each form leads through the function that its REST route has: the same rules, the same audit.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from detector.web import people, silences, writing
from detector.web.pages.forms import conditional, fields, filled
from detector.web.pages.html import PageRoute
from detector.web.parameters import check_none
from detector.web.people import AcknowledgeBody, FeedbackBody
from detector.web.silences import SilenceBody
from detector.web.writing import Raw, Reply, Write

router = APIRouter(route_class=PageRoute)

WITHDRAWN = "none"
"""In place of a verdict: what was said is taken back."""


@router.post("/incidents/{incident_id}/acknowledge")
def acknowledge(request: Request, raw: Raw, incident_id: str) -> Response:
    """Look after an incident."""
    given = fields(request, raw)
    body = filled({"note": given.get("note")}, AcknowledgeBody)
    return _act(request, raw, given, lambda write: people.acknowledge(write, incident_id, body))


@router.post("/incidents/{incident_id}/unacknowledge")
def unacknowledge(request: Request, raw: Raw, incident_id: str) -> Response:
    """Look after it no more."""
    given = fields(request, raw)
    return _act(request, raw, given, lambda write: people.unacknowledge(write, incident_id))


@router.post("/incidents/{incident_id}/feedback")
def feedback(request: Request, raw: Raw, incident_id: str) -> Response:
    """Say what it was, or take back what was said."""
    given = fields(request, raw)
    if given.get("verdict") == WITHDRAWN:
        return _act(request, raw, given, lambda write: people.withdraw(write, incident_id))
    body = filled(_only(given, "verdict", "note"), FeedbackBody)
    return _act(request, raw, given, lambda write: people.judge(write, incident_id, body))


@router.post("/incidents/{incident_id}/silence")
def silence(request: Request, raw: Raw, incident_id: str) -> Response:
    """Hear no more of incidents like this one, for a while."""
    given = fields(request, raw)
    matcher = {
        name: [line.strip() for line in given[name].splitlines() if line.strip()]
        for name in ("service", "source", "signal")
        if name in given
    }
    told = _only(given, "reason", "owner", "lasts_s")
    body = filled({"matcher": matcher, **told}, SilenceBody)
    return _act(request, raw, given, lambda write: silences.make(write, body))


@router.post("/incidents/{incident_id}/unsilence")
def unsilence(request: Request, raw: Raw, incident_id: str) -> Response:
    """End a silence that holds the incident back."""
    given = fields(request, raw)
    silence_id = given.get("silence", "")
    return _act(request, raw, given, lambda write: silences.finish(write, silence_id))


def _only(given: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if name in names}


def _act(
    request: Request, raw: bytes, given: dict[str, str], act: Callable[[Write], Reply]
) -> Response:
    """Make a change, and show the page that the form was on."""
    check_none(request)
    writing.perform(conditional(request, raw, given), raw, act)
    page = quote(request.path_params["incident_id"], safe="")
    return Response(
        status_code=HTTPStatus.SEE_OTHER, headers={"Location": f"/incidents/{page}#people"}
    )
