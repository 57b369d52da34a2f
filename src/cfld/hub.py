"""A model as a repository of a model hub: a folder that stock diffusers opens, with a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from torch import nn

from cfld.build import CLASSES
from cfld.convert import write_model
from cfld.files import save_json, whole_folder, write_text
from cfld.pipeline import CFLDPipeline
from cfld.readers.text import load_object

PRIVATE: Final = "_name_or_path"
"""Entry of diffusers' configurations with the path that a model was loaded from."""
CARD: Final = """---
{license}library_name: diffusers
pipeline_tag: image-to-image
tags: [pose-guided-person-image-synthesis, cfld, diffusers]
---

# {name}

A Coarse-to-Fine Latent Diffusion model (Lu et al., CVPR 2024) for pose-guided person image synthesis: from an image of
a person and a target pose, an image of the same person in that pose. Images of {height}x{width} pixels, weights in
{dtype}.

| component | class | parameters |
| --- | --- | --- |
{components}

## Use

With the package `cfld` installed:

```python
from cfld import CFLDPipeline

pipe = CFLDPipeline.from_pretrained("{name}")
image = pipe(source_image, target_pose).images[0]
```

In stock diffusers, beside that package:

```python
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("{name}", custom_pipeline="{name}", trust_remote_code=True)
```

`source_image` is a PIL image, `target_pose` 18 OpenPose joints in (y, x) pixels of a 256x176 image, -1 where missing.
"""


def export(pipe: CFLDPipeline, out: Path, license: str | None = None) -> None:
    """Writes a model folder with a model card and without the path that the model was loaded from.

    Args:
        out: a new folder, whose name is the model's.
        license: identifier of the weights' licence for the card, such as `apache-2.0`.

    Raises:
        ValueError: if the folder exists and is not empty.
    """
    with whole_folder(out) as folder:
        write_model(pipe, folder)
        for file in folder.rglob("*.json"):
            content = load_object(file)
            if content.pop(PRIVATE, None) is not None:
                save_json(content, file)
        write_text(folder / "README.md", model_card(pipe, out.resolve().name, license))


def model_card(pipe: CFLDPipeline, name: str, license: str | None = None) -> str:
    """The card in Markdown, with the metadata that hubs read; arguments as in `export`."""
    height, width = pipe.config.output_size
    return CARD.format(
        license=f"license: {json.dumps(license)}\n" if license else "",
        name=name,
        height=height,
        width=width,
        dtype=str(pipe.unet.dtype).removeprefix("torch."),
        components="\n".join(_row(part, getattr(pipe, part)) for part in CLASSES),
    )


def _row(part: str, component: nn.Module) -> str:
    millions = sum(p.numel() for p in component.parameters()) / 1e6
    return f"| `{part}` | `{type(component).__name__}` | {millions:.1f} M |"
