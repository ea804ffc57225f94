"""Who asks."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import Request


class Principal(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    scopes: frozenset[str]


LOCAL = Principal("local", frozenset({"read", "write", "gate", "admin"}))
"""Whoever reaches a server on loopback without a token: they could read its files as well."""


def principal_of(request: Request) -> Principal:
    """Who sent a request."""
    known = request.scope.get("principal", LOCAL)
    assert isinstance(known, Principal)
    return known
