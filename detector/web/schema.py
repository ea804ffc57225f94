"""The OpenAPI 3.1 document: FastAPI's routes, with the structs' own JSON schemas."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_PLACE = "#/components/schemas/{name}"

_seen: dict[str, Any] = {}  # schemas that routes refer to, filled as the routes are declared


def reference(kind: object) -> dict[str, Any]:
    """A reference to the schema of a type, which stands in the document from now on."""
    (shape,), components = msgspec.json.schema_components([kind], ref_template=_PLACE)
    _seen.update(components)
    return dict(shape)


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
            made.setdefault("components", {}).setdefault("schemas", {}).update(_seen)
            self.openapi_schema = made
        return self.openapi_schema
