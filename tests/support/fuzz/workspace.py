"""Small valid inputs of every kind, and for each command the arguments that work on them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from PIL import Image

from cfld import mannequin
from cfld.build import build_vae, unet_arguments
from cfld.cli import main
from cfld.config.presets import tiny_model
from cfld.data.lists import write_annotations, write_pairs
from cfld.evaluation.fid_reference import save_gaussian
from cfld.mannequin.attribute_network.network import AttributeNetwork
from cfld.mannequin.dataset import write_mannequin
from cfld.mannequin.networks import save_network
from cfld.mannequin.pose_network.network import PoseNetwork
from cfld.metrics.fid import Gaussian
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.study.database import Database
from cfld.study.definition import open_study
from cfld.study.plan import assigned_method, plan
from support.data_tree import save_image, write_lists
from support.dotted_people import SIZE, draw_dots, grey, joints_in
from support.fuzz.commands import COMMANDS
from support.onnx_models import dot_finder
from support.pose_files import write_pose_file
from support.reid_folder import MARKET, write_reid
from support.study import make_study

GOLDEN: Final = Path(__file__).parents[2] / "parity" / "golden"
MODEL: Final = "--model model --device cpu"
QUICK: Final = f"{MODEL} --steps 1"
POSED: Final = f"{QUICK} --target-pose pose.json"
TRAINING: Final = "--config.data.identities 2 --config.data.poses 2 --config.max-steps 2 --config.log-with none"
POSE_FILES: Final = ("mmpose_video.json", "mediapipe.json", "ultralytics.txt", "own.npy", "mmpose.npz")
AT_STEP: Final = "at step"


@dataclass(frozen=True)
class Base:
    """A command line that works in the workspace.

    Attributes:
        line: the words after `cfld`.
        changes: inputs that it may change, because they are also its output.
        keeps: with this in the message, a command that failed may leave what it has written.
        logs: it reports its progress on stderr.
        slow: it may need longer than the limit.
        copies: its images are copies of its inputs, whole or not.
    """

    line: str
    changes: tuple[str, ...] = ()
    keeps: str = ""
    logs: bool = False
    slow: bool = False
    copies: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words that call the command."""
        return next(words for words in COMMANDS if self.line.split()[: len(words)] == list(words))

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        """The values of each option; those of the positional argument have the name ""."""
        values: dict[str, tuple[str, ...]] = {}
        name = ""
        for word in self.line.split()[len(self.words) :]:
            if word.startswith("--"):
                name, values[word] = word, ()
            else:
                values[name] = (*values.get(name, ()), word)
        return values


def _trains(line: str, **options: Any) -> Base:
    return Base(line, keeps=AT_STEP, logs=True, **options)


def _scores(line: str) -> Base:
    """An evaluation, which scores the readable images before it reports the others."""
    return Base(line, keeps="only the other images are scored", logs=True)


