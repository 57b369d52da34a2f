"""Configurations as frozen, keyword-only dataclasses. Defaults are the paper's (section 4.1).

Only `build.py` reads a `ModelConfig`; modules receive plain arguments. The line under a field is its help text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from tyro.conf import Fixed, Suppress, arg

from cfld.claims import Input, Output
from cfld.config.choices import DatasetKind, OptimizerName, SchedulerName, TimestepLaw
from cfld.models.choices import DropoutMode, TrainableWeights
from cfld.ranges import (
    Batch,
    Count,
    Depth,
    Identities,
    Poses,
    Positive,
    Range,
    Seed,
    Share,
    Side,
    Width,
    check_ranges,
)

Beta: TypeAlias = Annotated[float, Range(0, 1, above=True, below=True)]
Guidance: TypeAlias = Annotated[float, Range(-1000, 1000)]


@dataclass(frozen=True, kw_only=True)
class ConditionerConfig:
    """H_S, H_D, H_A and H_P: the arguments of `models.conditioner.Conditioner`."""

    source_size: Side = 256
    """Side of the square source image in pixels."""
    patch_size: Side = 4
    """Side of H_S's patches; source_size / patch_size is the side of the latents."""
    swin_dim: Width = 128
    swin_depths: tuple[Depth, ...] = (2, 2, 18, 2)
    swin_heads: tuple[Width, ...] = (4, 8, 16, 32)
    window_size: Side = 16
    drop_path_rate: Annotated[float, Range(0, 1, below=True)] = 0.2
    num_queries: Width = 16
    """Q, the length of the coarse-grained prompt."""
    prompt_dim: Width = 768
    """D, its width: the UNet's cross_attention_dim."""
    decoder_depth: Depth = 8
    """R blocks of H_D."""
    decoder_heads: Width = 24
    appearance_dims: tuple[Width, ...] = (64, 128, 256)
    appearance_heads: tuple[Width, ...] = (2, 4, 8)
    appearance_depth: Depth = 4
    """K layers of each phi_A."""
    pose_channels: Width = 21
    pose_downscale: Annotated[int, Range(1, 64)] = 4
    pose_norm_groups: Width = 32
    unet_channels: tuple[Width, ...] = (320, 640, 1280)
    attentions_per_block: Depth = 3


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """H_N: the stock diffusers UNet; defaults are Stable Diffusion 1.5."""

    sample_size: Side = 64
    """Side of the latents."""
    latent_channels: Width = 4
    block_out_channels: tuple[Width, ...] = (320, 640, 1280, 1280)
    layers_per_block: Depth = 2
    num_heads: Width = 8
    prompt_dim: Width = 768
    norm_groups: Width = 32


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """The autoencoder; defaults are Stable Diffusion 1.5."""

    sample_size: Side = 512
    """Side of the square image that is encoded."""
    latent_channels: Width = 4
    block_out_channels: tuple[Width, ...] = (128, 256, 512, 512)
    layers_per_block: Depth = 2
    norm_groups: Width = 32
    scaling_factor: Positive = 0.18215
    """1 / standard deviation of the latents."""

    @property
    def downscale(self) -> int:
        """Side of an image / side of its latents."""
        return 2 ** (len(self.block_out_channels) - 1)

    def check_side(self, side: int) -> None:
        """Raises ValueError unless squares of this side in pixels can be encoded."""
        if side % self.downscale or not 0 < side <= self.sample_size:
            raise ValueError(
                f"images and crops for the VAE must be divisible by {self.downscale} and at most {self.sample_size} "
                f"pixels wide, got {side}"
            )


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """The noise schedule of eq. 1; defaults are Stable Diffusion 1.5, sampled by DDPM."""

    num_train_timesteps: Annotated[int, Range(1, 100_000)] = 1000
    beta_start: Beta = 0.00085
    beta_end: Beta = 0.012
    beta_schedule: Literal["scaled_linear", "linear", "squaredcos_cap_v2"] = "scaled_linear"
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing", "linspace"] = "leading"
    steps_offset: Annotated[int, Range(0, 1000)] = 1
    rescale_betas_zero_snr: bool = False
    """No signal at t = T, so that plain backgrounds keep their brightness; needs v_prediction and trailing spacing."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All components of a CFLD. The model works on square images; results are resized to `output_size` afterwards."""

    conditioner: ConditionerConfig = field(default_factory=ConditionerConfig)
    conditioner_class: str = "Conditioner"
    """The method's conditioner, or a baseline's of table 3 (`build.CONDITIONERS`)."""
    unet: UNetConfig = field(default_factory=UNetConfig)
    vae: VAEConfig = field(default_factory=VAEConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    output_size: tuple[Side, Side] = (512, 352)
    """(height, width) of the generated images."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The training data."""

    kind: DatasetKind = "deepfashion"
    root: Path | None = None
    """Folder of the data set. None: the mannequin set generates its images as they are read."""
    identities: Identities = 1000
    """Mannequins without a folder: number of people."""
    poses: Poses = 8
    """Mannequins without a folder: images of each person."""
    seed: Seed = 0
    """Mannequins without a folder: random seed of people and poses."""
    cache_in_memory: bool = False
    """Mannequins without a folder: every worker keeps the images it has generated in memory."""
    skip_missing: bool = False
    """Leave out pairs whose annotation or image is missing instead of stopping."""
    workers: Annotated[int, Range(0, 256)] = 2
    """Processes that read and prepare the data; 0 = the training process itself."""


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """Adam and its schedule (section 4.1), or Muon, which needs about half the steps where a whole model trains."""

    optimizer: OptimizerName = "adam"
    learning_rate: Annotated[float, Range(0, 100)] = 1.12e-4
    """5e-7 times the batch in the paper (224)."""
    betas: tuple[Annotated[float, Range(0, 1, below=True)], Annotated[float, Range(0, 1, below=True)]] = (0.9, 0.999)
    weight_decay: Annotated[float, Range(0, 100)] = 0.0
    warmup_steps: Annotated[int, Range(0)] = 1000
    warmup_from: Share = 0.1
    """Share of the learning rate that the warm-up starts from."""
    decay_at: Share = 0.5
    """Share of the run after which the learning rate is multiplied by decay_by: epoch 50 of 100."""
    decay_by: Share = 0.1
    decay: Literal["step", "linear"] = "step"
    """`step`: all at once, as in the paper. `linear`: gradually, reaching decay_by at the end of the run."""
    max_grad_norm: Positive | None = None
    """Gradients are clipped to this norm; None = no clipping, as in the paper."""


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """The options of one training stage. `name` is its row in `cfld.training.stages.STAGES`."""

    name: Annotated[str, Suppress, Fixed] = ""

    def check(self, model: ModelConfig) -> None:
        """Raises ValueError for values that the stage cannot train this model with."""


@dataclass(frozen=True, kw_only=True)
class CFLDStageConfig(StageConfig):
    """The method (eq. 6)."""

    name: Annotated[str, Suppress, Fixed] = "cfld"
    unet_weights: TrainableWeights = "kv"
    """Weights of the UNet that train: keys and values of the biased attentions, queries as well, or everything."""
    timestep_law: TimestepLaw = "cubic"
    """Distribution of the training timesteps (section 3.3)."""
    condition_dropout: Share = 0.2
    """eta, the probability that a condition is replaced by the empty set."""
    dropout_mode: DropoutMode = "joint"
    """`joint`: source and pose together (the paper). `prompt`: the prompt alone (the released code). `independent`:
    source and pose independently."""
    reconstruction_share: Share = 1.0
    """Share of a batch's sources that eq. 5 is estimated from; fewer leave more time for the targets of eq. 3."""
    dream_detail_preservation: Annotated[float, Range(0)] | None = None
    """p of DREAM (Zhou et al., CVPR 2024), which uses 1: inputs contain the model's own error, less of it for a higher
    p, at the cost of a second forward pass of the UNet. None trains on eq. 1."""
    flip: Share = 0.5
    """Probability that the source image is flipped left-right at the input of H_S."""
    latent_cache: bool = True
    """Encode every image with the VAE once, before training, instead of at every step."""
    latents: Annotated[Path | None, Output("shared folder")] = None
    """Folder of the encoded images, which several runs can share; by default in the run directory."""

    def check(self, model: ModelConfig) -> None:
        side = model.conditioner.source_size // model.conditioner.patch_size * model.vae.downscale
        if model.vae.sample_size != side:
            raise ValueError(
                f"model.vae.sample_size must be {side} to fit the source encoder, got {model.vae.sample_size}"
            )


@dataclass(frozen=True, kw_only=True)
class VAEStageConfig(StageConfig):
    """The autoencoder, where no pretrained one is available."""

    name: Annotated[str, Suppress, Fixed] = "vae"
    vae_weights: Literal["all", "decoder"] = "all"
    """Weights that train. The decoder alone leaves the latents unchanged, and with them any model trained on them."""
    crop: Side | None = None
    """Train on random square crops of this side in pixels; None = on whole images."""
    loss_resolution: Literal["square", "output"] = "square"
    """Resolution at which a reconstruction is compared with its image: the model's square, or, for whole images,
    `output_size`."""
    latent_noise: Annotated[float, Range(0)] = 0.0
    """Standard deviation of the noise added to the decoder's input, relative to that of the latents; it makes the
    decoder robust to errors of the sampler."""
    contrast_weight: Annotated[float, Range(0)] = 0.0
    """Weight of the difference of local contrasts, which keeps fine patterns sharp; 0.5 to 2 is usual."""
    kl_weight: Annotated[float, Range(0)] = 1e-6
    """Weight of the KL divergence from a standard normal distribution."""

    def check(self, model: ModelConfig) -> None:
        if self.crop is not None:
            model.vae.check_side(self.crop)
        if self.loss_resolution == "output" and self.crop is not None:
            raise ValueError(f"loss_resolution output needs whole images: set crop to None, got {self.crop}")


@dataclass(frozen=True, kw_only=True)
class UNetPretrainStageConfig(StageConfig):
    """A UNet that generates images from attributes and a pose, in place of Stable Diffusion, which has text."""

    name: Annotated[str, Suppress, Fixed] = "unet-pretrain"
    timestep_law: TimestepLaw = "uniform"
    """Distribution of the training timesteps."""
    condition_dropout: Share = 0.1
    """Probability that an image's attributes are left out, and, independently, its pose."""
    window_share: Share = 0.0
    """Share of the steps on windows of half the latents' side, in which clothes take up more of the image."""
    latents: Annotated[Path | None, Output("shared folder")] = None
    """Folder of the encoded images, which several runs can share; by default in the run directory."""


@dataclass(frozen=True, kw_only=True)
class SourcePretrainStageConfig(StageConfig):
    """H_S and H_D on the attributes of people, in place of a Swin transformer trained on ImageNet."""

    name: Annotated[str, Suppress, Fixed] = "source-pretrain"


@dataclass(frozen=True, kw_only=True)
class DistillStageConfig(StageConfig):
    """A student of few steps and one branch, distilled from a trained model with guidance."""

    name: Annotated[str, Suppress, Fixed] = "distill"
    steps: tuple[Annotated[int, Range(1, 8)], ...] = (1, 2, 2, 4)
    """Numbers of sampling steps that train in turn, at random; one that is repeated trains more often."""
    recommended_steps: Annotated[int, Range(1, 8)] = 2
    """Number of steps that the student is saved with."""
    rank: Width = 64
    """Rank of the updates of the UNet's weights that student and critic are."""
    pose_guidance_scale: Guidance = 2.0
    """The teacher's guidance weight of the pose, w_pose of eq. 7."""
    appearance_guidance_scale: Guidance = 2.0
    """The teacher's guidance weight of the source image, w_app of eq. 7."""
    critic_scale: Positive = 2.0
    """How much faster the critic learns than the student."""

    def check(self, model: ModelConfig) -> None:  # noqa: ARG002
        if not self.steps:
            raise ValueError("steps is empty; name at least one number of sampling steps")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    stage: Annotated[StageConfig, arg(name="")] = field(default_factory=CFLDStageConfig)
    """The training stage, and the options that it alone has."""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    init_from: Annotated[str | None, Input()] = None
    """Model folder with the initial weights (of `cfld convert` or an earlier run); None = random weights."""
    batch_size: Batch = 14
    """Samples per process and forward pass; the paper: 224 pairs over 16 processes."""
    accumulation: Annotated[int, Range(1, 1_000_000)] = 1
    """Forward passes per optimiser step."""
    epochs: Positive = 100
    max_steps: Count | None = None
    """Optimiser steps, in place of epochs."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Mixed precision; no = float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    ema_decay: Annotated[float, Range(0, 1, below=True)] | None = None
    """Decay of an exponential moving average of the weights, which is then saved as the model; None = no average."""
    seed: Seed = 0
    """Random seed of initial weights, data order and noise."""
    checkpoint_every: Count = 1000
    """Steps between checkpoints; the newest two are kept."""
    log_every: Count = 10
    """Steps between log entries."""
    log_with: tuple[str, ...] = ("tensorboard",)
    """Trackers by accelerate's names; `none` for no tracker."""
    image_every: Annotated[int, Range(0)] = 2000
    """Steps between sheets of sample images; 0 = never."""
    image_count: Annotated[int, Range(1, 64)] = 4
    """Rows of such a sheet."""

    def with_stage(self, **changes: Any) -> TrainConfig:
        """A copy with other values of the stage's own options."""
        return replace(self, stage=replace(self.stage, **changes))

    def check(self) -> None:
        """Raises ValueError for values out of range, and sizes that do not fit together."""
        check_ranges(self)
        self.stage.check(self.model)
        self.model.vae.check_side(self.model.vae.sample_size)


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Sampling of images (section 3.3)."""

    steps: Annotated[int | None, Range(1, 1000)] = None
    """Number of sampling steps; by default the recipe's, 50 of `exact`."""
    pose_guidance_scale: Guidance = 2.0
    """Guidance weight of the pose, w_pose of eq. 7."""
    appearance_guidance_scale: Guidance = 2.0
    """Guidance weight of the source image, w_app of eq. 7."""
    scheduler: SchedulerName | None = None
    """Sampler; by default the recipe's, the model's own of `exact`."""
    seed: Annotated[int, Range(-(2**63), 2**63 - 1)] = 0
    """Random seed of the noise."""

    def arguments(self) -> dict[str, Any]:
        """Steps and guidance as arguments of the pipeline's call and of `check_sampling`."""
        return {
            "num_inference_steps": self.steps,
            "pose_guidance_scale": self.pose_guidance_scale,
            "appearance_guidance_scale": self.appearance_guidance_scale,
        }
