"""Speed of this installation on this machine: ``codesign bench``. Reports, asserts nothing.

Machines are noisy: each figure is the median of several repetitions, in one process and, for the
cost model, one thread.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import gymnasium
import numpy as np

from codesign_gym.cost_models import NETWORKS, SystolicModel
from codesign_gym.cost_models.workloads import network
from codesign_gym.envs import make_problem
from codesign_gym.envs.multi_agent_env import MultiAgentVectorEnv
from codesign_gym.experiments.bench_cost_models import BENCHES as COST_MODEL_BENCHES
from codesign_gym.experiments.bench_dram import dram_rows
from codesign_gym.experiments.bench_networks import network_rows
from codesign_gym.experiments.bench_proxies import PARTS as PROXY_PARTS
from codesign_gym.experiments.bench_proxies import proxy_rows
from codesign_gym.experiments.bench_rows import Row, row
from codesign_gym.experiments.bench_supernet import supernet_rows
from codesign_gym.experiments.record import RunConfig
from codesign_gym.experiments.runner import run
from codesign_gym.experiments.store import Store
from codesign_gym.search import agent_class, list_agents, make_agent, search, serves
from codesign_gym.search.team_ppo import TeamPpo

PROBLEM = "resnet18-asic"
SYNTHETIC = "synthetic-12x8"


def seconds(function: Callable[[], object], repeats: int = 7, least_s: float = 0.1) -> float:
    """Median time of one call, over ``repeats`` batches of calls that each last ``least_s``."""
    function()  # compiles, fills caches
    start = time.perf_counter()
    function()
    calls = max(1, int(least_s / max(time.perf_counter() - start, 1e-7)))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - start) / calls)
    return float(np.median(times))


def evaluation_rows() -> Iterator[Row]:
    """`DesignProblem.evaluate`: one design, and layers per second in a large batch."""
    problem = make_problem(PROBLEM)
    layers = len(network("resnet18"))
    rng = np.random.default_rng(0)
    one, many = problem.space.sample(1, rng), problem.space.sample(4096, rng)
    yield row(f"{PROBLEM} evaluate, n = 1", 1e3 * seconds(lambda: problem.evaluate(one)), "ms")
    taken = seconds(lambda: problem.evaluate(many))
    yield row(f"{PROBLEM} evaluate, n = 4096", 1e6 * taken / 4096, "us per design")
    yield row("  layers of the network", 4096 * layers / taken / 1e6, "M layers/s")
    distinct = SystolicModel("resnet18").layers_per_design
    yield row("  distinct layers only", 4096 * distinct / taken / 1e6, "M layers/s")
    for name in NETWORKS:
        model = SystolicModel(name)
        taken = seconds(partial(model.evaluate, many), repeats=3)
        yield row(f"systolic {name}, n = 4096", 1e6 * taken / 4096, "us per design")


def vector_rows() -> Iterator[Row]:
    """Steps per second of `gymnasium.make_vec`, random actions drawn beforehand."""
    for num_envs in (1, 64, 1024, 4096):
        env = gymnasium.make_vec(
            "codesign_gym:codesign/Design-v0", num_envs=num_envs, problem=PROBLEM
        )
        env.reset(seed=0)
        actions = make_problem(PROBLEM).space.sample(num_envs, np.random.default_rng(0))
        taken = seconds(partial(env.step, actions))
        yield row(f"make_vec {PROBLEM}, {num_envs} envs", num_envs / taken / 1e3, "k steps/s")


def agent_rows() -> Iterator[Row]:
    """Whole searches without a store; agents alone; the game of several agents in batches."""
    problem = make_problem(PROBLEM)
    for name, budget in (
        ("random", 10_000),
        ("regularized-evolution", 2_000),
        ("nsga2", 10_000),
        ("ppo", 2_000),
        ("sac", 500),
        ("ippo", 2_000),
        ("mappo", 2_000),
        ("optuna", 200),
    ):
        start = time.perf_counter()
        search(problem, make_agent(name, problem), budget)
        taken = time.perf_counter() - start
        yield row(f"search by {name}, {budget} evaluations", 1e3 * taken / budget, "ms each")
    yield from overhead_rows()
    yield from ppo_rows()
    for num_envs in (64, 4096):
        game = MultiAgentVectorEnv(num_envs, problem)
        actions = problem.space.sample(num_envs, np.random.default_rng(0))
        taken = seconds(partial(game.step, actions))
        name = f"{len(game.team)} agents, {num_envs} games of {PROBLEM}"
        yield row(name, num_envs / taken / 1e3, "k steps/s")


def overhead_rows(repeats: int = 5) -> Iterator[Row]:
    """CPU time of agents alone: one round of 64 proposals by agents that were told of 1,000."""
    problem = make_problem(PROBLEM)
    known = problem.evaluate(problem.space.sample(1000, np.random.default_rng(0)))
    for name in list_agents():
        if agent_class(name).owns_loop or name == "optuna" or not serves(name, problem):
            continue
        options = {"batch_size": 64} if issubclass(agent_class(name), TeamPpo) else {}
        times = []
        for _ in range(repeats + 1):  # the first one compiles and imports
            agent = make_agent(name, problem, **options)
            if not options:  # those learn from batches that they asked for alone
                agent.tell(known.designs, known)
            start = time.process_time()
            designs = agent.ask(64)
            taken = time.process_time() - start
            evaluation = problem.evaluate(designs)
            start = time.process_time()
            agent.tell(designs, evaluation)
            times.append(taken + time.process_time() - start)
        taken = float(np.median(times[1:]))
        yield row(f"{name}, ask and tell of 64", 1e3 * taken / 64, "CPU ms per proposal")


def ppo_rows(repeats: int = 3, budget: int = 20 * 1024) -> Iterator[Row]:
    """Training by PPO in 1,024 games at once, our own and that of stable-baselines3, by turns.

    Both choose whole designs, make 10 passes over each batch of 1,024 and use one thread.
    """
    problem = make_problem(SYNTHETIC)
    batches = {"large-batch-ppo": {"batch_size": 1024}, "ppo": {"num_envs": 1024}}
    rates: dict[str, list[float]] = {name: [] for name in batches}
    for _ in range(repeats):
        for name, options in batches.items():
            agent = make_agent(name, problem, **options)
            start = time.process_time()
            search(problem, agent, budget)
            rates[name].append(budget / (time.process_time() - start))
    for name, found in rates.items():
        label = f"{name}, 1024 games of {SYNTHETIC}"
        yield row(label, float(np.median(found)) / 1e3, "k steps/CPU s")
    own, other = (np.array(found) for found in rates.values())
    yield row("  large-batch-ppo over ppo", float(np.median(own / other)), "times")


def store_rows() -> Iterator[Row]:
    """Recording: a transaction per batch."""
    problem = make_problem(PROBLEM)
    evaluation = problem.evaluate(problem.space.sample(4096, np.random.default_rng(0)))
    rewards = problem.reward(evaluation)
    with tempfile.TemporaryDirectory() as directory:
        for batch in (1, 64, 1024):
            part, values = evaluation.take(slice(batch)), rewards[:batch]
            with Store(Path(directory) / f"{batch}.sqlite", write=True) as store:
                key = store.begin(RunConfig(PROBLEM, "random"), problem, "", {})
                taken = seconds(partial(store.append, key, part, values), 5, 0.05)
            yield row(f"store, batches of {batch}", 1e3 * taken / batch, "ms each")
        config = RunConfig(PROBLEM, "nsga2", budget=5_000)
        start = time.perf_counter()
        run(config, Path(directory) / "run")
        taken = time.perf_counter() - start
        yield row("recorded run by nsga2, 5000 evaluations", 1e3 * taken / 5_000, "ms each")


def import_rows() -> Iterator[Row]:
    """CPU seconds of importing the package, beyond NumPy and Gymnasium."""
    code = (
        "import time, numpy, gymnasium; a = time.process_time(); import codesign_gym; "
        "print(time.process_time() - a)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    yield row("import codesign_gym, beyond numpy, gymnasium", float(np.median(times)), "CPU s")


BENCHES: dict[str, Callable[[], Iterator[Row]]] = {
    "dram": dram_rows,
    "evaluation": evaluation_rows,
    "cost-models": lambda: chain.from_iterable(
        rows() for name, rows in COST_MODEL_BENCHES.items() if name != "soc"
    ),
    "soc": COST_MODEL_BENCHES["soc"],
    "networks": network_rows,
    "proxies": proxy_rows,
    "supernet": supernet_rows,
    "vector": vector_rows,
    "agents": agent_rows,
    "store": store_rows,
    "import": import_rows,
}
"""Benchmarks by name."""

PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    f"proxies-{name}": rows for name, rows in PROXY_PARTS.items()
}
"""Parts of long benchmarks, to be run alone."""
