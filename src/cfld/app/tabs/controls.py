"""Controls that several tabs share: images of people, target poses, how images are sampled, what is drawn."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from cfld.app.engine import mannequin_pose, random_figure
from cfld.app.event_handlers import EventHandlers, Update, status, user_errors
from cfld.app.joint_editor import joint_editor, to_value, with_backdrop
from cfld.app.uploads import read_upload
from cfld.app.validation import LARGEST_SEED, OWN_SCHEDULER
from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import draw_pose
from cfld.diffusion.schedulers import SCHEDULERS
from cfld.inference.pose_reading import is_image_file

EXAMPLES: Final = (3, 8, 12, 21, 30, 44)
"""Seeds of figures to begin with."""
POSES: Final = (7, 1, 2, 4, 5, 9, 13, 16, 18, 24, 33, 40)
"""Seeds of poses to begin with; the first one is shown at first."""
POSE_FILES: Final = ("image", ".json", ".csv")
PRIVATE: Final[dict[str, Any]] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
"""Of events that only the page itself needs."""
STATUS: Final = """<div class="drawing-status" role="status">
{{#if value.of}}<progress max="{{value.of}}" value="{{value.done}}"></progress>{{/if}}
<span>{{value.text}}</span></div>"""


@dataclass(frozen=True)
class Drawing:
    """What a tab shows of what it draws; `outputs` is for events that yield `Update`s.

    Attributes:
        generate, cancel: the buttons.
    """

    generate: gr.Button
    cancel: gr.Button
    outputs: list[Any]


def image_input(desk: EventHandlers, label: str, elem_id: str) -> gr.Image:
    """An image of a person: by upload, from the examples, or a random figure. Uploads are looked at at once."""
    image = gr.Image(
        label=label,
        elem_id=elem_id,
        type="filepath",
        format="png",
        sources=["upload", "clipboard"],
        height=280,
        buttons=[],
    )
    note = gr.Markdown(elem_id=f"{elem_id}-note", elem_classes="note")
    with gr.Accordion("Examples and random figures", open=False, elem_id=f"{elem_id}-examples-accordion"):
        examples = thumbnails(_files(desk, EXAMPLES), "Examples", f"{elem_id}-examples")
        chance = gr.Button("Random figure", elem_id=f"{elem_id}-random", size="sm")

    def uploaded(sent: Any, request: gr.Request) -> tuple[Any, str]:
        with user_errors():
            notes, taken = check_image(desk, sent, request)
        return gr.skip() if taken else None, notes

    def example(selected: gr.SelectData) -> tuple[str, str]:
        return _files(desk, EXAMPLES)[selected.index], ""

    def another(request: gr.Request) -> tuple[str, str]:
        return figure_file(desk, secrets.randbelow(LARGEST_SEED), request), ""

    image.upload(uploaded, image, [image, note], preprocess=False, **PRIVATE)
    image.clear(lambda: "", None, note, **PRIVATE)
    examples.select(example, None, [image, note], **PRIVATE)
    chance.click(another, None, [image, note], **PRIVATE)
    return image


def check_image(desk: EventHandlers, sent: Any, request: gr.Request) -> tuple[str, bool]:
    """Decodes an upload; what there is to say of it, and whether it will do."""
    try:
        notes = read_upload(desk.inputs(request).upload(sent), desk.engine.limits).notes
    except ValueError as error:
        return f"**Not taken.** {error}", False
    return " ".join(notes), True


def figure_file(desk: EventHandlers, seed: int, request: gr.Request) -> str:
    """Draws a figure; returns the file, which lies among the visitor's own."""
    folder = desk.visitor(request).folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"mannequin{seed}.png"
    random_figure(seed).save(file)
    return str(file)


def pose_input(desk: EventHandlers, label: str, prefix: str) -> gr.HTML:
    """A pose: from a gallery, at random, from an image or a keypoint file; and its joints can be dragged."""
    editor = joint_editor(mannequin_pose(POSES[0]), label, f"{prefix}-pose")
    note = gr.Markdown(elem_id=f"{prefix}-pose-note", elem_classes="note")
    gr.Markdown("Poses to begin with:")
    gallery = thumbnails(_pose_files(desk), "Poses", f"{prefix}-poses")
    chance = gr.Button("Random pose", elem_id=f"{prefix}-pose-random", size="sm")
    file = gr.File(
        label="Pose from an image of a person, or from a keypoint file (JSON, CSV)",
        elem_id=f"{prefix}-pose-file",
        file_types=list(POSE_FILES),
        type="filepath",
        height=120,
    )

    def chosen(selected: gr.SelectData) -> tuple[Any, str]:
        return _seeded(POSES[selected.index])

    def another() -> tuple[Any, str]:
        return _seeded(secrets.randbelow(LARGEST_SEED))

    def read(sent: Any, request: gr.Request) -> tuple[Any, str]:
        with user_errors():
            return read_pose(desk, sent, request)

    gallery.select(chosen, None, [editor, note], **PRIVATE)
    chance.click(another, None, [editor, note], **PRIVATE)
    file.upload(read, file, [editor, note], preprocess=False, **PRIVATE)
    return editor


def read_pose(desk: EventHandlers, sent: Any, request: gr.Request) -> tuple[Any, str]:
    """What the editor and its note are to show for an uploaded image or keypoint file, named by its owner."""
    inputs = desk.inputs(request)
    try:
        file = inputs.folder / inputs.file(sent)
        pose = desk.engine.read_pose(file)
        image = read_upload(file, desk.engine.limits).image if is_image_file(file) else None
    except ValueError as error:
        return gr.skip(), f"**Not taken.** {str(error).replace(f'{inputs.folder}/', '')}"
    joints = int(pose.visible.sum())
    return {**with_backdrop(image), "value": to_value(pose)}, f"{joints} of {len(pose.visible)} joints found."


def thumbnails(files: Sequence[str], label: str, elem_id: str) -> gr.Gallery:
    """Small images to choose from."""
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


def sampling_input(desk: EventHandlers, prefix: str) -> list[Any]:
    """Steps, both guidance weights, scheduler, seed; in the order of `validation.sampling`."""
    usual = SamplingConfig()
    with gr.Accordion("Sampling", open=False, elem_id=f"{prefix}-sampling"):
        with gr.Row():
            steps = gr.Slider(
                1, desk.engine.limits.steps, usual.steps, step=1, label="Steps", elem_id=f"{prefix}-steps"
            )
            seed = gr.Number(usual.seed, label="Seed", precision=0, minimum=0, elem_id=f"{prefix}-seed")
        with gr.Row():
            pose = gr.Slider(
                0, 8, usual.pose_guidance_scale, step=0.1, label="Pose guidance", elem_id=f"{prefix}-pose-guidance"
            )
            appearance = gr.Slider(
                0,
                8,
                usual.appearance_guidance_scale,
                step=0.1,
                label="Appearance guidance",
                elem_id=f"{prefix}-appearance-guidance",
            )
        scheduler = gr.Dropdown(
            [OWN_SCHEDULER, *SCHEDULERS], value=OWN_SCHEDULER, label="Scheduler", elem_id=f"{prefix}-scheduler"
        )
    return [steps, pose, appearance, scheduler, seed]


def drawing_output(prefix: str) -> Drawing:
    """The buttons, the result as it comes, and how far it is."""
    with gr.Row():
        generate = gr.Button("Generate", variant="primary", elem_id=f"{prefix}-generate")
        cancel = gr.Button("Cancel", elem_id=f"{prefix}-cancel")
    shown = gr.Image(
        label="Result",
        elem_id=f"{prefix}-result",
        elem_classes="result",
        type="filepath",
        format="png",
        interactive=False,
        height=420,
        buttons=["download", "fullscreen"],
    )
    told_status = gr.HTML(status(""), html_template=STATUS, js_on_load=None, elem_id=f"{prefix}-status", label="Status")
    settings = gr.JSON(visible=False, label="Settings")
    return Drawing(generate, cancel, [shown, told_status, settings])


def connect(
    desk: EventHandlers, drawing: Drawing, task: str, draw: Callable[..., Iterator[Update]], inputs: Sequence[Any]
) -> Any:
    """Makes the buttons draw and cancel; returns the event, for others to follow it.

    Args:
        task: its name for programs, too.
        draw: called with what the inputs hold, unchecked; its arguments' names are what programs call them.
    """
    event = drawing.generate.click(
        draw,
        list(inputs),
        drawing.outputs,
        api_name=task,
        preprocess=False,
        concurrency_id="model",
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=drawing.outputs[0],
    )

    def cancel(request: gr.Request) -> dict[str, Any]:
        with user_errors():
            return desk.cancel(request, task)

    drawing.cancel.click(cancel, None, drawing.outputs[1], cancels=[event], **PRIVATE)
    return event


def _seeded(seed: int) -> tuple[Any, str]:
    return {**with_backdrop(None), "value": to_value(mannequin_pose(seed))}, ""


def _files(desk: EventHandlers, seeds: Sequence[int]) -> list[str]:
    """Images of figures; drawn once."""
    files = [desk.sessions.page / f"mannequin{seed}.png" for seed in seeds]
    for seed, file in zip(seeds, files, strict=True):
        if not file.exists():
            random_figure(seed).save(file)
    return [str(file) for file in files]


def _pose_files(desk: EventHandlers) -> list[str]:
    files = [desk.sessions.page / f"pose{seed}.png" for seed in POSES]
    for seed, file in zip(POSES, files, strict=True):
        if not file.exists():
            draw_pose(mannequin_pose(seed), (128, 88)).save(file)
    return [str(file) for file in files]
