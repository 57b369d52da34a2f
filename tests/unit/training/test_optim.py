import copy

import pytest
import torch
from torch import Tensor, nn

from cfld.config.schema import OptimConfig
from cfld.training.optim import learning_rate_factor, make_optimizer, orthogonal

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
    optimizer = make_optimizer({"bias": weight}, OptimConfig(learning_rate=0.1))
    weight.grad = torch.tensor([0.5, -3.0])
    optimizer.step()
    torch.testing.assert_close(weight.data, torch.tensor([0.9, -1.9]))


def test_a_linear_decay_ends_at_its_share_without_a_jump() -> None:
    config = OptimConfig(warmup_steps=0, decay="linear", decay_at=0.5, decay_by=0.1)
    factors = torch.tensor([learning_rate_factor(step, 1000, config) for step in range(1001)])
    assert factors[500] == 1
    assert factors[1000] == pytest.approx(0.1)
    assert (factors.diff() <= 0).all()
    assert factors.diff().abs().max() < 0.002


def along_singular_vectors(result: Tensor, matrix: Tensor) -> Tensor:
    """`result` in the basis of the singular vectors of `matrix`."""
    U, _, Vh = torch.linalg.svd(matrix, full_matrices=False)
    return U.T @ result @ Vh.T


@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)], ids=str)
@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8)])
def test_orthogonal_keeps_the_singular_vectors_and_brings_the_values_to_one(
    shape: tuple[int, int], dtype: torch.dtype, off: float
) -> None:
    matrices = 100 * torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for matrix, result in zip(matrices, orthogonal(matrices, dtype=dtype).float(), strict=True):
        values = along_singular_vectors(result, matrix)
        torch.testing.assert_close(values, values.diagonal().diag(), atol=off, rtol=0)
        assert ((values.diagonal() > 0.6) & (values.diagonal() < 1.3)).all()


def test_muon_steps_like_adam_on_what_is_no_matrix_and_by_the_orthogonal_momentum_on_what_is() -> None:
    torch.manual_seed(0)
    muon_layer, adam_layer = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    adam_layer.load_state_dict(muon_layer.state_dict())
    before, image = muon_layer.weight.detach().clone(), torch.randn(2, 3, 5, 5)
    muon = make_optimizer(dict(muon_layer.named_parameters()), OptimConfig(learning_rate=0.01, optimizer="muon"))
    adam = make_optimizer(dict(adam_layer.named_parameters()), OptimConfig(learning_rate=0.01))
    for layer, optimizer in ((muon_layer, muon), (adam_layer, adam)):
        layer(image).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(muon_layer.bias, adam_layer.bias)
    step = (before - muon_layer.weight.detach()).flatten(1)
    values = along_singular_vectors(step / (0.01 * 0.2 * 27**0.5), muon_layer.weight.grad.flatten(1))
    torch.testing.assert_close(values, values.diagonal().diag(), atol=0.05, rtol=0)
    assert ((values.diagonal() > 0.6) & (values.diagonal() < 1.3)).all()


def test_a_muon_resumed_from_its_state_makes_the_same_steps() -> None:
    layers, optimizers = [nn.Linear(4, 3), nn.Linear(4, 3)], []
    layers[1].load_state_dict(layers[0].state_dict())
    for layer in layers:
        optimizers.append(make_optimizer(dict(layer.named_parameters()), OptimConfig(optimizer="muon")))

    def step(i: int, x: torch.Tensor) -> None:
        optimizers[i].zero_grad()
        layers[i](x).square().sum().backward()
        optimizers[i].step()

    inputs = torch.randn(4, 5, 4)
    step(0, inputs[0])
    layers[1].load_state_dict(layers[0].state_dict())
    optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    for x in inputs[1:]:
        step(0, x)
        step(1, x)
    assert all(torch.equal(a, b) for a, b in zip(layers[0].parameters(), layers[1].parameters(), strict=True))
