"""The page's tabs: for each, the arguments of its API endpoint, its settings, and its components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import gradio as gr
from pydantic import Field

from cfld.app.controls import (
    EXAMPLES,
    OUTPUT_IMAGE,
    POSES,
    PRIVATE,
    generation,
    image_input,
    pose_input,
    sampling_input,
)
from cfld.app.engine import BUNDLED_MODELS, Output
from cfld.app.event_handlers import EventHandlers
from cfld.app.input_files import InputFiles
from cfld.app.joint_editor import to_value, with_backdrop
from cfld.app.live_view import live_view
from cfld.app.mannequins import image_file, mannequin_pose
from cfld.app.settings import POSE, Attention, Interpolation, PoseTransfer, StyleTransfer
from cfld.app.validation import Arguments, SamplingArguments, Whole, at_most, none_if
from cfld.config.schema import SamplingConfig
from cfld.inference.attention import Blocks
from cfld.poses.fit import Fit
from cfld.poses.keypoints import save_keypoints

NO_FIT: Final = "none"
EXAMPLE_STEPS: Final = 10
"""Of the result shown at first, which the server waits for at its start."""
BRUSH: Final = "#ff5fd7"
CANVAS: Final = (352, 512)
"""Width and height that a reference is reduced to for painting."""
MAX_FEATHER: Final = 100
MAX_LAYERS: Final = 8
SOURCES: Final = 4
OUTPUTS: Final = [("a strip from the first to the last", "strip"), ("one image, mixed by weights", "mixed")]
BLOCKS: Final = [("the last block, whose output is the prompt", "last"), ("the mean of all blocks", "mean")]

Weight = Annotated[float, Field(ge=0, le=1)]


class PoseTransferArguments(SamplingArguments):
    source: Any
    target_pose: Any
    fit: Annotated[Fit | None, none_if(NO_FIT)]
    plain_background: bool
    retarget: bool


def pose_transfer(inputs: InputFiles, arguments: PoseTransferArguments) -> PoseTransfer:
    """Generates the person of the source image in the target pose."""
    inputs.add_pose(arguments.target_pose)
    return PoseTransfer(
        source=inputs.add_image(arguments.source, "source"),
        fit=arguments.fit,
        background="plain" if arguments.plain_background else None,
        retarget=arguments.retarget,
        sampling=arguments.sampling(),
    )


def example_result(handlers: EventHandlers, source: Path) -> Path | None:
    """Generates the result that the page shows at first, by the bundled model only: others may take minutes."""
    engine, out = handlers.engine, source.with_name("example.png")
    if engine.served.model not in BUNDLED_MODELS:
        return None
    save_keypoints(mannequin_pose(POSES[0]), source.with_name(POSE))
    steps, scheduler = (engine.recipe.steps, None) if engine.live else (EXAMPLE_STEPS, "dpm++")
    sampling = SamplingConfig(steps=min(steps, engine.limits.steps), scheduler=scheduler)
    *_, output = engine.generate(PoseTransfer(source=source.name, sampling=sampling), source.parent)
    assert isinstance(output, Output)
    output.image.save(out)
    return out


def pose_transfer_tab(handlers: EventHandlers) -> Any:
    """A person in another pose."""

    def show_retargeting(request: gr.Request) -> Any:
        newest = handlers.session(request).results[-1:]  # may be empty: a cancelled request also counts as success
        file = newest[0].retargeting_file if newest else None
        return gr.Image(str(file) if file else None, visible=file is not None)

    task = (PoseTransferArguments, pose_transfer)
    with gr.Row():
        with gr.Column():
            example = image_file(handlers.sessions.page, EXAMPLES[0])
            source = image_input(handlers, "Source: the person", "transfer-source")
            gr.on(None, lambda: str(example), None, source, **PRIVATE)  # as its value, clients could leave it out
            fits = (NO_FIT, *get_args(Fit))
            fit = gr.Radio(fits, value=NO_FIT, label="Fit the source to the model's frame", elem_id="transfer-fit")
            plain = gr.Checkbox(label="Make the background of a photograph plain", elem_id="transfer-plain")
            retarget = gr.Checkbox(label="Retarget the pose to the source's body", elem_id="transfer-retarget")
        with gr.Column():
            pose = pose_input(handlers, "Target pose", "transfer")
        with gr.Column():
            inputs = {"source": source, "target_pose": pose, "fit": fit, "plain_background": plain}
            inputs |= {"retarget": retarget, **sampling_input(handlers, "transfer")}
            live = [live_view(handlers, pose, *task, inputs).submit] if handlers.engine.live else []
            event = generation(handlers, "transfer", *task, inputs, example_result(handlers, example), live)
            sheet = gr.Image(
                label="Source, target, retargeted",
                elem_id="transfer-retargeting",
                height=280,
                buttons=["fullscreen"],
                visible=False,
                **OUTPUT_IMAGE,
            )
    event.success(show_retargeting, None, sheet, **PRIVATE)
    return event


class Mask(Arguments):
    """The value of `gr.ImageMask`."""

    layers: list[Any] = Field(max_length=MAX_LAYERS)


class StyleTransferArguments(SamplingArguments):
    reference: Any
    mask: Mask
    source: Any
    find_pose: bool
    target_pose: Any
    feather: Annotated[float, Field(ge=0, le=MAX_FEATHER)]
    paste: bool


def style_transfer_tab(handlers: EventHandlers) -> Any:
    """Another person's clothes in the painted part of an image."""

    def show_reference(value: Any, request: gr.Request) -> tuple[Any, Any]:
        """New values of the mask and the pose: the reference, small enough for a phone, and the pose found in it."""
        inputs = handlers.input_files(request)
        path = inputs.folder / "canvas.png"
        try:
            with inputs.uploads.open(inputs.uploaded(value)) as upload:
                small = upload.image.copy()
                small.thumbnail(CANVAS)
                small.save(path)
                editor = with_backdrop(upload.image)
                with suppress(ValueError):
                    editor["value"] = to_value(handlers.engine.reader.image(upload.image, "the reference"))
        except ValueError:
            return None, gr.skip()  # removed, or rejected beside the upload
        return {"background": str(path), "layers": [], "composite": None}, editor

    def style_transfer(inputs: InputFiles, arguments: StyleTransferArguments) -> StyleTransfer:
        """Generates the clothes of the source in the masked part of the reference, whose pose is the target pose."""
        name = inputs.add_image(arguments.reference, "reference")
        file = inputs.folder / name
        inputs.add_pose(to_value(handlers.engine.read_pose(file)) if arguments.find_pose else arguments.target_pose)
        with inputs.uploads.open(file) as upload:
            size = upload.image.size
        return StyleTransfer(
            reference=name,
            mask=inputs.add_mask(arguments.mask.layers, size),
            source=inputs.add_image(arguments.source, "source"),
            feather=arguments.feather,
            paste=arguments.paste,
            sampling=arguments.sampling(),
        )

    with gr.Row():
        with gr.Column():
            reference = image_input(handlers, "Reference: the image to edit", "style-reference")
            source = image_input(handlers, "Source: the clothes to transfer", "style-source")
        with gr.Column():
            mask = gr.ImageMask(
                label="Paint the mask",
                elem_id="style-mask",
                sources=(),
                transforms=(),
                format="png",
                brush=gr.Brush(colors=[BRUSH], color_mode="fixed", default_size=12),
                canvas_size=CANVAS,
                height=560,
                layers=False,
                buttons=[],
            )
            with gr.Accordion("Pose of the reference", open=False, elem_id="style-pose-accordion"):
                find_pose = gr.Checkbox(True, label="Detect the pose in the reference", elem_id="style-pose-found")
                pose = pose_input(handlers, "Pose of the reference", "style")
        with gr.Column():
            feather = gr.Slider(0, 16, 1, step=0.5, label="Feather: soft edge in pixels", elem_id="style-feather")
            paste = gr.Checkbox(True, label="Keep all unmasked pixels unchanged", elem_id="style-paste")
            files = {"reference": reference, "mask": mask, "source": source}
            options = {"find_pose": find_pose, "target_pose": pose, "feather": feather, "paste": paste}
            inputs = {**files, **options, **sampling_input(handlers, "style")}
            event = generation(handlers, "style", StyleTransferArguments, style_transfer, inputs)
    reference.change(show_reference, reference, [mask, pose], preprocess=False, **PRIVATE)
    pose.input(lambda: False, None, find_pose, **PRIVATE)
    return event


