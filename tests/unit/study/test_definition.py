"""`study.json` and `keys.json`: read back, and invalid ones rejected."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cfld.study.definition import Study, load_study, open_study
from support.study import METHODS


def test_only_the_owner_can_read_the_keys(study_folder: Path) -> None:
    assert stat.S_IMODE((study_folder / "keys.json").stat().st_mode) == 0o600


def test_a_study_reads_back(study_folder: Path, study: Study) -> None:
    assert json.loads((study_folder / "study.json").read_text())["methods"] == list(METHODS)
    again = load_study(study_folder / "study.json")
    assert again.fingerprint() == study.fingerprint()
    retold = replace(study, title="another", protocol=replace(study.protocol, seconds=2.0, failed_checks_allowed=0))
    assert retold.fingerprint() == study.fingerprint(), "texts and limits may change while people answer"
    assert replace(study, protocol=replace(study.protocol, seed=9)).fingerprint() != study.fingerprint()


def edited(folder: Path, tmp_path: Path, **values: object) -> Path:
    content = json.loads((folder / "study.json").read_text())
    (tmp_path / "study.json").write_text(json.dumps(content | values))
    return tmp_path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methods": ["ours", "ours"]}, "different names"),
        ({"methods": ["ours", "new"]}, "one generated image of each"),
        ({"real": [99, 0]}, "must be indices"),
        ({"real": [0]}, "unlike the protocol's"),
        ({"pairs": 3}, "not a study"),
        ({"cards": {}}, "not a study"),
        ({"surplus": 1}, "surplus"),
        ({"title": None}, "title must be"),
        ({"title": "a \ud800"}, "must be Unicode"),
        ({"size": [32]}, "size must be"),
        ({"real": ["0", 1]}, "real must be"),
        ({"cards": dict.fromkeys(("real", "generated", "this_one", "not_this_one"), "../../keys")}, "32 hexadecimal"),
    ],
)
def test_invalid_studies_are_rejected(
    study_folder: Path, tmp_path: Path, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_study(edited(study_folder, tmp_path, **values))


def test_missing_files_are_named(study_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"study\.json: no such study"):
        open_study(tmp_path)
    edited(study_folder, tmp_path)
    with pytest.raises(ValueError, match=r"keys\.json: missing"):
        open_study(tmp_path)
    (tmp_path / "keys.json").write_text((study_folder / "keys.json").read_text())
    with pytest.raises(ValueError, match="images are missing"):
        open_study(tmp_path)


@pytest.mark.parametrize("name", ["signing", "results"])
@pytest.mark.parametrize("key", ["", " " * 40, "short", None, 7, ["a"] * 40, "\ud800" * 40, "a\n" * 40])
def test_keys_that_protect_nothing_are_rejected(study_folder: Path, tmp_path: Path, name: str, key: object) -> None:
    edited(study_folder, tmp_path)
    keys = json.loads((study_folder / "keys.json").read_text())
    (tmp_path / "keys.json").write_text(json.dumps(keys | {name: key}))
    with pytest.raises(ValueError, match=rf"^\S+keys\.json: not a Keys .*{name} must be"):
        open_study(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"signing": 1', '{"sign": "a"}', "\x00"])
def test_damaged_keys_are_one_line(study_folder: Path, tmp_path: Path, content: str) -> None:
    edited(study_folder, tmp_path)
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ValueError, match=r"^\S+keys\.json: ") as raised:
        open_study(tmp_path)
    assert "\n" not in str(raised.value)
