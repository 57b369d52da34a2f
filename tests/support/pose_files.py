"""One pose in the file of every program, with the joints in the order that the program's documentation lists."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cfld.poses.skeleton import JOINTS

FRAME: Final = (480, 640)
YX: Final = np.stack([20.0 + 20 * np.arange(18), 600.0 - 30 * np.arange(18)], axis=1)
"""No two joints alike, in rows or columns; the neck is the midpoint of the shoulders, as where a format has none."""
YX[1] = (YX[2] + YX[5]) / 2


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LIMBS: Final = "neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist r_hip r_knee r_ankle l_hip l_knee l_ankle"
"""Of OpenPose."""
OPENPOSE_18: Final = _names(f"nose {LIMBS} r_eye l_eye r_ear l_ear")
OPENPOSE_25: Final = _names(
    "nose neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist mid_hip r_hip r_knee r_ankle l_hip l_knee l_ankle "
    "r_eye l_eye r_ear l_ear l_big_toe l_small_toe l_heel r_big_toe r_small_toe r_heel"
)
OPENPOSE_MPI: Final = _names(f"head {LIMBS} chest")
COCO_17: Final = _names(
    "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee "
    "l_ankle r_ankle"
)
HALPE_26: Final = (*COCO_17, *_names("head neck hip l_big_toe r_big_toe l_small_toe r_small_toe l_heel r_heel"))
MEDIAPIPE_33: Final = _names(
    "nose l_eye_inner l_eye l_eye_outer r_eye_inner r_eye r_eye_outer l_ear r_ear mouth_l mouth_r l_shoulder "
    "r_shoulder l_elbow r_elbow l_wrist r_wrist l_pinky r_pinky l_index r_index l_thumb r_thumb l_hip r_hip l_knee "
    "r_knee l_ankle r_ankle l_heel r_heel l_foot r_foot"
)


def xy(order: Sequence[str], yx: np.ndarray = YX, count: int = 0) -> np.ndarray:
    """(number of joints, 2); those of no use here, and those after the order's up to `count`, are at (2, 1)."""
    names = [name.replace("l_", "left_", 1).replace("r_", "right_", 1) for name in order]
    places = [yx[JOINTS.index(name)][::-1] if name in JOINTS else (2.0, 1.0) for name in names]
    return np.array([*places, *[(2.0, 1.0)] * (count - len(places))])


def triples(order: Sequence[str], yx: np.ndarray = YX, count: int = 0, score: float = 0.9) -> np.ndarray:
    places = xy(order, yx, count)
    return np.hstack([places, np.full((len(places), 1), score)])


def flat(values: np.ndarray) -> list[float]:
    return [float(value) for value in values.ravel()]


def _archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


SHARES: Final = YX / FRAME
CANVAS: Final = {"canvas_height": FRAME[0], "canvas_width": FRAME[1]}
HANDS: Final = {"face_keypoints_2d": None, "hand_left_keypoints_2d": [], "hand_right_keypoints_2d": None}
BOX: Final = {"x1": 80.0, "y1": 10.0, "x2": 610.0, "y2": 370.0}


def _openpose(order: Sequence[str], yx: np.ndarray = YX, key: str = "pose_keypoints_2d") -> dict[str, Any]:
    return {key: flat(triples(order, yx)), **HANDS}


def _mmpose(order: Sequence[str], count: int = 0) -> dict[str, Any]:
    places = xy(order, count=count)
    return {
        "keypoints": places.tolist(),
        "keypoint_scores": [0.9] * len(places),
        "bbox": [[80.0, 10.0, 610.0, 370.0]],
        "bbox_score": 0.99,
    }


def _coco(order: Sequence[str], count: int = 0, score: float = 2, image: int | str = 7) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": flat(triples(order, count=count, score=score))}


def _landmarks() -> list[dict[str, float]]:
    places = xy(MEDIAPIPE_33, SHARES).tolist()
    return [{"x": x, "y": y, "z": -0.2, "visibility": 0.9, "presence": 0.9} for x, y in places]


def _line(columns: int, after: str = "") -> str:
    joints = (triples if columns == 3 else xy)(COCO_17, SHARES)
    return " ".join(f"{number:g}" for number in (0, 0.5, 0.4, 0.8, 0.7, *joints.round(6).ravel())) + after


