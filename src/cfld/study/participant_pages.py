"""The participant's pages: welcome, one question at a time, thanks."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cfld.study.database import Database, Participant
from cfld.study.definition import Limits, StudyFolder
from cfld.study.middleware import is_same_origin, too_many_requests
from cfld.study.plan import Trial, assigned_method, plan
from cfld.study.tokens import Tokens
from cfld.web.rate_limit import RateLimit, client_address

COOKIE_AGE: Final = 90 * 24 * 3600
"""Seconds for which a participant can come back."""
GRACE: Final = 3.0
"""Seconds for which the server still sends an image after its time, for slow connections; the page hides it in time."""
CONTEXT: Final = (("source", "The person"), ("pose", "The pose"), ("truth", "The true image"))
"""Place and title of the images above the results in part two, in the order of `Trial.context`."""


@dataclass(frozen=True)
class PageImage:
    """An image on a page.

    Attributes:
        place: its place on the page.
        title: text below it.
        image_id: id of its file; never on the page.
        name: its name in this visitor's URL.
    """

    place: str
    title: str
    image_id: str
    name: str


class ParticipantPages:
    """Handlers of participants' requests. All state is in the database and in the visitor's cookie."""

    def __init__(self, opened: StudyFolder, database: Database, pages: Environment, limits: Limits) -> None:
        self._opened, self._study, self._database = opened, opened.study, database
        self._pages, self._max_participants = pages, limits.participants
        self._tokens = Tokens(opened.keys)
        self._starts = RateLimit(limits.starts, 3600.0)

    def routes(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/", self.welcome, methods=["GET"])
        router.add_api_route("/start", self.start, methods=["POST"])
        router.add_api_route("/study", self.question, methods=["GET"])
        router.add_api_route("/answer", self.answer, methods=["POST"])
        router.add_api_route("/image/{name}", self.image, methods=["GET"])
        return router

    def welcome(self, request: Request) -> Response:
        """Introduction; redirects participants who have started to their next question."""
        visitor = self._visitor(request)
        if self._find(visitor):
            return RedirectResponse("/study", 303)
        visitor = visitor or self._tokens.new_visitor()
        response = self._page("welcome.html", visitor, study=self._study, questions=len(plan(self._study, 1)))
        response.set_cookie(max_age=COOKIE_AGE, value=visitor, **self._cookie(request))
        return response

    def start(self, request: Request, token: Annotated[str, Form(max_length=64)]) -> Response:
        """Adds a participant; a repeated request, as by a double click, changes nothing."""
        visitor = self._checked_visitor(request, token)
        if not self._find(visitor):
            if wait := self._starts.wait(client_address(request.scope)):
                return too_many_requests(wait)
            method_of = functools.partial(assigned_method, self._study)
            if not self._database.find_or_add(self._tokens.token_hash(visitor), method_of, self._max_participants):
                return self._page("full.html", visitor, status=503)
        return RedirectResponse("/study", 303)

    def question(self, request: Request, part: int = 1) -> Response:
        """The next question, the introduction to part two before its first one, or the last page."""
        visitor = self._visitor(request)
        participant = self._find(visitor)
        if visitor is None or participant is None:
            return RedirectResponse("/", 303)
        trials, position = plan(self._study, participant.number), participant.answered
        if position == len(trials):
            return self._page("thanks.html", visitor)
        trial = trials[position]
        if trial.part == 2 and part != 2 and (position == 0 or trials[position - 1].part == 1):
            return self._page("before_part_two.html", visitor, study=self._study, has_pose=trial.context[1] is not None)
        seconds = self._seconds_left(participant, trial)
        return self._page(
            "part_one.html" if trial.part == 1 else "part_two.html",
            visitor,
            trial=trial,
            position=position,
            number=position + 1,
            questions=len(trials),
            images=self._page_images(visitor, participant, trial),
            seconds=seconds,
            gone=seconds is not None and seconds <= 0,
        )

    def answer(
        self,
        request: Request,
        token: Annotated[str, Form(max_length=64)],
        position: Annotated[int, Form(ge=0, le=100_000)],
        choice: Annotated[int, Form(ge=1, le=9)],
    ) -> Response:
        """Stores an answer and redirects to the next question; a repeated answer changes nothing."""
        participant = self._find(self._checked_visitor(request, token))
        if participant is None:
            return RedirectResponse("/", 303)
        if position == participant.answered:
            trial = self._next_trial(participant)
            if trial is None or choice > len(trial.picks):
                raise HTTPException(422)
            self._database.record(participant, position, trial, trial.picks[choice - 1])
        return RedirectResponse("/study", 303)

    def image(self, request: Request, name: str) -> Response:
        """An image of the participant's current question, and of no other."""
        visitor = self._visitor(request)
        participant = self._find(visitor)
        trial = self._next_trial(participant) if participant else None
        if visitor is None or participant is None or trial is None:
            raise HTTPException(404)
        seconds = self._seconds_left(participant, trial)
        ids = {image.name: image.image_id for image in self._page_images(visitor, participant, trial)}
        if name not in ids or (seconds is not None and seconds < -GRACE):
            raise HTTPException(404)
        if seconds is not None and participant.shown != participant.answered:
            self._database.record_shown(participant, participant.answered)
        return Response(self._opened.image(ids[name]).read_bytes(), media_type="image/png")

    def _page_images(self, visitor: str, participant: Participant, trial: Trial) -> list[PageImage]:
        """All images of the participant's next question."""
        context = zip(CONTEXT, trial.context, strict=False)
        images = [(place, title, image_id) for (place, title), image_id in context if image_id is not None]
        images += [(str(i), str(i), image_id) for i, image_id in enumerate(trial.images, start=1)]
        return [PageImage(*image, self._tokens.image(visitor, participant.answered, image[0])) for image in images]

    def _next_trial(self, participant: Participant) -> Trial | None:
        trials = plan(self._study, participant.number)
        return trials[participant.answered] if participant.answered < len(trials) else None

    def _seconds_left(self, participant: Participant, trial: Trial) -> float | None:
        """How long the images of the participant's next question remain visible; None without a time limit."""
        protocol = self._study.protocol
        limit = protocol.seconds if trial.part == 1 else protocol.comparison_seconds
        return None if limit is None else limit - (participant.seconds_since_shown(participant.answered) or 0.0)

    def _visitor(self, request: Request) -> str | None:
        """The visitor's cookie, if it is genuine."""
        cookie = request.cookies.get(self._cookie(request)["key"])
        return cookie if self._tokens.is_visitor(cookie) else None

    def _find(self, visitor: str | None) -> Participant | None:
        return self._database.find(self._tokens.token_hash(visitor)) if visitor else None

    def _checked_visitor(self, request: Request, token: str) -> str:
        """The visitor, after a check that the form is theirs."""
        visitor = self._visitor(request)
        if visitor is None or not is_same_origin(request) or not self._tokens.is_form(visitor, token):
            raise HTTPException(403)
        return visitor

    def _cookie(self, request: Request) -> dict[str, Any]:
        """Name and attributes of the visitor's cookie."""
        secure = request.scope["scheme"] == "https"
        key = f"{'__Host-' if secure else ''}cfld-study-{self._tokens.study_name()}"
        return {"key": key, "secure": secure, "httponly": True, "samesite": "lax", "path": "/"}

    def _page(self, template: str, visitor: str, status: int = 200, **values: Any) -> HTMLResponse:
        html = self._pages.get_template(template).render(token=self._tokens.form(visitor), **values)
        return HTMLResponse(html, status)