class InterpolationArguments(SamplingArguments):
    source_1: Any
    source_2: Any
    source_3: Any = None
    source_4: Any = None
    weight_1: Weight
    weight_2: Weight
    weight_3: Weight
    weight_4: Weight
    target_pose: Any
    output: Literal["strip", "mixed"]
    frames: Annotated[Whole, Field(ge=2), at_most("frames")]

    def sources(self) -> dict[int, Any]:
        """The sources that were given, by number."""
        return {n: source for n in range(1, SOURCES + 1) if (source := getattr(self, f"source_{n}"))}


def interpolation(inputs: InputFiles, arguments: InterpolationArguments) -> Interpolation:
    """Interpolates between the clothes of two to four sources: a strip, or one image by weights."""
    sources = arguments.sources()
    if len(sources) < 2:
        raise ValueError("interpolation needs at least two sources: upload images or choose examples")
    inputs.add_pose(arguments.target_pose)
    weights = [getattr(arguments, f"weight_{number}") for number in sources]
    return Interpolation(
        sources=tuple(inputs.add_image(source, f"source {number}") for number, source in sources.items()),
        weights=_normalised(weights) if arguments.output == "mixed" else None,
        frames=arguments.frames,
        sampling=arguments.sampling(),
    )


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights divided by their sum."""
    if not (total := math.fsum(weights)):
        raise ValueError("all weights are 0: give at least one source a positive weight")
    return tuple(weight / total for weight in weights)


def interpolation_tab(handlers: EventHandlers) -> Any:
    """Between the clothes of two to four people, in one pose."""
    images, weights = {}, {}
    with gr.Row():
        with gr.Column(scale=2), gr.Row():
            for n in range(1, SOURCES + 1):
                label, elem_id = f"Source {n}{' (optional)' if n > 2 else ''}", f"interpolation-weight-{n}"
                with gr.Column(min_width=300):
                    images[f"source_{n}"] = image_input(handlers, label, f"interpolation-source-{n}")
                    weights[f"weight_{n}"] = gr.Slider(0, 1, 0.5, step=0.05, label=f"Weight {n}", elem_id=elem_id)
        with gr.Column():
            pose = pose_input(handlers, "Target pose", "interpolation")
    with gr.Row():
        with gr.Column():
            output = gr.Radio(OUTPUTS, value="strip", label="Output", elem_id="interpolation-output")
            most = handlers.engine.limits.frames
            frames = gr.Slider(2, most, 5, step=1, label="Images of the strip", elem_id="interpolation-frames")
            sampling = sampling_input(handlers, "interpolation")
        with gr.Column(scale=2):
            optional = {name: images.pop(name) for name in ("source_3", "source_4")}  # optional ones come last
            options = {"target_pose": pose, "output": output, "frames": frames}
            inputs = {**images, **weights, **options, **sampling, **optional}
            return generation(handlers, "interpolation", InterpolationArguments, interpolation, inputs)


class AttentionArguments(Arguments):
    source: Any
    blocks: Blocks


def attention(inputs: InputFiles, arguments: AttentionArguments) -> Attention:
    """Shows, for each learned query, the regions of the source image that it attends to."""
    return Attention(sources=(inputs.add_image(arguments.source, "source"),), blocks=arguments.blocks)


def attention_tab(handlers: EventHandlers) -> Any:
    """The image regions that each learned query attends to."""
    with gr.Row():
        with gr.Column():
            source = image_input(handlers, "Source: the person", "attention-source")
        with gr.Column(scale=2):
            blocks = gr.Radio(BLOCKS, value="last", label="Attention of", elem_id="attention-blocks")
            inputs = {"source": source, "blocks": blocks}
            return generation(handlers, "attention", AttentionArguments, attention, inputs)


TABS: Final = {
    "Pose transfer": pose_transfer_tab,
    "Style transfer": style_transfer_tab,
    "Interpolation": interpolation_tab,
    "Attention": attention_tab,
}
"""Functions that build a tab, inside `gr.Tab`, and return the event of its *Generate* button."""
