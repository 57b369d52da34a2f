"""Receives uploads, in place of Gradio's own route, which opens a file for each of up to 1000 parts of a request, keeps
form fields in memory, and stores files of equal content under one path.
"""

from __future__ import annotations

import shutil
from typing import Final

from anyio.to_thread import run_sync
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from cfld.app.input_files import safe_name
from cfld.app.sessions import Sessions

MAX_FILES: Final = 4
"""Files of one request; a painted mask has three."""


async def receive_uploads(request: Request, sessions: Sessions, visitor: str) -> list[str]:
    """Stores the files of a multipart request, each in a new folder; returns their paths.

    Raises:
        HTTPException: with status 400, if the request is not multipart, or has other fields or too many files.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(400, "an upload is multipart/form-data")
    try:
        async with request.form(max_files=MAX_FILES, max_fields=0) as form:
            files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
            return [await run_sync(_store, file, sessions, visitor) for file in files]
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None


def _store(file: UploadFile, sessions: Sessions, visitor: str) -> str:
    path = sessions.new_upload(visitor, safe_name(file.filename or "upload"))
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    return str(path)