BASES: Final = (
    Base(f"generate {POSED} --source me.png --out new/out"),
    Base(f"generate {QUICK} --data data --out new/out"),
    Base(f"generate {QUICK} --source people --annotations rows.csv --target-pose person.jpg --out out"),
    Base(f"generate {POSED} --source me.png --out images", changes=("images",)),
    Base(f"generate {QUICK} --source drawn.png --target-pose openpose.json --fit crop --retarget --out out", logs=True),
    Base(f"edit transfer {POSED} --reference me.png --mask mask.png --source people/b.jpg --paste --out new/e.png"),
    Base(f"edit interpolate {POSED} --source me.png people/b.jpg --frames 2 --out i.gif"),
    Base("pose --image drawn.png --out new/p.json --draw p.png"),
    Base("pose --image coco.json --out p.json --retarget pose.json --draw p.jpg"),
    Base("pose --image dots.png --backend rtmpose --model dots.onnx --confidence 0 --out p.json"),
    Base(f"animate {QUICK} --source me.png --poses poses --out new/a.webp"),
    Base(f"animate {QUICK} --source me.png --poses list.json --out a.mp4"),
    Base(f"animate {QUICK} --source me.png --poses walk --frames 2 --out a.gif"),
    _trains("pose-net train --out new/net --identities 2 --poses 2 --steps 1 --batch-size 2"),
    Base("pose-net test --model network --identities 1 --poses 2"),
    _trains("attribute-net train --out new/net --identities 2 --poses 2 --steps 1 --batch-size 2"),
    Base("attribute-net test --model attributes --identities 1 --poses 2"),
    Base(f"attention {MODEL} --source me.png --out new/a.png"),
    Base(f"features {MODEL} --source people --out new/f.npz"),
    Base(f"augment {QUICK} --data reid --per-identity 1 --out new/augmented", logs=True, copies=True),
    Base(f"app {MODEL} --port 0"),
    Base(f"figures {QUICK} --out new/figures", slow=True),
    _scores("evaluate images --data data --images generated --weights none --device cpu --cache cache"),
    _scores(
        "evaluate images --data data --images ours=generated --keypoints keypoints --vae model --weights none "
        "--device cpu --out new/report"
    ),
    Base(
        f"evaluate mannequin-quality {QUICK} --identities 2 --poses 1 --poses-compared 2 --attribute-network attributes"
    ),
    Base("convert --base sd15 --preset tiny --out new/start"),
    Base("convert --base sd15 --checkpoint released --preset market1501 --out converted"),
    Base("export --model model --hub new/hub --dtype float16 --license mit"),
    Base("params tiny"),
    Base("doctor"),
    Base("download cfld --to released", changes=("released",)),
    _trains("reproduce table5 --scale tiny --max-steps 1 --out new/tables", slow=True),
    Base("data mannequin --out new/data --identities 2 --poses 2 --size 64 44"),
    Base("data deepfashion --out new/data --images img_highres --lists lists", copies=True),
    Base("data market1501 --out new/data --images market --lists market", copies=True),
    Base("data shards --data data --out new/shards", copies=True),
    Base("data info data"),
    Base("data check data"),
    Base(
        "study create --sources source --real real --poses keypoints_real --method ours=results --comparisons 0 "
        "--images 1 --checks 1 --out new/study"
    ),
    Base("study create --data data --method ours=generated --comparisons 0 --images 1 --out s"),
    Base("study serve --study study --port 0", changes=("study/answers.sqlite",)),
    Base("study results --study study/study.json --answers a.csv", changes=("study/answers.sqlite",)),
    *(_trains(f"train {preset} {TRAINING} --out new/run") for preset in ("tiny", "tiny-vae", "tiny-base")),
    _trains(f"train tiny {TRAINING} --config.data.kind deepfashion --config.data.root data --out r"),
    *(_trains(f"train {preset} {TRAINING} --config.init-from model --out r") for preset in ("tiny", "tiny-distill")),
    _trains(f"train tiny {TRAINING} --config.max-steps 4 --out run", changes=("run",)),
)


def make_workspace(root: Path, pipe: Any) -> None:
    """Writes the inputs.

    Args:
        pipe: a tiny pipeline.
    """
    home = Path.cwd()
    root.mkdir()
    os.chdir(root)
    try:
        pipe.save_pretrained("model")
        _images()
        _poses()
        _data()
        _models()
        _runs()
    finally:
        os.chdir(home)


def _images() -> None:
    save_image(Path("me.png"), 1, (67, 45))
    save_image(Path("people/a.png"), 2)
    save_image(Path("people/b.jpg"), 3)
    Image.effect_noise((45, 67), 99).point(lambda value: 255 * (value > 128)).save("mask.png")
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010E: "a description"})
    options: dict[str, Any]
    for name, options in {
        "moving.gif": {"save_all": True, "append_images": [Image.new("RGB", (45, 67))]},
        "photo.webp": {"lossless": True},
        "photo.tiff": {"compression": "tiff_lzw"},
        "exif.jpg": {"exif": exif},
    }.items():
        Image.open("me.png").save(name, **options)
    Image.open("me.png").convert("P").save("palette.png", transparency=3)
    Image.open("me.png").convert("I;16").save("deep.png")
    person = mannequin.render(mannequin.sample_identity(3), mannequin.sample_body_pose(3), (256, 176))
    Image.fromarray(person).save("drawn.png")
    dots = grey(320, 240)
    draw_dots(dots, joints_in((0.0, 0.0, 320.0, 240.0)), 27)
    Image.fromarray(dots).save("dots.png")


