"""What the report says first: what was done, how it went, and the agents against each other."""

from __future__ import annotations

from html import escape

from codesign_gym.experiments.report.study import Study
from codesign_gym.experiments.report.text import (
    amount,
    bound,
    cards,
    kept,
    listing,
    margin,
    metric_name,
    number,
    plural,
    share,
    tag,
)


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
    text += f" for the {listing(goals)}"
    if study.specs:
        metrics = {m.name: m for m in study.metrics}
        bounds = [bound(spec, metrics[spec.metric]) for spec in study.specs]
        text += f" with {listing(bounds)}"
    return escape(f"{text}, among {_size(study.space.cardinality)} designs.")


def _size(n: int) -> str:
    return f"{n:,}" if n < 10**9 else number(float(n), 3)


def warnings(study: Study) -> str:
    """What a reader must know before trusting the page."""
    notes = []
    if study.unfinished:
        done = sum(run.used for run in study.unfinished)
        asked = sum(run.config.budget for run in study.unfinished)
        total = len(study.runs) + len(study.empty)
        which = "The run is" if total == 1 else f"{len(study.unfinished)} of {total} runs are"
        notes.append(
            f"<strong>{which} unfinished</strong>: {done:,} of {asked:,} evaluations made."
        )
    if any(run.config.proxy for run in study.runs):
        notes.append(
            "<strong>Figures are those of a proxy</strong>, except where by_true_model is "
            "1. The best of them by the true cost models are in the output of the run."
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
    metrics = {m.name: m for m in study.metrics}
    missed = zip(study.specs, study.evaluation.violations[row].tolist(), strict=True)
    return escape(
        " and ".join(
            f"{bound(spec, metrics[spec.metric])} by {share(v, 1)}" for spec, v in missed if v > 0
        )
    )


def study_cards(study: Study) -> str:
    """The summary."""
    evaluation, best = study.evaluation, int(study.ranked[0])
    n, good, r = len(evaluation), int(study.feasible.sum()), int(study.run_of[best])
    agent, seed = study.agents[study.agent_of[r]], study.runs[r].config.seed
    metrics = {m.name: m for m in study.metrics}
    items = [
        _runs_card(study),
        ("evaluations", f"{n:,}", plural(len(study.distinct), "different design")),
        ("feasible", share(good, n), plural(good, "evaluation")),
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
            _extreme(study, j),
        )
        for j, m in enumerate(study.objectives)
    ]
    if len(study.objectives) > 1:
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
    return cards(items)


def _runs_card(study: Study) -> tuple[str, str, str]:
    runs = (*study.runs, *study.empty)
    budgets = sorted({run.config.budget for run in runs})
    each = "budget " + (
        f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"
    )
    done = len(runs) - len(study.unfinished)
    if len(runs) == 1:
        return "run", "finished" if done else "unfinished", each
    state = "all finished" if done == len(runs) else f"{done:,} finished"
    return "runs", f"{len(runs):,}", f"{plural(len(study.agents), 'agent')}, {each} each, {state}"


def _extreme(study: Study, j: int) -> str:
    """The best value of an objective among feasible designs, in words."""
    values = study.evaluation.objectives[study.feasible, j]
    metric = study.objectives[j]
    if not len(values):
        return "none feasible"
    return f"best feasible {amount(float(metric.sign * values.min()), metric.unit)}"


def failures(study: Study) -> str:
    """Why evaluations are infeasible, a sentence; empty where none is."""
    n, parts = len(study.evaluation), []
    metrics = {m.name: m for m in study.metrics}
    for j, spec in enumerate(study.specs):
        broken = int((study.evaluation.violations[study.evaluation.metrics.valid, j] > 0).sum())
        if broken:
            parts.append(
                f"{share(broken, n)} of the evaluations break {bound(spec, metrics[spec.metric])}"
            )
    for reason, mask in study.evaluation.metrics.invalid.items():
        if mask.any():
            parts.append(f"{share(int(mask.sum()), n)} are invalid ({reason})")
    return escape("; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + ".") if parts else ""
