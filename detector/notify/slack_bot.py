"""Slack's Web API with a bot's token: messages that are edited, threads, charts.

Scopes: ``chat:write``; ``files:write`` for charts; ``channels:history`` (or ``groups:history``)
to look whether a message arrived when a connection broke. https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient

from detector.errors import SettingsError
from detector.notify.outcomes import Answer, Outcome, by_status, seconds
from detector.notify.secrets import Secret, scrub
from detector.notify.sending import Mark, fault
from detector.notify.slack_log import silent
from detector.notify.slack_message import Message

EVENT = "pushwake_message"
SKEW = timedelta(minutes=5)
"""How far Slack's clock may be from ours when a message is looked for."""
PAGES = 5  # of 200 messages each, newest first

_ANSWERS: dict[str, Answer] = {
    "ratelimited": "wait",
    "rate_limited": "wait",
    "message_not_found": "gone",
    "cant_update_message": "gone",
    "edit_window_closed": "gone",
    "thread_not_found": "gone",
    "invalid_blocks": "refused",
    "invalid_blocks_format": "refused",
    "msg_blocks_too_long": "refused",
    "msg_too_long": "refused",
    "invalid_metadata_format": "refused",
    "invalid_metadata_schema": "refused",
    "metadata_too_large": "refused",
    "internal_error": "unclear",
    "fatal_error": "unclear",
    "request_timeout": "unclear",
    "service_unavailable": "unclear",
}
"""What Slack's errors mean; all others need somebody to act (a token, a scope, a channel)."""


class SlackBot:
    """One channel of a workspace.

    Args:
        token: gives the bot's token; asked before every call.
        channel: its id.
        api_url: of the Web API.
        timeout_s: seconds to wait for an answer.
    """

    editable = True

    def __init__(
        self, token: Callable[[], Secret], channel: str, api_url: str, timeout_s: float
    ) -> None:
        self._token = token
        self._channel = channel
        self._api_url = api_url
        self._timeout_s = math.ceil(timeout_s)

    def post(
        self, message: Message, mark: Mark, *, thread: str = "", aloud: bool = False
    ) -> Outcome:
        """Send a message; without blocks if Slack does not take these."""
        where: dict[str, Any] = {"channel": self._channel}
        if thread:
            where |= {"thread_ts": thread, "reply_broadcast": aloud}
        return self._written("chat.postMessage", where, message, mark)

    def edit(self, ref: str, place: str, message: Message, mark: Mark) -> Outcome:
        """Change a message; ``gone`` if it is no longer there."""
        where = {"channel": place or self._channel, "ts": ref}
        return self._written("chat.update", where, message, mark)

    def find(self, mark: Mark, since: datetime, *, thread: str = "") -> Outcome:
        """Look for a message in the channel, or in a thread of it."""
        told: dict[str, Any] = {
            "channel": self._channel,
            "oldest": f"{(since - SKEW).timestamp():.6f}",
            "limit": 200,
            "include_all_metadata": True,
        }
        method = "conversations.replies" if thread else "conversations.history"
        if thread:
            told["ts"] = thread
        for _ in range(PAGES):
            outcome, answer = self._call(method, told)
            if outcome.answer != "sent":
                return outcome
            for one in answer.get("messages", ()):
                if _is_ours(one, mark):
                    return Outcome("sent", "found", ref=one["ts"], place=self._channel)
            cursor = answer.get("response_metadata", {}).get("next_cursor")
            if not cursor:
                break
            told["cursor"] = cursor
        return Outcome("gone", "not found")

    def picture(self, ref: str, place: str, image: bytes, title: str) -> Outcome:
        """Upload a chart into the thread of a message."""
        outcome, _ = self._guarded(
            lambda client: client.files_upload_v2(
                channel=place or self._channel,
                thread_ts=ref,
                title=title,
                filename="errors.png",
                content=image,
                alt_txt=title,
            )
        )
        return outcome

    def _written(
        self, method: str, where: Mapping[str, Any], message: Message, mark: Mark
    ) -> Outcome:
        payload = {"key": mark.key, "part": mark.part}
        told = {
            **where,
            "text": message.text,
            "metadata": {"event_type": EVENT, "event_payload": payload},
            "unfurl_links": False,
            "unfurl_media": False,
        }
        outcome, answer = self._call(method, {**told, "blocks": message.blocks})
        if outcome.answer == "refused":
            outcome, answer = self._call(method, {**told, "blocks": []})
        if outcome.answer == "refused":
            return replace(outcome, answer="stop")
        place = str(answer.get("channel", ""))
        return replace(outcome, ref=str(answer.get("ts", "")), place=place)

    def _call(self, method: str, told: Mapping[str, Any]) -> tuple[Outcome, Mapping[str, Any]]:
        if method.startswith("conversations."):
            return self._guarded(lambda client: client.api_call(method, params=dict(told)))
        return self._guarded(lambda client: client.api_call(method, json=dict(told)))

    def _guarded(
        self, ask: Callable[[WebClient], SlackResponse]
    ) -> tuple[Outcome, Mapping[str, Any]]:
        try:
            token = self._token()
        except SettingsError as error:
            return Outcome("stop", str(error)), {}
        client = WebClient(
            token.reveal(),
            base_url=self._api_url,
            timeout=self._timeout_s,
            retry_handlers=[],
            logger=silent(),
        )
        try:
            answer = ask(client)
        except SlackApiError as error:
            return _refused(error.response, token), {}
        except SlackClientError as error:
            return Outcome("unclear", scrub(str(error)[:200], [token])), {}
        except (OSError, HTTPException, ValueError) as error:
            return fault(error), {}
        data = answer.data
        return Outcome("sent"), data if isinstance(data, dict) else {}


def _is_ours(message: Mapping[str, Any], mark: Mark) -> bool:
    metadata = message.get("metadata") or {}
    told = metadata.get("event_payload") or {}
    ours = metadata.get("event_type") == EVENT
    return ours and (told.get("key"), told.get("part")) == (mark.key, mark.part)


def _refused(answer: SlackResponse, token: Secret) -> Outcome:
    headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
    data = answer.data if isinstance(answer.data, dict) else {}
    name = scrub(str(data.get("error", "")), [token])[:100]
    if name.startswith("Received a response"):  # the library's words for what is no JSON
        name = ""
    if answer.status_code != 200 and name not in _ANSWERS:
        return by_status(answer.status_code, name, headers.get("retry-after"))
    if not name:
        return Outcome("unclear", "an answer that is no JSON")
    after_s = seconds(headers.get("retry-after"))
    needed = str(data.get("needed", ""))[:100]
    detail = f"{name} (scope {needed})" if needed else name
    return Outcome(_ANSWERS.get(name, "stop"), f"Slack says {detail}", after_s=after_s)
