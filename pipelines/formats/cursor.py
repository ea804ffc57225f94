"""Read the certain words and quoted strings of a line that may have been cut."""

from __future__ import annotations

from pipelines.formats.values import ELIDED

_WHOLE_DETAILS = frozenset(
    {
        "via_upstream",
        "direct_response",
        "route_not_found",
        "cluster_not_found",
        "no_healthy_upstream",
        "filter_chain_not_found",
        "downstream_remote_disconnect",
        "upstream_per_try_timeout",
        "response_timeout",
        "upstream_response_timeout",
        "stream_idle_timeout",
        "duration_timeout",
        "fault_filter_abort",
        "ext_authz_denied",
        "ext_authz_error",
        "request_rate_limited",
        "http1.codec_error",
    }
)
"""Details that are no beginning of longer ones."""


class Cursor:
    """Reads certain words and quoted strings from left to right."""

    def __init__(self, line: str, at: int) -> None:
        self.line = line
        self.at = at

    def peek(self) -> str:
        """The next character, or nothing at the end."""
        return self.line[self.at : self.at + 1]

    def word(self) -> str | None:
        """The next word, or None when the line ends in it or it was elided."""
        end = self.line.find(" ", self.at)
        word = self.line[self.at : end if end >= 0 else len(self.line)]
        if not word or '"' in word or word.endswith(ELIDED) or (end < 0 and not _closed(word)):
            return None
        self.at = end + 1 if end >= 0 else len(self.line)
        return word

    def quoted(self) -> str | None:
        """The next quoted string, or None when it is none or does not end."""
        if self.peek() != '"':
            return None
        end = self.line.find('" ', self.at + 1)
        if end < 0:
            end = len(self.line) - 1
            if end <= self.at or self.line[end] != '"':
                return None
        value = self.line[self.at + 1 : end]
        self.at = end + 2
        return value


def _closed(word: str) -> bool:
    """Whether the last word of a cut line is whole."""
    return (
        word == "-"
        or word in _WHOLE_DETAILS
        or (word[-1] in "}])" and word[0].isalpha() and is_balanced(word))
    )


def is_balanced(word: str) -> bool:
    """Whether every bracket that opens closes."""
    return all(word.count(one) == word.count(other) for one, other in ("{}", "[]", "()"))