_IMAGES: Final = [{"id": 7, "height": FRAME[0], "width": FRAME[1], "file_name": "a.jpg"}]
WITH_SIZE: Final[dict[str, Any]] = {
    "controlnet.json": {"people": [_openpose(OPENPOSE_18)], **CANVAS},
    "controlnet_shares.json": {"people": [_openpose(OPENPOSE_18, SHARES)], **CANVAS},
    "dwpose_comfyui.json": [{"people": [_openpose(OPENPOSE_18, SHARES)], **CANVAS}],
    "comfyui_nested.json": [{"people": [{"pose_keypoints_2d": triples(OPENPOSE_18).tolist()}], **CANVAS}],
    "openpose_editor.json": {"width": FRAME[1], "height": FRAME[0], "keypoints": xy(OPENPOSE_18).tolist()},
    "coco_annotations.json": {"annotations": [_coco(COCO_17)], "images": _IMAGES},
    "halpe_annotations.json": {"annotations": [_coco(HALPE_26, 136)], "images": _IMAGES},
    "mediapipe_size.json": {"width": FRAME[1], "height": FRAME[0], "landmarks": [_landmarks()]},
    "own.json": {"frame": FRAME, "keypoints": YX.tolist()},
    "own_shares.json": {"frame": FRAME, "keypoints": SHARES.tolist()},
    "keypoints_frame.npz": _archive(keypoints=triples(COCO_17), frame=np.array(FRAME)),
}
"""Name of a file that gives the size of its image -> its content."""
WITHOUT_SIZE: Final[dict[str, Any]] = {
    "openpose_1.1.json": {"version": 1.1, "people": [_openpose(OPENPOSE_18, key="pose_keypoints")]},
    "openpose_mpi.json": {"version": 1.2, "people": [_openpose(OPENPOSE_MPI)]},
    "openpose_1.7.json": {"version": 1.3, "people": [{"person_id": [-1], **_openpose(OPENPOSE_25)}]},
    "openpose_scale_3.json": {"version": 1.3, "people": [_openpose(OPENPOSE_25, SHARES)]},
    "coco_results.json": [_coco(COCO_17, score=0.8)],
    "coco_wholebody.json": [_coco(COCO_17, 133, 0.8)],
    "coco_one.json": _coco(COCO_17),
    "halpe_26.json": [_coco(HALPE_26, score=0.7)],
    "alphapose.json": [{**_coco(HALPE_26, 136, 0.7, "a.jpg"), "score": 2.9, "box": [1, 2, 3, 4], "idx": [0.0]}],
    "alphapose_open.json": {"a.jpg": {"version": "AlphaPose v0.3", "people": [_openpose(OPENPOSE_18)]}},
    "alphapose_cmu.json": {"version": "AlphaPose v0.3", "bodies": [{"joints": flat(triples(OPENPOSE_18))}]},
    "mmpose.json": [_mmpose(COCO_17)],
    "mmpose_halpe.json": [_mmpose(HALPE_26)],
    "mmpose_video.json": [{"frame_id": 0, "instances": [_mmpose(COCO_17, 133)]}],
    "mmpose_demo.json": {"meta_info": {"dataset_name": "coco"}, "instance_info": [_mmpose(COCO_17)]},
    "ultralytics.json": [
        {
            "name": "person",
            "class": 0,
            "confidence": 0.9,
            "box": BOX,
            "keypoints": {**dict(zip("xy", xy(COCO_17).T.tolist(), strict=True)), "visible": [0.9] * 17},
        }
    ],
    "ultralytics.txt": _line(3),
    "ultralytics_conf_id.txt": _line(3, " 0.87 4"),
    "ultralytics_label.txt": _line(2),
    "mediapipe.json": {"pose_landmarks": [_landmarks()], "pose_world_landmarks": []},
    "mediapipe_js.json": {"poseLandmarks": _landmarks()},
    "mediapipe_protobuf.json": {"pose_landmarks": {"landmark": _landmarks()}},
    "mediapipe_list.json": [[one["x"], one["y"], one["z"], one["visibility"]] for one in _landmarks()],
    "bare.json": YX.tolist(),
    "own.npy": _array(YX),
    "own_shares.npy": _array(SHARES.astype(np.float32)),
    "coco.npy": _array(triples(COCO_17)[None]),
    "openpose_25.npy": _array(triples(OPENPOSE_25)[None].astype(np.float32)),
    "wholebody.npy": _array(xy(COCO_17, count=133)),
    "mediapipe.npy": _array(np.array([[one["x"], one["y"], one["z"], one["visibility"]] for one in _landmarks()])),
    "mmpose.npz": _archive(keypoints=xy(COCO_17)[None], keypoint_scores=np.full((1, 17), 0.9)),
}
"""The same for files that do not."""
HEADLESS: Final = ("openpose_mpi.json",)
"""Files without nose, eyes and ears."""


def write_pose_file(folder: Path, name: str) -> Path:
    """Writes one of these files."""
    content = {**WITH_SIZE, **WITHOUT_SIZE}[name]
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else _text(content).encode())
    return path


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)
