"""Controls that several tabs share: images of people, target poses, sampling options, and the output."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from cfld.app.event_handlers import CANCELLED, A, EventHandlers, status
from cfld.app.input_files import InputFiles
from cfld.app.joint_editor import joint_editor, to_value, with_backdrop
from cfld.app.mannequins import image_file, mannequin_pose, pose_file
from cfld.app.settings import Settings
from cfld.app.validation import LARGEST_SEED, MODEL_SCHEDULER
from cfld.config.schema import SamplingConfig
from cfld.diffusion.schedulers import SCHEDULERS
from cfld.poses.formats import SUFFIXES
from cfld.readers.images import is_image_file

EXAMPLES: Final = (3, 8, 12, 21, 30, 44)
"""Seeds of the example mannequins."""
POSES: Final = (7, 1, 2, 4, 5, 9, 13, 16, 18, 24, 33, 40)
"""Seeds of the example poses; the first is the initial pose."""
POSE_FILES: Final = ("image", *SUFFIXES)
PRIVATE: Final[dict[str, Any]] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
"""Options of events that only the page itself needs."""
EXAMPLE: Final = "An example: this person in this pose. Generate makes it anew, in as many steps as you choose."
OUTPUT_IMAGE: Final[dict[str, Any]] = {"type": "filepath", "format": "png", "interactive": False}
STATUS: Final = """<div class="generation-status" role="status">
{{#if value.of}}<progress max="{{value.of}}" value="{{value.done}}"></progress>{{/if}}
<span>{{value.text}}</span></div>"""


def image_input(handlers: EventHandlers, label: str, elem_id: str) -> gr.Image:
    """An image of a person: an upload or a photograph, checked at once, an example or a random mannequin."""
    image = gr.Image(
        label=label,
        elem_id=elem_id,
        type="filepath",
        format="png",
        sources=["upload", "clipboard", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False),
        height=280,
        buttons=[],
    )
    note = gr.Markdown(elem_id=f"{elem_id}-note", elem_classes="note")
    files = [str(image_file(handlers.sessions.page, seed)) for seed in EXAMPLES]
    with gr.Accordion("Examples and random mannequins", open=False, elem_id=f"{elem_id}-examples-accordion"):
        examples = thumbnails(files, "Examples", f"{elem_id}-examples")
        random = gr.Button("Random mannequin", elem_id=f"{elem_id}-random", size="sm")

    def check(value: Any, request: gr.Request) -> tuple[Any, str]:
        with handlers.user_errors():
            try:
                with handlers.engine.uploads.open(handlers.input_files(request).uploaded(value)) as upload:
                    unsuitable = handlers.engine.unsuitable(upload.image)
                    return gr.skip(), " ".join([*upload.notes, *([unsuitable] if unsuitable else [])])
            except ValueError as error:
                return None, _rejection(handlers, error)

    def choose_example(selected: gr.SelectData) -> tuple[str, str]:
        return files[selected.index], ""

    def choose_random(request: gr.Request) -> tuple[str, str]:
        return str(image_file(handlers.session(request).folder / "mannequins", secrets.randbelow(LARGEST_SEED))), ""

    image.upload(check, image, [image, note], preprocess=False, **PRIVATE)
    image.clear(lambda: "", None, note, **PRIVATE)
    examples.select(choose_example, None, [image, note], **PRIVATE)
    random.click(choose_random, None, [image, note], **PRIVATE)
    return image


def pose_input(handlers: EventHandlers, label: str, prefix: str) -> gr.HTML:
    """A joint editor with example poses, random poses, and poses from images and keypoint files."""
    editor = joint_editor(mannequin_pose(POSES[0]), label, f"{prefix}-pose")
    note = gr.Markdown(elem_id=f"{prefix}-pose-note", elem_classes="note")
    gr.Markdown("Example poses:")
    files = [str(pose_file(handlers.sessions.page, seed)) for seed in POSES]
    gallery = thumbnails(files, "Poses", f"{prefix}-poses")
    random = gr.Button("Random pose", elem_id=f"{prefix}-pose-random", size="sm")
    file = gr.File(
        label="Pose from an image of a person, or from a keypoint file of any supported format",
        elem_id=f"{prefix}-pose-file",
        file_types=list(POSE_FILES),
        type="filepath",
        height=120,
    )

    def choose_example(selected: gr.SelectData) -> tuple[Any, str]:
        return _example_pose(POSES[selected.index])

    def read(value: Any, request: gr.Request) -> tuple[Any, str]:
        with handlers.user_errors():
            inputs = handlers.input_files(request)
            try:
                path = inputs.folder / inputs.add_upload(value)
                pose = handlers.engine.read_pose(path)
                editor = with_backdrop(None)
                if is_image_file(path):
                    with inputs.uploads.open(path) as upload:
                        editor = with_backdrop(upload.image)
            except ValueError as error:
                return gr.skip(), _rejection(handlers, error)
        note = f"{pose.visible.sum()} of {len(pose.visible)} joints found."
        return {**editor, "value": to_value(pose)}, note

    gallery.select(choose_example, None, [editor, note], **PRIVATE)
    random.click(lambda: _example_pose(secrets.randbelow(LARGEST_SEED)), None, [editor, note], **PRIVATE)
    file.upload(read, file, [editor, note], preprocess=False, **PRIVATE)
    return editor


def thumbnails(files: Sequence[str], label: str, elem_id: str) -> gr.Gallery:
    """A gallery of small images to choose from."""
    return gr.Gallery(
        list(files),
        label=label,
        show_label=False,
        elem_id=elem_id,
        elem_classes="thumbs",
        columns=6,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        interactive=False,
        format="png",
        buttons=[],
    )


def sampling_input(handlers: EventHandlers, prefix: str) -> dict[str, Any]:
    """The components for `SamplingArguments`, by argument."""
    default = SamplingConfig()
    with gr.Accordion("Sampling", open=False, elem_id=f"{prefix}-sampling"):
        with gr.Row():
            limit, steps = handlers.engine.limits.steps, f"{prefix}-steps"
            default_steps = min(handlers.engine.recipe.steps, limit)
            inputs: dict[str, Any] = {"steps": gr.Slider(1, limit, default_steps, step=1, label="Steps", elem_id=steps)}
            seed = gr.Number(default.seed, label="Random seed", precision=0, minimum=0, elem_id=f"{prefix}-seed")
        with gr.Row():
            for label in ("Pose guidance", "Appearance guidance"):
                name = label.lower().replace(" ", "_")
                scale, elem_id = getattr(default, f"{name}_scale"), f"{prefix}-{name.replace('_', '-')}"
                inputs[name] = gr.Slider(0, 8, scale, step=0.1, label=label, elem_id=elem_id)
        schedulers = [MODEL_SCHEDULER, *SCHEDULERS]
        scheduler = gr.Dropdown(schedulers, value=MODEL_SCHEDULER, label="Scheduler", elem_id=f"{prefix}-scheduler")
    return {**inputs, "scheduler": scheduler, "seed": seed}


def generation(
    handlers: EventHandlers,
    prefix: str,
    arguments: type[A],
    make_settings: Callable[[InputFiles, A], Settings],
    inputs: Mapping[str, Any],
    example: Path | None = None,
    also: Sequence[Any] = (),
) -> Any:
    """The buttons *Generate* and *Cancel*, the result and the status; returns the event of *Generate*.

    Args:
        arguments, make_settings: see `EventHandlers.generator`; the latter's name is that of the API endpoint.
        inputs: components by argument.
        example: a result to show at first.
        also: further events that generate, such as `live_view(...).submit`.
    """
    with gr.Row():
        generate = gr.Button("Generate", variant="primary", elem_id=f"{prefix}-generate")
        cancel = gr.Button("Cancel", elem_id=f"{prefix}-cancel")
    options = {"height": 420, "buttons": ["download", "fullscreen"], "elem_classes": "result", **OUTPUT_IMAGE}
    image = gr.Image(str(example) if example else None, label="Result", elem_id=f"{prefix}-result", **options)
    progress = gr.HTML(
        status(EXAMPLE if example else ""),
        html_template=STATUS,
        js_on_load=None,
        elem_id=f"{prefix}-status",
        label="Status",
    )
    event = gr.on(
        [generate.click, *also],
        handlers.generator(arguments, make_settings, list(inputs)),
        list(inputs.values()),
        [image, progress, gr.JSON(visible=False, label="Settings")],
        api_name=make_settings.__name__,
        preprocess=False,
        concurrency_id="model",
        concurrency_limit=1,
        trigger_mode="always_last" if also else "once",
        show_progress="minimal",
        show_progress_on=image,
    )

    def confirm(request: gr.Request) -> dict[str, Any]:
        handlers.session(request).wait_until_stopped(make_settings.__name__)
        return status(CANCELLED)

    # in two events: the confirmation must reach the page after the last step of the generator, through the same queue
    cancelling = cancel.click(lambda: status("Cancelling."), None, progress, cancels=[event], **PRIVATE)
    cancelling.then(confirm, None, progress, **{**PRIVATE, "queue": True, "concurrency_limit": None})
    return event


def _example_pose(seed: int) -> tuple[Any, str]:
    return {**with_backdrop(None), "value": to_value(mannequin_pose(seed))}, ""


def _rejection(handlers: EventHandlers, error: ValueError) -> str:
    return f"**Not accepted.** {handlers.message(error)}"
