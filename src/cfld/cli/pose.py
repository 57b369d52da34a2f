"""`cfld pose`: the pose in an image or in another program's keypoint file; also fits images and retargets poses.

cfld pose --image drawn.png --out pose.json --draw pose.png
cfld pose --image photo.jpg --backend rtmpose --model dw-ll_ucoco_384.onnx --detector yolox_l.onnx --out pose.json
cfld pose --image openpose.json --person 2 --out pose.json
cfld pose --image photo.jpg --backend rtmpose --fit letterbox --fitted me.png --out me.json
cfld pose --image photo.jpg --background plain --fit letterbox --fitted me.png --out me.json
cfld pose --image me.png --retarget child.json --out on_me.json --draw side_by_side.png
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from tyro.conf import OmitArgPrefixes

from cfld.claims import Input, Output
from cfld.cli.options import Background, DetectorOptions, Fit, Frame, PreprocessingOptions
from cfld.cli.output import STILL, encode_image
from cfld.files import replacing_all

if TYPE_CHECKING:
    from PIL import Image

    from cfld.inference.preprocessing import Preprocessing
    from cfld.poses.keypoints import Keypoints

DRAWING_HEIGHT: Final = 512
"""Height of the --draw image in pixels."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Detect the 18 joints of the person in an image, or read them from another program's keypoint file."""

    image: Path
    """Image of a person, or a keypoint file (of this project, OpenPose, ControlNet, COCO, MMPose, Ultralytics,
    MediaPipe, NumPy and others: docs/poses.md)."""
    out: Annotated[Path, Output("file", (".json",))]
    """Keypoint JSON file to write."""
    draw: Annotated[Path | None, Output("file", (*STILL,))] = None
    """Image file to write: the skeleton over the image; with --retarget the three skeletons side by side."""
    frame: Frame = None
    fit: Fit = None
    mask: Path | None = None
    """Image of the size of --image, white where the person is: the rest is filled with --background."""
    background: Background = None
    fitted: Annotated[Path | None, Output("file", (*STILL,))] = None
    """Image file to write, required with --fit, --mask or --background plain: that image, in which --out is the
    pose."""
    retarget: Annotated[str | None, Input()] = None
    """Target pose (keypoint file, image, or random seed of a mannequin pose) to transfer to the body in --image; --out
    is the result."""
    detector: OmitArgPrefixes[DetectorOptions] = field(default_factory=DetectorOptions)

    def run(self) -> None:
        from cfld.inference.pose_reading import target_poses
        from cfld.poses.keypoints import save_keypoints
        from cfld.poses.retarget import retarget

        self._check()
        preprocessing = PreprocessingOptions(fit=self.fit, background=self.background).open(self.detector)
        reader = preprocessing.reader
        target = None
        if self.retarget is not None:
            (target,) = target_poses([self.retarget], frame=self.frame, reader=reader).values()
        image, pose = self._read(preprocessing)
        result = pose if target is None else retarget(pose, target)
        images = {} if self.fitted is None or image is None else {self.fitted: image}
        if self.draw is not None:
            images[self.draw] = _drawing(image, pose, target, result)
        with replacing_all(self.out, *images) as (keypoints, *files):
            save_keypoints(result, keypoints)
            for file, content in zip(files, images.values(), strict=True):
                encode_image(content, file)
        print(f"{self.out}: {int(result.visible.sum())} of {len(result.visible)} joints")

    def _check(self) -> None:
        plain = self.background == "plain"
        if plain and self.mask is not None:
            raise ValueError("--background plain finds the person by itself; with --mask, give a colour")
        if (self.fitted is None) == (plain or self.fit is not None or self.mask is not None):
            raise ValueError("--fitted is the result of --fit, --mask or --background plain; give both or neither")

    def _read(self, preprocessing: Preprocessing) -> tuple[Image.Image | None, Keypoints]:
        """The image after --mask, --background plain and --fit, and the pose in it; no image for a keypoint file."""
        from cfld.data.transforms import read_image
        from cfld.poses.fit import flatten
        from cfld.readers.images import is_image_file

        if not is_image_file(self.image):
            if self.fitted is not None:
                raise ValueError(f"{self.image} is not an image; --fitted needs one")
            return None, preprocessing.reader.file(self.image, self.frame)
        image = read_image(self.image)
        pose = preprocessing.reader.image(image, str(self.image))
        if self.mask is not None:
            image = flatten(image, read_image(self.mask), preprocessing.background)
        fitted = preprocessing.fitted(image, pose)
        return fitted.image, fitted.keypoints


def _drawing(image: Image.Image | None, pose: Keypoints, target: Keypoints | None, result: Keypoints) -> Image.Image:
    """The skeleton over the darkened image; of a retargeted pose, the three skeletons side by side."""
    from cfld.contact_sheet import draw_pose
    from cfld.inference.preprocessing import retargeting_sheet

    if target is not None:
        return retargeting_sheet(pose, target, result)
    size = (DRAWING_HEIGHT, max(round(DRAWING_HEIGHT * pose.frame[1] / pose.frame[0]), 1))
    skeleton = draw_pose(pose, size)
    if image is None:
        return skeleton
    dark: Any = image.convert("RGB").resize(size[::-1]).point(lambda value: value // 2)
    dark.paste(skeleton, mask=skeleton.convert("L").point(lambda value: 255 if value else 0))
    return dark
