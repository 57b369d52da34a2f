"""`cfld convert`: the released checkpoint, or the weights that training starts from, as a model folder.

cfld convert --checkpoint CFLD_DIR --base SD15_DIR --out models/cfld
cfld convert --base SD15_DIR --swin swin_base_patch4_window12_384_22kto1k.pth --out models/start
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn the authors' released checkpoint into a model folder, or make the one that training starts from.

    With --checkpoint: the released weights, and the VAE and noise schedule of --base.
    Without: UNet, VAE and schedule of --base, the source encoder of --swin, all else random.
    """

    base: Path
    """A Stable Diffusion 1.5 folder in diffusers layout (unet/, vae/, scheduler/: 3.8 GB); with --checkpoint its vae/
    and scheduler/ will do (0.3 GB)."""
    out: Path
    """The model folder to write; it appears whole or not at all."""
    checkpoint: Path | None = None
    """The folder with pytorch_model.bin and pytorch_model_1.bin."""
    swin: Path | None = None
    """Microsoft's Swin-B weights (ImageNet-22k to 1k, 384, window 12); without --checkpoint."""
    preset: str = "deepfashion-256"
    """Whose dimensions and output size: deepfashion-256, deepfashion-512, market1501, ..."""

    def run(self) -> None:
        from cfld.config.presets import get_preset
        from cfld.convert import convert_checkpoint, convert_start

        model = get_preset(self.preset).model
        if self.checkpoint is not None and self.swin is not None:
            raise ValueError("--checkpoint holds a source encoder already; leave out --swin")
        if self.checkpoint is not None:
            convert_checkpoint(self.checkpoint, self.base, self.out, model.output_size)
        else:
            convert_start(self.base, self.swin, self.out, model)
        print(self.out)
