"""What those see who may not see a page."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request, Response

from detector.web import problems
from detector.web.pages.html import failed, form_page, page
from detector.web.problems import ProblemError

_MACHINES = ("/v1/", "/static/")
_SINGLE = frozenset({"/openapi.json", "/livez", "/readyz", "/metrics"})


def refusal(request: Request, problem: ProblemError) -> Response:
    """A problem as people or programs are told it; who needs a token is asked for one."""
    path = request.url.path
    if path.startswith(_MACHINES) or path in _SINGLE:
        return problems.answer(request, problem)
    if problem.status is not HTTPStatus.UNAUTHORIZED:
        return failed(request, problem)
    query = f"?{request.url.query}" if request.url.query else ""
    target = f"/sign-in?next={quote(form_page(request) or path + query, safe='')}"
    if request.headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": target})
    # A link on another site was followed: the cookie, if there is one, comes only with a request
    # that this site begins.
    return page(request, "onward", target=target)
