"""Tells one chat channel: notes what it is about to send, sends it, notes what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from detector.incidents.severity import rank
from detector.notify import slack_message as wording
from detector.notify.desk import Desk
from detector.notify.meter import Meter
from detector.notify.outcomes import Outcome
from detector.notify.plan import Action, Planner, Queue, What
from detector.notify.sending import Chat, Mark
from detector.notify.slack_message import Message
from detector.report.phrases import duration
from detector.store import deliveries, telling
from detector.store.deliveries import Row, Sent
from detector.timeline import Notice

LATE = timedelta(minutes=1)
"""An opening that took longer than this to be told says so."""
AGAIN = "Sent again: the connection broke, and an earlier one may have arrived."

_REPEATED: dict[str, What] = {
    "post": "post",
    "end": "end",
    "escalate": "escalate",
    "thread": "thread",
}

log = logging.getLogger("pushwake.notify")

Charts = Callable[[str], bytes | None]
"""The picture of an incident's errors; None when there is none."""


class ChatLine:
    """One channel of people.

    Args:
        name: of the channel.
        chat: sends.
        planner: decides.
        desk: the store.
        regroup_s: how long a storm is one.
        base_url: of the pages, for links.
        charts: draws.
        meter: counts.
        now: the clock.
    """

    def __init__(
        self,
        name: str,
        chat: Chat,
        planner: Planner,
        desk: Desk,
        *,
        regroup_s: float,
        base_url: str,
        charts: Charts,
        meter: Meter,
        now: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._chat = chat
        self._planner = planner
        self._desk = desk
        self._regroup = timedelta(seconds=regroup_s)
        self._base_url = base_url
        self._charts = charts
        self._meter = meter
        self._now = now

    def step(self) -> Outcome | None:
        """Send at most one message; None when there is nothing to send."""
        while True:
            with self._desk.reading() as connection:
                queue = self._queue(connection)
                behind = deliveries.threads_behind(connection, self._name)
            unsure = next((one for one in queue.sent.values() if one.attempt), None)
            if unsure is not None:
                outcome = self._recover(unsure, queue)
                if outcome is not None:
                    return outcome
                continue
            action = self._planner.next(queue, self._now())
            if action is None and self._chat.editable and behind is not None:
                action = _thread(*behind)
            if action is None:
                return None
            if action.what != "skip":
                return self._perform(action)
            with self._desk.writing() as connection:
                telling.told(connection, self._name, action.rows, self._now())

    def _queue(self, connection: sa.Connection) -> Queue:
        pending = deliveries.pending(connection, self._name)
        keys = {row.message for row in pending if row.message}
        since = self._now() - self._regroup
        return Queue(
            pending,
            deliveries.sent(connection, self._name, keys),
            deliveries.begun_since(connection, self._name, since),
            deliveries.live_in(connection, self._name, keys),
        )

    def _recover(self, sent: Sent, queue: Queue) -> Outcome | None:
        """Find out about, or repeat, what may have arrived; None when there is no need to send."""
        name, _, gist = sent.attempt.partition("|")
        rows = tuple(row for row in queue.pending if row.message == sent.key)
        what = _REPEATED.get(name)
        if what is None:  # to edit again does no harm; a second picture would
            self._arrived(sent.key, (), {"picture": gist} if name == "picture" else {})
            return None
        action = Action(what, sent.key, rows, sent, gist)
        assert sent.attempted_at is not None
        thread = sent.ref if what == "thread" else ""
        found = self._chat.find(_mark(action), sent.attempted_at, thread=thread)
        if found.answer == "sent":
            told = {"thread": gist} if what == "thread" else _place(found)
            self._arrived(sent.key, (), told)
            return None
        if found.answer in {"gone", "stop"}:
            return self._perform(action, again=True)
        return found

    def _perform(self, action: Action, *, again: bool = False) -> Outcome:
        state = action.gist if action.what in {"thread", "picture"} else ""
        with self._desk.writing() as connection:
            telling.begin(
                connection,
                self._name,
                action.key,
                storm=action.storm,
                attempt=f"{action.what}|{state}",
                rows=action.rows,
                now=self._now(),
            )
            notices = deliveries.notices_in(connection, self._name, action.key)
        outcome = self._send(action, notices, again)
        if action.what == "picture" and outcome.answer != "wait":
            if outcome.answer != "sent":
                self._meter.result(self._name, "no picture")
                log.warning("%s: no picture: %s", self._name, outcome.detail)
            self._arrived(action.key, (), {"picture": action.gist})
            return Outcome("sent", outcome.detail)
        self._record(action, notices, outcome)
        return outcome

    def _send(self, action: Action, notices: list[Notice], again: bool) -> Outcome:
        sent = action.sent or Sent(key=action.key)
        if action.what == "picture":
            return self._picture(sent, notices[0])
        if action.what == "thread":
            aloud = bool(sent.thread) and "/critical/" in action.gist
            aloud = aloud and "/critical/" not in sent.thread
            words = wording.details(notices[0])
            return self._chat.post(words, _mark(action), thread=sent.ref, aloud=aloud)
        message = self._message(action, notices)
        if action.what == "edit":
            return self._chat.edit(sent.ref, sent.place, message, _mark(action))
        if again:
            message = wording.noted(message, AGAIN)
        return self._chat.post(message, _mark(action))

    def _picture(self, sent: Sent, notice: Notice) -> Outcome:
        """Send the chart; whatever keeps it from being drawn keeps nothing else from being told."""
        try:
            image = self._charts(notice.document.id)
        except Exception as error:
            log.warning("%s: the chart cannot be drawn", self._name, exc_info=True)
            return Outcome("failed", f"the chart cannot be drawn ({type(error).__name__})")
        if image is None:
            return Outcome("sent", "nothing to draw")
        return self._chat.picture(sent.ref, sent.place, image, wording.caption(notice.document))

    def _message(self, action: Action, notices: list[Notice]) -> Message:
        if action.storm:
            message = wording.storm(notices, self._base_url)
        elif action.what == "end":
            message = wording.resolved(notices[0], self._base_url)
        else:
            message = wording.message(notices[0], self._base_url)
        late = self._delay(action.rows)
        if action.what != "post" or late <= LATE:
            return message
        quiet = any(row.since and self._planner.held(row, row.since) for row in action.rows)
        why = "it came in quiet hours" if quiet else "the channel was held up"
        return wording.noted(message, f"Told {duration(late)} late: {why}.")

    def _record(self, action: Action, notices: list[Notice], outcome: Outcome) -> None:
        if outcome.answer == "sent":
            if action.what != "thread":
                self._meter.delay(self._name, self._delay(action.rows))
            self._arrived(action.key, action.rows, _changes(action, notices, outcome))
            return
        if outcome.answer == "unclear" and action.what != "edit":
            return  # the attempt stays noted: the next step looks into it
        with self._desk.writing() as connection:
            if outcome.answer != "gone":
                telling.returned(connection, self._name, action.key)
            elif action.what == "edit" and action.sent and not action.sent.renewed:
                telling.gone(connection, self._name, action.key)
            else:
                changes = {"thread": action.gist} if action.what == "thread" else {}
                self._arrived_in(connection, action.key, action.rows, changes)

    def _arrived(self, key: str, rows: Collection[Row], changes: dict[str, str]) -> None:
        with self._desk.writing() as connection:
            self._arrived_in(connection, key, rows, changes)

    def _arrived_in(
        self, connection: sa.Connection, key: str, rows: Collection[Row], changes: dict[str, str]
    ) -> None:
        telling.arrived(connection, self._name, key, rows=rows, now=self._now(), changes=changes)

    def _delay(self, rows: Collection[Row]) -> timedelta:
        now = self._now()
        return max((now - row.since for row in rows if row.since), default=timedelta())


def _thread(sent: Sent, gist: str) -> Action:
    """What the thread of a message lacks: first its words, then a chart."""
    if sent.thread != gist:
        return Action("thread", sent.key, (), sent, gist)
    return Action("picture", sent.key, (), sent, "over" if gist.endswith("/over") else "live")


def _mark(action: Action) -> Mark:
    part = {"post": "root", "edit": "root"}.get(action.what, action.what)
    return Mark(action.key, f"{part} {action.gist}".strip())


def _place(outcome: Outcome) -> dict[str, str]:
    return {"ref": outcome.ref, "place": outcome.place} if outcome.ref else {}


def _changes(action: Action, notices: list[Notice], outcome: Outcome) -> dict[str, str]:
    """Columns of the message that a delivery changes."""
    if action.what == "thread":
        return {"thread": action.gist}
    documents = [one.document for one in notices]
    over = all(one.status == "resolved" for one in documents)
    worst = max((one.severity for one in documents), key=rank)
    told = {"told_status": "resolved" if over else "open", "told_severity": worst}
    return told if action.what == "edit" else {**told, **_place(outcome)}
