"""Names that nobody can guess or forge, all made from one signing key."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cfld.study.definition import Keys


class Tokens:
    """Cookies, form tokens and image names of one study."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def study_name(self) -> str:
        """What the study's cookies are called after: ports of one host share cookies, studies must not."""
        return self._sign("study", "")[:8]

    def new_visitor(self) -> str:
        """A cookie's value: 128 random bits and their signature."""
        visitor = secrets.token_hex(16)
        return f"{visitor}.{self._sign('visitor', visitor)}"

    def is_visitor(self, cookie: str | None) -> bool:
        """Whether we made this cookie."""
        visitor, dot, signature = (cookie or "").partition(".")
        return bool(dot) and _same(signature, self._sign("visitor", visitor))

    def token_hash(self, visitor: str) -> str:
        """What the database keeps in place of the cookie."""
        return hashlib.sha256(visitor.encode()).hexdigest()

    def form(self, visitor: str) -> str:
        """The token against forged requests that the visitor's forms carry."""
        return self._sign("form", visitor)

    def is_form(self, visitor: str, token: str) -> bool:
        return _same(token, self.form(visitor))

    def image(self, visitor: str, position: int, place: str) -> str:
        """What an image is called for this visitor, at this question, in this place: it tells nothing else."""
        return self._sign("image", f"{visitor} {position} {place}")

    def is_results_password(self, password: str) -> bool:
        return _same(password, self._keys.results)

    def researcher(self) -> str:
        """The cookie's value of who gave the right password."""
        return self._sign("researcher", self._keys.results)

    def is_researcher(self, cookie: str | None) -> bool:
        return _same(cookie or "", self.researcher())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._keys.signing.encode(), f"{purpose}\n{text}".encode(), "sha256").hexdigest()[:32]


def _same(given: str, right: str) -> bool:
    """Compares in a time that does not depend on where the two differ."""
    return hmac.compare_digest(given.encode(), right.encode())
