"""`cfld pose`: keypoints from a photo, keypoint files into this project's, images fitted in, poses retargeted.

cfld pose --image drawn.png --out pose.json --draw pose.png
cfld pose --image photo.jpg --backend rtmpose --model dw-ll_ucoco_384.onnx --detector yolox_l.onnx --out pose.json
cfld pose --image openpose.json --person 2 --out pose.json
cfld pose --image photo.jpg --backend rtmpose --fit letterbox --fitted me.png --out me.json
cfld pose --image me.png --retarget child.json --out on_me.json --draw side_by_side.png
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tyro.conf import OmitArgPrefixes

if TYPE_CHECKING:
    from PIL import Image

    from cfld.inference.pose_reading import PoseReader
    from cfld.inference.preprocessing import Preparation
    from cfld.poses.fit import Fitted
    from cfld.poses.keypoints import Keypoints

DRAWN_HEIGHT: Final = 512
"""Of the drawing, in pixels."""


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """What finds people in images."""

    backend: Literal["mannequin", "rtmpose", "mediapipe"] = "mannequin"
    """mannequin: mannequins, comes with the package. rtmpose: photographs, RTMPose or DWPose as ONNX (needs the
    extra pose). mediapipe: photographs, MediaPipe's pose landmarker (needs the extra mediapipe)."""
    model: Path | None = None
    """The backend's file (of mannequin its folder); by default the bundled one, or a published one, downloaded once:
    dw-ll_ucoco_384.onnx (134 MB, Apache-2.0) or pose_landmarker_full.task (9 MB, Apache-2.0)."""
    detector: Path | None = None
    """Of rtmpose: the YOLOX file that finds people first; with the default model yolox_l.onnx (217 MB, Apache-2.0),
    downloaded once. With a --model of your own and no detector, the whole image is one person."""
    confidence: float = 0.3
    """Joints that the backend, or a keypoint file, is less sure of are missing."""
    person: int | None = None
    """Which of several people, counted from the largest, which is 1; by default that one."""

    def reader(self) -> PoseReader:
        from cfld.inference.pose_reading import PoseReader
        from cfld.poses.estimate import open_detector

        return PoseReader(
            lambda: open_detector(self.backend, self.model, self.detector, self.confidence),
            self.person,
            self.confidence,
        )


