"""An engine as bytes: arrays and names, no pickles."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard

from detector.engine.series import Edge
from detector.types import Series
from models.contract import State

if TYPE_CHECKING:
    from detector.engine.engine import Engine

VERSION = 4
_MAX_BYTES = 1 << 32  # a snapshot that claims more is damaged


def save(engine: Engine) -> bytes:
    """Everything that later verdicts of ``engine`` depend on."""
    cat = engine.catalogue
    names = {
        "version": VERSION,
        "bucket_s": engine.settings.bucket_s,
        "position": list(engine.position),
        "edges": [cat.edges.keys, cat.edges.free, cat.edges.evicted],
        "keys": [cat.keys.keys, cat.keys.free, cat.keys.evicted],
        "groups": [[*key, group] for key, group in cat.groups.items()],
        "told": sorted(cat.told),
        "generation": cat.generation,
        "refused": cat.refused,
        "gone": list(cat.gone),
    }
    arrays: State = {"names": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)}
    for part, holder in engine.holders().items():
        arrays |= {f"{part}.{name}": array for name, array in holder.state().items()}
    arrays |= {"priors": cat.priors, "domain": cat.domain, "tails": np.array(cat.tails)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return zstandard.ZstdCompressor(level=1).compress(buffer.getvalue())


def load(engine: Engine, data: bytes) -> None:
    """Make ``engine`` what `save` saw.

    Raises:
        ValueError: If ``data`` is damaged, of another version or of another bucket length.
    """
    try:
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        names: dict[str, Any] = json.loads(arrays["names"].tobytes())
    except (zstandard.ZstdError, OSError, KeyError, ValueError) as error:
        raise ValueError(f"not a snapshot of the detection engine: {error}") from error
    if (names["version"], names["bucket_s"]) != (VERSION, engine.settings.bucket_s):
        raise ValueError("the snapshot is of another version or another bucket length")
    cat = engine.catalogue
    keys, free, evicted = names["edges"]
    cat.edges.restore([None if key is None else Edge(*key) for key in keys], free, evicted)
    keys, free, evicted = names["keys"]
    cat.keys.restore([None if key is None else Series(*key) for key in keys], free, evicted)
    cat.groups = {(reporter, signal, level): g for reporter, signal, level, g in names["groups"]}
    cat.told = set(names["told"])
    cat.generation, cat.refused = names["generation"], names["refused"]
    cat.gone.extend(Series(*key) for key in names.get("gone", []))
    cat.priors, cat.domain = arrays["priors"], arrays["domain"]
    cat.levels = np.zeros(cat.priors.size, dtype=np.int64)
    for (_, _, level), group in cat.groups.items():
        cat.levels[group] = level
    cat.tails = [(float(zeta), float(sigma)) for zeta, sigma in arrays["tails"]]
    for part, holder in engine.holders().items():
        prefix = f"{part}."
        holder.load({n[len(prefix) :]: a for n, a in arrays.items() if n.startswith(prefix)})
    index, born, stale = names["position"]
    engine.position = (index, born, stale)
