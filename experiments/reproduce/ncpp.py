"""Scores of processors from their characteristics, on the public part of PerfCastDB.

Liu, "NCPP: Nova CPU Performance Predictor on a Novel Dataset" (arXiv 2407.03385), predicts scores
of benchmark suites on server processors by attention over groups of characteristics and reports it
as better than eight other methods. What is public has one machine per suite to train on and another
one to test on (``cpu/perfcastdb_*_clean.csv`` in the folder ``CODESIGN_REFERENCE``). Every method
is given the same rows here and learns scores over the mean of their test in them: at best it knows
more than that mean, which knows nothing of hardware. A split of all rows at random shows what
repeated measurements of one machine make of any method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codesign_gym.cost_models.learned import read_table, train
from codesign_gym.cost_models.learned.frames import Frame
from codesign_gym.experiments.bench_proxies import reference_folder
from codesign_gym.experiments.reproduce.finding import Claim, Drawing, Finding, Row, Settings
from codesign_gym.search_spaces import InputError

SOURCE = "NCPP, Liu, arXiv 2407.03385"
FILES = ("cpu/perfcastdb_train_clean.csv", "cpu/perfcastdb_test_clean.csv")
SCORE, SUITE, TEST, MACHINE = "value", "suite", "test", ("cpu_model", "host")
TOKENS: Mapping[str, tuple[str, ...]] = {
    "workload": (SUITE, TEST),
    "cores": ("cores", "sockets", "numa_nodes", "threads_per_core"),
    "clocks": ("base_ghz", "max_ghz", "allcore_ghz", "freq_mhz", "tdp_w"),
    "caches": ("l1d_kb", "l1i_kb", "l2_kb", "l3_kb"),
    "memory": ("dimm_num", "dimm_total_gb", "dimm_freq"),
}
"""Groups of characteristics; each is a token of the attention."""

ATTENTION = "group-attention"
METHODS = (ATTENTION, "mlp", "extra-trees", "boosting", "additive")
"""Ours in the manner of NCPP, and others; ``additive`` is linear with a Gaussian rest."""

MEAN = "mean of the test"
OFFICIAL, SWAPPED, AT_RANDOM = "as published", "swapped", "at random"
_RELATIVE = "score over the mean of its test"

LEARNED = 0.9
"""Share of the mean's error below which characteristics are said to have told something."""


def study(
    settings: Settings, files: Sequence[Path] | None = None, methods: Sequence[str] = METHODS
) -> Finding:
    """All methods on the published split, on the same with both parts swapped, and at random.

    Args:
        settings: ``seeds`` trainings of every method, and splits at random.
        files: The tables to train and to test on; by default those of the reference folder.
        methods: As `train` takes them.

    Raises:
        InputError: A table is missing or lacks a column.
    """
    paths = list(files or (reference_folder() / name for name in FILES))
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"there is no table of scores {path}: set CODESIGN_REFERENCE to the folder with "
                + " and ".join(FILES)
            )
    first, second = (_read(path) for path in paths)
    rows: list[Row] = []
    for seed in range(settings.seeds):
        for name, (known, asked) in _splits(first, second, seed).items():
            rows += _errors(known, asked, name, seed, methods)
        settings.progress(seed + 1, settings.seeds)
    machines = _machines(first, second)
    means = _means(rows)
    claims = _claims(means, machines)
    return Finding(
        title="Scores of processors from their characteristics",
        source=SOURCE,
        summary=_summary(means, machines),
        claims=claims,
        tables={
            "Mean error, %, of scores on rows not trained on": means,
            "Machines of each suite in the published split": machines,
            "Mean error, %, by suite and seed": rows,
        },
        drawings=[_drawing(means)],
        settings={"seeds": settings.seeds, "files": [path.name for path in paths]},
    )


def _read(path: Path) -> Frame:
    """The columns that are used; numbers that are missing somewhere are not."""
    table = read_table(path)
    for name in (SCORE, SUITE, TEST, *MACHINE):
        if name not in table.columns:
            raise InputError(f"{path} lacks the column {name!r}; it has {', '.join(table.columns)}")
    own = {name for names in TOKENS.values() for name in names}
    numbers = {
        name: column
        for name, column in table.columns.items()
        if name in own and column.dtype.kind == "f" and np.isfinite(column).all()
    }
    texts = {name: table.columns[name] for name in (SUITE, TEST, *MACHINE)}
    return Frame({**texts, **numbers, SCORE: table.columns[SCORE]}, {})


def _splits(first: Frame, second: Frame, seed: int) -> dict[str, tuple[Frame, Frame]]:
    """Name -> rows to train on, rows to test on."""
    common = [name for name in first.columns if name in second.columns]
    first, second = (Frame({n: f.columns[n] for n in common}, {}) for f in (first, second))
    pairs = {n: np.concatenate([first.columns[n], second.columns[n]]) for n in common}
    every = Frame(pairs, {})
    order = np.random.default_rng(seed).permutation(every.rows)
    cut = every.rows // 5
    return {
        OFFICIAL: (first, second),
        SWAPPED: (second, first),
        AT_RANDOM: (every.take(order[cut:]), every.take(order[:cut])),
    }


