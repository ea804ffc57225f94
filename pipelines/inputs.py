"""Which files are meant: paths, globs and standard input, each file once."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipelines.batch import Kind
from pipelines.source import FileProblem

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """Files to read: a path, a glob, or ``-`` for standard input."""

    path: str
    kind: Kind = "auto"


def resolve(inputs: Iterable[Input], problems: list[FileProblem]) -> Iterator[Input]:
    """The files meant that exist, each once; one named for two kinds of content becomes "auto".

    What cannot be meant (nothing there, a directory) is added to ``problems``.
    """
    files: dict[str, Input] = {}
    for item in inputs:
        for path in _matches(item.path, problems):
            real = path if path == STDIN else os.path.realpath(path)
            named = replace(item, path=path)
            first = files.setdefault(real, named)
            if first.kind != named.kind:
                files[real] = replace(first, kind="auto")
    for item in files.values():
        problem = _obstacle(item.path)
        if problem is None:
            yield item
        else:
            problems.append(FileProblem(item.path, problem))


def _matches(path: str, problems: list[FileProblem]) -> Sequence[str]:
    if path == STDIN or os.path.lexists(path):
        return (path,)
    if "\0" not in path and not glob.has_magic(path):
        return (path,)  # missing; to be reported as such
    found = [] if "\0" in path else sorted(glob.glob(path, recursive=True))
    if "**" in path:  # matches the folders on the way, too
        found = [match for match in found if not os.path.isdir(match)]
    if not found:
        problems.append(FileProblem(path, "matches no file"))
    return found


def _obstacle(path: str) -> str | None:
    """What can be told to be wrong with a file without opening it."""
    if path == STDIN:
        return None
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISDIR(mode):
        return f"is a directory; name its files, for example '{os.path.join(path, '*.log')}'"
    return None
