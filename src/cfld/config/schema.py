"""Configurations as frozen, keyword-only dataclasses. Defaults are the paper's (`REFERENCE` values of section 4.1).

Only `build.py` reads a `ModelConfig`; modules receive plain arguments. The line under a field is its help text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cfld.diffusion.schedulers import SCHEDULERS

if TYPE_CHECKING:
    SchedulerName: TypeAlias = str
else:
    SchedulerName = Literal[tuple(SCHEDULERS)]

from cfld.models.choices import DropoutMode, TrainableWeights


@dataclass(frozen=True, kw_only=True)
class ConditionerConfig:
    """H_S, H_D, H_A and H_P: the arguments of `models.conditioner.Conditioner`."""

    source_size: int = 256
    """Side of the square source image in pixels."""
    patch_size: int = 4
    """Side of H_S's patches; source_size / patch_size is the side of the latents."""
    swin_dim: int = 128
    swin_depths: tuple[int, ...] = (2, 2, 18, 2)
    swin_heads: tuple[int, ...] = (4, 8, 16, 32)
    window_size: int = 16
    drop_path_rate: float = 0.2
    num_queries: int = 16
    """Q, the length of the coarse-grained prompt."""
    prompt_dim: int = 768
    """D, its width: the UNet's cross_attention_dim."""
    decoder_depth: int = 8
    """R blocks of H_D."""
    decoder_heads: int = 24
    appearance_dims: tuple[int, ...] = (64, 128, 256)
    appearance_heads: tuple[int, ...] = (2, 4, 8)
    appearance_depth: int = 4
    """K layers of each phi_A."""
    pose_channels: int = 21
    pose_downscale: int = 4
    pose_norm_groups: int = 32
    unet_channels: tuple[int, ...] = (320, 640, 1280)
    attentions_per_block: int = 3


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """H_N: the stock diffusers UNet; defaults are Stable Diffusion 1.5."""

    sample_size: int = 64
    """Side of the latents."""
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    num_heads: int = 8
    prompt_dim: int = 768
    norm_groups: int = 32


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """The autoencoder; defaults are Stable Diffusion 1.5."""

    sample_size: int = 512
    """Side of the square image that is encoded."""
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    norm_groups: int = 32
    scaling_factor: float = 0.18215
    """1 / standard deviation of the latents."""


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """The noise schedule of eq. 1; defaults are Stable Diffusion 1.5, sampled by DDPM."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: Literal["scaled_linear", "linear", "squaredcos_cap_v2"] = "scaled_linear"
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing", "linspace"] = "leading"
    steps_offset: int = 1
    rescale_betas_zero_snr: bool = False
    """No signal at t = T, so that plain backgrounds keep their brightness; needs v_prediction and trailing spacing."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A whole CFLD. The paper works on square images and squeezes the results to `output_size` afterwards."""

    conditioner: ConditionerConfig = field(default_factory=ConditionerConfig)
    conditioner_class: str = "Conditioner"
    """The method's, or that of a baseline of table 3 (`build.CONDITIONERS`)."""
    unet: UNetConfig = field(default_factory=UNetConfig)
    vae: VAEConfig = field(default_factory=VAEConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    output_size: tuple[int, int] = (512, 352)
    """(height, width) of the images that come out."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the images come from."""

    kind: Literal["deepfashion", "market1501", "mannequin"] = "deepfashion"
    root: Path | None = None
    """Folder of the data set; none for a mannequin set, which is then drawn as it is read."""
    identities: int = 1000
    """Mannequin without a folder: number of people."""
    poses: int = 8
    """Mannequin without a folder: images of each."""
    seed: int = 0
    """Mannequin without a folder: what draws the people and their poses."""
    keep: bool = False
    """Mannequin without a folder: every worker keeps in memory what it has drawn."""
    skip_missing: bool = False
    """Leave out pairs whose annotation or image is missing instead of stopping."""
    workers: int = 2
    """Processes that read and prepare the data; 0 = in the training process."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Adam and its schedule (section 4.1), or Muon, which needs about half the steps where all of a model trains."""

    optimizer: Literal["adam", "muon"] = "adam"
    learning_rate: float = 1.12e-4
    """5e-7 times the batch in the paper (224)."""
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup_steps: int = 1000
    warmup_from: float = 0.1
    """Share of the learning rate that the warm-up starts from."""
    decay_at: float = 0.5
    """Share of the run after which the learning rate is multiplied by decay_by: epoch 50 of 100."""
    decay_by: float = 0.1
    decay: Literal["step", "linear"] = "step"
    """`step`: all at once, as in the paper. `linear`: on a slope that reaches decay_by at the end of the run."""
    max_grad_norm: float | None = None
    """Gradients are clipped to this norm; none in the paper."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run: what is trained on what, and how."""

    stage: Literal["cfld", "vae", "base"] = "cfld"
    """`cfld`: the method (eq. 6). Where nothing pretrained is to be had, `vae`: the autoencoder that it stands on, and
    `base`: a UNet that draws from words, as Stable Diffusion does."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init_from: str | None = None
    """A model folder (`cfld convert`, or an earlier run's) to start from; none starts from random weights."""
    batch_size: int = 14
    """Pairs a process and forward; the paper: 224 over 16 processes."""
    accumulation: int = 1
    """Forwards an optimiser step; the loss is divided once."""
    epochs: float = 100
    max_steps: int | None = None
    """Optimiser steps, in place of epochs."""
    unet_weights: TrainableWeights = "kv"
    """What of the UNet trains: keys and values of the biased attentions, the queries too, or everything."""
    timestep_law: Literal["cubic", "uniform"] = "cubic"
    """How t is drawn (section 3.3)."""
    condition_dropout: float = 0.2
    """eta, the chance that a condition is replaced by the empty set."""
    dropout_mode: DropoutMode = "joint"
    """`joint`: source and pose together (paper). `prompt`: that alone (release). `independent`: each by itself."""
    reconstruction_share: float = 1.0
    """Of a batch's sources, how many are reconstructed to estimate eq. 5; fewer leave more time for the targets."""
    dream_detail_preservation: float | None = None
    """p of DREAM (Zhou et al., CVPR 2024), 1 there: inputs carry the model's own error, as they do in the sampler;
    the higher, the less. None trains on eq. 1 as it is; a number costs another forward of the UNet."""
    flip: float = 0.5
    """Chance that the source image is flipped left-right, as H_S sees it."""
    latent_cache: bool = True
    """Encode every image with the VAE once, before training, instead of at every step."""
    latents: Path | None = None
    """Where the encoded images are kept, for runs to share; by default in the run's folder."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    gradient_checkpointing: bool = False
    ema_decay: float | None = None
    """Keep an exponential moving average of what trains, and save it as the model."""
    vae_weights: Literal["all", "decoder"] = "all"
    """Stage `vae`: what of it trains. The decoder alone leaves the latents, and so a method trained on them, as they
    are."""
    crop: int | None = None
    """Stage `vae`: train on random squares of this side out of the images; none = on whole images."""
    loss_resolution: Literal["square", "output"] = "square"
    """Stage `vae`: where a reconstruction is compared with its image: in the model's square, or squeezed to
    `output_size`, as it is shown; for whole images."""
    latent_noise: float = 0.0
    """Stage `vae`: deviation of noise on the latents that the decoder gets, as a share of theirs; it then bears the
    sampler's errors better."""
    kl_weight: float = 1e-6
    """Stage `vae`: weight of the divergence from a standard normal."""
    seed: int = 0
    checkpoint_every: int = 1000
    """Steps between checkpoints; the newest two are kept."""
    log_every: int = 10
    log_with: tuple[str, ...] = ("tensorboard",)
    """Trackers by accelerate's names; `none` for no tracker."""
    image_every: int = 2000
    """Steps between image grids; 0 = never."""
    image_count: int = 4
    """Rows of an image grid."""


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Sampling of images (section 3.3)."""

    steps: int = 50
    """Number of sampling steps."""
    pose_guidance_scale: float = 2.0
    """Guidance weight of the pose, w_pose of eq. 7."""
    appearance_guidance_scale: float = 2.0
    """Guidance weight of the source image, w_app of eq. 7."""
    scheduler: SchedulerName | None = None
    """Sampler; by default the model's own."""
    seed: int = 0
    """Random seed of the noise."""

    def arguments(self) -> dict[str, Any]:
        """Steps and guidance as arguments of the pipeline's call and of `check_sampling`."""
        return {
            "num_inference_steps": self.steps,
            "pose_guidance_scale": self.pose_guidance_scale,
            "appearance_guidance_scale": self.appearance_guidance_scale,
        }
