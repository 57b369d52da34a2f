"""Signed tokens: accepted when genuine, different for every purpose, worthless under another key."""

from __future__ import annotations

import pytest

from cfld.study.definition import Keys
from cfld.study.tokens import Tokens


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(Keys.new())


def test_genuine_tokens_are_accepted_under_their_own_key_only(tokens: Tokens) -> None:
    other = Tokens(Keys.new())
    visitor = tokens.new_visitor()
    assert tokens.is_visitor(visitor)
    assert not other.is_visitor(visitor)
    assert tokens.is_form(visitor, tokens.form(visitor))
    assert not other.is_form(visitor, tokens.form(visitor))
    assert tokens.is_researcher(tokens.researcher())
    assert not other.is_researcher(tokens.researcher())


def test_visitors_differ_and_a_changed_cookie_is_rejected(tokens: Tokens) -> None:
    first, second = tokens.new_visitor(), tokens.new_visitor()
    assert first != second
    assert not tokens.is_form(first, tokens.form(second))
    for cookie in (None, "", ".", first[:-1], "0" + first, first.replace(".", ""), first.split(".")[0] + ".", "é"):
        assert not tokens.is_visitor(cookie)


def test_image_names_depend_on_visitor_question_and_place(tokens: Tokens) -> None:
    names = {tokens.image(visitor, position, place) for visitor in "ab" for position in (0, 1) for place in "12"}
    assert len(names) == 8
    assert tokens.image("a", 0, "1") in names, "the same name again"


def test_the_password_is_not_a_cookie() -> None:
    keys = Keys.new()
    tokens = Tokens(keys)
    assert tokens.is_results_password(keys.results)
    assert not tokens.is_results_password(keys.results + " ")
    assert not tokens.is_researcher(keys.results)
