"""The stage that trains H_S and H_D to tell what a person wears, as Swin is trained on ImageNet in the paper.

The prompt of an image becomes what the encoder of attributes makes of the person's words, so that a UNet that was
pretrained on them (`unet_pretrain`) understands it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.data.base import AttributeDataset
from cfld.models.attribute_encoder import AttributeEncoder
from cfld.models.conditioner import Conditioner
from cfld.training.batches import Samples, SourceSamples
from cfld.training.stages import StageContext, export_components, generated_sheet
from cfld.training.stages.unet_pretrain import attribute_encoder


class SourcePretrainStage:
    """H_S and H_D train; all other components stay as they are."""

    def __init__(self, context: StageContext) -> None:
        config, data = context.config, context.data
        if not isinstance(data, AttributeDataset):
            raise ValueError(
                "pretraining the source side needs a data set with attributes: data.kind mannequin without data.root"
            )
        if config.init_from is None or not (Path(config.init_from) / "attribute_encoder").is_dir():
            raise ValueError("pretraining the source side needs init_from, a model of the stage unet-pretrain")
        self.context, self.components = context, context.components
        self.encoder = attribute_encoder(config, data)
        conditioner = self.components.conditioner.requires_grad_(False)
        conditioner.source_encoder.requires_grad_(True)
        conditioner.prompt_decoder.requires_grad_(True)
        for part in (self.components.vae, self.components.unet):
            part.requires_grad_(False).eval().to(context.accelerator.device)
        self.objective: nn.Module = SourcePretrainObjective(conditioner, self.encoder, roles(data))
        self.samples: Samples = SourceSamples(dataset=data, source_size=conditioner.config.source_size)

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        return {f"attribute_encoder.{name}": p for name, p in self.encoder.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(batch)

    def images(self) -> Image.Image:
        """Rows of source, target pose, image generated from the source's prompt, and true image."""
        return generated_sheet(self.context)

    def export(self, folder: Path) -> None:
        """Writes all components and `attribute_encoder/`, a folder for `init_from`."""
        export_components(self.components, folder)
        self.encoder.save_pretrained(folder / "attribute_encoder")


def roles(data: AttributeDataset) -> list[tuple[int, int]]:
    """The first and the last number of the vocabulary that each of an image's attributes may have, in their order."""
    ranges: dict[str, tuple[int, int]] = {}
    for word, number in data.vocabulary.items():
        role = word.split(": ")[0]
        if role:
            ranges[role] = (ranges.get(role, (number, 0))[0], number)
    return list(ranges.values())


class SourcePretrainObjective(nn.Module):
    """The distance of the prompt to that of the person's words, and the cross-entropy of a linear reading of it."""

    def __init__(self, conditioner: Conditioner, encoder: AttributeEncoder, roles: list[tuple[int, int]]) -> None:
        """
        Args:
            encoder: stays as it is.
            roles: as the function of that name.
        """
        super().__init__()
        self.conditioner, self.roles = conditioner, roles
        self.encoder = encoder.requires_grad_(False)
        self.reader = nn.Linear(encoder.config.prompt_dim, encoder.config.vocabulary)

    def forward(self, source_image: Tensor, attributes: Tensor) -> Tensor:
        """
        Args:
            source_image: (B, 3, H, W) in [-1, 1].
            attributes: int64 (B, N), numbers of the data set's vocabulary; 0 = not given.
        """
        prompt_embeds = self.conditioner.encode_prompt(self.conditioner.source_encoder(source_image))  # (B, Q, D)
        distance = F.mse_loss(prompt_embeds.float(), self.encoder(attributes))
        return distance + self.reading_loss(self.reader(prompt_embeds).float(), attributes)

    def reading_loss(self, logits: Tensor, attributes: Tensor) -> Tensor:
        """Mean over the roles of the cross-entropy of the given attributes.

        Args:
            logits: (B, Q, vocabulary).
        """
        losses = []
        for (first, last), token, words in zip(self.roles, self.encoder.tokens, attributes.T, strict=True):
            given = words > 0
            if given.any():
                losses.append(F.cross_entropy(logits[given, token, first : last + 1], words[given] - first))
        return torch.stack(losses).mean()