@dataclass(frozen=True, kw_only=True)
class PreprocessingOptions:
    """What is done to own images, and how poses are found in them."""

    fit: Literal["crop", "letterbox"] | None = None
    """Cut the source to the training images' shape, 256:176, with the person as large in it as theirs. crop: inside
    the image. letterbox: beyond it where need be, filled with --background. By default the image as it is."""
    background: tuple[int, int, int] | None = None
    """Red, green and blue, 0 to 255, of what --fit letterbox adds; by default the median colour of the edge."""
    retarget: bool = False
    """Put the target poses on the source's own body: their directions, its bone lengths and place."""
    source_pose: Path | None = None
    """A keypoint file with the source's own pose, or an image to find it in; by default found in the source. Only
    needed for --fit and --retarget."""

    def preparation(self, detect: DetectorOptions) -> Preparation:
        from cfld.inference.preprocessing import Preparation

        return Preparation(
            fit=self.fit,
            background=check_colour(self.background),
            retarget=self.retarget,
            source_pose=self.source_pose,
            reader=detect.reader(),
        )


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Find the 18 joints of the person in an image, or read them from another program's file."""

    image: Path
    """An image of a person; or a keypoint file (OpenPose, ControlNet, COCO, annotation CSV, this project's)."""
    out: Path
    """The keypoint JSON to write."""
    draw: Path | None = None
    """An image to write: the joints over the image; with --retarget the three skeletons side by side."""
    detect: OmitArgPrefixes[DetectorOptions] = field(default_factory=DetectorOptions)
    """What finds people."""
    frame: tuple[int, int] = (256, 176)
    """Height and width of the image that a keypoint file refers to, where it does not tell."""
    fit: Literal["crop", "letterbox"] | None = None
    """Cut the image to the training images' shape, 256:176, with the person as large in it as theirs, see
    --fitted. crop: inside the image. letterbox: beyond it where need be, filled with --background."""
    fitted: Path | None = None
    """The image to write, with --fit or --mask; --out is the pose in it."""
    mask: Path | None = None
    """An image as large as --image, white where the person is: all else becomes --background."""
    background: tuple[int, int, int] | None = None
    """Red, green and blue, 0 to 255; by default the median colour of the image's edge."""
    retarget: str | None = None
    """A target pose (keypoint file, image, or the number of a mannequin pose): --out is that pose on this body."""

    def run(self) -> None:
        from cfld.inference.generation import target_poses
        from cfld.poses.keypoints import save_keypoints
        from cfld.poses.retarget import retarget

        self._check()
        reader = self.detect.reader()
        target = None
        if self.retarget is not None:
            (target,) = target_poses([self.retarget], frame=self.frame, reader=reader).values()
        image, pose = self._read(reader)
        result = pose if target is None else retarget(pose, target)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        save_keypoints(result, self.out)
        if self.fitted is not None and image is not None:
            save_png(image, self.fitted)
        if self.draw is not None:
            save_png(_drawing(image, pose, target, result), self.draw)
        print(f"{self.out}: {int(result.visible.sum())} of {len(result.visible)} joints")

    def _check(self) -> None:
        from cfld.cli.output import check_output

        if self.out.suffix.lower() != ".json" or self.out.is_dir():
            raise ValueError(f"{self.out}: --out is the JSON file to write")
        for path in filter(None, (self.draw, self.fitted)):
            check_output(path, [self.image])
        if self.out.resolve() == self.image.resolve():
            raise ValueError(f"{self.out}: is also the input; name another file to write")
        if (self.fitted is None) != (self.fit is None and self.mask is None):
            raise ValueError("--fitted is the image that --fit or --mask makes; give both or neither")
        check_colour(self.background)

    def _read(self, reader: PoseReader) -> tuple[Image.Image | None, Keypoints]:
        """The image as it is drawn from, and the pose in it; no image where a keypoint file was given."""
        from cfld.data.transforms import read_image
        from cfld.inference.pose_reading import is_image_file
        from cfld.poses.fit import fit_image, flatten

        if not is_image_file(self.image):
            if self.fitted is not None:
                raise ValueError(f"{self.image} is no image, and --fit and --mask need one")
            return None, reader.file(self.image, self.frame)
        image = read_image(self.image)
        pose = reader.image(image, str(self.image))
        if self.mask is not None:
            image = flatten(image, read_image(self.mask), check_colour(self.background))
        if self.fit is None:
            return image, pose
        done: Fitted = fit_image(image, pose, self.fit, check_colour(self.background))
        return done.image, done.keypoints


def check_colour(colour: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """Returns `colour`; raises ValueError when it is none."""
    if colour is not None and not all(0 <= channel <= 255 for channel in colour):
        raise ValueError(f"--background is red, green and blue from 0 to 255, got {colour}")
    return colour


def save_png(image: Image.Image, path: Path) -> None:
    """Writes an image whole or not at all, in the format of the path's ending."""
    from cfld.cli.output import STILL
    from cfld.files import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        image.save(temporary, format=STILL[path.suffix.lower()])


def _drawing(image: Image.Image | None, pose: Keypoints, target: Keypoints | None, result: Keypoints) -> Image.Image:
    from cfld.contact_sheet import draw_pose
    from cfld.inference.preprocessing import retargeting_sheet

    if target is not None:
        return retargeting_sheet(pose, target, result)
    size = (DRAWN_HEIGHT, max(round(DRAWN_HEIGHT * pose.frame[1] / pose.frame[0]), 1))
    skeleton = draw_pose(pose, size)
    return skeleton if image is None else _laid_over(image, skeleton)


def _laid_over(image: Image.Image, skeleton: Image.Image) -> Image.Image:
    """The skeleton on the dimmed image."""
    from PIL import Image

    dimmed: Any = image.convert("RGB").resize(skeleton.size).point(lambda value: value // 2)
    drawn = skeleton.convert("L").point(lambda value: 255 if value else 0)
    return Image.composite(skeleton, dimmed, drawn)
