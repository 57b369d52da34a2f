"""`cfld params PRESET`: trainable parameters by component, table 1 of the paper."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tyro.conf import Positional

from cfld.cli.options import Json
from cfld.config.presets import PresetName, get_preset
from cfld.config.schema import CFLDStageConfig


@dataclass(frozen=True, kw_only=True)
class Params:
    """Print the trainable parameters of a preset's model by component (table 1), without allocating weights."""

    preset: Positional[PresetName]
    """The preset. If it trains another stage, the counts are those of the method with its default settings."""
    json: Json = False

    def run(self) -> None:
        from cfld.build import count_parameters

        config = get_preset(self.preset)
        stage = config.stage if isinstance(config.stage, CFLDStageConfig) else CFLDStageConfig()
        count = count_parameters(config.model, stage.unet_weights)
        if self.json:
            print(json.dumps({**asdict(count), "total_trainable": count.total_trainable}, indent=2))
            return
        rows = {
            "H_S  source image encoder": count.H_S,
            "H_A  hybrid-granularity attention": count.H_A,
            "H_D  perception-refined decoder": count.H_D,
            "H_P  pose adapter": count.H_P,
            "     null prompt": count.null_prompt,
            f"H_N  UNet, trainable ({stage.unet_weights})": count.H_N_trainable,
            "total trainable": count.total_trainable,
            "H_N  UNet, all": count.H_N,
        }
        for name, number in rows.items():
            print(f"{name:<36} {number:>13,}  {number / 1e6:10.6f} M")
