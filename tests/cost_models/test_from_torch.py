"""Modules as layer tables: known networks, PyTorch's own operation counts, every operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from codesign_gym.cost_models.workloads.from_torch import from_torch
from codesign_gym.cost_models.workloads.layers import Kind, Layers
from codesign_gym.cost_models.workloads.networks import network
from codesign_gym.search_spaces.errors import InputError
from tests.cost_models.models import MODELS, EinsumBlock, EncoderBlock, FusedBlock, build


class Function(nn.Module):
    """A function as a module, with weights `a` and `b` of the shapes given."""

    a: Tensor
    b: Tensor

    def __init__(self, function: Callable[..., Any], **weights: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        for name, shape in weights.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs, *self.parameters())


def imported(function: Callable[..., Any], *inputs: tuple[int, ...], **weights: Any) -> Layers:
    """The layers of a function of inputs and weights of these shapes."""
    return from_torch(Function(function, **weights), tuple(torch.zeros(shape) for shape in inputs))


def counted_macs(module: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Multiply-accumulates as PyTorch counts them while it runs the module."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(*inputs)
    return float(counter.get_total_flops()) / 2


def table(layers: Layers) -> dict[str, list[int]]:
    return {column: values.tolist() for column, values in layers.to_columns().items()}


@pytest.mark.parametrize("name", MODELS)
def test_networks_equal_the_shipped_tables(name: str) -> None:
    module, inputs = build(name, batch=2)
    layers = from_torch(module, inputs)
    assert (layers.macs * layers.repeat).sum() == counted_macs(module, inputs)
    rows, expected = layers.take(layers.multiplies.nonzero()[0]), network(name, 2)
    if name.startswith("bert"):  # the shipped table has equal layers once
        rows, expected = rows.unique()[0], expected.unique()[0]
    assert table(rows) == table(expected)
    # Published parameter counts are those of the shipped tables; so are these.
    assert (rows.weights * rows.repeat).sum() == (expected.weights * expected.repeat).sum()


@pytest.mark.parametrize(
    ("name", "pools", "sums"),
    [("resnet18", 2, 8), ("resnet50", 2, 16), ("mobilenetv2", 1, 10), ("vgg16", 5, 0)],
)
def test_pools_and_residual_sums(name: str, pools: int, sums: int) -> None:
    kinds = from_torch(*build(name)).kind
    assert ((kinds == Kind.POOLING).sum(), (kinds == Kind.ELEMENTWISE).sum()) == (pools, sums)


@pytest.mark.parametrize("block", [EncoderBlock, FusedBlock, EinsumBlock])
def test_attention_is_two_products_however_it_is_written(block: type[EncoderBlock]) -> None:
    layers = from_torch(block(16, 4, 32), torch.zeros(2, 5, 16), name="net")
    products = layers.take((layers.kind == Kind.MATMUL).nonzero()[0])
    m, k, n, _ = products.gemm_shape()
    assert [m.tolist(), k.tolist(), n.tolist()] == [[5, 5], [4, 5], [5, 4]]
    assert products.repeat.tolist() == [8, 8]
    assert layers.name[:3] == ("net.query", "net.key", "net.value")
    assert (layers.kind == Kind.ELEMENTWISE).sum() == 2


def test_torchs_own_encoder() -> None:
    encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    inputs = (torch.zeros(2, 5, 16),)
    layers = from_torch(encoder, inputs)
    work = dict(zip(layers.name, (layers.macs * layers.repeat).tolist(), strict=True))
    assert work == {
        "self_attn.linear": 10 * 16 * 48,
        "self_attn.scaled_dot_product_attention.qk": 8 * 5 * 5 * 4,
        "self_attn.scaled_dot_product_attention.av": 8 * 5 * 5 * 4,
        "self_attn.linear_2": 10 * 16 * 16,
        "add": 0,
        "linear1": 10 * 16 * 32,
        "linear2": 10 * 32 * 16,
        "add_2": 0,
    }


@st.composite
def windowed(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A convolution or pooling of one or two dimensions, and the shape of its input."""
    sizes = draw(st.integers(1, 2))
    kernel = draw(st.lists(st.integers(1, 4), min_size=sizes, max_size=sizes))
    kind = draw(st.sampled_from(["conv", "same", "transposed", "max", "avg", "adaptive"]))
    stride = draw(st.lists(st.integers(1, 3), min_size=sizes, max_size=sizes))
    dilation = draw(st.integers(1, 3)) if kind in ("conv", "same", "max") else 1
    groups = draw(st.integers(1, 2))
    c, k = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    size = [draw(st.integers(dilation * (taps - 1) + 1, 14)) for taps in kernel]
    pad = [draw(st.integers(0, taps // 2)) for taps in kernel]

    def of(name: str) -> Any:
        return getattr(nn, f"{name}{sizes}d")

    module: nn.Module
    if kind in ("conv", "same", "transposed"):
        name = "ConvTranspose" if kind == "transposed" else "Conv"
        options: dict[str, Any] = {"groups": groups, "dilation": dilation}
        if kind == "same":
            options["padding"] = "same"
        else:
            options |= {"padding": pad, "stride": stride} if kind == "conv" else {"stride": stride}
        module = of(name)(c, k, kernel, **options)
    elif kind == "adaptive":
        module = of("AdaptiveAvgPool")([draw(st.integers(1, length)) for length in size])
    else:
        options = {"padding": pad, "ceil_mode": draw(st.booleans())}
        options |= {"dilation": dilation} if kind == "max" else {}
        module = of("MaxPool" if kind == "max" else "AvgPool")(kernel, stride, **options)
    return module, (draw(st.integers(1, 2)), c, *size)


@given(windowed())
@settings(max_examples=60)
def test_windows_match_the_outputs_and_counts_of_torch(
    case: tuple[nn.Module, tuple[int, ...]],
) -> None:
    module, shape = case
    inputs = torch.zeros(shape)
    layers = from_torch(module, inputs)
    assert layers.macs.item() == counted_macs(module, (inputs,))
    if "Transpose" not in type(module).__name__:
        outputs = tuple(module(inputs).shape)
        height, width = (1, *outputs[2:])[-2:]
        assert (layers.n.item(), layers.k.item()) == outputs[:2]
        assert (layers.p.item(), layers.q.item()) == (height, width)
    weights = sum(p.numel() for name, p in module.named_parameters() if name == "weight")
    assert layers.weights.item() == weights
    # One row or column more where zeros on the two sides differ (see `operators.convolution`).
    assert 0 <= layers.h.item() - (1, *shape[2:])[-2] <= 1
    assert 0 <= layers.w.item() - shape[-1] <= 1


def einsum(equation: str) -> Callable[..., Tensor]:
    return lambda left, right: torch.einsum(equation, left, right)


W = Kind.CONVOLUTION
A = Kind.MATMUL


@pytest.mark.parametrize(
    ("function", "inputs", "weights", "expected"),
    [
        # Kind, MACs of one product, repeat, weights.
        (torch.addmm, [(5, 7), (7, 3)], {}, None),
        (lambda x, a, b: torch.addmm(a, x, b), [(5, 7)], {"a": (3,), "b": (7, 3)}, (W, 105, 1, 21)),
        (lambda x, a: a @ x, [(7, 3)], {"a": (5, 7)}, (W, 105, 1, 35)),
        (lambda x, a: a @ x, [(2, 7, 3)], {"a": (5, 7)}, (W, 210, 1, 35)),
        (lambda x, a: x @ a, [(2, 4, 5, 7)], {"a": (7, 3)}, (W, 840, 1, 21)),
        (lambda x, a: x @ a, [(7,)], {"a": (7, 3)}, (W, 21, 1, 21)),
        (lambda x, a: torch.mv(a, x), [(7,)], {"a": (3, 7)}, (W, 21, 1, 21)),
        (lambda x, a: torch.bmm(x, a), [(2, 5, 7)], {"a": (2, 7, 3)}, (W, 210, 1, 42)),
        (lambda x, a: x @ a, [(6, 2, 5, 7)], {"a": (2, 7, 3)}, (W, 1260, 1, 42)),
        (lambda x, a: torch.nn.functional.linear(x, a), [(4, 7)], {"a": (7,)}, (W, 28, 1, 7)),
        (torch.mm, [(5, 7), (7, 3)], {}, (A, 105, 1, 0)),
        (torch.dot, [(7,), (7,)], {}, (A, 7, 1, 0)),
        (torch.bmm, [(2, 5, 7), (2, 7, 3)], {}, (A, 105, 2, 0)),
        (torch.matmul, [(4, 2, 5, 7), (2, 7, 3)], {}, (A, 105, 8, 0)),
        (torch.matmul, [(4, 5, 7), (7, 3)], {}, (A, 420, 1, 0)),
        (torch.baddbmm, [(2, 5, 3), (2, 5, 7), (2, 7, 3)], {}, (A, 105, 2, 0)),
        (nn.functional.linear, [(4, 7), (3, 7)], {}, (A, 84, 1, 0)),
        (einsum("bic,oc->bio"), [(2, 5, 7)], {"a": (3, 7)}, (W, 210, 1, 21)),
        (einsum("oc,bc->bo"), [(3, 7)], {"a": (2, 7)}, (W, 42, 1, 14)),
        (einsum("big,igo->bio"), [(4, 2, 7)], {"a": (2, 7, 3)}, (W, 168, 1, 42)),
        (einsum("ij,jk"), [(5, 7), (7, 3)], {}, (A, 105, 1, 0)),
        (einsum("...ij,kj->...ik"), [(2, 5, 7), (3, 7)], {}, (A, 210, 1, 0)),
        (einsum("bhid,bhjd->bhij"), [(2, 3, 5, 7), (2, 3, 4, 7)], {}, (A, 140, 6, 0)),
        (einsum("bi,bi->bi"), [(2, 5), (2, 5)], {}, (Kind.ELEMENTWISE, 0, 1, 0)),
    ],
)  # fmt: skip
def test_products(
    function: Callable[..., Any],
    inputs: list[tuple[int, ...]],
    weights: dict[str, tuple[int, ...]],
    expected: tuple[Kind, int, int, int] | None,
) -> None:
    if expected is None:  # three arguments, all activations
        inputs, expected = [(3,), *inputs], (A, 105, 1, 0)
    layers = imported(function, *inputs, **weights)
    got = (layers.kind, layers.macs, layers.repeat, layers.weights)
    assert tuple(column.item() for column in got) == expected


def test_what_weights_alone_decide_is_free() -> None:
    """A weight that is normalised, scaled and transposed first is a weight still."""
    layers = imported(
        lambda x, a, b: torch.relu((x + b) * 2 - 1) @ (a.T / (a @ b)), (5, 7), a=(3, 7), b=(7,)
    )
    assert (layers.kind.tolist(), layers.weights.tolist()) == ([Kind.CONVOLUTION], [21])


def test_sums_and_products_of_activations() -> None:
    layers = imported(lambda x, y: (x * y).add_(y) / (x + 1), (2, 3, 4, 5), (2, 3, 1, 1))
    assert layers.name == ("mul", "add", "div")
    assert set(layers.kind.tolist()) == {Kind.ELEMENTWISE}
    assert layers.ops.tolist() == [120] * 3


def test_what_is_written_in_place_is_an_activation() -> None:
    def function(x: Tensor) -> Tensor:
        buffer = torch.zeros(5, 7)
        buffer.add_(x)
        return buffer @ torch.ones(7, 3)

    assert imported(function, (5, 7)).macs.sum() == 105


def test_regions_without_gradients_or_precision_and_masks() -> None:
    def function(x: Tensor, mask: Tensor, a: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            first = x @ a
        with torch.autocast("cpu", enabled=False):
            second = first @ a
        keep = (mask > 0) & (x.sum(-1) > 0)
        return {"result": (second * second).masked_fill(keep[:, None], 0)}

    layers = imported(function, (5, 7), (5,), a=(7, 7))
    assert layers.name == ("matmul", "matmul_2", "mul")
    assert layers.macs.tolist() == [245, 245, 0]


def test_means_of_images_are_pools() -> None:
    layers = imported(lambda x: x.mean((-1, -2)).mean(0), (2, 3, 4, 6))
    assert (layers.kind.tolist(), layers.ops.tolist()) == ([Kind.POOLING], [2 * 3 * 24])


def test_names_are_module_paths_and_calls_are_counted() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.ReLU(), nn.Sequential(shared, nn.Linear(4, 2)))
    layers = from_torch(net, torch.zeros(1, 4), name="net")
    assert layers.name == ("net.0", "net.2.0", "net.2.1")
    twice = nn.Sequential(shared, shared)
    assert len(set(from_torch(twice, torch.zeros(1, 4)).name)) == 2


def test_the_modules_modes_are_kept() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval(), nn.Dropout())
    assert len(from_torch(net, torch.zeros(1, 3, 8, 8))) == 1
    assert [part.training for part in net.modules()] == [True, True, False, True]
    with pytest.raises(InputError):
        from_torch(net, torch.zeros(1, 4, 8, 8))
    assert [part.training for part in net.modules()] == [True, True, False, True]


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Sequential(nn.Conv3d(1, 2, 3)), (1, 1, 4, 4, 4),
         r"Sequential: operator aten.conv3d.default of node 'conv3d' \(layer '0'\) is not supp"),
        (nn.LSTM(4, 4), (3, 1, 4), r"LSTM: operator aten.lstm.input of node 'lstm'"),
        (nn.AvgPool3d(2), (1, 1, 4, 4, 4), "aten.avg_pool3d"),
        (Function(torch.linalg.inv), (3, 3), "aten.linalg_inv"),
        (Function(lambda x: torch.conv2d(x, x)), (1, 1, 4, 4), "conv2d.* with computed weights"),
        (Function(lambda x: torch.einsum("ij,jk,kl->il", x, x, x)), (3, 3),
         "einsum.* with more than two operands"),
        (Function(lambda x: torch.einsum("ii,ij->j", x, x)), (3, 3), "repeat .* 'ii,ij->j'"),
        (nn.AdaptiveAvgPool2d(7), (1, 3, 5, 5), r"must not enlarge; got \(5, 5\) to \(7, 7\)"),
        (Function(lambda x: x[x > 0] * x[x > 0]), (8,),
         r"shape of node 'index' .* depends on data: \(u"),
        (Function(lambda x: x if x.sum() > 0 else -x), (3,), "torch.export cannot record Function"),
        (nn.Linear(4, 4), (1, 5), "torch.export cannot record Linear: .*"),
        (nn.ReLU(), (1, 5), "ReLU has no layers"),
    ],
)  # fmt: skip
def test_rejects(module: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_torch(module, torch.zeros(shape))


def test_rejects_what_is_not_a_module() -> None:
    with pytest.raises(InputError, match=r"needs a torch\.nn\.Module; got a int"):
        from_torch(3, ())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="example_inputs must be a tensor"):
        from_torch(nn.Linear(2, 2), 3)  # type: ignore[arg-type]
