"""Cookies, form tokens and image names that cannot be guessed or forged, all signed with one key."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cfld.study.definition import Keys


class Tokens:
    """Makes and checks the tokens of one study."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def study_name(self) -> str:
        """Suffix of the study's cookies: all ports of a host share cookies, but studies must not."""
        return self._sign("study", "")[:8]

    def new_visitor(self) -> str:
        """A new visitor's cookie: 128 random bits and their signature."""
        visitor = secrets.token_hex(16)
        return f"{visitor}.{self._sign('visitor', visitor)}"

    def is_visitor(self, cookie: str | None) -> bool:
        """Whether a cookie was made by `new_visitor`."""
        visitor, dot, signature = (cookie or "").partition(".")
        return bool(dot) and _equal(signature, self._sign("visitor", visitor))

    def token_hash(self, visitor: str) -> str:
        """What the database stores instead of the cookie."""
        return hashlib.sha256(visitor.encode()).hexdigest()

    def form(self, visitor: str) -> str:
        """The token in the visitor's forms, against cross-site request forgery."""
        return self._sign("form", visitor)

    def is_form(self, visitor: str, token: str) -> bool:
        return _equal(token, self.form(visitor))

    def image(self, visitor: str, position: int, place: str) -> str:
        """Name of an image for this visitor, question and place on the page; it reveals nothing about the image."""
        return self._sign("image", f"{visitor} {position} {place}")

    def is_results_password(self, password: str) -> bool:
        return _equal(password, self._keys.results)

    def researcher(self) -> str:
        """The cookie given for the right password."""
        return self._sign("researcher", self._keys.results)

    def is_researcher(self, cookie: str | None) -> bool:
        return _equal(cookie or "", self.researcher())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._keys.signing.encode(), f"{purpose}\n{text}".encode(), "sha256").hexdigest()[:32]


def _equal(given: str, right: str) -> bool:
    """Compares in constant time; `given` may be any string, even one that is no valid Unicode."""
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())
