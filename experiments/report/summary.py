"""What the report says first: what was done, how it went, and the agents against each other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from codesign_gym.experiments.report.curves import BAND_SEEDS, Steps
from codesign_gym.experiments.report.study import FloatArray, Study
from codesign_gym.experiments.report.text import (
    amount,
    kept,
    margin,
    metric_name,
    number,
    plural,
    share,
    table,
    tag,
)
from codesign_gym.experiments.statistics import bootstrap_interval, iqm


def sentence(study: Study) -> str:
    """What was done, in one sentence of HTML."""
    goals = [
        f"{'lowest' if m.direction == 'min' else 'highest'} {metric_name(m)}"
        for m in study.objectives
    ]
    runs, agents = (*study.runs, *study.empty), len(study.agents)
    who = f"agent {study.agents[0]}" if agents == 1 else plural(agents, "agent")
    text = f"A search by {who}"
    text += f" in {plural(len(runs), 'run')}" if len(runs) > 1 else f", seed {runs[0].config.seed},"
    text += f" for the {' and the '.join(goals)}"
    if study.specs:
        metrics = {m.name: m for m in study.metrics}
        signs = {"<=": "≤", ">=": "≥"}
        bounds = [
            f"{metric_name(metrics[s.metric])} {signs[s.sense]} {amount(s.bound, metrics[s.metric].unit)}"
            for s in study.specs
        ]
        text += f" with {' and '.join(bounds)}"
    return escape(f"{text}, among {_size(study.space.cardinality)} designs.")


def _size(n: int) -> str:
    return f"{n:,}" if n < 10**9 else number(float(n), 3)


def warnings(study: Study) -> str:
    """What a reader must know before trusting the page."""
    notes = []
    if study.unfinished:
        done = sum(len(run.evaluation) for run in study.unfinished)
        asked = sum(run.config.budget for run in study.unfinished)
        total = len(study.runs) + len(study.empty)
        which = "The run is" if total == 1 else f"{len(study.unfinished)} of {total} runs are"
        notes.append(
            f"<strong>{which} unfinished</strong>: {done:,} of {asked:,} evaluations made."
        )
    if not study.feasible.any():
        notes.append(
            "<strong>No feasible design was found.</strong> The best design below is the one with "
            f"the highest reward; it breaks {_broken(study)}."
        )
    return "".join(tag("p", note, class_="warning", role="note") for note in notes)


def _broken(study: Study) -> str:
    row = int(study.ranked[0])
    if not study.evaluation.metrics.valid[row]:
        return escape(f"a rule of the cost model: {study.evaluation.metrics.reason(row)}")
    missed = zip(study.specs, study.evaluation.violations[row].tolist(), strict=True)
    return escape(" and ".join(f"{spec} by {share(v, 1)}" for spec, v in missed if v > 0))


def cards(study: Study) -> str:
    """The summary."""
    evaluation, best = study.evaluation, int(study.ranked[0])
    n, good, r = len(evaluation), int(study.feasible.sum()), int(study.run_of[best])
    agent, seed = study.agents[study.agent_of[r]], study.runs[r].config.seed
    metrics = {m.name: m for m in study.metrics}
    items = [
        ("evaluations", f"{n:,}", f"{len(study.distinct):,} different designs"),
        ("feasible", share(good, n), f"{good:,} evaluations"),
        (
            "best reward",
            number(study.rewards[best]),
            f"{agent}, seed {seed}, evaluation {study.position[best]:,}",
        ),
    ]
    items += [
        (
            f"{metric_name(m)} of the best",
            amount(evaluation.metrics[m.name][best], m.unit),
            f"best seen {_extreme(study, j)}",
        )
        for j, m in enumerate(study.objectives)
    ]
    items.append(("Pareto front", f"{len(study.front):,}", "designs that none dominates"))
    values = [(s, float(evaluation.metrics[s.metric][best])) for s in study.specs]
    met = sum(kept(spec, value) for spec, value in values)
    told = "; ".join(
        f"{metric_name(metrics[s.metric])} {margin(s, metrics[s.metric], v)}" for s, v in values
    )
    state = (
        "none set" if not values else "met" if met == len(values) else f"{met} of {len(values)} met"
    )
    items.append(("specs", state, told))
    return "".join(
        tag(
            "div",
            tag("dt", escape(a)) + tag("dd", escape(b), class_="value") + tag("dd", escape(c)),
            class_="card",
        )
        for a, b, c in items
    )


def _extreme(study: Study, j: int) -> str:
    """The best value of an objective among feasible designs."""
    values = study.evaluation.objectives[study.feasible, j]
    metric = study.objectives[j]
    return (
        amount(float(metric.sign * values.min()), metric.unit)
        if len(values)
        else "in none feasible"
    )


def failures(study: Study) -> str:
    """Why evaluations are infeasible, a sentence; empty where none is."""
    n, parts = len(study.evaluation), []
    for j, spec in enumerate(study.specs):
        broken = int((study.evaluation.violations[study.evaluation.metrics.valid, j] > 0).sum())
        if broken:
            parts.append(f"{share(broken, n)} of the evaluations break {spec}")
    for reason, mask in study.evaluation.metrics.invalid.items():
        if mask.any():
            parts.append(f"{share(int(mask.sum()), n)} are invalid ({reason})")
    return escape("; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + ".") if parts else ""


def agents(study: Study, volumes: Sequence[Steps]) -> str:
    """The agents against each other at the end of their runs, a table."""
    m = len(study.objectives) > 1
    head = ["agent", "seeds", "evaluations", "feasible", "first feasible", "best reward"]
    body = []
    for agent, name in enumerate(study.agents):
        runs = [study.runs[r] for r in study.runs_of(agent)]
        n = sum(len(run.evaluation) for run in runs)
        firsts = [
            int(np.argmax(f)) + 1 if (f := run.evaluation.feasible).any() else 0 for run in runs
        ]
        failed = firsts.count(0)
        median = (
            number(float(np.median([f for f in firsts if f]))) if failed < len(runs) else "none"
        )
        best = [run.rewards[run.evaluation.feasible].max(initial=-np.inf) for run in runs]
        row = [
            name,
            f"{len(runs)}",
            f"{n:,}",
            share(sum(int(r.evaluation.feasible.sum()) for r in runs), n),
        ]
        row.append(
            f"{median} (no: {plural(failed, 'seed')})" if failed and failed < len(runs) else median
        )
        row.append(_summary(np.array(best)))
        if m:
            row.append(_summary(np.array([volumes[r].y[-1] for r in study.runs_of(agent)])))
        body.append(row)
    caption = (
        "Interquartile mean over the seeds, with a 95 % bootstrap interval from three seeds on; "
        "first feasible: median number of evaluations."
    )
    return table(caption, head + ["hypervolume"] * m, body)


def _summary(values: FloatArray) -> str:
    if not np.isfinite(values).all():
        return "a seed found none" if len(values) > 1 else "none found"
    mean = number(float(iqm(values)))
    if len(values) < BAND_SEEDS:
        return mean
    low, high = bootstrap_interval(values[:, None], np.random.default_rng(0))
    return f"{mean} [{number(low[0])}, {number(high[0])}]"
