from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

from cfld.build import Components, unet_arguments
from cfld.config.schema import UNetConfig
from cfld.models import hybrid_granularity_attention as hga
from cfld.models.unet import predict_noise
from cfld.types import Conditioning

BATCH, TOKENS, DIM, HEADS, PROMPT, PROMPT_DIM = 2, 9, 12, 3, 5, 7


def inputs() -> tuple[torch.Tensor, int, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, 8, 8), 500, torch.randn(2, 4, 16)


@torch.no_grad()
def test_install_and_remove_leave_a_unet_unchanged(stock: UNet2DConditionModel) -> None:
    processors, state = dict(stock.attn_processors), {k: v.clone() for k, v in stock.state_dict().items()}
    before = stock(*inputs()).sample
    previous = hga.install(stock)
    assert hga.is_installed(stock)
    assert previous == processors
    hga.remove(stock, previous)
    assert not hga.is_installed(stock)
    assert all(stock.attn_processors[name] is processor for name, processor in processors.items())
    assert stock.state_dict().keys() == state.keys()
    assert all(torch.equal(stock.state_dict()[name], tensor) for name, tensor in state.items())
    assert torch.equal(stock(*inputs()).sample, before)


@torch.no_grad()
def test_without_bias_and_pose_the_output_is_that_of_the_stock_unet(stock: UNet2DConditionModel) -> None:
    latents, t, prompt = inputs()
    before = stock(latents, t, prompt).sample
    hga.install(stock)
    assert torch.equal(predict_noise(stock, latents, t, Conditioning(prompt)), before)


def test_installing_twice_changes_nothing(stock: UNet2DConditionModel) -> None:
    hga.install(stock)
    ours = dict(stock.attn_processors)
    hga.install(stock)
    assert all(stock.attn_processors[name] is processor for name, processor in ours.items())


def test_a_partial_installation_is_completed(stock: UNet2DConditionModel) -> None:
    previous = hga.install(stock)
    name = "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    stock.get_submodule(name).set_processor(previous[f"{name}.processor"])
    assert not hga.is_installed(stock)
    assert not hga.takes_bias(stock, name)
    hga.install(stock)
    assert hga.is_installed(stock)


@torch.no_grad()
def test_a_forward_pass_logs_no_warning(stock: UNet2DConditionModel, caplog: pytest.LogCaptureFixture) -> None:
    hga.install(stock)
    latents, t, prompt = inputs()
    predict_noise(stock, latents, t, Conditioning(prompt))
    assert not caplog.records


@torch.no_grad()
def test_each_bias_changes_the_output(components: Components) -> None:
    latents, t, prompt = inputs()
    plain = predict_noise(components.unet, latents, t, Conditioning(prompt))
    full = components.conditioner(torch.rand(2, 3, 32, 32), None)
    for name, bias in full.query_bias.items():
        biased = predict_noise(components.unet, latents, t, Conditioning(prompt, {name: 5 * torch.randn_like(bias)}))
        assert not torch.allclose(biased, plain, atol=1e-6), name


def test_biased_attentions_exist_in_the_unet() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_arguments(UNetConfig()))
    names = hga.biased_attention_names()
    assert len(names) == 9
    assert {f"{name}.processor" for name in names} <= set(unet.attn_processors)
    widths = [unet.get_submodule(name).to_q.out_features for name in names]
    assert widths == [1280] * 3 + [640] * 3 + [320] * 3


def test_an_appearance_encoder_outputs_zero_at_first() -> None:
    encoder = hga.FineGrainedAppearanceEncoder(6, 8, 10, num_heads=2, depth=1)
    bias = encoder(torch.randn(2, 6, 3, 4))
    assert bias.shape == (2, 12, 10)
    assert not bias.any()
    bias.sum().backward()
    assert encoder.zero_conv_out.bias.grad.any()


@pytest.fixture(scope="module")
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(DIM, PROMPT_DIM, heads=HEADS, dim_head=DIM // HEADS, processor=AttnProcessor2_0()).eval()


@torch.no_grad()
@pytest.mark.parametrize(
    "bias", [None, {}, {"there": torch.ones(BATCH, TOKENS, DIM)}, {"here": torch.zeros(BATCH, TOKENS, DIM)}]
)
def test_without_a_bias_the_output_is_that_of_the_stock_attention(
    attention: Attention, bias: dict[str, Tensor] | None
) -> None:
    x, prompt = torch.randn(BATCH, TOKENS, DIM), torch.randn(BATCH, PROMPT, PROMPT_DIM)
    ours = hga.HybridGranularityAttnProcessor("here")(attention, x, prompt, query_bias=bias)
    assert torch.equal(ours, attention(x, prompt))


@torch.no_grad()
def test_keys_and_values_come_from_the_cache(attention: Attention) -> None:
    x, prompt = torch.randn(BATCH, TOKENS, DIM), torch.randn(BATCH, PROMPT, PROMPT_DIM)
    processor, cache = hga.HybridGranularityAttnProcessor("here"), {}
    first = processor(attention, x, prompt, kv_cache=cache)
    assert list(cache) == ["here"]
    assert torch.equal(processor(attention, x, torch.zeros_like(prompt), kv_cache=cache), first)


@pytest.mark.parametrize(("queries", "keys"), [(64, 64), (64, 5), (300, 300)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_torchs_in_every_dtype(queries: int, keys: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    Q, K, V = (torch.randn(2, 3, tokens, 16) for tokens in (queries, keys, keys))
    exact = torch.nn.functional.scaled_dot_product_attention(Q, K, V)
    result = hga.scaled_dot_product_attention(*(x.to(dtype) for x in (Q, K, V)))
    assert result.dtype == dtype
    assert torch.allclose(result.float(), exact, atol=1e-6 if dtype == torch.float32 else 0.03)


def test_a_mask_takes_part_in_bfloat16() -> None:
    Q, K, V = (torch.randn(1, 1, 4, 8, dtype=torch.bfloat16) for _ in range(3))
    first_key = torch.full((4, 4), float("-inf"), dtype=torch.bfloat16)
    first_key[:, 0] = 0
    assert torch.equal(hga.scaled_dot_product_attention(Q, K, V, first_key), V[..., :1, :].expand_as(V))
