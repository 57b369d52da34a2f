"""The page as Gradio sees it: its tabs, its endpoints and their parameters."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from cfld.app.engine import Engine
from cfld.app.event_handlers import EventHandlers
from cfld.app.page import TABS, build_page
from cfld.app.sessions import Sessions
from cfld.pipeline import CFLDPipeline


@pytest.fixture(scope="module")
def page(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    sessions = Sessions(tmp_path_factory.mktemp("app").resolve())
    return build_page(EventHandlers(Engine(CFLDPipeline.from_pretrained(model_folder)), sessions))


def test_every_tab_is_built(page: gr.Blocks) -> None:
    labels = [block.label for block in page.blocks.values() if isinstance(block, gr.Tab)]
    assert labels == list(TABS)


def test_endpoints_and_their_required_parameters(page: gr.Blocks) -> None:
    endpoints = page.get_api_info()["named_endpoints"]
    required = {
        name: [p["parameter_name"] for p in endpoint["parameters"] if not p["parameter_has_default"]]
        for name, endpoint in endpoints.items()
    }
    assert required == {
        "/pose_transfer": ["source"],
        "/style_transfer": ["reference", "mask", "source"],
        "/interpolation": ["source_1", "source_2"],
        "/attention": ["source"],
        "/mannequin_image": [],
        "/mannequin_pose": [],
        "/read_pose": ["file"],
        "/check_image": ["file"],
        "/archive": [],
    }
    assert all(endpoint["description"] for endpoint in endpoints.values())