def _poses() -> None:
    poses = [mannequin.keypoints(mannequin.sample_identity(i), mannequin.sample_body_pose(i)) for i in range(3)]
    Path("poses").mkdir()
    for i, pose in enumerate(poses):
        save_keypoints(pose, f"poses/{i}.json")
    save_keypoints(poses[0], "pose.json")
    y, x = poses[1].to_annotation()
    Path("rows.csv").write_text(f"name:keypoints_y:keypoints_x\nperson.jpg: {y}: {x}\n")
    xy = poses[2].yx[:, ::-1].astype(float).tolist()
    people = [{"pose_keypoints_2d": [value for joint in xy for value in (*joint, 0.9)]}]
    picture = {"people": people, "canvas_width": 176, "canvas_height": 256}
    coco = {"keypoints": [value for joint in xy[:17] for value in (*joint, 2)], "image_id": 1}
    images = [{"id": 1, "height": 256, "width": 176, "file_name": "a.jpg"}]
    for name, content in {
        "openpose.json": picture,
        "controlnet.json": [picture, picture],
        "coco.json": {"annotations": [coco], "images": images},
        "list.json": [json.loads(pose.to_json()) for pose in poses],
    }.items():
        Path(name).write_text(json.dumps(content))
    for name in POSE_FILES:
        write_pose_file(Path(), name)


def _data() -> None:
    write_mannequin(Path("data"), identities=4, poses=2, seed=0, size=(64, 44))
    pairs = Path("data/fashion-resize-pairs-test.csv").read_text().split()[1:]
    for source, target in (pair.split(",") for pair in pairs):
        stem = f"{Path(source).stem}_to_{Path(target).stem}"
        save_image(Path(f"generated/{stem}.png"), 5)
        Path("keypoints").mkdir(exist_ok=True)
        shutil.copy("pose.json", f"keypoints/{stem}.json")
    for person in ("WOMEN/Dresses/id_00000001", "MEN/Denim/id_00000002"):
        for view in ("1_front", "2_side", "3_back"):
            save_image(Path("img_highres") / person / f"01_{view}.jpg")
    for split in ("train", "test"):
        write_lists(Path("lists"), split)
        names = ["0002_c1s1_000451_03.jpg", "0002_c2s1_000301_01.jpg"]
        for name in names:
            save_image(Path(f"market/bounding_box_{split}") / name, size=(128, 64))
        write_pairs(Path(f"market/market-pairs-{split}.csv"), [(names[0], names[1])])
        poses = {name: Keypoints(np.full((18, 2), 5), (128, 64)) for name in names}
        write_annotations(Path(f"market/market-annotation-{split}.csv"), poses)
    write_reid(Path("reid"), MARKET)
    save_image(Path("source/s.png"), 6)
    save_image(Path("real/t.png"), 7)
    save_image(Path("results/s_to_t.png"), 8)
    Path("keypoints_real").mkdir()
    shutil.copy("pose.json", "keypoints_real/t.json")


def _models() -> None:
    torch.manual_seed(1)
    UNet2DConditionModel(**unet_arguments(tiny_model().unet)).save_pretrained("sd15/unet")
    build_vae(tiny_model().vae).save_pretrained("sd15/vae")
    DDPMScheduler(beta_schedule="scaled_linear").save_pretrained("sd15/scheduler")
    shutil.copytree(GOLDEN / "tiny", "released")
    keys = json.loads(gzip.decompress(Path("released/checkpoint_keys.json.gz").read_bytes()))
    for file, shapes in keys.items():
        torch.save({k: torch.zeros(s, dtype=torch.half) for k, (s, _) in shapes.items()}, Path("released") / file)
    save_network(PoseNetwork(widths=(8, 8, 8, 8), top=8), Path("network"))
    save_network(AttributeNetwork(widths=(8, 8, 8, 8)), Path("attributes"))
    dot_finder(Path("dots.onnx"), SIZE)
    np.save("array.npy", np.zeros((3, 4), np.uint8))
    save_gaussian(Gaussian(np.zeros(3), np.eye(3), 5), Path("statistics.npz"))


def _runs() -> None:
    main(f"train tiny {TRAINING} --out run".split())
    main(f"generate {POSED} --source me.png --out images".split())
    study = make_study(Path("blots"), images=1, comparisons=1)
    study.rename("study")
    shutil.rmtree("blots")
    opened = open_study(Path("study"))
    database = Database("sqlite:///study/answers.sqlite", opened.study.fingerprint())
    participant = database.find_or_add("a", lambda number: assigned_method(opened.study, number), 5)
    assert participant is not None
    trial = plan(opened.study, participant.number)[0]
    database.record(participant, 0, trial, trial.picks[0])
    database.close()
