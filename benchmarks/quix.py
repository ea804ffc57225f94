"""The plainest counting of access log lines in Quix Streams, run by `benchmarks.live`.

    python -m benchmarks.quix BROKER TOPIC COUNT ENCODING

Quix Streams is no dependency of Pushwake: the interpreter is one of an environment that has it,
and polars. Values are taken as bytes and counted like in the plain loop; nothing is written.
"""

from __future__ import annotations

import importlib
import sys
from collections import Counter

from benchmarks.rivals import count_lines


def main(broker: str, topic: str, count: int, encoding: str) -> None:
    """Read so many records of a topic and count them."""
    quix = importlib.import_module("quixstreams")
    app = quix.Application(
        broker_address=broker, consumer_group=f"quix-{topic}", auto_offset_reset="earliest"
    )
    counts: Counter[tuple[object, ...]] = Counter()
    lines = app.dataframe(app.topic(topic, value_deserializer="bytes"))
    lines.update(lambda value: count_lines([value], encoding, counts))
    app.run(count=count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
