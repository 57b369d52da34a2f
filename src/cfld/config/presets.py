"""Presets: functions that return a `TrainConfig`. Their docstrings record command, cost and results.

The name of a preset on the command line is the function's with hyphens: `cfld train deepfashion-512`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cfld.config.schema import (
    CFLDStageConfig,
    ConditionerConfig,
    DataConfig,
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


BUNDLED_WIDTHS: Final = (64, 96, 128, 96)
TEXTURE_WIDTHS: Final = (96, 112, 128, 64)
"""Channels of the UNet: more where the latents are finest, since that is where cloth is."""


def mannequin_model(widths: tuple[int, ...] = BUNDLED_WIDTHS) -> ModelConfig:
    """The bundled model: all five components, 12.4 M parameters with the VAE, 128x128 images, 16x16x16 latents.

    It has three Swin stages instead of four, so that H_D reads 4x4 tokens of f_3. No signal is left at t = T
    (v-prediction, trailing timesteps), which keeps plain backgrounds bright.
    """
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
def mannequin_start() -> TrainConfig:
    """The first run of the bundled model, on `mannequin-vae-second`'s autoencoder. All of the UNet trains.

    Command: `cfld train mannequin-start --out runs/mannequin-start`
    Cost: 5 minutes for the latents and 57 for the steps, on one thread as above.
    Reached, as below: PSNR 18.96 dB, the right person among 100 in 93.6 %, the right pose among 20 in 99.8 %.
    """
    vae = mannequin_vae()
    return replace(
        vae,
        stage=CFLDStageConfig(
            unet_weights="all", timestep_law="uniform", condition_dropout=0.1, dropout_mode="independent", flip=0.0
        ),
        data=replace(vae.data, identities=4000, poses=3),
        init_from="runs/mannequin-vae-second/model",
        optim=replace(vae.optim, learning_rate=2e-3, decay_at=0.3),
        batch_size=16,
        max_steps=1450,
        ema_decay=0.995,
        checkpoint_every=100,
        image_every=300,
    )


@preset
def mannequin_second() -> TrainConfig:
    """`mannequin-start` continued: more people, the paper's distribution of t, an eighth of the reconstructions.

    Command: `cfld train mannequin-second --out runs/mannequin-second`
    Cost: three times the latents of `mannequin-start`; 79 minutes for the steps on both cores, every image generated
    once.
    Reached, as below: PSNR 19.72 dB, the right person among 100 in 96.3 %, the right pose among 20 in 99.9 %.
    """
    start = mannequin_start()
    return replace(
        start.with_stage(timestep_law="cubic", condition_dropout=0.05, reconstruction_share=0.125),
        data=replace(start.data, identities=12000, cache_in_memory=True),
        init_from="runs/mannequin-start/model",
        max_steps=4700,
    )


@preset
def mannequin_third() -> TrainConfig:
    """`mannequin-second` continued in batches of 64 with a lower learning rate that decays from the first step: two
    processes of one thread each train on twice the pairs a second.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin-third --out runs/mannequin-third`
    Cost: 82 minutes on both cores, the images generated beforehand; stopped at step 2,326 for time.
    Reached: PSNR 20.23 dB where `mannequin-second` has 19.24 (20 people in 3 poses, docs/reproduction.md).
    """
    second = mannequin_second()
    return replace(
        second.with_stage(latents=Path("runs/mannequin-second/latents")),
        init_from="runs/mannequin-second/model",
        optim=replace(second.optim, learning_rate=1.2e-3, decay_at=0.0),
        batch_size=32,
        max_steps=2700,
    )


@preset
def mannequin() -> TrainConfig:
    """The bundled model: `mannequin-third` continued on inputs that contain the model's own error (DREAM).

    Further runs on other people follow (docs/reproduction.md); the results are those of all runs together.

    Command: `torchrun --nproc_per_node 2 -m cfld train mannequin --out runs/mannequin`, then in Python
    `CFLDPipeline.from_pretrained("runs/mannequin/model", torch_dtype=torch.float16).save_pretrained(FOLDER)`
    Cost: 64 minutes on both cores, the images generated beforehand; 51, 49 and 116 for the further runs.
    Reached, by `cfld evaluate mannequin-quality --identities 100 --poses 8 --seed 1`: PSNR 21.60 dB (the unchanged
    source image: 13.82, the mean image: 15.95), the right person among 100 in 98.9 %, the right pose among 20 in all.
    """
    third = mannequin_third()
    return replace(
        third.with_stage(dream_detail_preservation=1.0),
        init_from="runs/mannequin-third/model",
        optim=replace(third.optim, learning_rate=8e-4, warmup_steps=20),
        max_steps=1600,
    )


@preset
def mannequin_base() -> TrainConfig:
    """A UNet that generates mannequins from attributes and poses, as Stable Diffusion does from text.

    Half of the steps see windows around the figure, in which clothes take up more of the image.

    Command: `cfld train mannequin-base --out runs/mannequin-base`; `cfld reproduce table3` runs it where needed.
    Cost: 12 minutes for the latents on two cores and about 4 hours for the steps on one, without bfloat16.
    """
    return replace(
        mannequin_start(),
        model=mannequin_model(TEXTURE_WIDTHS),
        stage=UNetPretrainStageConfig(condition_dropout=0.1, window_share=0.5),
        data=DataConfig(kind="mannequin", identities=10000, poses=3, seed=31, workers=1),
        batch_size=32,
        max_steps=6000,
        ema_decay=0.998,
    )


@preset
def mannequin_source() -> TrainConfig:
    """H_S and H_D on what mannequins wear, as the paper's Swin is trained on ImageNet.

    Command: `cfld train mannequin-source --out runs/mannequin-source`
    """
    base = mannequin_base()
    return replace(
        base,
        stage=SourcePretrainStageConfig(),
        data=replace(base.data, identities=100000, poses=2, seed=32),
        init_from="runs/mannequin-base/model",
        batch_size=64,
        max_steps=3000,
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
        mannequin_start().with_stage(unet_weights="kv"), model=mannequin_model(TEXTURE_WIDTHS), max_steps=400
    )


if TYPE_CHECKING:
    PresetName: TypeAlias = str
else:
    PresetName = Literal[tuple(PRESETS)]