def _errors(known: Frame, asked: Frame, split: str, seed: int, methods: Sequence[str]) -> list[Row]:
    """Mean error of each method by suite, on tests that the training rows have."""
    tests = {str(name) for name in known.columns[TEST]}
    asked = asked.take(np.flatnonzero([str(name) in tests for name in asked.columns[TEST]]))
    features = [name for name in known.columns if name not in (SCORE, *MACHINE)]
    tokens = {t: [n for n in names if n in features] for t, names in TOKENS.items()}
    truth, suites = asked.columns[SCORE], asked.columns[SUITE]
    mean = _mean_of_tests(known, asked)
    relative = known.columns[SCORE] / _mean_of_tests(known, known)
    known = Frame(known.columns | {_RELATIVE: relative}, {})
    predicted = {MEAN: mean}
    flagged = {MEAN: np.zeros(asked.rows, dtype=np.bool_)}
    for method in methods:
        model = train(known, _RELATIVE, features, method, "none", seed, tokens=tokens)
        found = model.assess(asked)
        predicted[method], flagged[method] = mean * found.mean, found.extrapolated
    rows: list[Row] = []
    for method, values in predicted.items():
        for suite in np.unique(suites).tolist():
            own = suites == suite
            rows.append(
                {
                    "split": split,
                    "suite": suite,
                    "method": method,
                    "seed": seed,
                    "rows": int(own.sum()),
                    "mean error %": 100 * float(np.mean(np.abs(values / truth - 1)[own])),
                    "flagged %": 100 * float(flagged[method][own].mean()),
                }
            )
    return rows


def _mean_of_tests(known: Frame, asked: Frame) -> NDArray[np.float64]:
    """The mean score of each row's test, ``[n]``."""
    means = {
        str(test): float(known.columns[SCORE][known.columns[TEST] == test].mean())
        for test in np.unique(known.columns[TEST])
    }
    return np.array([means[str(test)] for test in asked.columns[TEST]])


def _machines(first: Frame, second: Frame) -> list[Row]:
    """How many machines each suite was measured on."""

    def count(frame: Frame, suite: str) -> int:
        own = frame.columns[SUITE] == suite
        return len(set(zip(*(frame.columns[name][own].tolist() for name in MACHINE), strict=True)))

    suites = sorted({str(suite) for suite in first.columns[SUITE]})
    return [
        {"suite": suite, "to train on": count(first, suite), "to test on": count(second, suite)}
        for suite in suites
    ]


def _means(rows: Sequence[Row]) -> list[Row]:
    """Over seeds, and over suites alike; a column per method."""
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    found: list[Row] = []
    for split in dict.fromkeys(str(row["split"]) for row in rows):
        own = [row for row in rows if row["split"] == split]
        suites = [*dict.fromkeys(str(row["suite"]) for row in own), "all suites"]
        for suite in suites:
            line: dict[str, object] = {"split": split, "suite": suite}
            for method in methods:
                each = [
                    row["mean error %"]
                    for row in own
                    if row["method"] == method and suite in (row["suite"], "all suites")
                ]
                line[method] = float(np.mean(each))
            line["flagged %"] = float(
                np.mean([r["flagged %"] for r in own if suite in (r["suite"], "all suites")
                         and r["method"] != MEAN])
            )  # fmt: skip
            found.append(line)
    return found


def _overall(means: Sequence[Row], split: str) -> dict[str, float]:
    [line] = [row for row in means if row["split"] == split and row["suite"] == "all suites"]
    return {key: line[key] for key in line if key not in ("split", "suite", "flagged %")}


def _claims(means: Sequence[Row], machines: Sequence[Row]) -> list[Claim]:
    official, chance = _overall(means, OFFICIAL), _overall(means, AT_RANDOM)
    listed = ", ".join(f"{method} {error:.1f} %" for method, error in official.items())
    learned = {method: error for method, error in official.items() if method != MEAN}
    best = min(learned, key=learned.__getitem__)
    alone = all(row["to train on"] == 1 for row in machines)
    return [
        Claim(
            "attention over groups of characteristics predicts better than other methods",
            "better than eight methods, on data that are not public",
            listed + ("; one machine per suite to train on" if alone else ""),
            None if alone else best == ATTENTION and official[best] < official[MEAN],
        ),
        Claim(
            "the characteristics tell the scores of another machine",
            "the purpose of the data set",
            f"the best method, {best}, is at {official[best]:.1f} %, the mean of each test, which "
            f"knows no hardware, at {official[MEAN]:.1f} %",
            official[best] < LEARNED * official[MEAN],
        ),
        Claim(
            "rows split at random show how well another machine is predicted",
            "not claimed; common practice",
            f"{ATTENTION} {chance[ATTENTION]:.1f} % at random, {official[ATTENTION]:.1f} % on "
            "another machine",
            chance[ATTENTION] > LEARNED * official[ATTENTION],
        ),
    ]


def _summary(means: Sequence[Row], machines: Sequence[Row]) -> str:
    official = _overall(means, OFFICIAL)
    alone = sum(row["to train on"] == 1 for row in machines)
    learned = [error for method, error in official.items() if method != MEAN]
    [line] = [r for r in means if r["split"] == OFFICIAL and r["suite"] == "all suites"]
    return (
        f"{alone} of {len(machines)} suites have a single machine to train on: of those nothing "
        f"about hardware can be learned. Learned methods are at {min(learned):.1f} to "
        f"{max(learned):.1f} %, the mean of each test at {official[MEAN]:.1f} %. "
        f"{line['flagged %']:.0f} % of the other machines' rows, the suites counted alike, are "
        "flagged as outside the training data."
    )


def _drawing(means: Sequence[Row]) -> Drawing:
    import plotly.graph_objects as go

    from codesign_gym.experiments.report.figures import axis, colour, figure

    splits = list(dict.fromkeys(str(row["split"]) for row in means))
    methods = list(_overall(means, OFFICIAL))
    bars = [
        go.Bar(
            x=splits,
            y=[_overall(means, split)[method] for split in splits],
            name=method,
            marker={"color": colour(m)},
        )
        for m, method in enumerate(methods)
    ]
    return Drawing(
        "Mean error by split",
        "Over all suites alike: on another machine, the other way round, and on rows at random.",
        figure(bars, yaxis=axis("mean error, %", log=True), barmode="group"),
    )
