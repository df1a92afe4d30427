"""How good agents are after few evaluations and after many, out of the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codesign_gym.experiments.record import RunRecord
from codesign_gym.experiments.statistics import bootstrap_interval, iqm
from codesign_gym.experiments.summaries import floor, label, worth
from codesign_gym.experiments.truth import Truth

Row = dict[str, Any]


def anytime_rows(
    records: Sequence[RunRecord], budgets: Sequence[int], truth: Truth | None, seed: int = 0
) -> list[Row]:
    """A row per agent (and options) and budget, with interquartile means over its runs.

    ``regret`` (0 at the optimum, 1 at the median feasible design) and, of several objectives,
    ``front %`` where the problem's ``truth`` is known, otherwise ``reward``; each with its 95 %
    bootstrap interval. No row where a run had evaluated nothing in full by then; a run without a
    feasible design by then counts as the worst feasible one of all runs.

    Args:
        records: Finished runs of one problem.
        budgets: Evaluations after which to look, those of a cheaper fidelity as what they cost;
            runs shorter than that do not count.
        truth: Of the problem.
        seed: Of the resamples.
    """
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(label(record.config), []).append(record)
    rows = []
    least = floor(records)
    for name, members in groups.items():
        for budget in budgets:
            heads = [r.head(budget) for r in members if r.config.budget >= budget]
            if not heads or not all(len(head.evaluation) for head in heads):
                continue
            final = np.array([worth(head, least) for head in heads])
            scores = {"reward": final}
            if truth:
                scores = {"regret": truth.regret(final)}
                if len(heads[0].objectives) > 1:
                    found = [head.evaluation.objectives[head.pareto] for head in heads]
                    shares = [truth.hypervolume_share(objectives) for objectives in found]
                    scores["front %"] = 100 * np.array(shares)
            row: Row = {"agent": name, "budget": budget, "seeds": len(heads)}
            for key, values in scores.items():
                low, high = bootstrap_interval(values[:, None], np.random.default_rng(seed))
                row[key] = float(iqm(values))
                row[f"{key} interval"] = [float(low[0]), float(high[0])]
            rows.append(row)
    return rows


def anytime_table(rows: Sequence[Row], key: str) -> list[Row]:
    """A line per agent and a column per budget of one score, the best agent first; none without it.

    Args:
        rows: Of `anytime_rows`.
        key: ``regret``, ``front %`` or ``reward``.
    """
    lines: dict[str, Row] = {}
    columns = {f"@{row['budget']}": "-" for row in rows if key in row}
    order: dict[str, float] = {}
    digits = 1 if key == "front %" else 3
    for row in rows:
        if key in row:
            low, high = row[f"{key} interval"]
            line = lines.setdefault(row["agent"], {"agent": row["agent"], **columns})
            line[f"@{row['budget']}"] = (
                f"{row[key]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            )
            order[row["agent"]] = row[key] if key == "regret" else -row[key]
    return sorted(lines.values(), key=lambda line: order[line["agent"]])
