"""Four nodes: load a model, take a pose from images or from another node's keypoints, generate.

ComfyUI's own types are IMAGE, float (B, H, W, 3) in [0, 1], and POSE_KEYPOINT of the DWPose and OpenPose nodes: one
OpenPose document per image. The pack adds CFLD_MODEL, a `CFLDPipeline`, and CFLD_POSE, a list of `Keypoints`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cfld import CFLDPipeline
from cfld.config.recipes import RECIPES
from cfld.data.transforms import to_uint8
from cfld.poses.estimate import find_person, open_detector
from cfld.poses.formats import parse_people
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import choose_person
from cfld.poses.registry import DETECTORS
from cfld.poses.render import draw_skeleton

SEED = ("INT", {"default": 0, "min": 0, "max": 2**63 - 1, "control_after_generate": True})
WEIGHT = ("FLOAT", {"default": 2.0, "min": 0.0, "max": 20.0, "step": 0.1})
PERSON = ("INT", {"default": 1, "min": 1, "max": 100, "tooltip": "1 = the largest person"})


class LoadModel:
    """Loads a bundled model, a model folder or a hub id, and sets how it samples."""

    CATEGORY, FUNCTION = "CFLD", "load"
    RETURN_TYPES, RETURN_NAMES = ("CFLD_MODEL",), ("model",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {
            "required": {
                "model": ("STRING", {"default": "mannequin", "tooltip": "a name, a folder or a hub id"}),
                "recipe": (list(RECIPES), {"tooltip": "exact is the paper's"}),
            }
        }

    def load(self, model: str, recipe: str) -> tuple[CFLDPipeline]:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return (CFLDPipeline.from_pretrained(model).to(device).use_recipe(recipe),)


class PoseFromImage:
    """Detects the person in each image."""

    CATEGORY, FUNCTION = "CFLD", "detect"
    RETURN_TYPES, RETURN_NAMES = ("CFLD_POSE", "IMAGE"), ("pose", "skeleton")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",), "backend": (list(DETECTORS), {"default": "auto"}), "person": PERSON}}

    def detect(self, image: Tensor, backend: str, person: int) -> tuple[list[Keypoints], Tensor]:
        detector = open_detector(backend)
        arrays = to_uint8(image * 2 - 1).cpu().numpy()
        poses = [
            find_person(detector, array, f"image {i}", person).keypoints for i, array in enumerate(arrays, start=1)
        ]
        return poses, _skeletons(poses)


class PoseFromKeypoints:
    """Takes the pose of each image from the keypoints of a DWPose or OpenPose node."""

    CATEGORY, FUNCTION = "CFLD", "read"
    RETURN_TYPES, RETURN_NAMES = ("CFLD_POSE", "IMAGE"), ("pose", "skeleton")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"keypoints": ("POSE_KEYPOINT",), "person": PERSON}}

    def read(self, keypoints: Any, person: int) -> tuple[list[Keypoints], Tensor]:
        documents = keypoints if isinstance(keypoints, list) else [keypoints]
        poses = []
        for i, document in enumerate(documents, start=1):
            name = f"keypoints {i}"
            poses.append(choose_person(parse_people(document, name=name), person, name).keypoints)
        return poses, _skeletons(poses)


class Generate:
    """Generates the source person in each pose. One source combines with many poses, and vice versa."""

    CATEGORY, FUNCTION = "CFLD", "generate"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("image",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        steps = ("INT", {"default": 0, "min": 0, "max": 1000, "tooltip": "0 = the recipe's"})
        return {
            "required": {
                "model": ("CFLD_MODEL",),
                "source": ("IMAGE",),
                "pose": ("CFLD_POSE",),
                "seed": SEED,
                "steps": steps,
                "pose_guidance_scale": WEIGHT,
                "appearance_guidance_scale": WEIGHT,
            }
        }

    def generate(
        self,
        model: CFLDPipeline,
        source: Tensor,
        pose: list[Keypoints],
        seed: int,
        steps: int,
        pose_guidance_scale: float,
        appearance_guidance_scale: float,
    ) -> tuple[Tensor]:
        images = model(
            source.permute(0, 3, 1, 2) * 2 - 1,
            pose,
            num_inference_steps=steps or None,
            pose_guidance_scale=pose_guidance_scale,
            appearance_guidance_scale=appearance_guidance_scale,
            generator=[torch.Generator().manual_seed(seed + i) for i in range(max(len(source), len(pose)))],
            output_type="np",
            callback_on_step_end=_progress(steps or model.recipe.steps),
        ).images
        return (torch.from_numpy(images),)


def _skeletons(poses: list[Keypoints]) -> Tensor:
    """IMAGE of the poses on black, all of the first one's height and width."""
    size = poses[0].frame
    images = [np.asarray(draw_skeleton(pose, size), dtype=np.float32) / 255 for pose in poses]
    return torch.from_numpy(np.stack(images))


def _progress(steps: int) -> Callable[..., dict[str, Tensor]] | None:
    """A callback that moves ComfyUI's progress bar; None outside of ComfyUI."""
    try:
        from comfy.utils import ProgressBar
    except ImportError:
        return None
    bar = ProgressBar(steps)

    def moved(*_: Any) -> dict[str, Tensor]:
        bar.update(1)
        return {}

    return moved


NODE_CLASS_MAPPINGS = {
    "CFLDLoadModel": LoadModel,
    "CFLDPoseFromImage": PoseFromImage,
    "CFLDPoseFromKeypoints": PoseFromKeypoints,
    "CFLDGenerate": Generate,
}
"""ComfyUI's name of a node -> its class."""
NODE_DISPLAY_NAME_MAPPINGS = {
    "CFLDLoadModel": "Load CFLD model",
    "CFLDPoseFromImage": "Pose from image (CFLD)",
    "CFLDPoseFromKeypoints": "Pose from keypoints (CFLD)",
    "CFLDGenerate": "Generate person in pose (CFLD)",
}
