"""The researcher's pages: the results, live, behind the password that the study was made with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cfld.study.answers import Answers
from cfld.study.definition import OpenStudy
from cfld.study.figures import Figures, Rules, figures
from cfld.study.middleware import is_same_origin, too_many_requests
from cfld.study.tokens import Tokens
from cfld.web.rate_limit import RateLimit, client_address

ATTEMPTS: Final = 30
"""Passwords that one address may try in a minute."""


class EventHandlers:
    """Answers requests of the researcher."""

    def __init__(self, opened: OpenStudy, answers: Answers, pages: Environment) -> None:
        self._study, self._answers, self._pages = opened.study, answers, pages
        self._tokens = Tokens(opened.keys)
        self._attempts = RateLimit(ATTEMPTS, 60.0)

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/results", self.results, methods=["GET"])
        router.add_api_route("/results", self.sign_in, methods=["POST"])
        router.add_api_route("/results/figures", self.figures, methods=["GET"])
        router.add_api_route("/results.json", self.json, methods=["GET"])
        return router

    def results(self, request: Request, unfinished: bool = False, inattentive: bool = False) -> Response:
        """The figures and charts; without the cookie a form that asks for the password."""
        if not self._may_see(request):
            return self._page("sign_in.html", wrong=False)
        rules = Rules(unfinished=unfinished, inattentive=inattentive)
        return self._page("results.html", study=self._study, rules=rules, figures=self._figures(rules))

    def sign_in(self, request: Request, password: Annotated[str, Form(max_length=200)]) -> Response:
        """Takes the password, and gives a cookie that goes to the results alone."""
        if wait := self._attempts.wait(client_address(request.scope)):
            return too_many_requests(wait)
        if not is_same_origin(request):
            raise HTTPException(403)
        if not self._tokens.is_results_password(password.strip()):
            return self._page("sign_in.html", status=403, wrong=True)
        response = RedirectResponse("/results", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            self._cookie, self._tokens.researcher(), path="/results", httponly=True, samesite="strict", secure=secure
        )
        return response

    def figures(self, request: Request, unfinished: bool = False, inattentive: bool = False) -> Response:
        """The part of the results page that changes; its script asks for it again and again."""
        self._check(request)
        rules = Rules(unfinished=unfinished, inattentive=inattentive)
        return self._page("figures.html", study=self._study, figures=self._figures(rules))

    def json(self, request: Request, unfinished: bool = False, inattentive: bool = False) -> Response:
        """The figures for programs, which send `Authorization: Bearer PASSWORD`."""
        scheme, _, password = request.headers.get("authorization", "").partition(" ")
        if wait := self._attempts.wait(client_address(request.scope)):
            return too_many_requests(wait)
        if scheme.lower() != "bearer" or not self._tokens.is_results_password(password):
            raise HTTPException(403)
        return JSONResponse(asdict(self._figures(Rules(unfinished=unfinished, inattentive=inattentive))))

    @property
    def _cookie(self) -> str:
        return f"cfld-results-{self._tokens.study_name()}"

    def _may_see(self, request: Request) -> bool:
        return self._tokens.is_researcher(request.cookies.get(self._cookie))

    def _check(self, request: Request) -> None:
        if not self._may_see(request):
            raise HTTPException(403)

    def _figures(self, rules: Rules) -> Figures:
        return figures(self._study, self._answers.tallies(), rules)

    def _page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._pages.get_template(template).render(**values), status)
