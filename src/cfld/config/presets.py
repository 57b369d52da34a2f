"""Presets: functions that return a `TrainConfig`. Their docstrings record command, cost and results.

The name of a preset on the command line is the function's with hyphens: `cfld train deepfashion-512`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cfld.config.schema import (
    CFLDStageConfig,
    ConditionerConfig,
    DataConfig,
    DistillStageConfig,
    ModelConfig,
    OptimConfig,
    SchedulerConfig,
    SourcePretrainStageConfig,
    TrainConfig,
    UNetConfig,
    UNetPretrainStageConfig,
    VAEConfig,
    VAEStageConfig,
)

PRESETS: Final[dict[str, Callable[[], TrainConfig]]] = {}


def preset(function: Callable[[], TrainConfig]) -> Callable[[], TrainConfig]:
    """Registers a preset under its name with hyphens."""
    PRESETS[function.__name__.replace("_", "-")] = function
    return function


def get_preset(name: str) -> TrainConfig:
    """
    Raises:
        ValueError: listing the presets, for an unknown name.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; choose one of {', '.join(sorted(PRESETS))}")
    return PRESETS[name]()


@preset
def deepfashion_256() -> TrainConfig:
    """The paper's model on DeepFashion, results at 256x176.

    Command:
    `torchrun --nproc_per_node 8 -m cfld train deepfashion-256 --out RUN --config.init-from INIT --config.data.root DIR`
    Cost: not measured by us; the paper trains 100 epochs of 101,966 pairs at batch 224.
    To reproduce (table 2): FID 6.804, LPIPS 0.1519, SSIM 0.7378, PSNR 18.235.
    The released checkpoint scores 6.676, 0.1705, 0.6993, 17.617.
    """
    return TrainConfig(model=ModelConfig(output_size=(256, 176)))


@preset
def deepfashion_512() -> TrainConfig:
    """The paper's model on DeepFashion, results at 512x352. Training is that of 256x176: both encode 512x512 images.

    Command:
    `torchrun --nproc_per_node 8 -m cfld train deepfashion-512 --out RUN --config.init-from INIT --config.data.root DIR`
    To reproduce (table 2): FID 7.149, LPIPS 0.1819, SSIM 0.7478, PSNR 17.645.
    """
    return TrainConfig(model=ModelConfig(output_size=(512, 352)))


@preset
def deepfashion_256_distill() -> TrainConfig:
    """A student of `deepfashion-256` for 1 to 8 steps without a guided branch: LoRA of rank 64 on the frozen UNet.

    Command: `torchrun --nproc_per_node 8 -m cfld train deepfashion-256-distill --out RUN --config.init-from MODEL
    --config.data.root DIR`
    Cost: not measured on GPUs. For each sample, a step computes the UNet about five times forward and twice backward;
    the method's own training does each once. The bundled model's student needs a few hundred steps of batch 32
    (docs/reproduction.md).
    """
    return replace(
        deepfashion_256(),
        stage=DistillStageConfig(),
        optim=OptimConfig(learning_rate=5e-5, warmup_steps=500, decay_at=1.0, max_grad_norm=1.0),
        batch_size=8,
        max_steps=10000,
        precision="bf16",
        ema_decay=0.99,
    )


@preset
def market1501() -> TrainConfig:
    """The paper's model on Market-1501, results at 128x64.

    Command:
    `torchrun --nproc_per_node 8 -m cfld train market1501 --out RUN --config.init-from INIT --config.data.root DIR`
    To reproduce (table 4): FID 11.972, LPIPS 0.2636, SSIM 0.3173, PSNR 14.861.
    """
    return TrainConfig(model=ModelConfig(output_size=(128, 64)), data=DataConfig(kind="market1501"))


def tiny_model() -> ModelConfig:
    """The smallest model with all five components, for tests: 64x64 images, 8x8 latents."""
    return ModelConfig(
        conditioner=ConditionerConfig(
            source_size=32,
            patch_size=4,
            swin_dim=8,
            swin_depths=(2, 2, 2, 2),
            swin_heads=(1, 2, 2, 4),
            window_size=4,
            num_queries=4,
            prompt_dim=16,
            decoder_depth=2,
            decoder_heads=2,
            appearance_dims=(8, 8, 16),
            appearance_heads=(1, 1, 2),
            appearance_depth=1,
            pose_norm_groups=4,
            unet_channels=(8, 16, 16),
            attentions_per_block=2,
        ),
        unet=UNetConfig(
            sample_size=8,
            block_out_channels=(8, 16, 16, 16),
            layers_per_block=1,
            num_heads=2,
            prompt_dim=16,
            norm_groups=4,
        ),
        vae=VAEConfig(sample_size=64, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_groups=4),
        output_size=(64, 44),
    )


