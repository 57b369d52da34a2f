"""Files of unknown content are parsed in `cfld.readers` only, which knows the limits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cfld

ROOT: Final = Path(cfld.__file__).parent
PARSERS: Final = (
    "json.load",
    "json.loads",
    "csv.reader",
    "csv.DictReader",
    "Image.open",
    "load_file",
    "safetensors.torch.load_file",
    "safe_open",
    "torch.load",
    "np.load",
    "np.loadtxt",
    "np.genfromtxt",
    "pickle.load",
    "pickle.loads",
    "zipfile.ZipFile",
)
EXCEPTIONS: Final = {
    ("config/io.py", "json.loads"): "text that the line itself has written",
    ("claims.py", "json.loads"): "a lock file that this package keeps, checked by its first line",
    ("digests.py", "json.loads"): "a record that this package keeps, whose damaged lines are skipped",
    ("app/joint_editor.py", "json.loads"): "text of Keypoints.to_json",
    ("app/middleware.py", "json.loads"): "bodies of requests, whose size it limits",
    ("app/sessions.py", "zipfile.ZipFile"): "writes an archive",
}


def calls() -> Iterator[tuple[str, str]]:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PARSERS:
                yield str(path.relative_to(ROOT)), ast.unparse(node.func)


def test_no_other_module_parses_files() -> None:
    outside = {call for call in calls() if not call[0].startswith("readers/")}
    assert outside == set(EXCEPTIONS)


def test_readers_use_the_parsers() -> None:
    assert {name for path, name in calls() if path.startswith("readers/")} >= {"Image.open", "torch.load", "csv.reader"}
