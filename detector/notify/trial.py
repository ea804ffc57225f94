"""``pushwake notify test``: what a channel takes, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from detector.notify import alert_line, event_line
from detector.notify import slack_message as wording
from detector.notify.channels import SOURCE, chat_of, check, is_chat, key_of, secret_of
from detector.notify.outcomes import Outcome
from detector.notify.sample import sample
from detector.notify.sending import Chat, Mark
from detector.settings import Settings
from detector.store.deliveries import Row
from detector.store.folding import gist


@dataclass(frozen=True, slots=True)
class Trial:
    """One step: whether it went well, or can be done without, and what to say of it."""

    good: bool
    words: str


def try_out(name: str, settings: Settings, now: datetime) -> Iterator[Trial]:
    """Send a test message to a channel.

    Raises:
        SettingsError: the channel lacks something.
    """
    channel = settings.notify.channels[name]
    check(name, channel)
    if is_chat(channel):
        yield from _chat(chat_of(name, channel, settings.notify), settings.web.base_url, now)
    else:
        yield _trial("message", _machine(name, settings, now))


def _machine(name: str, settings: Settings, now: datetime) -> Outcome:
    """What a machine answers to an incident that is over already."""
    channel, timeout_s = settings.notify.channels[name], settings.notify.timeout_s
    notice = sample(now)
    row = Row("test", 0, int(now.timestamp()), "open", "info", gist(notice), now, 0, "")
    secret = secret_of(name, channel)
    if channel.kind == "alertmanager":
        return alert_line.send(secret, [alert_line.alert(row, notice, now, "")], timeout_s)
    told = event_line.event(row, notice, settings.web.base_url or SOURCE)
    return event_line.send(secret, key_of(name, channel), told, now, timeout_s)


def _chat(chat: Chat, base_url: str, now: datetime) -> Iterator[Trial]:
    notice = sample(now)
    message = wording.message(notice, base_url)
    mark = Mark(f"test-{now:%Y%m%dT%H%M%S}", "root")
    root = chat.post(message, mark)
    yield _trial("message", root)
    if root.answer != "sent" or not chat.editable:
        return
    edited = wording.noted(message, "Edited, as messages of incidents that develop are.")
    yield _trial("edit", chat.edit(root.ref, root.place, edited, mark))
    reply = Mark(mark.key, "thread")
    yield _trial("thread", chat.post(wording.details(notice), reply, thread=root.ref))
    found = chat.find(mark, now)
    words = "look back after a broken connection (else a message may come twice)"
    yield _trial(words, found, needed=False)


def _trial(what: str, outcome: Outcome, *, needed: bool = True) -> Trial:
    good = outcome.answer == "sent"
    words = "ok" if good else f"failed: {outcome.detail}"
    return Trial(good or not needed, f"{what}: {words}")