@preset
def tiny() -> TrainConfig:
    """Tests and smoke runs on mannequins: seconds on one core, no quality.

    Command: `cfld train tiny --out DIR`
    """
    return TrainConfig(
        model=tiny_model(),
        data=DataConfig(kind="mannequin", identities=4, poses=3, workers=0),
        optim=OptimConfig(learning_rate=1e-3, warmup_steps=2),
        stage=CFLDStageConfig(unet_weights="all", timestep_law="uniform", dropout_mode="independent"),
        batch_size=2,
        max_steps=4,
        checkpoint_every=2,
        log_every=1,
        image_every=0,
    )


@preset
def tiny_vae() -> TrainConfig:
    """The autoencoder of `tiny`. Command: `cfld train tiny-vae --out DIR`"""
    return replace(tiny(), stage=VAEStageConfig())


@preset
def tiny_base() -> TrainConfig:
    """A pretrained UNet for `tiny` to keep frozen. Command: `cfld train tiny-base --out DIR`"""
    return replace(tiny(), stage=UNetPretrainStageConfig(condition_dropout=0.2))


@preset
def tiny_distill() -> TrainConfig:
    """A student of `tiny`. Command: `cfld train tiny-distill --out DIR --config.init-from MODEL`"""
    return replace(tiny(), stage=DistillStageConfig(rank=4))


def mannequin_model() -> ModelConfig:
    """The bundled model: all five components, 13.1 M parameters with the VAE, 128x128 images, 16x16x16 latents.

    The UNet has the most channels where the latents are finest, since that is where cloth is. H_S has three Swin stages
    instead of four, so that H_D reads 4x4 tokens of f_3. No signal is left at t = T (v-prediction, trailing timesteps),
    which keeps plain backgrounds bright.
    """
    widths = (96, 112, 128, 64)
    return ModelConfig(
        conditioner=ConditionerConfig(
            source_size=128,
            patch_size=8,
            swin_dim=48,
            swin_depths=(2, 2, 3),
            swin_heads=(2, 4, 8),
            window_size=8,
            drop_path_rate=0.0,
            num_queries=16,
            prompt_dim=128,
            decoder_depth=3,
            decoder_heads=4,
            appearance_dims=(32, 48, 64),
            appearance_heads=(2, 4, 4),
            appearance_depth=1,
            pose_downscale=8,
            pose_norm_groups=16,
            unet_channels=widths[:-1],
            attentions_per_block=2,
        ),
        unet=UNetConfig(
            sample_size=16,
            latent_channels=16,
            block_out_channels=widths,
            layers_per_block=1,
            num_heads=4,
            prompt_dim=128,
            norm_groups=16,
        ),
        vae=VAEConfig(
            sample_size=128,
            latent_channels=16,
            block_out_channels=(16, 32, 64, 96),
            layers_per_block=1,
            norm_groups=8,
        ),
        scheduler=SchedulerConfig(
            prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True
        ),
        output_size=(192, 132),
    )


@preset
def mannequin_vae() -> TrainConfig:
    """The autoencoder of the bundled model, trained on mannequins from random weights.

    Command: `cfld train mannequin-vae --out runs/mannequin-vae`
    Cost: 24 minutes on one thread of a two-core AVX-512 machine (bf16, other work beside it).
    Reached: 29.34 dB through the autoencoder alone, the mean of eight poses (`python examples/vae_by_seed.py --vae
    runs/mannequin-vae/model/vae`).
    """
    return TrainConfig(
        stage=VAEStageConfig(crop=64, kl_weight=1e-4),
        model=mannequin_model(),
        data=DataConfig(kind="mannequin", identities=5000, poses=6, workers=1),
        optim=OptimConfig(
            optimizer="muon", learning_rate=4e-3, warmup_steps=50, decay="linear", decay_at=0.2, decay_by=0.02
        ),
        batch_size=8,
        max_steps=4000,
        precision="bf16",
        checkpoint_every=250,
        image_every=500,
    )


@preset
def mannequin_vae_second() -> TrainConfig:
    """`mannequin-vae` continued on whole images at 192x132, the output size, with noise on the latents.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin-vae-second --out runs/mannequin-vae-second`
    Cost: 49 minutes on both cores.
    Reached: 31.18 dB, the mean of eight poses as above, starting from version 6's autoencoder (docs/reproduction.md).
    """
    vae = mannequin_vae()
    return replace(
        vae,
        stage=VAEStageConfig(kl_weight=1e-4, loss_resolution="output", latent_noise=0.15),
        data=replace(vae.data, identities=12000, poses=4, seed=2),
        init_from="runs/mannequin-vae/model",
        optim=replace(vae.optim, learning_rate=2e-3, warmup_steps=20, decay_at=0.0),
        batch_size=4,
        max_steps=5000,
    )


