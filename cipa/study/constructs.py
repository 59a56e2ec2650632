"""What the researcher measures: items and constructs."""

from __future__ import annotations

from dataclasses import dataclass

from cipa.errors import SpecificationError, did_you_mean, public
from cipa.study.tokens import quoted


@public
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A survey question.

    Parameters
    ----------
    name : str
        The column.
    text : str
        The wording, for tables.
    reversed : bool
        Whether a high answer means little of the construct (`env5`).
    low, high : float, optional
        The ends of the answer scale (1 and 7).
    turned : bool
        Whether the column already holds the answers turned round.

    Examples
    --------
    >>> Item(name="env5", text="changes disrupt cooperation", reversed=True, low=1, high=7).reversed
    True
    """

    name: str
    text: str = ""
    reversed: bool = False
    low: float | None = None
    high: float | None = None
    turned: bool = False


@public
@dataclass(frozen=True, slots=True, kw_only=True)
class Construct:
    """A latent concept with its measures.

    Parameters
    ----------
    name : str
        The code used in terms ("CIP").
    label : str
        How a reader sees it ("Collaborative innovation performance").
    items : tuple of str
        Columns of the survey that measure it; empty for a higher-order construct.
    dimensions : tuple of str
        First-order constructs that measure a higher-order one ("HS", "CS", "TS", "PS").
    column : str, optional
        Its measure in a panel.
    reversed : tuple of str
        Those of the items that are worded against the others: a study turns them round before anything is computed.
    scale : (float, float), optional
        The ends of the items' answer scale, for turning them round; by default those of the codebook, else the lowest and the
        highest answer given.

    Examples
    --------
    >>> Construct(name="CIP", items=("cip1", "cip2")).measurement
    'CIP =~ cip1 + cip2'
    """

    name: str
    label: str = ""
    items: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    column: str | None = None
    reversed: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (self.items or self.dimensions or self.column):
            raise SpecificationError(
                f"The construct '{self.name}' has no measure, so that it has no values. Give it items = [...], dimensions = "
                '[...] or column = "...".'
            )
        repeated = sorted({item for item in self.items if self.items.count(item) > 1})
        if repeated:
            raise SpecificationError(
                f"The construct '{self.name}' lists {', '.join(repeated)} twice. An item counts once: list each once."
            )
        for item in self.reversed:
            if item not in self.items:
                raise SpecificationError(
                    f"The construct '{self.name}' reverses '{item}', which is not among its items ({', '.join(self.items)}). "
                    f"Only an item that measures it can be turned round: mend the name.{did_you_mean(item, self.items)}"
                )
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise SpecificationError(
                f"The construct '{self.name}' has scale = {list(self.scale)}. An item is turned round by its ends: write the "
                "lowest answer before the highest, as [1, 7]."
            )

    @property
    def title(self) -> str:
        """The label, or the name where there is none."""
        return self.label or self.name

    @property
    def measurement(self) -> str:
        """The measurement equation in model syntax ("CIP =~ cip1 + cip2"), or "" without indicators."""
        indicators = self.items or self.dimensions
        return f"{quoted(self.name)} =~ {' + '.join(map(quoted, indicators))}" if indicators else ""
