"""Figures of the kind of the paper's 3, 5, 6 and 7, of mannequins of the test split that are not hand-picked.

Unlike photographs, mannequins come with a true image in every pose, and with masks of their garments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from cfld import mannequin
from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.data.transforms import to_pil
from cfld.diffusion.interpolation import interpolate, interpolation_weights
from cfld.files import replacing
from cfld.inference.attention import attention_sheet
from cfld.inference.generation import sampling_arguments
from cfld.mannequin.dataset import MannequinDataset
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints
from cfld.types import Conditioning

MAX_BYTES: Final = 150_000
QUALITIES: Final = (92, 85, 75, 65, 50, 35)
FEATHER: Final = 1.0
"""Width in pixels of the transition between a transferred style and its reference."""


@dataclass(frozen=True)
class View:
    """A mannequin in one pose."""

    identity: mannequin.Identity
    body_pose: mannequin.BodyPose
    image: Image.Image
    pose: Keypoints


def comparison(pipe: CFLDPipeline, sampling: SamplingConfig) -> Image.Image:
    """Figure 3: source, target pose, result and truth of ten people, in two columns."""
    halves = [
        [view.image, draw_pose(target.pose), _generate(pipe, sampling, view, target), target.image]
        for view, target in _people(10, 2, sampling.seed)
    ]
    titles = ("source", "pose", "result", "truth")
    rows = [left + right for left, right in zip(halves[::2], halves[1::2], strict=True)]
    return contact_sheet(rows, titles * 2, pipe.config.output_size)


def ablation(pipe: CFLDPipeline, sampling: SamplingConfig) -> Image.Image:
    """Figure 5, for one trained model: results without parts of the source conditioning.

    The paper's figure compares models that were trained without them.
    """
    rows = []
    for view, target in _people(5, 2, sampling.seed):
        both = pipe.encode_source(view.image).with_pose()
        null = pipe.conditioner.null(1).to(both.prompt_embeds.device, both.prompt_embeds.dtype)
        cases = (null, Conditioning(both.prompt_embeds), replace(both, prompt_embeds=null.prompt_embeds), both)
        results = [_generate(pipe, sampling, case, target) for case in cases]
        rows.append([view.image, draw_pose(target.pose), *results, target.image])
    titles = ("source", "pose", "no source", "prompt alone", "biases alone", "both (ours)", "truth")
    return contact_sheet(rows, titles, pipe.config.output_size)


def style_transfer(pipe: CFLDPipeline, sampling: SamplingConfig) -> Image.Image:
    """Figure 6a: the upper garment of each person in the styles of the three others."""
    people, rows = _frontal_views(sampling.seed), []
    for reference in people:
        mask = garment_mask(reference)
        row = [reference.image, mask.convert("RGB")]
        for style in people:
            if style is not reference:
                options = {"feather": FEATHER, "paste": True, **sampling_arguments(sampling, [sampling.seed])}
                edited = pipe.transfer_style(reference.image, mask, style.image, reference.pose, **options)
                row += [style.image, edited.images[0]]
        rows.append(row)
    titles = ("reference", "mask", "style 1", "result 1", "style 2", "result 2", "style 3", "result 3")
    return contact_sheet(rows, titles, pipe.config.output_size)


def style_interpolation(pipe: CFLDPipeline, sampling: SamplingConfig, frames: int = 7) -> Image.Image:
    """Figure 6b: interpolation between the styles of two people, in one pose."""
    path = interpolation_weights(2, frames)
    people, rows = _people(8, 2, sampling.seed), []
    for (first, target), (second, _) in zip(people[::2], people[1::2], strict=True):
        ends = [pipe.encode_source(view.image) for view in (first, second)]
        results = [_generate(pipe, sampling, interpolate(ends, weights).with_pose(), target) for weights in path]
        rows.append([first.image, *results, second.image])
    titles = ("style 1", *(f"{first:.2f} {second:.2f}" for first, second in path), "style 2")
    return contact_sheet(rows, titles, pipe.config.output_size)


def attention(pipe: CFLDPipeline, sampling: SamplingConfig) -> Image.Image:
    """Figure 7: attention maps of the learned queries in the last block of H_D."""
    return attention_sheet(pipe, [view.image for view in _frontal_views(sampling.seed)], height=128)


FIGURES: Final[dict[str, Callable[[CFLDPipeline, SamplingConfig], Image.Image]]] = {
    "figure3": comparison,
    "figure5": ablation,
    "figure6a": style_transfer,
    "figure6b": style_interpolation,
    "figure7": attention,
}
"""By the number of the paper's figure."""


def garment_mask(view: View) -> Image.Image:
    """Returns the pixels of the upper garment: those that differ between renderings with it in black and in white."""
    size = (view.image.height, view.image.width)
    drawings = [
        mannequin.render(_in_one_colour(view.identity, (shade, shade, shade)), view.body_pose, size)
        for shade in (0.0, 1.0)
    ]
    differs = np.abs(drawings[1].astype(int) - drawings[0]).max(axis=-1) > 16
    return Image.fromarray(cv2.dilate(differs.astype(np.uint8) * 255, np.ones((3, 3), np.uint8)))


def save_small(image: Image.Image, path: Path) -> None:
    """Writes a JPEG of at most `MAX_BYTES`, in the best quality that allows."""
    with replacing(path) as temporary:
        for quality in QUALITIES:
            image.save(temporary, format="JPEG", quality=quality, optimize=True)
            if temporary.stat().st_size <= MAX_BYTES:
                return


def _people(count: int, poses: int, seed: int) -> list[list[View]]:
    dataset = MannequinDataset(identities=count, poses=poses, seed=seed, split="test")
    views = []
    for name in dataset.names:
        person, pose = dataset.seeds(name)
        who, how = mannequin.sample_identity(person), mannequin.sample_body_pose(pose)
        views.append(View(who, how, to_pil(dataset.image(name)), dataset.keypoints(name)))
    return [views[start : start + poses] for start in range(0, len(views), poses)]


def _frontal_views(seed: int) -> list[View]:
    """Returns four people, each in the one of four poses that faces the viewer most."""
    return [min(views, key=lambda view: abs(view.body_pose.yaw)) for views in _people(4, 4, seed)]


def _generate(pipe: CFLDPipeline, sampling: SamplingConfig, source: View | Conditioning, target: View) -> Image.Image:
    source_input = source.image if isinstance(source, View) else source
    image: Image.Image = pipe(source_input, target.pose, **sampling_arguments(sampling, [sampling.seed])).images[0]
    return image


def _in_one_colour(who: mannequin.Identity, colour: tuple[float, float, float]) -> mannequin.Identity:
    plain = mannequin.Texture("plain", colour, colour)
    bare = type(who.upper.chest)()
    return replace(who, upper=replace(who.upper, texture=plain, trim=colour, inner=colour, chest=bare, back=bare))
