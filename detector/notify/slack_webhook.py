"""Slack's incoming webhooks: they take messages, and can neither edit nor find them.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from http.client import HTTPException

from slack_sdk.webhook import WebhookClient

from detector.errors import SettingsError
from detector.notify.outcomes import Outcome, by_status
from detector.notify.secrets import Secret, scrub
from detector.notify.sending import Mark, fault
from detector.notify.slack_log import silent
from detector.notify.slack_message import Message


class SlackWebhook:
    """One incoming webhook.

    Args:
        address: gives the webhook's address, which is its secret; asked before every call.
        timeout_s: seconds to wait for an answer.
    """

    editable = False

    def __init__(self, address: Callable[[], Secret], timeout_s: float) -> None:
        self._address = address
        self._timeout_s = math.ceil(timeout_s)

    def post(
        self, message: Message, mark: Mark, *, thread: str = "", aloud: bool = False
    ) -> Outcome:
        """Send a message; without blocks if Slack does not take these."""
        outcome = self._send(message)
        if outcome.answer == "refused" and message.blocks:
            outcome = self._send(Message(message.text, []))
        if outcome.answer == "refused":
            return replace(outcome, answer="stop")
        return outcome

    def edit(self, ref: str, place: str, message: Message, mark: Mark) -> Outcome:
        """Is never possible."""
        return Outcome("gone", "an incoming webhook cannot edit")

    def find(self, mark: Mark, since: datetime, *, thread: str = "") -> Outcome:
        """Is never possible."""
        return Outcome("gone", "an incoming webhook cannot look")

    def picture(self, ref: str, place: str, image: bytes, title: str) -> Outcome:
        """Is never possible."""
        return Outcome("gone", "an incoming webhook takes no files")

    def _send(self, message: Message) -> Outcome:
        try:
            address = self._address()
        except SettingsError as error:
            return Outcome("stop", str(error))
        client = WebhookClient(
            address.reveal(), self._timeout_s, retry_handlers=[], logger=silent()
        )
        try:
            answer = client.send(
                text=message.text,
                blocks=message.blocks or None,
                unfurl_links=False,
                unfurl_media=False,
            )
        except (OSError, HTTPException, ValueError) as error:
            return fault(error)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        body = scrub(answer.body, [address])
        return by_status(answer.status_code, body, headers.get("retry-after"))
