from __future__ import annotations

import pytest
import torch

from cfld.models.attention_maps import recorded_attention
from cfld.models.perception_refined_decoder import PerceptionRefinedDecoder


@pytest.fixture
def decoder() -> PerceptionRefinedDecoder:
    torch.manual_seed(0)
    return PerceptionRefinedDecoder(source_tokens=16, source_dim=12, num_queries=5, dim=16, depth=3, num_heads=4)


def test_one_map_per_block_and_query(decoder: PerceptionRefinedDecoder) -> None:
    f_4 = torch.randn(2, 12, 4, 4)
    with recorded_attention(decoder) as maps:
        decoder(f_4)
    assert [tuple(m.shape) for m in maps] == [(2, 5, 4, 4)] * 3
    for m in maps:
        assert (m >= 0).all()
        torch.testing.assert_close(m.sum((-2, -1)), torch.ones(2, 5))


def test_maps_are_the_attention_weights() -> None:
    """With one head, the attention's output is its map times the values."""
    torch.manual_seed(0)
    single = PerceptionRefinedDecoder(source_tokens=16, source_dim=12, num_queries=5, dim=16, depth=1, num_heads=1)
    attention, outputs = single.blocks[0].attn2, []
    attention.register_forward_hook(lambda *call: outputs.append(call[-1]))
    f_4 = torch.randn(1, 12, 4, 4)
    with recorded_attention(single) as maps:
        single(f_4)
    source = f_4.flatten(2).transpose(1, 2) + single.source_position
    expected = attention.to_out[0](maps[0].flatten(2) @ attention.to_v(source))
    torch.testing.assert_close(outputs[0], expected)


def test_recording_changes_neither_model_nor_output(decoder: PerceptionRefinedDecoder) -> None:
    f_4 = torch.randn(2, 12, 4, 4)
    before, state = decoder(f_4), {name: value.clone() for name, value in decoder.state_dict().items()}
    with recorded_attention(decoder) as maps:
        assert torch.equal(decoder(f_4), before)
    assert torch.equal(decoder(f_4), before)
    assert len(maps) == 3  # nothing is recorded any more
    assert not any(module._forward_pre_hooks for module in decoder.modules())
    assert all(torch.equal(value, state[name]) for name, value in decoder.state_dict().items())


def test_hooks_are_removed_after_an_error(decoder: PerceptionRefinedDecoder) -> None:
    with pytest.raises(RuntimeError), recorded_attention(decoder):
        raise RuntimeError
    assert not any(module._forward_pre_hooks for module in decoder.modules())
