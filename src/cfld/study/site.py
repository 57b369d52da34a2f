"""The participant's pages: welcome, one question at a time, thanks."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request
from jinja2 import Environment
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cfld.study.answers import Answers, Participant
from cfld.study.definition import OpenStudy
from cfld.study.middleware import Limits, is_same_origin, too_many_requests
from cfld.study.plan import Trial, method_of, plan
from cfld.study.tokens import Tokens
from cfld.web.rate_limit import RateLimit, client_address

COOKIE_AGE: Final = 90 * 24 * 3600
"""Seconds for which a participant can come back."""
GRACE: Final = 3.0
"""Seconds that an image is still handed out after its time: for slow lines. The page hides it in time."""
CONTEXT: Final = (("source", "The person"), ("pose", "The pose"), ("truth", "The true image"))
"""What stands above the results in part two, in the order of `Trial.context`."""


@dataclass(frozen=True)
class Image:
    """One image on a page.

    Attributes:
        place: which of the page's images; its name is made of it.
        title: what stands below it.
        image_id: the file's.
    """

    place: str
    title: str
    image_id: str


class Site:
    """Answers requests of participants. All that it remembers is in the database and in the visitor's cookie."""

    def __init__(self, opened: OpenStudy, answers: Answers, pages: Environment, limits: Limits) -> None:
        self._opened, self._study, self._answers = opened, opened.study, answers
        self._pages, self._most = pages, limits.participants
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
        """What the study is about; who has begun goes on instead."""
        visitor = self._visitor(request)
        if visitor and self._answers.find(self._tokens.token_hash(visitor)):
            return RedirectResponse("/study", 303)
        visitor = visitor or self._tokens.new_visitor()
        response = self._page("welcome.html", visitor, study=self._study, questions=len(plan(self._study, 1)))
        response.set_cookie(max_age=COOKIE_AGE, value=visitor, **self._cookie(request))
        return response

    def start(self, request: Request, token: Annotated[str, Form(max_length=64)]) -> Response:
        """A new participant; for one who is there already, as after a double click, nothing new."""
        visitor = self._checked_visitor(request, token)
        token_hash = self._tokens.token_hash(visitor)
        if not self._answers.find(token_hash):
            if wait := self._starts.wait(client_address(request.scope)):
                return too_many_requests(wait)
            if not self._answers.begin(token_hash, functools.partial(method_of, self._study), self._most):
                return self._page("full.html", visitor, status=503)
        return RedirectResponse("/study", 303)

    def question(self, request: Request, part: int = 1) -> Response:
        """The next question, before part two what it is about, or thanks."""
        visitor, participant = self._participant(request)
        if participant is None:
            return RedirectResponse("/", 303)
        trials, position = plan(self._study, participant.number), participant.answered
        if position == len(trials):
            return self._page("thanks.html", visitor)
        trial = trials[position]
        if trial.part == 2 and part != 2 and (position == 0 or trials[position - 1].part == 1):
            return self._page("before_part_two.html", visitor, study=self._study, has_pose=trial.context[1] is not None)
        left = self._time_left(participant, position, trial)
        return self._page(
            f"part_{('one', 'two')[trial.part - 1]}.html",
            visitor,
            trial=trial,
            position=position,
            number=position + 1,
            questions=len(trials),
            images=[self._named(visitor, position, image) for image in _shown(trial)],
            seconds=left,
            gone=left is not None and left <= 0,
        )

    def answer(
        self,
        request: Request,
        token: Annotated[str, Form(max_length=64)],
        position: Annotated[int, Form(ge=0, le=100_000)],
        choice: Annotated[int, Form(ge=1, le=9)],
    ) -> Response:
        """Keeps an answer, then leads to the next question. A repeated answer changes nothing and is led there too."""
        visitor = self._checked_visitor(request, token)
        participant = self._answers.find(self._tokens.token_hash(visitor))
        if participant is None:
            return RedirectResponse("/", 303)
        if position == participant.answered:
            trials = plan(self._study, participant.number)
            if position >= len(trials) or choice > len(trials[position].picks):
                raise HTTPException(422)
            trial = trials[position]
            self._answers.record(participant, position, trial, trial.picks[choice - 1])
        return RedirectResponse("/study", 303)

    def image(self, request: Request, name: str) -> Response:
        """An image of the participant's present question; of no other."""
        visitor, participant = self._participant(request)
        if participant is None or participant.answered == len(plan(self._study, participant.number)):
            raise HTTPException(404)
        position = participant.answered
        trial = plan(self._study, participant.number)[position]
        asked = [p for p in _shown(trial) if name == self._tokens.image(visitor, position, p.place)]
        left = self._time_left(participant, position, trial)
        if not asked or (left is not None and left < -GRACE):
            raise HTTPException(404)
        if left is not None and participant.shown != position:
            self._answers.show(participant, position)
        return Response(self._opened.image(asked[0].image_id).read_bytes(), media_type="image/png")

    def _named(self, visitor: str, position: int, image: Image) -> dict[str, str]:
        """As templates have it: under a name that leads to the file for this visitor now, and tells nothing."""
        address = f"/image/{self._tokens.image(visitor, position, image.place)}"
        return {"place": image.place, "title": image.title, "address": address}

    def _time_left(self, participant: Participant, position: int, trial: Trial) -> float | None:
        """For which the question's images can still be seen, in seconds; none = without limit."""
        protocol = self._study.protocol
        limit = protocol.seconds if trial.part == 1 else protocol.comparison_seconds
        return None if limit is None else limit - (participant.looked_for(position) or 0.0)

    def _visitor(self, request: Request) -> str | None:
        cookie = request.cookies.get(self._cookie(request)["key"])
        return cookie if self._tokens.is_visitor(cookie) else None

    def _participant(self, request: Request) -> tuple[str, Participant | None]:
        visitor = self._visitor(request)
        return visitor or "", self._answers.find(self._tokens.token_hash(visitor)) if visitor else None

    def _checked_visitor(self, request: Request, token: str) -> str:
        """The visitor whose own form this is."""
        visitor = self._visitor(request)
        if visitor is None or not is_same_origin(request) or not self._tokens.is_form(visitor, token):
            raise HTTPException(403)
        return visitor

    def _cookie(self, request: Request) -> dict[str, Any]:
        """Name and properties; each study has its own, since ports of one host share cookies."""
        secure = request.url.scheme == "https"
        key = f"{'__Host-' if secure else ''}cfld-study-{self._tokens.study_name()}"
        return {"key": key, "secure": secure, "httponly": True, "samesite": "lax", "path": "/"}

    def _page(self, template: str, visitor: str, status: int = 200, **values: Any) -> HTMLResponse:
        html = self._pages.get_template(template).render(token=self._tokens.form(visitor), **values)
        return HTMLResponse(html, status)


def _shown(trial: Trial) -> list[Image]:
    """All images of a question."""
    above = [
        Image(place, title, image_id)
        for (place, title), image_id in zip(CONTEXT, trial.context, strict=False)
        if image_id is not None
    ]
    return above + [Image(str(i), str(i), image_id) for i, image_id in enumerate(trial.images, start=1)]
