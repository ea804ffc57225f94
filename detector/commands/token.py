"""``pushwake token``: who may use a server that others than this machine can reach."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import timedelta

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from detector import clock
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError
from detector.report import phrases
from detector.settings import StoreSettings
from detector.store import audit
from detector.store.marks import marking
from detector.store.reading import reading
from detector.store.tokens import SCOPES, Token, create_token, list_tokens, revoke_token

_DAYS = 90


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake token``."""
    verb = verbs.add_parser(
        "token",
        help="create, list and revoke the tokens of the REST API",
        description="Bearer tokens for a server beyond loopback. The token is shown once; the "
        "store keeps a digest of it. Several may be live at once, so that one can follow another.",
    )
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    add_settings(verb)
    deeds = verb.add_subparsers(title="actions", metavar="ACTION", required=True)
    make = deeds.add_parser("create", help="print a new token")
    make.set_defaults(run=create)
    make.add_argument("name", metavar="NAME", help="who bears it; the audit log shows it")
    make.add_argument(
        "--scope",
        choices=SCOPES,
        default="read",
        metavar="SCOPE",
        help="read, gate (announce windows), write (acknowledge, silence, say what it was) or "
        "admin (audit log); each includes those before it (default: read)",
    )
    make.add_argument(
        "--days", type=_days, default=_DAYS, metavar="N", help=f"expiry; 0: never (default {_DAYS})"
    )
    deeds.add_parser("list", help="show all tokens").set_defaults(run=show)
    end = deeds.add_parser("revoke", help="let a token open nothing any more")
    end.set_defaults(run=revoke)
    end.add_argument("id", metavar="ID", help="as the list shows it")


def create(options: argparse.Namespace) -> int:
    """``pushwake token create``."""
    name, now = options.name.strip(), clock.now()
    if not name or len(name) > 100 or not name.isprintable():
        raise InputError(
            "is no name for a token", where=repr(options.name), advice="Take 1 to 100 characters"
        )
    until = now + timedelta(days=options.days) if options.days else None
    with marking(_store(options)) as connection:
        token, secret = create_token(connection, name, options.scope, now, until)
        audit.note(
            connection, at=now, by=_user(), action="token.create", subject=token.id, details=token
        )
    sys.stdout.write(f"{secret}\n")
    ends = f"expires {until:%Y-%m-%d}" if until else "never expires"
    sys.stderr.write(
        f"Token {token.id} of {name} ({token.scope}), {ends}; it is not shown again.\n"
    )
    return 0


def show(options: argparse.Namespace) -> int:
    """``pushwake token list``."""
    with reading(_store(options)) as connection:
        found = list_tokens(connection)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "name", "scope", "created", "state"):
        table.add_column(name, overflow="fold")
    for one in found:
        created = f"{one.created_at:%Y-%m-%d}"
        table.add_row(one.id, phrases.clean(one.name), one.scope, created, _state(one))
    Console(highlight=False, markup=False).print(table if found else "There are no tokens.")
    return 0


def revoke(options: argparse.Namespace) -> int:
    """``pushwake token revoke``."""
    now = clock.now()
    with marking(_store(options)) as connection:
        if not revoke_token(connection, options.id, now):
            raise InputError(
                "no token of this id can be revoked",
                where=options.id,
                advice="See `pushwake token list`",
            )
        audit.note(
            connection, at=now, by=_user(), action="token.revoke", subject=options.id, details={}
        )
    return 0


def _state(token: Token) -> str:
    if token.revoked_at is not None:
        return f"revoked {token.revoked_at:%Y-%m-%d}"
    if token.expires_at is None:
        return "live"
    return (
        f"{'live until' if token.is_live(clock.now()) else 'expired'} {token.expires_at:%Y-%m-%d}"
    )


def _store(options: argparse.Namespace) -> StoreSettings:
    store = settings_of(options).store
    return msgspec.structs.replace(store, url=options.store) if options.store else store


def _user() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):  # a container may have no name for its user
        return "command line"


def _days(text: str) -> int:
    days = int(text)
    if not 0 <= days <= 3650:
        raise ValueError(text)
    return days
