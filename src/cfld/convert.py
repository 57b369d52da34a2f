"""Converts the authors' released checkpoint, or the pretrained weights that training starts from, to a model folder.

Released: two torch pickles, `pytorch_model.bin` (all but the UNet) and `pytorch_model_1.bin` (the UNet), read with
`weights_only=True`. Pretrained: a Stable Diffusion 1.5 folder and Microsoft's Swin-B file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from cfld import build
from cfld.config import io
from cfld.config.schema import ConditionerConfig, ModelConfig, UNetConfig
from cfld.files import whole_folder
from cfld.models import hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.loading import component_config, construction, load_component
from cfld.models.swin import SwinTransformer, WindowAttention
from cfld.pipeline import CFLDPipeline
from cfld.readers.tensors import check_finite, load_pickle, load_safetensors
from cfld.readers.text import load_object

CONDITIONER_FILE: Final = "pytorch_model.bin"
UNET_FILE: Final = "pytorch_model_1.bin"
_INDEX: Final = "relative_position_index"
"""A buffer in Microsoft's Swin files that this package computes instead."""


def load_official_checkpoint(folder: str | Path) -> tuple[Conditioner, UNet2DConditionModel]:
    """Loads the released format, in evaluation mode and float32, with the attention processors installed.

    Args:
        folder: holds `pytorch_model.bin` and `pytorch_model_1.bin`. Optional `config.json` and `unet/config.json`
            beside them give the dimensions; the default ones are the published ones.

    Raises:
        ValueError: if a file is missing or cannot be read, or naming **all** missing, unexpected and mis-shaped keys
            of both files.
    """
    folder = Path(folder)
    with torch.device("meta"):
        unet = _empty_unet(folder)
        config = _conditioner_config(folder, unet.config.layers_per_block)
        with construction(folder / "config.json"):
            conditioner = build.build_conditioner(config)
    encoders = len(conditioner.appearance_encoders)
    loaded = {
        CONDITIONER_FILE: (conditioner, rename_conditioner(read_weights(folder / CONDITIONER_FILE), encoders)),
        UNET_FILE: (unet, rename_unet(read_weights(folder / UNET_FILE))),
    }
    if problems := [f"{file}: {problem}" for file, pair in loaded.items() for problem in compare(*pair)]:
        raise ValueError(f"{folder} does not fit the model: " + "; ".join(problems))
    for module, state in loaded.values():
        module.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    for child in conditioner.modules():
        if isinstance(child, WindowAttention):
            child.reset_buffers()
    hybrid_granularity_attention.install(unet)
    return conditioner.eval(), unet.eval()


def load_swin(encoder: SwinTransformer, path: str | Path) -> None:
    """Loads Microsoft's published Swin weights, resizing relative-position bias tables of another window bicubically.

    Raises:
        ValueError: naming all keys that do not fit, before any weight is changed.
    """
    state = {
        key: tensor
        for key, tensor in read_weights(Path(path)).items()
        if not key.endswith((_INDEX, "attn_mask")) and not key.startswith(("head.", "norm."))
    }
    shapes = {name: parameter.shape for name, parameter in encoder.named_parameters()}
    for key, tensor in state.items():
        if key.endswith("relative_position_bias_table") and key in shapes:
            state[key] = resize_bias_table(tensor, shapes[key][0])
    state |= {name: mask for name, mask in encoder.named_buffers() if name.endswith("attn_mask")}
    if problems := compare(encoder, state):
        raise ValueError(f"{path} does not fit the source encoder: " + "; ".join(problems))
    encoder.load_state_dict(state)


def resize_bias_table(table: Tensor, rows: int) -> Tensor:
    """Resizes ((2 w - 1)^2, heads) for window w to (rows, heads) bicubically; returns other tables unchanged."""
    if table.ndim != 2 or len(table) == rows:
        return table
    old, new = math.isqrt(len(table)), math.isqrt(rows)
    if old**2 != len(table):
        return table
    grid = table.T.reshape(1, -1, old, old)
    return F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False).reshape(-1, rows).T.contiguous()


def convert_checkpoint(checkpoint: str | Path, base: str | Path, out: str | Path, output_size: tuple[int, int]) -> None:
    """Writes a model folder: the released checkpoint, VAE and noise schedule of a Stable Diffusion 1.5 folder."""
    with whole_folder(out) as folder:
        conditioner, unet = load_official_checkpoint(checkpoint)
        vae, scheduler = load_component(AutoencoderKL, base, "vae"), load_scheduler(base)
        write_model(CFLDPipeline(conditioner, unet, vae, scheduler, output_size=output_size), folder)


def convert_start(base: str | Path, swin: str | Path | None, out: str | Path, model: ModelConfig) -> None:
    """Writes a model folder to train from: UNet, VAE and noise schedule of `base`, H_S of `swin`, the rest random."""
    with whole_folder(out) as folder:
        conditioner = build.build_conditioner(model.conditioner, model.conditioner_class)
        if swin is not None:
            load_swin(conditioner.source_encoder, swin)
        unet, vae = load_component(UNet2DConditionModel, base, "unet"), load_component(AutoencoderKL, base, "vae")
        write_model(CFLDPipeline(conditioner, unet, vae, load_scheduler(base), output_size=model.output_size), folder)


def save_model(components: build.Components, out: str | Path, output_size: tuple[int, int]) -> None:
    """Writes the folder that `CFLDPipeline.from_pretrained` loads, atomically."""
    with whole_folder(out) as folder:
        write_model(CFLDPipeline(**vars(components), output_size=output_size), folder)


