"""UNet and VAE decoder by OpenVINO, for CPUs (extra `openvino`): in float32, bfloat16, or the UNet in int8 by NNCF.

Each is exported once for each shape of its inputs, whatever the batch size, into a folder named after its weights and
these shapes. With the feature cache there are two exports of the UNet: all of it, and its last layer alone.
"""

from __future__ import annotations

import importlib
import io
import logging
import threading
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from cfld.claims import claimed
from cfld.digests import Record, json_digest, tensor_digest
from cfld.engines.base import Evaluation, Preparation
from cfld.files import whole_folder
from cfld.models.feature_cache import Features, reused
from cfld.models.unet import predict_noise
from cfld.types import Conditioning

logger = logging.getLogger(__name__)

PRECISIONS: Final = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""Dtype -> what is computed in where a model's own operations leave the choice."""
SENSITIVE: Final = (".*conv_in.*", ".*conv_out.*", ".*time_embedding.*", ".*time_emb_proj.*")
"""Layers that stay in float32 in int8 models: first and last convolution, and what depends on t alone."""
MODEL: Final = "model.xml"
WEIGHTS: Final = "model.bin"


@dataclass(frozen=True)
class Inputs:
    """The inputs of one call in the order of the exported model, and the names and shapes that an export is for.

    Attributes:
        tensors: z_t, t, prompt, query biases, pose features; where features are reused, also these.
        biases: names of the query biases.
        reuse: whether features are reused, that is, only the last layer runs.
        keep: whether the call also returns the features that later ones reuse.
    """

    tensors: tuple[Tensor, ...]
    biases: tuple[str, ...]
    reuse: bool
    keep: bool

    @classmethod
    def of(cls, call: Evaluation) -> Inputs:
        c, reuse = call.conditioning, call.features.reusable
        kept = (call.features.kept,) if reuse and call.features.kept is not None else ()
        t = torch.as_tensor(call.t, dtype=torch.float32).reshape(1)
        tensors = (call.z_t, t, c.prompt_embeds, *c.query_bias.values(), *c.pose_features, *kept)
        return cls(tensors, tuple(c.query_bias), reuse, keep=call.features.every > 1 and not reuse)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What an export depends on: all but the batch size."""
        return self.biases, self.reuse, self.keep, tuple(tuple(x.shape[1:]) for x in self.tensors)


class Flat(nn.Module):
    """The UNet as a function of the tensors of `Inputs`."""

    def __init__(self, unet: UNet2DConditionModel, inputs: Inputs) -> None:
        super().__init__()
        self.unet, self.inputs = unet, replace(inputs, tensors=())

    def forward(self, z_t: Tensor, t: Tensor, prompt: Tensor, *others: Tensor) -> Any:
        count, reuse = len(self.inputs.biases), self.inputs.reuse
        pose = others[count : -1 if reuse else None]
        conditioning = Conditioning(prompt, dict(zip(self.inputs.biases, others, strict=False)), tuple(pose))
        features = Features(2, 1, others[-1]) if reuse else Features(1)
        with reused(features):
            eps = predict_noise(self.unet, z_t, t, conditioning)
        return (eps, features.kept) if self.inputs.keep else eps


class Decoder(nn.Module):
    """The VAE's decoder as a function of the latents."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: Tensor) -> Any:
        return self.vae.decode(latents, return_dict=False)[0]


@dataclass(frozen=True)
class Part:
    """What is exported.

    Attributes:
        name: for the log.
        weights: the module whose weights it has.
        function: what is traced.
        tensors: its arguments, float32.
        kind: what the export depends on beside weights and dtype: all but the batch size.
        dtype: one of `PRECISIONS`.
    """

    name: str
    weights: nn.Module
    function: nn.Module
    tensors: tuple[Tensor, ...]
    kind: tuple[Any, ...]
    dtype: str


