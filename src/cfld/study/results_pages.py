"""The researcher's pages: live results, behind the password from the study's creation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cfld.study.database import Database
from cfld.study.definition import StudyFolder
from cfld.study.metrics import Inclusion, StudyMetrics, study_metrics
from cfld.study.middleware import is_same_origin, too_many_requests
from cfld.study.tokens import Tokens
from cfld.web.rate_limit import RateLimit, client_address

ATTEMPTS: Final = 30
"""Passwords that one address may try per minute."""


FromQuery = Annotated[Inclusion, Depends()]


class ResultsPages:
    """Handlers of the researcher's requests."""

    def __init__(self, opened: StudyFolder, database: Database, pages: Environment) -> None:
        self._study, self._database, self._pages = opened.study, database, pages
        self._tokens = Tokens(opened.keys)
        self._attempts = RateLimit(ATTEMPTS, 60.0)

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/results", self.results, methods=["GET"])
        router.add_api_route("/results", self.sign_in, methods=["POST"])
        router.add_api_route("/results/figures", self.live_metrics, methods=["GET"])
        router.add_api_route("/results.json", self.json, methods=["GET"])
        return router

    def results(self, request: Request, inclusion: FromQuery) -> Response:
        """Metrics and charts; without the researcher's cookie, the password form."""
        if not self._is_researcher(request):
            return self._page("sign_in.html", wrong=False)
        return self._page("results.html", study=self._study, inclusion=inclusion, metrics=self._metrics(inclusion))

    def sign_in(self, request: Request, password: Annotated[str, Form(max_length=200)]) -> Response:
        """Checks the password and sets a cookie for the results pages."""
        if wait := self._attempts.wait(client_address(request.scope)):
            return too_many_requests(wait)
        if not is_same_origin(request):
            raise HTTPException(403)
        if not self._tokens.is_results_password(password.strip()):
            return self._page("sign_in.html", status=403, wrong=True)
        response = RedirectResponse("/results", 303)
        secure = request.scope["scheme"] == "https"
        response.set_cookie(
            self._cookie, self._tokens.researcher(), path="/results", httponly=True, samesite="strict", secure=secure
        )
        return response

    def live_metrics(self, request: Request, inclusion: FromQuery) -> Response:
        """The part of the results page that changes; the page's script reloads it."""
        if not self._is_researcher(request):
            raise HTTPException(403)
        return self._page("metrics.html", study=self._study, metrics=self._metrics(inclusion))

    def json(self, request: Request, inclusion: FromQuery) -> Response:
        """Metrics as JSON, for requests with `Authorization: Bearer PASSWORD`."""
        scheme, _, password = request.headers.get("authorization", "").partition(" ")
        if wait := self._attempts.wait(client_address(request.scope)):
            return too_many_requests(wait)
        if scheme.lower() != "bearer" or not self._tokens.is_results_password(password):
            raise HTTPException(403)
        return JSONResponse(asdict(self._metrics(inclusion)))

    @property
    def _cookie(self) -> str:
        return f"cfld-results-{self._tokens.study_name()}"

    def _is_researcher(self, request: Request) -> bool:
        return self._tokens.is_researcher(request.cookies.get(self._cookie))

    def _metrics(self, inclusion: Inclusion) -> StudyMetrics:
        return study_metrics(self._study, self._database.tallies(), inclusion)

    def _page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._pages.get_template(template).render(**values), status)
