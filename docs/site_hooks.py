"""What the documentation site needs beside its pages: links to files of the repository, and the commands' help."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parent
ROOT = DOCS.parent
LINK = re.compile(r"(\]\()((?:\.\./)+[\w./-]+)(#[\w-]+)?(\))")
COMMANDS = "<!-- commands -->"


def outside(page: str, link: str) -> Path | None:
    """The file of the repository that a page links to, if it does not lie in the documentation."""
    target = (DOCS / page).parent.joinpath(link).resolve()
    return target if target.is_file() and not target.is_relative_to(DOCS) else None


def on_files(files: Files, config: Any) -> Files:
    """Copies the files of the repository that pages link to into the site, below `repository/`."""
    for page in list(files.documentation_pages()):
        for _, link, _, _ in LINK.findall((DOCS / page.src_uri).read_text(encoding="utf-8")):
            if (target := outside(page.src_uri, link)) is not None:
                name = f"repository/{target.relative_to(ROOT)}"
                if files.get_file_from_path(name) is None:
                    files.append(File.generated(config, name, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Points links to files of the repository to their copies, and fills in the commands' help."""
    source = page.file.src_uri
    up = "../" * source.count("/")

    def copied(match: re.Match[str]) -> str:
        target = outside(source, match[2])
        return match[0] if target is None else f"{match[1]}{up}repository/{target.relative_to(ROOT)}{match[4]}"

    return LINK.sub(copied, markdown).replace(COMMANDS, commands_help() if COMMANDS in markdown else "")


def commands_help() -> str:
    """The help of every command and subcommand, each below a heading."""
    sections = []
    left = [[]]
    while left:
        command = left.pop(0)
        text = help_of(command)
        subcommands = re.search(r"\{([\w,.-]+)\}\s*$", text.split("\n\n")[0], re.MULTILINE)
        if command:
            sections.append(f"## cfld {' '.join(command)}\n\n```text\n{text.strip()}\n```\n")
        if subcommands and command[:1] != ["train"]:  # one subcommand a preset, alike but for their defaults
            left += [[*command, name] for name in subcommands[1].split(",")]
    return "\n".join(sections)


def help_of(command: list[str]) -> str:
    from cfld.cli import main

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return text.getvalue()
