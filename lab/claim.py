"""A part of the loopback network that no other lab uses."""

from __future__ import annotations

import random
import socket

_LOCK_PORT = 1024
_FIRST, _LAST = 16, 250


class NoRoomError(Exception):
    """Every part of the loopback network is taken."""


class Claim:
    """Holds the addresses 127.OCTET.0.0/16 as long as it is open, or as its process lives.

    The lock is a port, so nothing is left behind when the process is killed.
    """

    def __init__(self) -> None:
        for octet in random.sample(range(_FIRST, _LAST), _LAST - _FIRST):
            lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                lock.bind((f"127.{octet}.255.254", _LOCK_PORT))
                lock.listen(1)
            except OSError:
                lock.close()
                continue
            self.octet = octet
            self._lock = lock
            return
        raise NoRoomError(f"no free part of 127.0.0.0/8 among {_LAST - _FIRST}")

    def close(self) -> None:
        """Give the addresses back."""
        self._lock.close()
