"""Suites of pairs of responses, of which a judge or people say which is better."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_llmjudge.data import (
    AgainstReference,
    JudgeIdentity,
    PairCheck,
    PairResult,
    PreferenceResult,
)
from pytest_llmjudge.data.history import Figure
from pytest_llmjudge.decisions.win_rate import (
    SCORES,
    decide_win_rate,
    summary_of,
    with_agreement,
)
from pytest_llmjudge.kinds.base import JUDGE_CHECK, Kind
from pytest_llmjudge.kinds.overlap import (
    overlap_contradictions,
)
from pytest_llmjudge.kinds.pairs_document import (
    pairs_document,
    pairs_from_document,
    people_label,
)
from pytest_llmjudge.kinds.pairs_summary import (
    WIN_RATE,
    pairs_page,
    pairs_summary,
)
from pytest_llmjudge.kinds.plain import (
    with_response,
)
from pytest_llmjudge.kinds.read_back import check_from_plain
from pytest_llmjudge.kinds.records import (
    RecordRun,
    RecordSuite,
    known_fields,
    records_file,
    records_reader,
    settled,
)
from pytest_llmjudge.kinds.shared import Shared, shared_file, shared_model
from pytest_llmjudge.stats.preference import win_rate
from pytest_llmjudge.storage.consistent import counted, differs, repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Entry, Preference, Record, Rule
    from pytest_llmjudge.data.page import SuitePage
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.decisions.gates import Decision
    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.kinds.base import Gathered, Marked, Sample, Suite
    from pytest_llmjudge.kinds.opponent import Opponent
    from pytest_llmjudge.kinds.pair_run import PairRun
    from pytest_llmjudge.kinds.pairing import Pairing
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike, Outcome, Pair
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.settings import Settings

__all__ = ["PAIRS"]

_EXAMPLE = 'llm_compare("records.json", against="released.pth", min_win_rate=0.5)'


class _Preferred(NamedTuple):
    """What is known of the responses to a record, their pair, the preference, and the thoughts."""

    record: Record
    sides: tuple[str | None, str | None]
    pair: Pair | None
    preference: Preference
    thoughts: str


class _Pairs(Kind[PreferenceResult]):
    """Suites of the marker ``llm_compare``."""

    name = PreferenceResult.kind
    title = "Pairs"
    marker = "llm_compare"
    asks_judge = True
    figure = Figure("win rate", digits=3, interval_digits=3, noun="pairs")
    samples = "pairs"
    settings = ("responses", "against", "votes", "min_win_rate")
    terms = ("against", "votes")

    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        from pytest_llmjudge.kinds.pairing import load_pairs

        file = records_file(marked, self.marker, _EXAMPLE)
        return _PairSuite(*load_pairs(marked, file, settings))

    def result(
        self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool
    ) -> PreferenceResult:
        assert suite is None or isinstance(suite, _PairSuite)  # noqa: S101  # it is of this kind
        facts, pairing = gathered.facts, gathered.facts["pairing"]
        rows = settled(
            gathered,
            suite,
            whole=whole,
            measure="winner",
            decide=lambda row: "error" if row.get("winner") is None else "passed",
            read=records_reader(facts, pairing["field"]),
        )
        results = [_pair_result(record, row) for record, row in rows]
        judge = None if facts["judge"] is None else dict(facts["judge"])
        label = people_label(pairing["votes"]) if judge is None else judge.pop("label")
        result = PreferenceResult(
            **known_fields(gathered),
            against=AgainstReference(**pairing["against"]),
            votes=pairing["votes"],
            judge=None if judge is None else JudgeIdentity(**judge),
            judge_label=label,
            pairs=tuple(results),
            min_win_rate=facts["min_win_rate"],
            check=check_from_plain(PairCheck, gathered.check),
            responses=facts["responses"],
        )
        return self.decided(result, gathered.gates, gathered.comparison)

    def summary(self, result: PreferenceResult, rule: Rule) -> Summary:
        return pairs_summary(self, result, rule)

    def page(
        self,
        result: PreferenceResult,
        summary: Summary,
        before: Mapping[str, Entry],  # noqa: ARG002  # no baseline has pairs
    ) -> SuitePage:
        return pairs_page(result, summary)

    def document(self, result: PreferenceResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:
        return pairs_document(result, judge)

    def from_document(
        self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None
    ) -> PreferenceResult:
        return pairs_from_document(suite, judge)

    def has_all(self, result: PreferenceResult) -> bool:
        return sum(pair.winner is not None for pair in result.pairs) >= result.total

    def joined(
        self,
        shards: Sequence[PreferenceResult],
        samples: Sequence[PairResult],
        facts: Mapping[str, Any],
    ) -> PreferenceResult:
        joined = super().joined(shards, samples, facts)
        # How far a judge and people agree is known where both have decided over all pairs.
        return replace(joined, path=facts["path"], agreement=None)

    def decide(self, gate: str, result: PreferenceResult, facts: Mapping[str, Any]) -> Decision:  # noqa: ARG002
        return _decide(result.pairs, facts["min_win_rate"])

    def property_of(self, sample: Mapping[str, Any]) -> tuple[str, object]:
        return "llm_judge_winner", sample["winner"]

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        records = suite["records"]
        winners = [record["winner"] for record in records if record["winner"] is not None]
        yield from repeated("records", [record["id"] for record in records])
        yield from counted(suite, len(records), len(winners))
        for name, winner in (("wins", "a"), ("ties", "tie"), ("losses", "b")):
            yield from differs(suite, name, winners.count(winner))
        rate = win_rate([SCORES[winner] for winner in winners])
        yield from differs(suite, "win_rate", rate if len(winners) == suite["total"] else None)
        yield from overlap_contradictions(suite)

    def judge(self, result: PreferenceResult) -> JudgeIdentity | None:
        """Return the judge that compared; ``None`` when people did."""
        return result.judge

    def with_responses(self, result: PreferenceResult) -> list[dict[str, Any]]:
        made = result.checkpoint is not None
        return [
            with_response(pair.record, pair.model_response, {"winner": pair.winner}, made=made)
            for pair in result.pairs
        ]

    def together(self, results: Sequence[PreferenceResult]) -> tuple[PreferenceResult, ...]:
        """Add how often a judge and people agree, where both decided over the same pairs."""
        return with_agreement(results)

    def models(self, result: PreferenceResult) -> tuple[str, ...]:
        return (*super().models(result), result.against.name)


PAIRS = _Pairs()


class _PairSuite(RecordSuite[_Preferred]):
    kind = PAIRS

    def __init__(self, loaded: suites.Suite, pairing: Pairing) -> None:
        super().__init__(loaded)
        self.pairing = pairing
        self.uses_judge = self.pairing.votes is None
        self._opponent: Opponent | None = None

    def _answer_fields(self) -> list[str | None]:
        is_field = self.pairing.kind == "field"
        return [*super()._answer_fields(), str(self.pairing.against) if is_field else None]

    def opponent(self, resources: Resources) -> Opponent:
        """Return what the responses are compared with."""
        from pytest_llmjudge.kinds.opponent import Opponent

        if self._opponent is None:
            self._opponent = Opponent(self.loaded, self.pairing, resources)
        return self._opponent

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        checks = settings.check != "off" and self.uses_judge
        before = [JUDGE_CHECK] if checks else []
        return [*before, *self.data_gates], [WIN_RATE]

    def facts(self, resources: Resources) -> dict[str, Any]:
        pairing = self.pairing
        votes = None if pairing.votes is None else resources.models.shown_path(pairing.votes)
        pairing_facts = {
            "against": asdict(self.opponent(resources).reference()),
            "field": pairing.against if pairing.kind == "field" else None,
            "votes": votes,
        }
        return {**super().facts(resources), "pairing": pairing_facts}

    def shared(self, resources: Resources) -> Iterator[Shared]:
        yield from super().shared(resources)
        against = self.opponent(resources).reference()
        if against.kind == "checkpoint":
            yield shared_model(f"{self.name} against", against.name, against.fingerprint)
        if self.pairing.votes is not None:
            yield shared_file(f"{self.name} votes", self.pairing.votes)
        if against.kind == "results":
            yield shared_file(f"{self.name} against", resources.root / self.pairing.against)

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,
        needed: Sequence[str],
    ) -> RecordRun[_Preferred]:
        from pytest_llmjudge.kinds.pair_run import PairRun

        opponent, name = self.opponent(resources), self.loaded.settings.responses
        if model is not None:
            name, fingerprint, _ = resources.models.facts(model)
            # Of a model of the user's own it is known only now.
            opponent.check_differs(fingerprint)
        run = PairRun(
            self.loaded,
            resources.settings,
            resources.store,
            judge=judge,
            people=opponent.people(str(name)),
            model=model,
            against=opponent.source(),
            needed=[self.record(one) for one in needed],
            worker=resources.worker,
            pool=resources.judges.pool_for(judge),
            in_flight=resources.judges.in_flight,
        )
        return _PairRun(self, run)

    def row(self, sample: Sample[_Preferred]) -> dict[str, Any] | None:
        preferred = sample.value
        if preferred is None:
            return None
        # Where one side is missing, the other is reported all the same.
        model_response, against_response = preferred.pair or preferred.sides
        row = {
            "model_response": model_response,
            "against_response": against_response,
            "winner": preferred.preference.winner,
            "orders": list(preferred.preference.orders),
            "replies": list(preferred.preference.replies),
            "error": preferred.preference.error,
            "cause": sample.cause,
            **self._group_in_row(preferred.record.id),
        }
        return {**row, "thoughts": preferred.thoughts} if preferred.thoughts else row

    def decide(self, gate: str, samples: Sequence[Sample[_Preferred]]) -> Decision:  # noqa: ARG002
        return _decide(list(map(self._known, samples)), self.pairing.min_win_rate)

    def _known(self, sample: Sample[_Preferred]) -> PairResult:
        """Return what is known of a pair, without an outcome."""
        row = {"error": sample.error, **(self.row(sample) or {})}
        row.pop("group", None)
        return _pair_result(self.record(sample.id), {**row, "outcome": "not run"})

    def fixtures(self, value: _Preferred) -> dict[str, object]:
        response = None if value.pair is None else value.pair.a
        return {"record": value.record, "response": response, "preference": value.preference}

    def properties(self, value: _Preferred) -> dict[str, object]:
        return {"llm_judge_winner": value.preference.winner}

    def other_fixture(self, name: str) -> tuple[str, str] | None:
        if name != "verdict":
            return None
        return "a test that compares", "ask for preference, or mark it with llm_judge"

    def check(self, resources: Resources) -> None:
        super().check(resources)
        self.opponent(resources).check()

    def _makes_responses(self) -> bool:
        return self.uses_model or self.pairing.kind == "checkpoint"

    def check_model(self, resources: Resources, fingerprint: str) -> None:
        self.opponent(resources).check_differs(fingerprint)

    def other_models(self, resources: Resources) -> list[Model]:
        compares = self.pairing.kind == "checkpoint"
        return [resources.models.get(self.pairing.against)] if compares else []

    def checkpoints(self) -> list[Path | str | None]:
        return [*super().checkpoints(), *self._against()]

    def _against(self) -> list[Path | str]:
        return [self.pairing.against] if self.pairing.kind == "checkpoint" else []

    def inputs(self, root: Path) -> Iterator[tuple[Path, str]]:
        yield from super().inputs(root)
        if self.pairing.votes is not None:
            yield self.pairing.votes, f"the votes file of {self.name}"
        if self.pairing.kind == "results":
            yield root / self.pairing.against, f"the results file in against= of {self.name}"

    def _limits(self) -> dict[str, Any]:
        return {"min_win_rate": self.pairing.min_win_rate}


class _PairRun(RecordRun[_Preferred]):
    _run: PairRun

    def check(self, *, again: bool) -> PairCheck | None:
        return self._run.check(again=again)

    def _value(self, record: Record, outcome: Outcome[Pair, Preference]) -> _Preferred:
        pair = outcome.response
        sides = self._run.sides(record) if pair is None else (pair.a, pair.b)
        return _Preferred(record, sides, pair, outcome.verdict, self._run.thoughts(record))


def _pair_result(record: Record, row: Mapping[str, Any]) -> PairResult:
    fields = {"model_response": None, "against_response": None, "winner": None, **row}
    for name in ("orders", "replies"):
        fields[name] = tuple(fields.get(name, ()))
    return PairResult(record, **fields)


def _decide(pairs: Sequence[PairResult], min_win_rate: float) -> Decision:
    """Decide over all pairs of a suite; their outcomes play no part."""
    causes = {pair.record.id: str(pair.error) for pair in pairs if pair.winner is None}
    return decide_win_rate(summary_of(pairs), min_win_rate, causes, len(pairs))
