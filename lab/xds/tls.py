"""Certificates of a lab, and the TLS contexts that name them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from detector.clock import now
from lab.mesh import GATEWAY, HTTP_PORT, SERVICES, Service

_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."


def spiffe(service: Service) -> str:
    """The identity in a service's certificate."""
    return f"spiffe://cluster.local/ns/{service.namespace}/sa/{service.name}"


def write_certificates(folder: Path) -> None:
    """An authority, and a certificate for every service, valid for a day."""
    folder.mkdir()
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
    root = _builder(authority, authority, authority_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    signed = root.sign(authority_key, hashes.SHA256())
    (folder / "ca.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    for service in (GATEWAY, *SERVICES):
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe(service))])
        leaf = _builder(authority, x509.Name([]), key.public_key()).add_extension(
            names, critical=True
        )
        certificate = leaf.sign(authority_key, hashes.SHA256())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (folder / f"{service.name}.pem").write_bytes(pem)
        (folder / f"{service.name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    start = now() - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
    )


def client(folder: str, own: Service, peer: Service, version: str, alpn: str) -> dict[str, Any]:
    """The transport socket of a cluster: mutual TLS towards a service."""
    names = [{"san_type": "URI", "matcher": {"exact": spiffe(peer)}}]
    return _socket(
        "UpstreamTlsContext",
        {
            "common_tls_context": _common(folder, own, version, names, alpn),
            "sni": f"outbound_.{HTTP_PORT}_._.{peer.host}",
        },
    )


def server(folder: str, own: Service, version: str) -> dict[str, Any]:
    """The transport socket of a listener: mutual TLS with anyone of the mesh."""
    return _socket(
        "DownstreamTlsContext",
        {
            "common_tls_context": _common(folder, own, version, [], "h2,http/1.1"),
            "require_client_certificate": True,
        },
    )


def _common(folder: str, own: Service, version: str, names: list[Any], alpn: str) -> dict[str, Any]:
    trusted: dict[str, Any] = {"trusted_ca": {"filename": f"{folder}/ca.pem"}}
    if names:
        trusted["match_typed_subject_alt_names"] = names
    return {
        "tls_params": {
            "tls_minimum_protocol_version": version,
            "tls_maximum_protocol_version": version,
        },
        "alpn_protocols": alpn.split(","),
        "tls_certificates": [
            {
                "certificate_chain": {"filename": f"{folder}/{own.name}.pem"},
                "private_key": {"filename": f"{folder}/{own.name}.key"},
            }
        ],
        "validation_context": trusted,
    }


def _socket(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": _TYPE + kind, **config},
    }
