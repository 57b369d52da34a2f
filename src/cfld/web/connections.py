"""HTTP connections with deadlines: a client that sends a request, or takes a response, too slowly is cut off."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE: Final = 20.0
"""Seconds for a request to arrive, and for a part of a response to be taken, however small."""
MIN_RATE: Final = 1000.0
"""Bytes per second; every so many grant another second."""


class TimedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines, for `uvicorn.Config(http=TimedProtocol.of_at_most(...))`."""

    max_waiting: ClassVar[int]
    """Connections that wait for a request. Beyond it the oldest is closed: nobody can keep others out by opening
    connections."""
    _waiting: ClassVar[dict[TimedProtocol, None]]
    _request_deadline: asyncio.TimerHandle | None = None
    _response_deadline: asyncio.TimerHandle | None = None

    @classmethod
    def of_at_most(cls, connections: int) -> type[TimedProtocol]:
        """The protocol of a server of so many connections, of which half may wait."""
        return type(cls.__name__, (cls,), {"max_waiting": max(1, connections // 2), "_waiting": {}})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # pause_writing as soon as the client does not keep up
        self._follow()

    def data_received(self, data: bytes) -> None:
        if self.conn.our_state is not h11.DONE:  # nobody reads the rest of a request that has its response
            self._received += len(data)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        super().pause_writing()
        seconds = PATIENCE + self.transport.get_write_buffer_size() / MIN_RATE
        self._response_deadline = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._response_deadline is not None:
            self._response_deadline.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._waiting.pop(self, None)
        for deadline in (self._request_deadline, self._response_deadline):
            if deadline is not None:
                deadline.cancel()

    def _follow(self) -> None:
        """Sets the deadline of a request that has begun to arrive, or should; clears that of a complete one."""
        state = self.conn.their_state
        if state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._waiting.pop(self, None)
        begun = self.cycle is None or bool(self.conn.trailing_data[0])
        expected = state is h11.SEND_BODY or (state is h11.IDLE and begun)
        if expected and self._request_deadline is None:
            self._began, self._received = self.loop.time(), 0
            self._check_request()
        elif not expected and self._request_deadline is not None:
            self._request_deadline.cancel()
            self._request_deadline = None

    def _wait(self) -> None:
        self._waiting.setdefault(self)
        if len(self._waiting) > self.max_waiting:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.transport.abort()

    def _check_request(self) -> None:
        seconds = self._began + PATIENCE + self._received / MIN_RATE - self.loop.time()
        if seconds > 0:
            self._request_deadline = self.loop.call_later(seconds, self._check_request)
        else:
            self.transport.abort()
