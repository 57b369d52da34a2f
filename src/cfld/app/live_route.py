"""The route that redraws a person while a joint is dragged: a pose as JSON -> a JPEG.

A plain route beside Gradio's, whose queue, events and image files cost more than the image itself.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cfld.app.joint_editor import Pose
from cfld.app.live import Live
from cfld.app.sessions import Sessions
from cfld.app.validation import Arguments, first_error
from cfld.web.rate_limit import client_address

LIVE: Final = "/live"


class LiveRequest(Arguments, extra="forbid"):
    """A pose for the person of a source; `source` is the token of a `LiveSource`."""

    source: Annotated[str, Field(max_length=64)]
    pose: Pose


def live_route(live: Live, sessions: Sessions) -> Route:
    """Responds 200 with a JPEG, 204 if a newer pose of the page took this one's place, 400 for poses that are invalid
    or show nobody, and 410 if the source's session has ended."""

    async def redraw(request: Request) -> Response:
        try:
            given = LiveRequest.model_validate_json(await request.body())
            source = sessions.find_live(given.source)
            if source is None:
                raise HTTPException(410, "this source was removed with its session; choose it again")
            drawing = live.redraw(source, given.pose.to_keypoints(), client_address(request.scope))
            image = await asyncio.wrap_future(drawing)
        except ValidationError as error:
            raise HTTPException(400, first_error(error)) from None
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return Response(status_code=204) if image is None else Response(image, media_type="image/jpeg")

    return Route(LIVE, redraw, methods=["POST"])
