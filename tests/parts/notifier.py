"""``pushwake notify`` as a process that tells a Slack of our own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.slack import FakeSlack


@contextmanager
def notifier(store: str, slack: FakeSlack, folder: Path) -> Iterator[None]:
    """A notifier on a store, with a webhook for its channel; ends in good order.

    Args:
        store: the store's address.
        slack: what it tells.
        folder: a new one, for its settings.
    """
    folder.mkdir()
    secret, config = folder / "hook", folder / "notify.toml"
    secret.write_text(slack.hook)
    config.write_text(
        "[notify]\nport = 0\n[notify.channels.on-call]\n"
        f'kind = "slack-webhook"\nsecret_file = "{secret}"\nseverity = "info"\n'
    )
    command = [sys.executable, "-m", "detector.cli", "notify", "--config", str(config)]
    process = subprocess.Popen([*command, "--store", store])
    try:
        yield
        process.terminate()
        assert process.wait(25) == 0
    finally:
        process.kill()
        process.wait()
