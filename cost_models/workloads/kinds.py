"""The kinds of layers, and what a layer that is wrong is reported as."""

from __future__ import annotations

from enum import IntEnum

from codesign_gym.search_spaces.errors import InputError, unknown_name


class Kind(IntEnum):
    """What a layer does with its window; CSV tables have the names in lower case."""

    CONVOLUTION = 0
    """Multiplies inputs by weights: convolutions, fully connected layers, products with weights."""
    POOLING = 1
    """Reduces each channel's window, without weights: `groups == c == k`."""
    ELEMENTWISE = 2
    """Combines two activations of the shape `[n, c, h, w]`, without weights: `groups == c == k`."""
    MATMUL = 3
    """Multiplies two activations; costs what a product with weights does, but the second operand,
    `[k, n]` of each group, is an activation: nothing of it is known before the layer runs."""

    @classmethod
    def of(cls, value: object) -> Kind:
        """The kind of a name or number.

        Example:
            >>> Kind.of("pooling"), Kind.of(3)
            (<Kind.POOLING: 1>, <Kind.MATMUL: 3>)

        Raises:
            InputError: There is no such kind.
        """
        text = str(value).strip().lower()
        for kind in cls:
            if text in (kind.name.lower(), str(kind.value)):
                return kind
        raise unknown_name("layer kind", value, [kind.name.lower() for kind in cls])


PADS = ("pad_h", "pad_w")
_PER_CHANNEL: dict[str, int | str] = {"k": "c", "groups": "c"}
_POINTWISE: dict[str, int | str] = {
    **dict.fromkeys(("r", "s", "stride_h", "stride_w"), 1),
    **dict.fromkeys(PADS, 0),
}

REQUIRED: dict[Kind, dict[str, int | str]] = {
    Kind.CONVOLUTION: {},
    Kind.POOLING: _PER_CHANNEL,
    Kind.ELEMENTWISE: _PER_CHANNEL | _POINTWISE,
    Kind.MATMUL: _POINTWISE,
}
"""What a kind requires of other columns: that they equal a value or another column."""


class LayerError(InputError):
    """A layer of a table is wrong.

    Attributes:
        row: Its row in the table.
        column: The column at fault.
        reason: What the column must be and what it is.
    """

    def __init__(self, row: int, name: str, column: str, reason: str) -> None:
        self.row, self.column, self.reason = row, column, reason
        super().__init__(f"Layer {row} ({name!r}): {column} {reason}")