class OpenVINOEngine:
    """Runs exports of the modules that it is called with; exports and compiles them when first needed."""

    def __init__(self, preparation: Preparation) -> None:
        """
        Raises:
            ValueError: if OpenVINO, or for int8 NNCF, is not installed, and for another dtype.
        """
        if preparation.dtype not in PRECISIONS:
            raise ValueError(f"engine openvino has dtype {', '.join(PRECISIONS)}, not {preparation.dtype}")
        (openvino, *_) = require("openvino", *(["nncf"] if preparation.dtype == "int8" else []))
        self._preparation, self._core, self._lock = preparation, openvino.Core(), threading.RLock()
        self._digests: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def predict_noise(
        self, unet: UNet2DConditionModel, z_t: Tensor, t: Tensor, conditioning: Conditioning, features: Features
    ) -> Tensor:
        inputs = Inputs.of(Evaluation(z_t, t, conditioning, features))
        part = Part("UNet", unet, Flat(unet, inputs), inputs.tensors, inputs.kind, self._preparation.dtype)
        eps, *kept = (result.to(z_t.device, z_t.dtype) for result in self._run(part))
        features.kept = kept[0] if kept else features.kept
        features.calls += 1
        return eps

    def decode(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        dtype = "bfloat16" if self._preparation.dtype == "int8" else self._preparation.dtype
        part = Part("VAE decoder", vae, Decoder(vae), (latents,), (tuple(latents.shape[1:]),), dtype)
        return self._run(part)[0].to(latents.device, latents.dtype)

    def _run(self, part: Part) -> list[Tensor]:
        with self._lock:  # a call uses all cores
            return [torch.from_numpy(x.copy()) for x in self._model(part)(_arrays(part.tensors)).values()]

    def _model(self, part: Part) -> Any:
        """The compiled model for these inputs, of this batch size."""
        if part.weights not in self._digests:
            self._digests[part.weights] = tensor_digest(part.weights.state_dict())
        key = (self._digests[part.weights], part.kind, len(part.tensors[0]))
        if key not in self._compiled:
            model = self._core.read_model(self._export(part) / MODEL)
            shapes = zip(model.inputs, part.tensors, strict=True)
            model.reshape({port: list(tensor.shape) for port, tensor in shapes})
            options = {
                "INFERENCE_PRECISION_HINT": PRECISIONS[part.dtype],
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            }
            self._compiled[key] = self._core.compile_model(model, "CPU", options)
        return self._compiled[key]

    def _export(self, part: Part) -> Path:
        """The folder of the export for such inputs, which is made where there is none.

        Raises:
            ValueError: if the folder of that name holds an export of other weights.
        """
        import openvino

        exact = "int8" if part.dtype == "int8" else "float32"
        origin = {
            "weights": self._digests[part.weights],
            "inputs": json_digest(part.kind),
            "dtype": exact,
            "openvino": openvino.__version__,
        }
        folder = self._preparation.cache.expanduser() / "openvino" / json_digest(origin)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with claimed(folder, wait=True):
            problem = Record(folder).problem(folder / MODEL, origin)
            if problem is not None and "changed" in problem:
                raise ValueError(f"{folder} is of another model ({problem}); remove it, or use another --engine-cache")
            if problem is not None or Record(folder).problem(folder / WEIGHTS, origin) is not None:
                size = "x".join(map(str, part.tensors[0].shape[2:]))
                logger.warning(
                    "exporting the %s to OpenVINO in %s for latents of %s, once, into %s",
                    *(part.name, exact, size, folder),
                )
                model = self._quantized(part) if exact == "int8" else _traced(part)
                with whole_folder(folder, replace=True) as temporary:
                    openvino.save_model(model, temporary / MODEL, compress_to_fp16=False)
                    for file in (temporary / MODEL, temporary / WEIGHTS):
                        Record(temporary).add(file, origin)
        return folder

    def _quantized(self, part: Part) -> Any:
        """The UNet in int8, calibrated on trajectories of the same kind of inputs."""
        import nncf

        nncf.set_log_level(logging.ERROR)
        model = self._core.read_model(self._export(replace(part, dtype="float32")) / MODEL)
        found = map(Inputs.of, self._preparation.trajectories())
        calls = [_arrays(inputs.tensors) for inputs in found if inputs.kind == part.kind]
        assert calls, "the trajectories have every kind of call"
        with redirect_stdout(io.StringIO()):  # its progress bars
            return nncf.quantize(
                model,
                nncf.Dataset(calls),
                subset_size=len(calls),
                model_type=nncf.ModelType.TRANSFORMER,
                ignored_scope=nncf.IgnoredScope(patterns=list(SENSITIVE), validate=False),
            )


def require(*packages: str) -> list[Any]:
    """Imports packages of the extra `openvino`; raises ValueError, naming it, for one that is not installed."""
    try:
        return [importlib.import_module(package) for package in packages]
    except ModuleNotFoundError as error:
        raise ValueError(f"engine openvino needs {error.name}: pip install 'cfld[openvino]'") from None


def computes_in_bfloat16() -> bool:
    """Whether this processor has units for it."""
    (openvino,) = require("openvino")
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _arrays(tensors: Sequence[Tensor]) -> list[Any]:
    return [x.detach().float().cpu().contiguous().numpy() for x in tensors]


@torch.no_grad()
def _traced(part: Part) -> Any:
    """A model of any batch size."""
    import openvino

    shapes = [openvino.PartialShape([1] if x.ndim == 1 else [-1, *x.shape[1:]]) for x in part.tensors]
    example = tuple(tensor.detach().float().cpu() for tensor in part.tensors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        return openvino.convert_model(part.function.eval(), example_input=example, input=shapes)
