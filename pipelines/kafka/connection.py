"""How brokers are reached, and what may be shown of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import errors
from kafka.net.sasl.oauth import AbstractTokenProvider

from pipelines.source import SourceError

CLIENT_ID = "pushwake"


@dataclass(frozen=True, slots=True)
class Connection:
    """Brokers, transport security and credentials. No secret is in its representation."""

    bootstrap_servers: Sequence[str]
    security_protocol: str = "PLAINTEXT"
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    verify_hostname: bool = True
    sasl_mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    token_file: str = ""

    def options(self) -> dict[str, Any]:
        """Keyword arguments for the client's classes."""
        found: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": CLIENT_ID,
            "security_protocol": self.security_protocol,
        }
        if "SSL" in self.security_protocol:
            found |= {
                "ssl_check_hostname": self.verify_hostname,
                "ssl_cafile": self.ca_file or None,
                "ssl_certfile": self.certificate_file or None,
                "ssl_keyfile": self.key_file or None,
            }
        if "SASL" in self.security_protocol:
            found["sasl_mechanism"] = self.sasl_mechanism
            if self.sasl_mechanism == "OAUTHBEARER":
                found["sasl_oauth_token_provider"] = TokenFile(self.token_file)
            else:
                found["sasl_plain_username"] = self.username
                found["sasl_plain_password"] = self.password
        return found


class TokenFile(AbstractTokenProvider):
    """The bearer token that another program keeps fresh in a file."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = Path(path)

    def token(self) -> str:
        """The token as it stands in the file now."""
        return self._path.read_text(encoding="utf-8").strip()


_ADVICE = "Check kafka.bootstrap_servers, the credentials and security settings, and the network"


@contextmanager
def our_errors(servers: Sequence[str]) -> Iterator[None]:
    """The client's errors as a `SourceError` that says where and what to do; no secret in it."""
    where = ", ".join(servers)
    try:
        yield
    except errors.SaslAuthenticationFailedError as error:
        raise SourceError(
            "the brokers refuse these credentials",
            where=where,
            advice="Check kafka.sasl_mechanism, kafka.username and the password or token",
        ) from error
    except errors.AuthorizationError as error:
        raise SourceError(
            f"not allowed ({error})",
            where=where,
            advice="Grant this user to describe and read the topics, and its group",
        ) from error
    except (errors.KafkaTimeoutError, errors.KafkaConnectionError) as error:
        raise SourceError(f"no broker answers ({error})", where=where, advice=_ADVICE) from error
    except errors.KafkaError as error:
        raise SourceError(
            f"{type(error).__name__}: {error}", where=where, advice=_ADVICE
        ) from error
    except OSError as error:
        raise SourceError(str(error), where=where, advice=_ADVICE) from error
