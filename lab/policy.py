"""What a control plane tells its proxies, beyond the plain mesh: the faults are made of this."""

from __future__ import annotations

import msgspec


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of one control plane."""

    subsets: bool = False  # routes name the clusters of subset v2, which are new to the proxies
    tls: str = "TLSv1_2"  # the only TLS version spoken between proxies
    strict_204: bool = False  # inbound traffic goes to the port whose 204 has a transfer-encoding
    hidden: tuple[str, ...] = ()  # services whose routes are missing
    drained: tuple[str, ...] = ()  # services without endpoints
    broken: bool = False  # one listener more, which no proxy accepts
    note: int = 0  # changes bytes, and nothing else


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which order a control plane answers proxies that connect: real ones race."""

    clusters_after_s: tuple[float, float] = (0.0, 0.0)  # CDS, with routes sent at once
    routes_after_s: tuple[float, float] = (0.0, 0.0)  # RDS in full; until then `hidden` are missing
    hidden: tuple[str, ...] = ()
