"""The policy that grows networks: it reads the layers, then widens some or puts in one.

Cai et al., AAAI 2018 (arXiv 1707.04873), section 3. Importing this module imports torch. Letters:
``n`` networks, ``t`` tokens of one, ``e`` embedding, ``h`` state of each direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from codesign_gym.search.trained import Trained
from codesign_gym.search_spaces.networks.growth import BLOCKS, KERNELS, MOST_CONVOLUTIONS, Plain
from codesign_gym.search_spaces.networks.tokens import SLOTS, VOCABULARY, tokens_and_slots
from codesign_gym.search_spaces.networks.transformations import (
    Deeper,
    Wider,
    grown,
    is_full,
    next_width,
)

PARTS = len(BLOCKS) + 1
Actions = NDArray[np.int64]


class Episodes(NamedTuple):
    """Networks that grew, and how.

    Attributes:
        networks: What they have become, ``n``.
        actions: For each step, which of `SLOTS` became wider, then part, layer and kernel of the
            layer that was put in: int64 ``[n, steps, s + 3]``; part -1 where there was no room.
        likelihood: Of those actions, its logarithm, ``[n]``.
        entropy: Of the policy on the way, ``[n]``.
    """

    networks: list[Plain]
    actions: Actions
    likelihood: Tensor
    entropy: Tensor


class _Policy(nn.Module):
    """Encoder of the layers, actor that widens, actor that deepens."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(VOCABULARY, embedding, padding_idx=0)
        self.encoder = nn.LSTM(embedding, hidden, bidirectional=True, batch_first=True)
        self.wider = nn.Linear(2 * hidden, 1)
        # What the decoder is told: first nothing, then the part and the layer that it chose.
        self.told = nn.Embedding(1 + PARTS + MOST_CONVOLUTIONS, embedding)
        self.decoder = nn.LSTMCell(embedding, 2 * hidden)
        self.heads = nn.ModuleList(
            nn.Linear(2 * hidden, k) for k in (PARTS, MOST_CONVOLUTIONS, len(KERNELS))
        )
        for head in (self.wider, *self.heads):  # at first every choice is equally likely
            for weight in head.parameters():
                nn.init.zeros_(weight)

    def encode(self, written: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """States of the tokens ``[n, t, 2h]``, and the last states and cells, each ``[n, 2h]``."""
        lengths = (written > 0).sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(written), lengths, batch_first=True, enforce_sorted=False
        )
        states, (last, cells) = self.encoder(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(
            states, batch_first=True, total_length=written.shape[1]
        )
        return padded, (torch.cat([*last], dim=1), torch.cat([*cells], dim=1))


class GrowthController(Trained):
    """The policy and its optimiser.

    Args:
        embedding: Width of a token's embedding.
        hidden: Width of each direction's state.
        learning_rate: Of Adam.
        rng: Draws the first weights.
    """

    def __init__(
        self, embedding: int, hidden: int, learning_rate: float, rng: np.random.Generator
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            self._policy = _Policy(embedding, hidden)
        super().__init__(dict(self._policy.named_parameters()), learning_rate)

    def sample(
        self, starts: Sequence[Plain], wider: int, deeper: int, rng: np.random.Generator
    ) -> Episodes:
        """Let networks grow for ``wider`` and then ``deeper`` steps."""
        with torch.no_grad():
            return self._play(starts, wider, deeper, rng, None)

    def replay(self, starts: Sequence[Plain], wider: int, actions: Actions) -> Episodes:
        """The same episodes once more, with gradients."""
        return self._play(starts, wider, actions.shape[1] - wider, None, actions)

    def learn(
        self, starts: Sequence[Plain], wider: int, actions: Actions, advantage: Tensor, bonus: float
    ) -> None:
        """One step along the policy gradient (Williams 1992).

        Args:
            starts: Networks that grew, ``n``.
            wider: Steps of widening.
            actions: What was done to them.
            advantage: What each is worth beyond the baseline, ``[n]``.
            bonus: Weight of the entropy.
        """
        episodes = self.replay(starts, wider, actions)
        self.descend(-(advantage * episodes.likelihood + bonus * episodes.entropy).mean())

    def _play(
        self,
        starts: Sequence[Plain],
        wider: int,
        deeper: int,
        rng: np.random.Generator | None,
        actions: Actions | None,
    ) -> Episodes:
        """Episodes whose actions are given, or drawn."""
        n, networks = len(starts), list(starts)
        taken = np.zeros((n, wider + deeper, len(SLOTS) + 3), dtype=np.int64)
        if actions is not None:
            taken = actions
        likelihood, entropy = torch.zeros(n), torch.zeros(n)
        for step in range(wider + deeper):
            written, slots = (
                np.stack(column) for column in zip(*map(tokens_and_slots, networks), strict=True)
            )
            states, last = self._policy.encode(torch.from_numpy(written))
            act = self._widen if step < wider else self._deepen
            gained, spread = act(networks, slots, states, last, taken[:, step], rng)
            likelihood, entropy = likelihood + gained, entropy + spread
        return Episodes(networks, taken, likelihood, entropy)

    def _widen(
        self,
        networks: list[Plain],
        slots: NDArray[np.int64],
        states: Tensor,
        last: tuple[Tensor, Tensor],
        action: Actions,
        rng: np.random.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """A decision per layer, by one shared actor; ``networks`` and ``action`` are filled in."""
        logits = self._policy.wider(states).squeeze(2)
        able = np.array(
            [
                [s >= 0 and next_width(network, *SLOTS[s]) is not None for s in row.tolist()]
                for network, row in zip(networks, slots, strict=True)
            ]
        )
        if rng is not None:
            point = rng.random(slots.shape)
            yes = able & (point < torch.sigmoid(logits).numpy())
            for i, t in np.argwhere(yes):
                action[i, slots[i, t]] = 1
        chosen = np.take_along_axis(action[:, : len(SLOTS)], np.maximum(slots, 0), axis=1)
        yes = able & (chosen == 1)
        for i, row in enumerate(yes):
            for part, layer in (SLOTS[s] for s in slots[i, row].tolist()):
                width = next_width(networks[i], part, layer)
                assert width is not None  # `able` says so
                networks[i] = grown(networks[i], Wider(part, layer, width))
        counts = torch.from_numpy(able)
        sign = torch.from_numpy(np.where(yes, 1.0, -1.0).astype(np.float32))
        gained = (functional.logsigmoid(sign * logits) * counts).sum(dim=1)
        p = torch.sigmoid(logits)
        spread = -p * functional.logsigmoid(logits) - (1 - p) * functional.logsigmoid(-logits)
        return gained, (spread * counts).sum(dim=1)

    def _deepen(
        self,
        networks: list[Plain],
        slots: NDArray[np.int64],
        states: Tensor,
        last: tuple[Tensor, Tensor],
        action: Actions,
        rng: np.random.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """Part, layer and kernel, one after the other, by the decoder."""
        n, own = len(networks), action[:, len(SLOTS) :]
        room = np.array(
            [[not is_full(network, part) for part in range(PARTS)] for network in networks]
        )
        some: NDArray[np.bool_] = np.any(room, axis=1)
        own[~some] = -1
        state, told = last, np.zeros(n, dtype=np.int64)
        gained, spread = torch.zeros(n), torch.zeros(n)
        for j, head in enumerate(self._policy.heads):
            part = np.maximum(own[:, 0], 0)
            if j == 0:
                allowed, counts = room | ~some[:, None], some
            elif j == 1:
                lengths = [len(net.parts[p]) for net, p in zip(networks, part, strict=True)]
                allowed, counts = np.arange(MOST_CONVOLUTIONS) < np.array(lengths)[:, None], some
            else:
                allowed = np.ones((n, len(KERNELS)), dtype=np.bool_)
                counts = some & (part < len(BLOCKS))
            state = self._policy.decoder(self._policy.told(torch.from_numpy(told)), state)
            logits = head(state[0]).masked_fill(torch.from_numpy(~allowed), -torch.inf)
            table = torch.log_softmax(logits, dim=1)
            if rng is not None:
                own[counts, j] = _draw(table, rng)[counts]
            chosen = np.maximum(own[:, j], 0)
            on = torch.from_numpy(counts)
            finite = table.masked_fill(torch.from_numpy(~allowed), 0.0)
            gained = gained + on * finite[torch.arange(n), torch.from_numpy(chosen)]
            spread = spread - on * (table.exp() * finite).sum(dim=1)
            told = chosen + (1 if j == 0 else 1 + PARTS)
        for i in np.flatnonzero(some):
            part, layer, kernel = own[i].tolist()
            taps = KERNELS[kernel] if part < len(BLOCKS) else 1
            networks[i] = grown(networks[i], Deeper(part, layer, taps))
        return gained, spread


def _draw(table: Tensor, rng: np.random.Generator) -> NDArray[np.int64]:
    """A choice by log probabilities, ``[n, k] -> [n]``."""
    cumulated = table.exp().double().numpy().cumsum(axis=1)
    total = cumulated[:, -1]
    # Rounding must not lead to the end of the line, where impossible choices may stand.
    point = np.minimum(rng.random(len(total)) * total, np.nextafter(total, 0))
    found: NDArray[np.int64] = (point[:, None] >= cumulated).sum(axis=1)
    return found
