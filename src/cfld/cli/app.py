"""`cfld app`: one's own images and poses in the browser.

cfld app
cfld app --model models/cfld --pose.backend rtmpose --device cuda --dtype bfloat16
cfld app --host 0.0.0.0 --port 8080 --queue-limit 100 --limits.megabytes 10
"""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

from cfld.app.limits import Limits
from cfld.cli.options import DetectorOptions, PipelineOptions

if TYPE_CHECKING:
    from cfld.app.engine import Engine


@dataclass(frozen=True, kw_only=True)
class App:
    """Serve a page that draws: pose transfer, style transfer, interpolation, attention. It asks no other host.

    Uploads and results are removed a minute after a visitor has closed the page, and all of them when it is stopped.
    """

    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How poses are found in images."""
    host: str = "127.0.0.1"
    """The address to listen at; 0.0.0.0 for all of this machine's: then everybody who reaches it can draw."""
    port: int = 7860
    """The port; 0 for a free one."""
    queue_limit: int = 40
    """Drawings that may wait; further ones are refused."""
    limits: Limits = field(default_factory=Limits)
    """What one visitor may ask for."""
    keep: float = 60.0
    """Seconds that a visitor's files stay after the page was closed."""

    def run(self) -> None:
        try:
            import gradio  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError(f"cfld app needs the package {error.name}: pip install 'cfld[app]'") from None
        from cfld.app.server import Serving, serving
        from cfld.app.sessions import Lifetime

        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        how = Serving(host=self.host, port=self.port, queue=self.queue_limit, lifetime=Lifetime(grace=self.keep))
        with serving(self._engine(), how) as address:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped in any way, files are removed
            print(address, "Ctrl-C stops it.", sep="\n", flush=True)
            threading.Event().wait()

    def _engine(self) -> Engine:
        from cfld.app.engine import Engine
        from cfld.app.settings import Served

        pipe = self.pipeline.open()
        model, dtype = self.pipeline.model, self.pipeline.dtype
        name = Path(model).name if Path(model).is_dir() else model
        served = Served(model=name, dtype=dtype, backend=self.pose.backend, confidence=self.pose.confidence)
        return Engine(pipe, self.pose.reader(), served, self.limits)
