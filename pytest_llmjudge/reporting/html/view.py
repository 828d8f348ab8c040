"""A run's suites as the page shows them: what is known of each, and its charts drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from pytest_llmjudge.data.gates import worst_first
from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.reporting.html.baseline import baseline_panel
from pytest_llmjudge.reporting.html.charts import draw
from pytest_llmjudge.reporting.terminal import checkpoint_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data.gates import Ruling
    from pytest_llmjudge.data.page import Drop, Fact, Lost, Panel, SuitePage
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.reporting.html.drawing import Chart

__all__ = ["SuiteView", "suite_views"]


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite, as the template reads it.

    Attributes:
        summary: What every report shows.
        page: What the page shows beside it.
        start: Number of the suite's first row in the table of records.
    """

    summary: Summary
    page: SuitePage
    start: int

    @property
    def model(self) -> str:
        """The model under test, with its fingerprint."""
        return checkpoint_line(self.summary.model)

    @property
    def digest_facts(self) -> tuple[Fact, ...]:
        """What its card says below the measure."""
        summary = self.summary
        facts = (
            ("95 % interval", summary.interval),
            ("for comparison", summary.beside or NONE),
            ("wanted", summary.wanted),
            ("change", summary.change),
            ("size", summary.grouped or NONE),
        )
        return tuple(fact for fact in facts if fact[1] != NONE)

    @property
    def rulings(self) -> list[Ruling]:
        """What became of each thing that it asks, the worst first."""
        return worst_first(self.summary.rulings)

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Its figures; the comparison with the baseline stands beside the first ones."""
        panels, comparison = self.page.panels, self.summary.comparison
        if comparison is None:
            return panels
        causes = (gate.cause for gate in self.summary.gates)
        cause = next(filter(None, causes), None)
        return (*panels[:1], baseline_panel(comparison, cause), *panels[1:])

    @property
    def charts(self) -> list[Chart]:
        """Its charts, drawn."""
        return list(map(draw, self.page.charts))

    @property
    def drops(self) -> list[Drop]:
        """What lost most, with the numbers of its rows in the table of records."""
        return [
            drop if drop.row is None else replace(drop, row=self.start + drop.row)
            for drop in self.page.drops
        ]

    @property
    def counted_drops(self) -> str:
        """How many of the records that got worse are listed; empty for all of them."""
        compared, drops = self.summary.comparison, self.page.drops
        worse = 0 if compared is None else compared.worse or 0
        # Subjects of an exam have no rows, and are not what was paired.
        is_cut = bool(drops) and drops[0].row is not None and worse > len(drops)
        return f" ({len(drops)} of {worse})" if is_cut else ""

    @property
    def lost(self) -> list[Lost]:
        """The same of what was lost."""
        return [replace(one, row=self.start + one.row) for one in self.page.lost]


def suite_views(summaries: Sequence[Summary], pages: Sequence[SuitePage]) -> list[SuiteView]:
    """Return the suites in their order."""
    starts = accumulate((len(page.rows) for page in pages), initial=0)
    return list(map(SuiteView, summaries, pages, starts))
