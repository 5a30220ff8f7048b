"""Write requests: what is sent, where to, and what may stand in it; pure."""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from bcss.errors import FixCredential, RecordRefused

_PATH_SAFE = "/%:@!$&'()*+,;=~"
_QUERY_SAFE = "$'(),:/"  # what may stay as it is keeps BC's long filters short


@dataclass(frozen=True, slots=True)
class Call:
    """One request, without host and credentials; `target` is path and query, encoded.

    `still` is asked each time before it leaves: whether what it rests on is still good.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    deadline: float
    tries: int
    still: Callable[[], bool] | None = None

    @property
    def write(self) -> bool:
        """Tell whether it may change something."""
        return self.method not in ("GET", "HEAD")

    @property
    def what(self) -> str:
        """Name the request for a person: without query and company."""
        path = self.target.partition("?")[0]
        parts = [part for part in path.split("/") if part and not part.startswith("companies(")]
        return f"{self.method} {'/'.join(parts[-2:])}"[:120]


def write_target(base_url: str, path: str, query: Sequence[tuple[str, str]]) -> str:
    """Join path and query; the path may hold %-escapes already, query values must not."""
    target = f"{urlsplit(base_url).path}/{quote(path.lstrip('/'), safe=_PATH_SAFE)}"
    if not query:
        return target
    return f"{target}?{urlencode(query, quote_via=quote, safe=_QUERY_SAFE)}"


def target_of(url: str, origin: str) -> str | None:
    """Return path and query of an address on `origin`; None for any other address."""
    try:
        parts = urlsplit(url)
        if _origin(parts) != _origin(urlsplit(origin)):
            return None
    except ValueError:
        return None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower the names; raise RecordRefused for a value, such as a tag, that no header may carry."""
    for name, value in headers.items():
        if not _fits_header(value):
            raise RecordRefused(
                f"The value for the header {name} has characters that no header may carry.",
                hint="Read the record again; if it persists, tell us.",
            )
    return {name.lower(): value for name, value in headers.items()}


def credential_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower the names; raise FixCredential for a value that no header may carry."""
    for name, value in headers.items():
        if not _fits_header(value):
            raise FixCredential(
                f"A credential has characters that no {name} header may carry.",
                hint="Set it again with `bcss auth set`, without line breaks.",
            )
    return {name.lower(): value for name, value in headers.items()}


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None, bool]:
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, "@" in parts.netloc


def is_loopback(host: str) -> bool:
    """Tell whether a host name can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