def write_model(pipe: CFLDPipeline, folder: Path) -> None:
    """Saves a pipeline in a folder.

    Raises:
        OSError: when the disk is full, too.
    """
    try:
        pipe.save_pretrained(folder, safe_serialization=True)
    except SafetensorError as error:  # how safetensors reports a full disk
        raise OSError(f"{folder.parent}: cannot save ({_one_line(error)})") from None


def load_scheduler(folder: str | Path) -> DDPMScheduler:
    """DDPM (section 3.3) with the folder's noise schedule, without clipping.

    Raises:
        ValueError: if the folder has no noise schedule, or none for DDPM.
    """
    file = Path(folder) / "scheduler" / "scheduler_config.json"
    if not file.is_file():
        raise ValueError(f"{folder}: no scheduler/scheduler_config.json; expected a model folder in diffusers layout")
    with construction(file):
        return DDPMScheduler.from_config(component_config(file), clip_sample=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a state dictionary from a torch file (at its top level, `model` or `state_dict`) or a safetensors file.

    Executes no code from the file.
    """
    content = load_safetensors(path) if path.suffix == ".safetensors" else load_pickle(path)
    for key in ("model", "state_dict"):
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(map(_is_weight, content.items())):
        raise ValueError(f"{path}: not a dictionary of tensors")
    return check_finite(content, path)


def _is_weight(item: tuple[Any, Any]) -> bool:
    name, value = item
    return (
        isinstance(name, str) and isinstance(value, Tensor) and value.layout is torch.strided and not value.is_complex()
    )


def compare(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Lists the differences between a module and a state: one entry per missing, unexpected or mis-shaped key."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = [f"missing {name}" for name in own if name not in state]
    unexpected = [f"unexpected {name}" for name in state if name not in own]
    shapes = [
        f"{name} has shape {tuple(tensor.shape)}, expected {own[name]}"
        for name, tensor in state.items()
        if name in own and tuple(tensor.shape) != own[name]
    ]
    return missing + unexpected + shapes


_RENAMES: Final = {
    r"^learnable_vector$": "null_prompt",
    r"^backbone\.": "source_encoder.",
    r"^decoder\.query_feat$": "prompt_decoder.queries",
    r"^decoder\.pos_embed$": "prompt_decoder.query_position",
    r"^decoder\.kv_pos_embed$": "prompt_decoder.source_position",
    r"^decoder\.": "prompt_decoder.",
    r"^pose_encoder\.": "pose_adapter.",
    r"^appearance_encoder\.blocks\.(\d+)\.": r"appearance_encoders.\1.blocks.",
    r"^appearance_encoder\.zero_conv_ins\.(\d+)\.": r"appearance_encoders.\1.zero_conv_in.",
    r"^appearance_encoder\.zero_conv_outs\.(\d+)\.": r"appearance_encoders.\1.zero_conv_out.",
}


def rename_conditioner(state: Mapping[str, Tensor], encoders: int) -> dict[str, Tensor]:
    """Renames the release's keys. Its appearance encoders are listed from the UNet's last attention to its first."""
    renamed = {}
    for key, tensor in state.items():
        if key.endswith(_INDEX):
            continue
        for pattern, replacement in _RENAMES.items():  # at most one changes the key
            key = re.sub(pattern, replacement, key)
        key = re.sub(r"^appearance_encoders\.(\d+)", lambda m: f"appearance_encoders.{encoders - 1 - int(m[1])}", key)
        renamed[key] = tensor
    return renamed


def rename_unet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the release's keys of the UNet to those of the stock class."""
    return {key.removeprefix("model."): tensor for key, tensor in state.items()}


def _conditioner_config(folder: Path, layers_per_block: int) -> ConditionerConfig:
    """Reads the dimensions from the release's `config.json`; default: the published ones."""
    file = folder / "config.json"
    if not file.is_file():
        return ConditionerConfig(attentions_per_block=layers_per_block + 1)
    released = load_object(file)
    try:
        dimensions = {name: released[group][key] for name, (group, key) in _DIMENSIONS.items()}
        values = {
            **dimensions,
            "source_size": released["source_image_size"],
            "attentions_per_block": layers_per_block + 1,
        }
        return io.from_dict(ConditionerConfig, values)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: cannot read the release's dimensions ({type(error).__name__}: {error})") from None


_DIMENSIONS: Final = {
    "swin_dim": ("swin", "embed_dim"),
    "swin_depths": ("swin", "depths"),
    "swin_heads": ("swin", "num_heads"),
    "window_size": ("swin", "window_size"),
    "num_queries": ("prompt_decoder", "num_queries"),
    "prompt_dim": ("prompt_decoder", "dim"),
    "decoder_depth": ("prompt_decoder", "depth"),
    "decoder_heads": ("prompt_decoder", "heads"),
    "appearance_dims": ("appearance", "embed_dims"),
    "appearance_heads": ("appearance", "heads"),
    "appearance_depth": ("appearance", "depth"),
    "pose_channels": ("pose_adapter", "pose_channels"),
    "pose_downscale": ("pose_adapter", "downscale_factor"),
    "unet_channels": ("pose_adapter", "channels"),
}
"""Field of `ConditionerConfig` -> where the release's `config.json` has it."""


def _empty_unet(folder: Path) -> UNet2DConditionModel:
    file = folder / "unet" / "config.json"
    if not file.is_file():
        return UNet2DConditionModel(**build.unet_arguments(UNetConfig()))
    with construction(file):
        unet: UNet2DConditionModel = UNet2DConditionModel.from_config(component_config(file))
    return unet


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
