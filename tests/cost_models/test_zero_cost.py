"""Zero-cost scores: by hand where they can be, finite everywhere, and without a trace."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from codesign_gym.cost_models import make_cost_model
from codesign_gym.cost_models.accuracy.zero_cost import PROXIES, ZeroCostProxies
from codesign_gym.cost_models.accuracy.zero_cost_torch import SCORES, Probe
from codesign_gym.search_spaces import InputError


def squared(scores: Tensor, answers: Tensor) -> Tensor:
    return (scores - answers).square().mean()


def probe(*modules: nn.Module, b: int = 4) -> Probe:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(b, 2, 6, generator=generator)
    return Probe(nn.Sequential(*modules), x, torch.zeros(b, 1, 6), squared)


@pytest.fixture
def linear() -> Probe:
    """One convolution of kernel 1 from two channels to one, without bias."""
    conv = nn.Conv1d(2, 1, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[2.0], [-3.0]]]))
    return probe(conv)


def test_a_linear_network_by_hand(linear: Probe) -> None:
    """Loss = mean (w.x)^2, gradient 2 C w, Hessian 2 C with C the mean of x x^T."""
    x = linear.x.transpose(0, 1).flatten(1).double()
    c, w = x @ x.T / x.shape[1], torch.tensor([2.0, -3.0], dtype=torch.float64)
    gradient, hessian = 2 * c @ w, 2 * c
    assert SCORES["grad_norm"](linear) == pytest.approx(gradient.norm().item(), rel=1e-5)
    assert SCORES["snip"](linear) == pytest.approx((w * gradient).abs().sum().item(), rel=1e-5)
    expected = -(w @ hessian @ gradient).item()
    assert SCORES["grasp"](linear) == pytest.approx(expected, rel=1e-5)
    assert SCORES["synflow"](linear) == pytest.approx(math.log((2 + 3) * 6))  # six positions
    assert SCORES["parameters"](linear) == 2
    assert SCORES["macs"](linear) == 12


def test_fisher_by_hand(linear: Probe) -> None:
    out = (linear.x * torch.tensor([[2.0], [-3.0]])).sum(1)
    gradient = 2 * out / out.numel()
    expected = (out * gradient).sum(1).square().mean() / 2
    assert SCORES["fisher"](linear) == pytest.approx(expected.item(), rel=1e-5)


def test_agreement_of_rectifiers_by_hand() -> None:
    """Two inputs that agree in n of 12 signs: the matrix [[12, n], [n, 12]]."""
    one = probe(nn.ReLU(), nn.Conv1d(2, 1, 1), b=2)
    agree = int(((one.x[0] > 0) == (one.x[1] > 0)).sum())
    expected = sum(math.log(value + 1e-3) for value in (12 - agree, 12 + agree))
    assert SCORES["naswot"](one) == pytest.approx(expected)


def test_alike_jacobians_score_least() -> None:
    alike = probe(nn.Conv1d(2, 1, 1, bias=False))  # the same for every input
    different = probe(nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 1, 3, padding=1))
    assert SCORES["jacob_cov"](alike) < SCORES["jacob_cov"](different) - 1000


def test_zen_sees_through_batch_norm() -> None:
    """A convolution of gain 10 before a norm counts as its gain, up to the random weights."""
    narrow, wide = (
        probe(nn.Conv1d(2, k, 1, bias=False), nn.BatchNorm1d(k), nn.ReLU(), nn.Conv1d(k, 1, 1))
        for k in (4, 4)
    )
    assert SCORES["zen"](narrow) == SCORES["zen"](wide)  # weights are drawn alike
    deep = probe(
        nn.Conv1d(2, 16, 3, padding=1, bias=False), nn.BatchNorm1d(16), nn.ReLU(),
        nn.Conv1d(16, 16, 3, padding=1, bias=False), nn.BatchNorm1d(16), nn.ReLU(),
        nn.Conv1d(16, 1, 1),
    )  # fmt: skip
    assert SCORES["zen"](deep) > SCORES["zen"](narrow)


@pytest.mark.parametrize("name", list(SCORES))
def test_scores_leave_the_weights_as_they_were(name: str) -> None:
    one = probe(
        nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 1, 1)
    )  # fmt: skip
    before = [p.detach().clone() for p in one.network.parameters()]
    first = SCORES[name](one)
    assert all(torch.equal(p, q) for p, q in zip(one.network.parameters(), before, strict=True))
    assert all(p.dtype == torch.float32 for p in one.network.parameters())
    assert SCORES[name](one) == first
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in one.network.modules())


@pytest.mark.parametrize(
    ("space", "task"),
    [
        ("nas-bench-201-1d", "mnist1d"),
        ("nas-bench-201-1d", "mnist1d-denoise"),
        ("unet-1d", "mnist1d-stroke"),
        ("resnet9-1d", "mnist1d"),
        ("mobilenet-1d", "mnist1d"),
        ("cell-network", "mnist1d"),
    ],
)
def test_every_trainable_space_has_scores(space: str, task: str) -> None:
    model = ZeroCostProxies(space, task, batch=8)
    metrics = model.evaluate(model.space.sample(2, 0))
    assert tuple(metrics) == tuple(PROXIES) == tuple(SCORES)
    assert metrics.valid.all()


def test_networks_on_images_have_scores_too() -> None:
    proxies = ("synflow", "naswot", "macs")
    model = ZeroCostProxies("nas-bench-201", proxies=proxies, batch=2)
    assert model.evaluate([[3, 0, 0, 1, 2, 0]])["macs"].item() > 7e6


def test_cells_that_lead_nowhere_score_low() -> None:
    model = ZeroCostProxies(batch=8)
    dead, alive = model.evaluate([[0] * 6, [3] * 6]).values_matrix
    better = {"grad_norm", "snip", "synflow", "jacob_cov", "naswot", "zen", "parameters", "macs"}
    rows = [list(PROXIES).index(name) for name in better]
    assert np.isfinite(dead).all()
    assert (dead[rows] < alive[rows]).all()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"proxies": ("nwot",)}, "unknown zero-cost proxy 'nwot'; did you mean 'naswot'"),
        ({"proxies": ()}, "proxies must be different names, at least one"),
        ({"proxies": ("zen", "zen")}, "proxies must be different names"),
        ({"batch": 1}, r"batch must be in 2\.\.1000, got 1"),
        ({"task": "mnist"}, "unknown task 'mnist'"),
        ({"space": "dram-controller"}, "unknown space of trainable networks 'dram-controller'"),
        ({"space": "unet-1d"}, "networks of 'unet-1d' are made for tasks with iou"),
    ],
)
def test_what_has_no_scores(options: dict[str, object], error: str) -> None:
    with pytest.raises(InputError, match=error):
        make_cost_model("zero-cost-proxies", **options)
