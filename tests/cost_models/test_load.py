"""CSV layer tables, and workloads by name, path or function."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from codesign_gym.cost_models.workloads import NETWORKS, load_workload, network
from codesign_gym.cost_models.workloads.from_csv import from_csv
from codesign_gym.cost_models.workloads.layers import Kind
from codesign_gym.search_spaces.errors import InputError
from tests.cost_models.models import mobilenetv1


def written(folder: Path, text: str) -> Path:
    path = folder / "net.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_survive_a_file(name: str, tmp_path: Path) -> None:
    layers = network(name)
    with (tmp_path / "net.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", *layers.to_columns()])
        writer.writerows(zip(layers.name, *layers.to_columns().values(), strict=True))
    again = from_csv(tmp_path / "net.csv")
    assert again.name == layers.name
    for column, values in again.to_columns().items():
        assert (values == layers.to_columns()[column]).all()


def test_short_tables_with_names_of_kinds(tmp_path: Path) -> None:
    """Upper case, a byte order mark, spaces, empty lines and line ends of Windows."""
    text = (
        "\ufeffName, H, W, R, S, C, K, pad, groups, kind\r\n\r\n"
        "conv1, 8, 8, 3, 3, 3, 4, 1, 1, convolution\r\n\r\n"
        '"pool, first", 8, 8, 2, 2, 4, 4, 0, 4, Pooling\r\n,,,,,,,,,\r\n'
    ).replace(', "', ',"')
    layers = from_csv(written(tmp_path, text))
    assert layers.name == ("conv1", "pool, first")
    assert layers.kind.tolist() == [Kind.CONVOLUTION, Kind.POOLING]
    assert layers.pad_h.tolist() == layers.pad_w.tolist() == [1, 0]


HEADER = "name,h,w,r,s,c,k,pad,kind\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"net.csv is empty: a table has a line"),
        (HEADER, r"net.csv has no layers"),
        ("h,w,r,s,c,size\n1,1,1,1,1,1\n", r"net.csv, line 1: unknown layer column 'size'"),
        ("h,w,r,s,c\n1,1,1,1,1\n", r"net.csv, line 1: a layer table needs the columns k, which"),
        ("h,w,r,s,c,k,H\n1,1,1,1,1,1,1\n", r"net.csv, line 1: column 'h' occurs twice"),
        (HEADER + "a,8,8,3,3,4,4,1\n", r"net.csv, line 2: 8 cells for 9 columns"),
        (HEADER + "a,8,8,3,3,4,4,1,0\n\nb,8,8,3.5,3,4,4,1,0\n",
         r"net.csv, line 4, column 'r': must be an integer; got '3.5'"),
        (HEADER + "a,8,8,3,3,4,,1,0\n", r"net.csv, line 2, column 'k': must be an integer; got ''"),
        (HEADER + "a,8,8,3,3,4,4,1,conv\n", r"line 2, column 'kind': unknown layer kind 'conv'"),
        (HEADER + "a,8,8,3,3,4,4,1,0\nb,8,8,3,3,4,0,1,0\n",
         r"net.csv, line 3, column 'k' must be an integer in \[1, 2147483647\]; got 0"),
        (HEADER + "a,8,8,3,3,4,4,-1,0\n", r"line 2, column 'pad' must be an integer in .*; got -1"),
        (HEADER + "a,8,8,3,3,4,4,1,1\n", r"line 2, column 'groups' must be c for pooling; got 1"),
        (HEADER + "a,2,8,5,3,4,4,1,0\n", r"line 2, column 'r' must be in \[1, 4\], the padded inp"),
        (HEADER + "a,8,8,3,3,4,9999999999999999999,1,0\n", r"line 2, column 'k': must be an int"),
        (HEADER + 'a,8,8,3,3,4,4,1,"0\n', r"net.csv is not a CSV file"),
    ],
)  # fmt: skip
def test_rejects_tables(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        from_csv(written(tmp_path, text))


def test_rejects_files_that_are_missing_or_binary(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*none\.csv"):
        from_csv(tmp_path / "none.csv")
    (tmp_path / "net.csv").write_bytes(b"\xff\xfe\x00h,w")
    with pytest.raises(InputError, match=r"net\.csv is not a CSV file"):
        from_csv(tmp_path / "net.csv")


def number() -> object:
    return 3


def pair() -> object:
    return 3, 4


def failing() -> object:
    raise RuntimeError("no weights here")


def test_loads_names_files_and_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_workload("vgg16") is network("vgg16")
    path = written(tmp_path, "h,w,r,s,c,k\n8,8,3,3,4,4\n")
    assert load_workload(str(path)).macs.tolist() == [36 * 144]
    (tmp_path / "my_nets.py").write_text(
        "from tests.cost_models.models import build\ndef whole(): return build('alexnet')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    whole = load_workload("my_nets:whole")
    assert whole.macs.sum() == network("alexnet").macs.sum()
    monkeypatch.delitem(sys.modules, "my_nets")


def test_a_module_alone_gets_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def small() -> object:
        with torch.device("meta"):
            return mobilenetv1()

    monkeypatch.setitem(globals(), "small", small)
    monkeypatch.setitem(sys.modules, "nets", sys.modules[__name__])
    assert load_workload("nets:small").macs.sum() == network("mobilenetv1").macs.sum()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("resnet81", r"unknown workload 'resnet81'; did you mean 'resnet18'\?.*\.onnx or \.csv"),
        ("none.csv", "there is no file none.csv"),
        ("none.ONNX", "there is no file none.ONNX"),
        ("no_such_module:f", r"cannot import 'no_such_module' \(ModuleNotFoundError.*PYTHONPATH\?"),
        (":f", "cannot import ''"),
        ("nets:absent", "'nets' has no function 'absent'"),
        ("nets:HEADER", "'nets' has no function 'HEADER'"),
        ("nets:number", r"must return a torch.nn.Module or \(module, example_inputs\); got int"),
        ("nets:pair", r"got \(int, int\)"),
        ("nets:failing", "'nets:failing': the function failed: RuntimeError: no weights here"),
    ],
)
def test_rejects_sources(source: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nets", sys.modules[__name__])
    with pytest.raises(InputError, match=message):
        load_workload(source)
