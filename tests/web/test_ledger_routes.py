"""Timelines and proxies over HTTP."""

from __future__ import annotations

import httpx


def test_a_known_incident_has_a_timeline_and_an_unknown_one_has_none(client: httpx.Client) -> None:
    assert client.get("/v1/incidents/i00000000001/timeline").json() == {"items": []}
    assert client.get("/v1/incidents/nobody/timeline").status_code == 404


def test_a_ledger_without_proxies_is_an_empty_list(client: httpx.Client) -> None:
    assert client.get("/v1/proxies?connected=true&q=x").json()["items"] == []
    assert client.get("/v1/proxies/none.shop").status_code == 404
    assert client.get("/v1/proxies?versio=1").status_code == 400
