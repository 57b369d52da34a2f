import pytest
import torch
from torch import nn

from cfld.config.schema import OptimConfig
from cfld.training.optim import WeightAverage, learning_rate_factor, make_optimizer

PAPER = OptimConfig()
EPOCH = 455


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.13008e-05), (10, 1.23088e-05), (499, 6.16e-05), (1000, 1.12e-04), (22750, 1.12e-05)]
)
def test_the_learning_rate_is_the_paper_s(step: int, rate: float) -> None:
    assert PAPER.learning_rate * learning_rate_factor(step, 100 * EPOCH, PAPER) == pytest.approx(rate, rel=1e-9)


def test_the_learning_rate_drops_at_epoch_50_and_nowhere_else() -> None:
    factors = [learning_rate_factor(step, 100 * EPOCH, PAPER) for step in range(1000, 100 * EPOCH)]
    assert set(factors) == {1.0, PAPER.decay_by}
    assert factors.index(PAPER.decay_by) == 50 * EPOCH - 1000


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    assert learning_rate_factor(0, 10, OptimConfig(warmup_steps=0)) == 1


def test_the_optimizer_is_adam() -> None:
    """One step by hand: m = (1 - b1) g, v = (1 - b2) g^2, both divided by (1 - b): weight -= lr g / |g|."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = make_optimizer([weight], OptimConfig(learning_rate=0.1))
    weight.grad = torch.tensor([0.5, -3.0])
    optimizer.step()
    torch.testing.assert_close(weight.data, torch.tensor([0.9, -1.9]))


def test_the_average_follows_its_formula() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage({"w": weight}, decay=0.5)
    expected = 0.0
    for step in range(1, 30):
        weight.data.fill_(float(step))
        average.update(step)
        d = min(0.5, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * step
    assert average.weights["w"].item() == pytest.approx(expected, rel=1e-6)
    assert weight.item() == 29


def test_the_average_is_applied_only_inside() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage({"w": weight}, decay=0.9)
    weight.data.fill_(5.0)
    with average.applied():
        assert weight.item() == 1
    assert weight.item() == 5


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_an_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=f"ema_decay.*{decay}"):
        WeightAverage({}, decay)
