"""How istiod itself is asked."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class IstiodSettings(Section, frozen=True):
    """How istiod itself is asked."""

    urls: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses of istiod's monitoring port, such as "
            "http://istiod.istio-system.svc:15014. Every address that a name resolves to is "
            "asked, so name a headless service to reach all replicas."
        ),
    ] = ()
    prometheus: Annotated[
        str, Meta(description="Address of a Prometheus that scrapes istiod, asked in its place.")
    ] = ""
    every_s: Annotated[float, Meta(ge=1, description="Seconds between two rounds.")] = 15.0
    timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="Seconds after which an answer is given up.")
    ] = 5.0
    max_mib: Annotated[
        int, Meta(ge=1, le=1024, description="Size of an answer that is still read, in MiB.")
    ] = 64
    syncz: Annotated[
        bool, Meta(description="Also ask for /debug/syncz, which names every proxy.")
    ] = True
    token_file: Annotated[
        str, Meta(description="A file whose content is sent as bearer token; read every round.")
    ] = ""
    ca_file: Annotated[
        str, Meta(description="A file of certificates to trust, for https; else the system's.")
    ] = ""
