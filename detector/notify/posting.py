"""One POST to a receiver that is no Slack."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from detector.errors import SettingsError
from detector.notify.outcomes import Outcome, by_status
from detector.notify.secrets import Secret, scrub


def post(
    address: Callable[[], Secret],
    path: str,
    content: bytes,
    headers: Callable[[], Mapping[str, str]],
    timeout_s: float,
) -> Outcome:
    """Send ``content``; never raises.

    Args:
        address: gives where to.
        path: appended to it.
        content: the body.
        headers: gives the headers, which may hold a signature made with a secret.
        timeout_s: seconds to wait for an answer.
    """
    try:
        base = address()
        url = base.reveal().rstrip("/") + path if path else base.reveal()
        answer = httpx.post(url, content=content, headers=headers(), timeout=timeout_s)
    except SettingsError as error:
        return Outcome("stop", str(error))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return Outcome("stop", "its address is none of http or https")
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return Outcome("failed", f"no connection ({type(error).__name__})")
    except httpx.TimeoutException:
        return Outcome("unclear", "no answer in time")
    except httpx.HTTPError as error:
        return Outcome("unclear", f"the connection broke ({type(error).__name__})")
    told = scrub(answer.text[:1_000], [base])
    return by_status(answer.status_code, told, answer.headers.get("retry-after"))
