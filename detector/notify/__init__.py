"""Whom to tell, what, and how to be sure that it arrived: drains the outbox of the store."""

from __future__ import annotations
