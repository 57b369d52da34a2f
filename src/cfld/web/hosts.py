"""The names that a server answers to: against DNS rebinding, and requests that other sites make in a browser."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:/@?#]+)(:\d{1,5})?", re.IGNORECASE)
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class Hosts:
    """Checks `Host` and `Origin` of requests.

    A server is called by an IP address, as `localhost`, by the name that it listens on, by its machine's name, or by an
    allowed name. Any other `Host` is that of a site whose name resolves to the server's address (DNS rebinding). A
    browser sends `Origin` with every request that can change something, and a page of another site has another one.
    """

    def __init__(self, bound: str, allowed: Sequence[str] = ()) -> None:
        """
        Args:
            bound: host name or address that the server listens on.
            allowed: further names without ports, such as that of a reverse proxy; `*` in them stands for anything.
        """
        self._allowed = [name.lower() for name in allowed]
        self._names = {"localhost", bound.lower(), socket.gethostname().lower()}

    def check(self, scope: Scope) -> None:
        """
        Raises:
            HTTPException: with status 400, if the request does not name one host; 403, if it is meant for another
                host, or made by a page of another one.
        """
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        found = AUTHORITY.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            raise HTTPException(400, "the request has no valid Host header")
        if not self._is_own(found[1].lower().rstrip(".")):
            raise HTTPException(403, "this server has another name; its owner can add names with --allowed-host")
        if any(not self._is_same(origin, hosts[0]) for origin in headers.getlist("origin")):
            raise HTTPException(403, "requests of other sites are refused; see the option --allowed-host")

    def _is_own(self, name: str) -> bool:
        return name in self._names or _is_address(name) or self._is_allowed(name)

    def _is_allowed(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._allowed)

    def _is_same(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin.lower())
            name = parts.hostname
        except ValueError:
            return False
        default = DEFAULT_PORTS.get(parts.scheme, "")
        same = parts.netloc.removesuffix(default) == host.lower().removesuffix(default)
        return name is not None and (same or self._is_allowed(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
