"""The OpenAPI 3.1 document: FastAPI's routes, with the structs' own JSON schemas."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_PLACE = "#/components/schemas/{name}"

_seen: dict[str, Any] = {}  # schemas that routes refer to, filled as the routes are declared


_examples: dict[str, Any] = {}


def reference(kind: object) -> dict[str, Any]:
    """A reference to the schema of a type, which stands in the document from now on."""
    (shape,), components = msgspec.json.schema_components([kind], ref_template=_PLACE)
    _seen.update(components)
    return dict(shape)


def example(document: object) -> str:
    """A stand-in for an example until the document is made: FastAPI would drop what is null."""
    name = f"example {len(_examples)}"
    _examples[name] = msgspec.to_builtins(document)
    return name


class Described(FastAPI):
    """An application whose document knows msgspec's structs."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            made = get_openapi(
                title="Pushwake",
                version=version("pushwake"),
                description=self.description,
                routes=self.routes,
            )
            _drop_foreign_problems(made)
            for content in _contents(made):
                if "example" in content:
                    content["example"] = _examples[content["example"]]
            made.setdefault("components", {}).setdefault("schemas", {}).update(_seen)
            self.openapi_schema = made
        return self.openapi_schema


def _drop_foreign_problems(document: dict[str, Any]) -> None:
    """FastAPI adds an error of its own to whatever has a name in its path; ours are problems."""
    schemas = document.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            answer = operation["responses"].get("422", {})
            if "application/json" in answer.get("content", {}):
                del operation["responses"]["422"]


def _contents(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What bodies and answers hold."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for told in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from told.get("content", {}).values()
