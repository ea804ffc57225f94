"""The published document tells the truth: its examples hold, and the server keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from detector.store import Step, Store
from detector.web.examples import NOON

Document = dict[str, Any]

STREAM = "/v1/events"  # has no end
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LONGEST = 60_000  # bytes of a query; httptools takes 65,535 of a URL
IDS = {"incident_id": "i00000000003", "window_id": "w0000", "silence_id": "none"}


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> Document:
    told = client.get("/openapi.json").json()
    assert isinstance(told, dict)
    return told


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: Document) -> Iterator[Document]:
    """The schemas of bodies and good answers, with their examples."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for status, answer in operation["responses"].items():
        if int(status) < HTTPStatus.BAD_REQUEST:
            yield from answer.get("content", {}).values()


def test_every_body_and_every_answer_has_an_example_that_fits_its_schema(
    document: Document,
) -> None:
    shared = {"components": document["components"]}
    looked_at = 0
    for name, operation in operations(document):
        for content in contents(operation):
            assert "example" in content, name
            jsonschema_rs.validate(content["schema"] | shared, content["example"])
            looked_at += 1
    assert looked_at > 25


def test_every_operation_says_what_it_does_and_how_it_fails(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    problem = {"$ref": "#/components/schemas/ProblemDocument"}
    for name, operation in operations(document):
        assert operation["summary"], name
        for status, answer in operation["responses"].items():
            assert answer["description"], name
            if int(status) >= HTTPStatus.BAD_REQUEST:
                assert answer["content"]["application/problem+json"]["schema"] == problem, name


def test_the_server_accepts_every_body_that_is_shown(
    document: Document, writer: httpx.Client, own_url: str
) -> None:
    with Store.open(own_url) as store:
        store.commit(Step(time=NOON))  # what is told to be missed has been judged
    sent = 0
    ids = dict(IDS)
    for name, operation in operations(document):
        method, path = name.split()
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            continue
        answer = writer.request(method, path.format(**ids), json=body["example"])
        good = min(map(int, operation["responses"]))
        assert answer.status_code == good, (name, answer.text)
        if path == "/v1/windows":
            ids["window_id"] = answer.json()["id"]
        sent += 1
    assert sent == 6


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_asked_the_answer_is_one_of_those_that_are_documented(
    writer: httpx.Client, mode: GenerationMode
) -> None:
    base = str(writer.base_url)
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    checks = [*CHECKS, *([negative_data_rejection] if mode is GenerationMode.NEGATIVE else [])]
    asked = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path == STREAM:
            continue
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue  # any name is well formed

        @settings(
            max_examples=5,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case[Any]) -> None:
            # What is longer the server's parser refuses before it is a request.
            assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST)
            case.call_and_validate(base_url=base, checks=checks)

        holds()
        asked.add(operation.label)
    assert len(asked) > {GenerationMode.POSITIVE: 25, GenerationMode.NEGATIVE: 12}[mode]
