"""`cfld app`: own images and poses in the browser.

cfld app
cfld app --model models/cfld --pose.backend rtmpose --device cuda --dtype bfloat16
cfld app --host 0.0.0.0 --port 8080 --queue-limit 100 --limits.megabytes 10
cfld app --allowed-host cfld.example.org
"""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes

from cfld.app.limits import Limits
from cfld.cli.options import DetectorOptions, PipelineOptions, RecipeOptions, recipe_of
from cfld.ranges import Port, Range


@dataclass(frozen=True, kw_only=True)
class App:
    """Serve a web page for pose transfer, style transfer, interpolation and attention maps.

    The page loads nothing from other hosts. A visitor's uploads and results are removed a minute after the page was
    closed, and all of them when the server stops.
    """

    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)
    recipe: OmitArgPrefixes[RecipeOptions] = field(default_factory=RecipeOptions)
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How poses are found in images."""
    host: str = "127.0.0.1"
    """Address to listen on; with 0.0.0.0, all addresses of this machine, everyone who reaches it can use the page."""
    port: Port = 7860
    """Port; 0 for any free one."""
    queue_limit: Annotated[int, Range(1, 10_000)] = 40
    """Requests that may wait; further ones are rejected."""
    limits: Limits = field(default_factory=Limits)
    """Limits on what visitors may request."""
    allowed_host: tuple[str, ...] = ()
    """Names without ports by which browsers may call the server, besides IP addresses, localhost and the name of this
    machine: those of a reverse proxy or tunnel. An asterisk stands for anything: *.example.org"""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks of reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto headers are believed; by
    default those on this machine."""
    session_ttl: Annotated[float, Range(0, 10_000_000)] = 60.0
    """Seconds until a visitor's files are removed after the page was closed."""

    def run(self) -> None:
        try:
            import gradio  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError(f"cfld app needs the package {error.name}: pip install 'cfld[app]'") from None
        from cfld.app.engine import Engine
        from cfld.app.server import serve
        from cfld.app.sessions import Lifetime
        from cfld.app.settings import ServedModel

        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        recipe, model = recipe_of(self.recipe, self.pipeline), Path(self.pipeline.model)
        pipe = self.pipeline.open(recipe)
        served = ServedModel(
            model=model.name if model.is_dir() else self.pipeline.model,
            dtype=str(recipe.dtype),
            engine=self.pipeline.engine,
            **vars(self.recipe),
            backend=self.pose.backend,
            confidence=self.pose.confidence,
        )
        engine = Engine(pipe, self.pose.reader(), served, self.limits, self.pose.open_segmenter)
        lifetime = Lifetime(closed=self.session_ttl)
        names = (self.allowed_host, self.trusted_proxies)
        with serve(engine, self.host, self.port, self.queue_limit, lifetime, *names) as address:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # files are removed however the server is stopped
            print(address, "Press Ctrl-C to stop.", sep="\n", flush=True)
            threading.Event().wait()