@preset
def mannequin_base() -> TrainConfig:
    """A UNet that generates mannequins from attributes and poses, as Stable Diffusion does from text.

    Half of the steps see windows around the figure, in which clothes take up more of the image.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin-base --out runs/mannequin-base`
    Cost: 8 minutes for the latents and 36 for the steps on both cores of an AVX-512 machine with bfloat16.
    Reached: patterns read right in 62 % of 42 garments of images from attributes (docs/reproduction.md).
    """
    vae = mannequin_vae()
    return replace(
        vae,
        stage=UNetPretrainStageConfig(condition_dropout=0.1, window_share=0.5),
        data=DataConfig(kind="mannequin", identities=10000, poses=3, seed=31, workers=1, cache_in_memory=True),
        init_from="runs/mannequin-vae-second/model",
        optim=replace(vae.optim, learning_rate=2e-3, decay_at=0.3),
        batch_size=16,
        max_steps=2400,
        ema_decay=0.998,
        checkpoint_every=100,
    )


@preset
def mannequin_source() -> TrainConfig:
    """H_S and H_D on what mannequins wear, as the paper's Swin is trained on ImageNet.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin-source --out runs/mannequin-source`
    Cost: 15 minutes on both cores as above.
    """
    base = mannequin_base()
    return replace(
        base,
        stage=SourcePretrainStageConfig(),
        data=replace(base.data, identities=100000, poses=2, seed=32, cache_in_memory=False),
        init_from="runs/mannequin-base/model",
        batch_size=32,
        max_steps=1100,
    )


@preset
def mannequin() -> TrainConfig:
    """The bundled model: the method on `mannequin-base`'s UNet and `mannequin-source`'s H_S and H_D. All of it trains.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin --out runs/mannequin`, then in Python
    `CFLDPipeline.from_pretrained("runs/mannequin/model", torch_dtype=torch.float16).save_pretrained(FOLDER)`
    Cost: 49 minutes on both cores as above.
    Reached, by `cfld evaluate mannequin-quality --recipe fast --identities 40 --poses 4 --seed 1`: patterns read right
    in 44.7 % of garments, sharpness 0.80, PSNR 20.32 dB, the right person among 40 in 99.4 % (docs/reproduction.md).
    """
    base = mannequin_base()
    return replace(
        base,
        stage=CFLDStageConfig(
            unet_weights="all",
            timestep_law="cubic",
            condition_dropout=0.1,
            dropout_mode="independent",
            flip=0.0,
            reconstruction_share=0.25,
        ),
        init_from="runs/mannequin-source/model",
        optim=replace(base.optim, learning_rate=1.5e-3, decay_at=0.2),
        max_steps=1650,
    )


@preset
def mannequin_table() -> TrainConfig:
    """A row of table 3 on mannequins: of `mannequin-base`'s UNet only K and V train, as in the paper.

    Command: `cfld train mannequin-table --out DIR --config.init-from runs/mannequin-base/model`;
    `cfld reproduce table3 --scale mannequin --out runs/tables` trains and scores all rows.
    Cost: 6 to 12 minutes a row, 95 with the pretraining and the images of all rows, on one thread as above.
    Reached, on an earlier and smaller base: PSNR 17.59 dB, SSIM 0.769, identity rank-1 0.796 (docs/reproduction.md).
    """
    return replace(
        mannequin().with_stage(unet_weights="kv", timestep_law="uniform", reconstruction_share=1.0),
        init_from="runs/mannequin-base/model",
        max_steps=400,
    )


@preset
def mannequin_distill() -> TrainConfig:
    """The bundled student: the bundled model in 1 to 8 steps without a guided branch.

    Command: `cfld train mannequin-distill --out runs/mannequin-distill`; the student is the folder `lora` of its model.
    Cost: 64 minutes on one thread of an AVX-512 machine with bfloat16, other work on its other core.
    Reached: its teacher's figures in two steps (docs/reproduction.md).
    """
    base = mannequin_base()
    return replace(
        base,
        stage=DistillStageConfig(rank=48),
        data=replace(base.data, seed=33),
        init_from="runs/mannequin/model",
        optim=replace(base.optim, optimizer="adam", learning_rate=4e-4, decay_at=0.3, max_grad_norm=1.0),
        batch_size=32,
        max_steps=900,
        ema_decay=0.99,
    )


if TYPE_CHECKING:
    PresetName: TypeAlias = str
else:
    PresetName = Literal[tuple(PRESETS)]
