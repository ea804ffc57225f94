"""``/livez``, ``/readyz`` and ``/metrics`` of the web process, for whoever supervises it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder

from detector.errors import StoreError
from detector.web.state import state_of

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def alive() -> JSONResponse:
    """Whether the process turns; neither store nor worker is asked."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(request: Request) -> JSONResponse:
    """Whether there is a store of this version that can be read."""
    try:
        with state_of(request).store.reading():
            return JSONResponse({"status": "ok"})
    except StoreError as error:
        told = {"status": "failing", "reason": error.what, "advice": error.advice}
        return JSONResponse(told, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What the process counts of itself, for Prometheus; nothing of the mesh."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = encode(state_of(request).meter.registry)
    return Response(body, headers={"Content-Type": media_type})
