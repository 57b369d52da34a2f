"""The stage that distils a student of few steps and one branch: distribution matching (DMD2, Yin et al., NeurIPS 2024).

Student, teacher and critic are one frozen UNet: the student with one low-rank update, the critic with another, the
teacher without. The critic learns what the student generates. The student moves to where the teacher, guided by eq. 7,
differs from the critic.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import LCMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call

from cfld.config.schema import DistillStageConfig
from cfld.diffusion import schedulers
from cfld.diffusion.guidance import guided_denoiser
from cfld.models.conditioner import Conditioner
from cfld.models.lora import LowRankUpdate
from cfld.models.student import Student, save_student
from cfld.models.unet import predict_noise
from cfld.pipeline import CFLDPipeline
from cfld.training.batches import Samples, TransferSamples
from cfld.training.objective import add_noise, check_prediction_type, estimated_image, mse_loss, training_target
from cfld.training.stages import StageContext, generated_sheet, make_pipeline
from cfld.types import Conditioning

NOISED: Final = (0.02, 0.98)
"""Range of t / T at which teacher and critic are compared, that of DMD2."""


class DistillStage:
    """The two updates train; all components stay as they are."""

    def __init__(self, context: StageContext) -> None:
        options = context.config.stage
        assert isinstance(options, DistillStageConfig)
        if context.config.init_from is None:
            raise ValueError("distillation needs init_from, the model that is the teacher")
        if context.config.gradient_checkpointing:
            raise ValueError("distillation cannot recompute activations; set gradient_checkpointing to False")
        self.context, self.components = context, context.components
        for part in (self.components.conditioner, self.components.unet, self.components.vae):
            part.requires_grad_(False).eval().to(context.accelerator.device)
        self.objective = DistillObjective(
            self.components.conditioner,
            self.components.unet,
            self.components.scheduler,
            rank=options.rank,
            steps=options.steps,
            guidance=(options.pose_guidance_scale, options.appearance_guidance_scale),
            critic_scale=options.critic_scale,
        )
        self.settings = Student(
            steps=options.recommended_steps,
            pose_guidance_scale=options.pose_guidance_scale,
            appearance_guidance_scale=options.appearance_guidance_scale,
        )
        conditioner = self.components.conditioner
        self.samples: Samples = TransferSamples(
            dataset=context.data, source_size=conditioner.config.source_size, pose_size=conditioner.pose_size
        )

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        parts = {"conditioner": self.components.conditioner, "unet": self.components.unet}
        return {f"{name}.{key}": p for name, part in parts.items() for key, p in part.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(batch)

    def student(self) -> CFLDPipeline:
        """The pipeline of the current student."""
        pipe = make_pipeline(
            replace(self.context, components=replace(self.components, unet=deepcopy(self.components.unet)))
        )
        return pipe.with_student(self.settings, self.objective.student.lora_state(self.components.unet))

    def images(self) -> Image.Image:
        """Rows of source, target pose, image by the student, and true image."""
        return generated_sheet(self.context, self.student())

    def export(self, folder: Path) -> None:
        """Writes the student as a model folder, and `lora/`, its difference to the teacher, for `load_student`."""
        self.student().save_pretrained(folder)
        save_student(folder / "lora", self.settings, self.objective.student.lora_state(self.components.unet))


class DistillObjective(nn.Module):
    """The losses of student and critic. Uses torch's global random generator."""

    def __init__(
        self,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        scheduler: Any,
        *,
        rank: int,
        steps: Sequence[int],
        guidance: tuple[float, float] = (2.0, 2.0),
        critic_scale: float = 1.0,
    ) -> None:
        """
        Args:
            conditioner, unet, scheduler: the teacher's.
            rank: of the updates of student and critic.
            steps: numbers of steps that the student samples with; each is trained equally often.
            guidance: w_pose and w_app of the teacher.
            critic_scale: see `LowRankUpdate`.
        """
        super().__init__()
        self.conditioner, self.unet = conditioner, unet
        self.prediction_type = check_prediction_type(scheduler.config.prediction_type)
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", scheduler.alphas_cumprod, persistent=False)
        sampler = LCMScheduler.from_config(scheduler.config)
        self.timesteps = [schedulers.start(sampler, n).timesteps for n in steps]
        self.guidance = guidance
        self.student, self.critic = LowRankUpdate(unet, rank), LowRankUpdate(unet, rank, critic_scale)

    def train(self, mode: bool = True) -> DistillObjective:  # noqa: ARG002
        """Does nothing: teacher, student and critic all compute as in sampling."""
        return self

    def forward(self, source_image: Tensor, poses: Tensor) -> Tensor:
        """
        Args:
            source_image: (B, 3, H, W) in [-1, 1].
            poses: (B, 21, H, W): the pose maps x_tp.
        """
        B = len(source_image)
        with torch.no_grad():
            full, null = self.conditioner(source_image, poses), self.conditioner.null(B)
        z_0 = self.generate(full)
        low, high = (round(share * len(self.alphas_cumprod)) for share in NOISED)
        t = torch.randint(low, high, (B,)).to(z_0.device)
        alpha_bar, eps = self.alphas_cumprod[t], torch.randn_like(z_0)
        z_t = add_noise(z_0.detach(), eps, alpha_bar)
        learnt = self.predict(self.critic.merged(self.unet), z_t, t, full)
        with torch.no_grad():
            taught = self.teach(z_t, t, full, null)
        real, fake = (estimated_image(self.prediction_type, v.detach(), z_t, alpha_bar) for v in (taught, learnt))
        target = training_target(self.prediction_type, z_0.detach(), eps, alpha_bar)
        return matching_loss(z_0, real, fake) + mse_loss(target, learnt)

    def generate(self, full: Conditioning) -> Tensor:
        """z_0 (B, C, h, w) by some of the student's steps: the last of them trains (backward simulation of DMD2)."""
        weights = self.student.merged(self.unet)
        frozen = {name: weight.detach() for name, weight in weights.items()}
        timesteps = self.timesteps[int(torch.randint(len(self.timesteps), ()))]
        last = int(torch.randint(len(timesteps), ()))
        z_t = torch.randn(full.batch_size, self.unet.config.in_channels, *self.conditioner.latent_size)
        z_t = z_t.to(full.prompt_embeds.device)
        for t, following in itertools.pairwise(timesteps[: last + 1]):
            with torch.no_grad():
                z_0 = self.image(frozen, z_t, t, full)
            z_t = add_noise(z_0, torch.randn_like(z_0), self.alphas_cumprod[following].expand(len(z_0)))
        return self.image(weights, z_t, timesteps[last], full)

    def image(self, weights: Mapping[str, Tensor], z_t: Tensor, t: Tensor, full: Conditioning) -> Tensor:
        """z_0 according to the UNet with these weights."""
        t = t.to(z_t.device).expand(len(z_t))
        prediction = self.predict(weights, z_t, t, full)
        return estimated_image(self.prediction_type, prediction, z_t, self.alphas_cumprod[t])

    def teach(self, z_t: Tensor, t: Tensor, full: Conditioning, null: Conditioning) -> Tensor:
        """The teacher's prediction by eq. 7."""

        def predict(z: Tensor, _: Tensor, conditioning: Conditioning) -> Tensor:
            return self.predict({}, z, t.repeat(len(z) // len(t)), conditioning)

        return guided_denoiser(predict, full, null, *self.guidance)(z_t, t)

    def predict(self, weights: Mapping[str, Tensor], z_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """The prediction of the UNet with some of its weights replaced, (B, C, h, w) in float32."""
        call = {f"unet.{name}": weight for name, weight in weights.items()}
        prediction: Tensor = functional_call(_Prediction(self.unet), call, (z_t, t, conditioning))
        return prediction.float()


def matching_loss(z_0: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Moves the student's z_0 by the difference of what teacher and critic make of it. (B, C, h, w) each.

    DMD (Yin et al., CVPR 2024), eq. 7 and 8: the gradient of the KL divergence, divided by the teacher's mean error.
    """
    size = (z_0.detach() - real).abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-3)
    target = z_0.detach() - (fake - real) / size
    return (z_0 - target).square().mean() / 2


class _Prediction(nn.Module):
    """`predict_noise` as a module, so that weights can be replaced in a call."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, z_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        return predict_noise(self.unet, z_t, t, conditioning)
