import pytest
import torch

from cfld.types import Conditioning, SourceConditioning


def conditioning(batch: int, names: tuple[str, ...] = ("a", "b"), levels: int = 2) -> Conditioning:
    return Conditioning(
        torch.randn(batch, 3, 4),
        {name: torch.randn(batch, 5, 6) for name in names},
        tuple(torch.randn(batch, 2, 8 // 2**i, 8 // 2**i) for i in range(levels)),
    )


def test_select_repeats_and_reorders() -> None:
    full = conditioning(3)
    rows = full.select([2, 0, 2])
    assert rows.batch_size == 3
    assert torch.equal(rows.prompt_embeds, full.prompt_embeds[[2, 0, 2]])
    assert torch.equal(rows.query_bias["b"][1], full.query_bias["b"][0])
    assert torch.equal(rows.pose_features[1][2], full.pose_features[1][2])


def test_select_keeps_the_type() -> None:
    full = conditioning(2)
    source = SourceConditioning(full.prompt_embeds, full.query_bias)
    assert type(source.select(torch.tensor([1]))) is SourceConditioning
    assert torch.equal(source.with_pose(full.pose_features).pose_features[0], full.pose_features[0])


def test_select_undoes_cat() -> None:
    parts = [conditioning(2), conditioning(1)]
    both = Conditioning.cat(parts)
    assert both.batch_size == 3
    for part, index in zip(parts, ([0, 1], [2]), strict=True):
        again = both.select(index)
        assert torch.equal(again.prompt_embeds, part.prompt_embeds)
        assert all(torch.equal(again.query_bias[name], bias) for name, bias in part.query_bias.items())
        assert all(torch.equal(a, b) for a, b in zip(again.pose_features, part.pose_features, strict=True))


def test_cat_fills_absent_conditions_with_zeros() -> None:
    null, pose, full = conditioning(1, (), 0), conditioning(2, ()), conditioning(1)
    batch = Conditioning.cat([null, pose, full])
    assert list(batch.query_bias) == ["a", "b"]
    assert not batch.query_bias["a"][:3].any()
    assert torch.equal(batch.query_bias["a"][3:], full.query_bias["a"])
    assert not batch.pose_features[1][0].any()
    assert torch.equal(batch.pose_features[1][1:3], pose.pose_features[1])


def test_cat_of_prompts_alone_adds_no_tensors() -> None:
    batch = Conditioning.cat([conditioning(1, (), 0), conditioning(1, (), 0)])
    assert batch.query_bias == {}
    assert batch.pose_features == ()


def test_to_moves_everything() -> None:
    moved = conditioning(1).to("cpu", torch.bfloat16)
    tensors = [moved.prompt_embeds, *moved.query_bias.values(), *moved.pose_features]
    assert {tensor.dtype for tensor in tensors} == {torch.bfloat16}
    assert conditioning(1).to("meta").pose_features[0].is_meta


def test_each_cache_is_new() -> None:
    full = conditioning(1)
    assert full.kv_cache is None
    assert full.cached().kv_cache == {}
    assert full.cached().kv_cache is not full.cached().kv_cache


@pytest.mark.parametrize("field", ["prompt_embeds", "query_bias"])
def test_fields_are_read_only(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(conditioning(1), field, None)
