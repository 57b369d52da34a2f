"""`cfld convert`: the released checkpoint, or the weights that training starts from, as a model folder.

cfld convert --checkpoint CFLD_DIR --base SD15_DIR --out models/cfld
cfld convert --base SD15_DIR --swin swin_base_patch4_window12_384_22kto1k.pth --out models/start
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cfld.claims import Output
from cfld.config.presets import PresetName, get_preset


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert the authors' released checkpoint into a model folder, or create the one that training starts from.

    With --checkpoint: the released weights, with the VAE and noise schedule of --base.
    Without: UNet, VAE and noise schedule of --base, source encoder of --swin, everything else randomly initialised.
    """

    base: Path
    """Stable Diffusion 1.5 folder in diffusers layout (unet/, vae/, scheduler/: 3.8 GB); with --checkpoint, vae/ and
    scheduler/ are enough (0.3 GB)."""
    out: Annotated[Path, Output("whole folder")]
    """Model folder to write."""
    checkpoint: Path | None = None
    """Folder with pytorch_model.bin and pytorch_model_1.bin."""
    swin: Path | None = None
    """Microsoft's Swin-B weights (ImageNet-22k to 1k, 384, window 12); only without --checkpoint."""
    preset: PresetName = "deepfashion-256"
    """Preset whose model dimensions and output size apply."""

    def run(self) -> None:
        from cfld.convert import convert_checkpoint, convert_start

        model = get_preset(self.preset).model
        if self.checkpoint is not None and self.swin is not None:
            raise ValueError("--checkpoint already contains a source encoder; leave out --swin")
        if self.checkpoint is not None:
            convert_checkpoint(self.checkpoint, self.base, self.out, model.output_size)
        else:
            convert_start(self.base, self.swin, self.out, model)
        print(self.out)
