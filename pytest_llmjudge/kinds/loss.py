"""Suites of held-out loss: how likely a model finds the references of its records, or a text."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, cast

from pytest_llmjudge.data import Context, Entry, Measure, Record, Side
from pytest_llmjudge.data.history import Figure
from pytest_llmjudge.data.page import SuitePage
from pytest_llmjudge.data.summary import NONE, Excerpt, Excerpts, Overview
from pytest_llmjudge.decisions.gates import NOISE, Decision, is_within_noise, unscored
from pytest_llmjudge.decisions.rules import rule_of
from pytest_llmjudge.errors import (
    CheckpointError,
    LlmJudgeError,
    PromptError,
    RecordsError,
    SettingsError,
    count_of,
)
from pytest_llmjudge.keys import content_of, make_key, template_digest
from pytest_llmjudge.kinds.base import Kind, gates_over_all
from pytest_llmjudge.kinds.overlap import (
    overlap_blocks,
    overlap_contradictions,
    overlap_panel,
    rest_of,
    saved_overlap,
    wanted_overlap,
)
from pytest_llmjudge.kinds.plain import plain_comparison, plain_gates, record_texts, rounded
from pytest_llmjudge.kinds.read_back import (
    comparison_from_plain,
    record_from_document,
)
from pytest_llmjudge.kinds.records import (
    RecordSuite,
    check_single_turns,
    known_fields,
    records_file,
    records_reader,
    saved_fields,
    settled,
)
from pytest_llmjudge.kinds.rulings import Limit, of_samples, remark_on
from pytest_llmjudge.kinds.scored_run import ScoredRecordsRun, Task
from pytest_llmjudge.kinds.summaries import (
    causes_of_items,
    causes_of_missing,
    grouped_size,
    is_one,
    make_summary,
    scored_counts,
    unscored_names,
)
from pytest_llmjudge.records.prompts import plain_prompt
from pytest_llmjudge.settings import (
    BASELINE_KEYWORDS,
    BUILT_IN_PROMPTS,
    RECORD_KEYWORDS,
    chosen_for,
)
from pytest_llmjudge.stats.basics import points, ratio_interval
from pytest_llmjudge.stats.extremes import fewest_falls
from pytest_llmjudge.stats.groups import count_groups, group_numbers, in_groups
from pytest_llmjudge.storage.consistent import counted, differs, repeated
from pytest_llmjudge.storage.results_reader import saved_content
from pytest_llmjudge.values import (
    check_flag,
    check_rise,
    integer_check,
    number_check,
    read_keywords,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import (
        CheckpointReference,
        Comparison,
        GateResult,
        Overlap,
        Prompt,
        Rule,
    )
    from pytest_llmjudge.data.summary import Summary
    from pytest_llmjudge.kinds.base import Gathered, Marked, Sample, Suite, SuiteRun
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.pipeline.scoring_model import ScoringModel
    from pytest_llmjudge.records import suites
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.settings import Settings

    _Kept: TypeAlias = tuple[tuple[tuple[float, int], ...], str, str]
    """What is stored: parts, tokenizer and digest of tokens, as of a :class:`Loss`."""

__all__ = ["LOSS", "Loss"]

PERPLEXITY = "perplexity"
_HEADINGS = (
    "suite of losses",
    "records",
    "scored",
    "tokens",
    "loss",
    PERPLEXITY,
    "95 % interval",
    "outcome",
)
_EXCERPTS = ("loss", "record", "instruction", "tokens")
_OF_ASKING = ("prompt", "end", "stride")
_LIMITS = ("max_perplexity", "max_loss")
_EXAMPLE = 'llm_loss("records.json", max_perplexity=4.0)'
_TEXT = ".txt"
_LONGEST_WINDOW = 4096
"""Tokens of a text's window at most: logits of a context of 131,072 tokens would take 60 GB."""
_DIGITS = 16
"""Hexadecimal digits of a digest of tokens."""
_MOST_NATS = 1e6
"""Highest loss of a token. No loss exceeds the range of the logits plus ln(size of the vocabulary),
in float16 about 131,020: beyond is a model that diverged, or a figure that nobody measured."""
_LARGE = 1e9
"""A perplexity that is written in short, with an exponent."""
_ENCODER = "encode_pair"
_PROBE = (
    "The quick brown fox, naïve café 12345\n\n\tdef f(x):  return x  # 漢字 🙂\nThis is something "
    "that training, testing and tuning would bring to the end: it's, they'll, I'm. Überraschung!"
)
"""Tokenizers that split this differently are two; for others ``token_digest`` decides."""
_MEASURE = Measure(
    "loss", value="loss", unit="nats", higher_is_better=False, tolerance=1e-4, margin="max_rise"
)


@dataclass(frozen=True, slots=True)
class Loss:
    """How likely a text is under a model.

    Attributes:
        record: Whose reference it is; of a text file one whose output is the text.
        parts: For each window of a text, and for a record alone, its summed negative
            log-likelihood in nats, and the number of its tokens.
        tokenizer: Digest of how the model splits a sample text.
        token_digest: Digest of the token ids that were scored, and of those before them.
    """

    record: Record
    parts: tuple[tuple[float, int], ...]
    tokenizer: str
    token_digest: str

    @property
    def nll(self) -> float:
        """Negative log-likelihood of all tokens, in nats."""
        return math.fsum(nll for nll, _ in self.parts)

    @property
    def tokens(self) -> int:
        """How many tokens were predicted."""
        return sum(tokens for _, tokens in self.parts)

    @property
    def mean(self) -> float:
        """Negative log-likelihood of a token, in nats: what training calls the loss."""
        return self.nll / self.tokens

    @property
    def perplexity(self) -> float:
        """Its exponential."""
        return _exp(self.mean)


@dataclass(frozen=True, slots=True)
class LossRecord:
    """What became of one record; ``parts`` is empty when it has no loss."""

    record: Record
    parts: tuple[tuple[float, int], ...]
    tokenizer: str
    token_digest: str
    error: str | None
    outcome: str
    cause: str | None = None

    @property
    def loss(self) -> Loss | None:
        """The loss, where there is one."""
        if not self.parts:
            return None
        return Loss(self.record, self.parts, self.tokenizer, self.token_digest)


@dataclass(frozen=True, slots=True)
class LossResult:
    """What became of a suite of held-out loss.

    Attributes:
        name: Node id of the test function.
        path: Its records file or text.
        total: How many records it has.
        terms: How the loss was taken: ``prompt``, ``end`` and ``stride``.
        limits: ``max_perplexity`` and ``max_loss``.
        records: Those of which something is known, in file order.
        outcome: ``passed``, ``failed``, or ``incomplete`` when not every record has a loss.
        overlap: With the training data, where that gate has run.
        groups: How many groups the records are in; ``None`` where each is alone.
    """

    kind: ClassVar[str] = "loss"

    name: str
    path: str
    checkpoint: CheckpointReference | None
    total: int
    terms: Mapping[str, Any]
    limits: Mapping[str, float | None]
    records: tuple[LossRecord, ...]
    gates: tuple[GateResult, ...]
    outcome: str
    comparison: Comparison | None = None
    overlap: Overlap | None = None
    groups: int | None = None

    @property
    def losses(self) -> list[Loss]:
        """The losses there are, in file order."""
        return [loss for one in self.records if (loss := one.loss) is not None]

    @property
    def figures(self) -> Figures | None:
        """Of the whole suite; of a part there are none: records without a loss may be the worst."""
        losses = self.losses
        return _pool(losses) if losses and len(losses) == self.total else None

    @property
    def figures_without_overlap(self) -> Figures | None:
        """Of the records that do not appear in the training data, where some do."""
        rest = rest_of(self.overlap, self.losses, self.total)
        return _pool(rest) if rest else None


class Figures(NamedTuple):
    """The loss of several records together: token by token, so that a long one counts for more."""

    nll: float
    tokens: int
    interval: tuple[float, float] | None
    groups: int | None

    @property
    def loss(self) -> float:
        return self.nll / self.tokens

    @property
    def perplexity(self) -> float:
        return _exp(self.loss)

    @property
    def range(self) -> tuple[float, float] | None:
        """The 95 % interval of the perplexity."""
        return self.interval and (_exp(max(0.0, self.interval[0])), _exp(self.interval[1]))


def _pool(losses: Iterable[Loss]) -> Figures:
    parts = [(part, loss.record.group) for loss in losses for part in loss.parts]
    sums, counts = [nll for (nll, _), _ in parts], [tokens for (_, tokens), _ in parts]
    groups = group_numbers(group for _, group in parts)
    return Figures(
        math.fsum(sums),
        sum(counts),
        ratio_interval(sums, counts, groups),
        None if groups is None else count_groups(groups),
    )


def _exp(loss: float) -> float:
    # From here on a float has no number for it.
    return math.exp(loss) if loss < 709 else math.inf


class _LossKind(Kind[LossResult]):
    """Suites of the marker ``llm_loss``."""

    name = LossResult.kind
    title = "Loss"
    marker = "llm_loss"
    asks_judge = False
    measure = _MEASURE
    figure = Figure("loss", digits=4, interval_digits=4)
    settings = ("data", *_OF_ASKING, "tokenizer", *_LIMITS)

    def load(self, marked: Marked, settings: Settings) -> Suite[Any]:
        loaded, keywords = _load(marked, settings)
        suite = _LossSuite(loaded, keywords)
        suite.rule = rule_of(marked.name, keywords, settings, _MEASURE)
        return suite

    def result(self, gathered: Gathered, suite: Suite[Any] | None, *, whole: bool) -> LossResult:
        assert suite is None or isinstance(suite, _LossSuite)  # noqa: S101  # it is of this kind
        facts = gathered.facts
        limits = facts["limits"]

        def decide(row: Mapping[str, Any]) -> str:
            if not row.get("parts"):
                return "error"
            nll, tokens = (math.fsum(column) for column in zip(*row["parts"], strict=True))
            most = limits["max_loss"]
            return "failed" if most is not None and nll / tokens > most else "passed"

        rows = settled(
            gathered,
            suite,
            whole=whole,
            measure="parts",
            decide=decide,
            read=partial(_read_samples, facts),
        )
        records = tuple(_loss_record(record, row) for record, row in rows)
        result = LossResult(
            **known_fields(gathered), terms=facts["terms"], limits=limits, records=records
        )
        return self.decided(result, gathered.gates, gathered.comparison)

    def document(self, result: LossResult, judge: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002  # nobody judges a loss
        losses = result.losses
        document = {
            "name": result.name,
            "kind": self.name,
            "checkpoint": asdict(result.checkpoint) if result.checkpoint is not None else None,
            "data": result.path,
            **result.terms,
            "tokenizer": losses[0].tokenizer if losses else None,
            "total": result.total,
            **({} if result.groups is None else {"groups": result.groups}),
            "scored": len(losses),
            "unscored": result.total - len(losses),
            **dict.fromkeys(("tokens", "loss", "perplexity", "ci95")),
            **result.limits,
            "outcome": result.outcome,
            "within_noise": False,
            "baseline": result.comparison and plain_comparison(result.comparison),
            "gates": plain_gates(result.gates),
            "records": [_plain_record(one) for one in result.records],
        }
        rest = result.figures_without_overlap
        # JSON has no number for what is infinite.
        known = rest is not None and _finite(rest.perplexity) is not None
        document |= saved_overlap(
            result.overlap,
            PERPLEXITY,
            rest.perplexity if rest is not None and known else None,
            rest.range if rest is not None and known else None,
        )
        figures = result.figures
        if figures is not None:
            bounds = figures.range
            document |= {
                "tokens": figures.tokens,
                "loss": rounded(figures.loss),
                "perplexity": _finite(figures.perplexity),
                "ci95": None if bounds is None else _finite_all(bounds),
                "within_noise": is_within_noise(bounds, result.limits["max_perplexity"]),
            }
        return document

    def from_document(
        self,
        suite: Mapping[str, Any],
        judge: Mapping[str, Any] | None,  # noqa: ARG002  # nobody judges a loss
    ) -> LossResult:
        tokenizer = suite["tokenizer"]
        return LossResult(
            **saved_fields(suite),
            path=suite["data"],
            # Files of earlier versions have no prompt.
            terms={name: suite[name] for name in _OF_ASKING if name in suite},
            limits={name: suite[name] for name in _LIMITS},
            records=tuple(
                _loss_record(record_from_document(record), {**record, "tokenizer": tokenizer})
                for record in suite["records"]
            ),
            comparison=comparison_from_plain(suite.get("baseline"), self.measure),
        )

    def has_all(self, result: LossResult) -> bool:
        return len(result.losses) >= result.total

    def decide(
        self,
        gate: str,  # noqa: ARG002  # there is one
        result: LossResult,
        facts: Mapping[str, Any],  # noqa: ARG002  # the result has them
    ) -> Decision:
        causes = {one.record.id: str(one.error) for one in result.records if one.loss is None}
        return _decide_perplexity(result.losses, causes, result.limits["max_perplexity"])

    def property_of(self, sample: Mapping[str, Any]) -> tuple[str, object]:
        return "llm_judge_loss", sample["loss"]

    def decide_saved(self, suite: Mapping[str, Any], sample: Mapping[str, Any]) -> Decision:
        tokens = sum(part[1] for part in sample["parts"])
        # The loss itself is rounded in the file.
        mean = sum(part[0] for part in sample["parts"]) / tokens
        return _decide_loss(mean, tokens, suite["max_loss"])

    def contradictions(self, suite: Mapping[str, Any]) -> Iterator[str]:
        records = suite["records"]
        parts = [part for record in records for part in record["parts"]]
        scored = sum(bool(record["parts"]) for record in records)
        yield from repeated("records", [record["id"] for record in records])
        yield from counted(suite, len(records), scored)
        for record in records:
            for problem in _wrong_figures(record, record["parts"]):
                yield f"{record['id']}: {problem}"
        is_whole = scored == suite["total"]
        yield from _wrong_figures(suite, parts if is_whole else [])
        loss = _mean_loss(parts) if is_whole else None
        perplexity = None if loss is None else _finite(_exp(loss))
        # Rounded to four decimals, but a float of this size may not have as many.
        within = 0.0 if perplexity is None else perplexity * 1e-9
        yield from differs(suite, "perplexity", perplexity, within=within)
        yield from overlap_contradictions(suite)

    def saved_side(self, suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> Side:  # noqa: ARG002  # nobody judges a loss
        records = [(record, content_of(saved_content(record))) for record in suite["records"]]
        return Side(
            _MEASURE,
            suite["name"],
            tuple(
                entry
                for record, content in records
                for entry in _entries(record["id"], content, record["parts"], record.get("group"))
            ),
            terms=_terms(suite["tokenizer"], suite.get("prompt"), end=suite["end"]),
            passes_at=suite["max_loss"],
            # Files of earlier versions have no digests.
            token_digests={
                (record["id"], content): digest
                for record, content in records
                if (digest := record.get("token_digest"))
            },
        )

    def saved_interval(self, suite: Mapping[str, Any]) -> tuple[float, float] | None:
        """Return the 95 % interval of the loss; the file has that of the perplexity."""
        interval = super().saved_interval(suite)
        return interval and (math.log(interval[0]), math.log(interval[1]))

    def summary(self, result: LossResult, rule: Rule) -> Summary:
        most, figures = result.limits["max_loss"], result.figures
        bounds = figures and figures.range
        value = NONE if figures is None else _short(figures.perplexity, 3)
        interval = NONE if bounds is None else " to ".join(_short(bound, 3) for bound in bounds)
        return make_summary(
            self,
            result,
            noun="record",
            measure=PERPLEXITY,
            value=value,
            interval=interval,
            wanted=[
                f"{name} <= {limit:g}"
                for name, limit in (
                    (PERPLEXITY, result.limits["max_perplexity"]),
                    ("loss of each", most),
                )
                if limit is not None
            ]
            + [wanted_overlap(result.overlap)],
            rule=rule,
            causes=_causes(result),
            limits={PERPLEXITY: _limit(result, figures)},
            of_each=of_samples(
                "" if most is None else f"loss of each <= {most:g}",
                "record",
                (one.outcome for one in result.records),
                result.total,
                missed=_high(result),
                beyond="above",
            ),
            counts=scored_counts(len(result.losses), result.total, result.groups),
            grouped=grouped_size(result.total, "record", result.groups),
            overview=_overview(result, figures, value, interval),
            blocks=(
                *overlap_blocks(result.name, result.overlap, PERPLEXITY, value, _without(result)),
                *unscored_names(result.name, result.records),
                *_worst(result),
            ),
        )

    def page(
        self,
        result: LossResult,
        summary: Summary,  # noqa: ARG002  # the result has all figures
        before: Mapping[str, Entry],  # noqa: ARG002  # no row shows what was before
    ) -> SuitePage:
        return SuitePage(tuple(overlap_panel(result.overlap, PERPLEXITY, _without(result))))


def _without(result: LossResult) -> str:
    """Return the perplexity of the records that do not appear in the training data; or nothing."""
    rest = result.figures_without_overlap
    return "" if rest is None else _short(rest.perplexity, 3)


LOSS = _LossKind()


class _LossSuite(RecordSuite[Loss]):
    kind = LOSS
    # No response is made that could be written back.
    has_records = False

    def __init__(self, loaded: suites.Suite, keywords: Mapping[str, Any]) -> None:
        super().__init__(loaded)
        self.end: bool = keywords.get("end", True)
        self.stride: int | None = keywords.get("stride")
        self.is_text = loaded.path.suffix == _TEXT
        self.limits = {name: keywords.get(name) for name in _LIMITS}

    def prompt(self, record: Record, model: object) -> Prompt:
        """Return what the model under test reads before a record's reference."""
        from pytest_llmjudge.pipeline.responses import prompts_for

        return "" if self.is_text else next(prompts_for(self.loaded, [record], model))

    def ignores_template(self) -> bool:
        return not self.is_text and super().ignores_template()

    def _makes_responses(self) -> bool:
        return not self.is_text

    def gates(self, settings: Settings) -> tuple[list[str], list[str]]:
        return list(self.data_gates), gates_over_all(settings, PERPLEXITY)

    def check(self, resources: Resources) -> None:
        from pytest_llmjudge.pipeline.scoring_model import scoring_model

        super().check(resources)
        if self.checkpoint is not None:
            scoring_model(resources.models.get(self.checkpoint), "llm_loss", _ENCODER)

    def start(
        self,
        resources: Resources,
        *,
        model: ModelLike | None,
        judge: JudgeLike | None,  # noqa: ARG002  # nobody judges a loss
        needed: Sequence[str],
    ) -> SuiteRun[Loss]:
        return _LossRun(self, resources, model, needed)

    def row(self, sample: Sample[Loss]) -> dict[str, Any] | None:
        loss = sample.value
        return {
            "parts": None if loss is None else [list(part) for part in loss.parts],
            "tokenizer": "" if loss is None else loss.tokenizer,
            "token_digest": "" if loss is None else loss.token_digest,
            "error": sample.error,
            "cause": sample.cause,
            **self._group_in_row(sample.id),
        }

    def decide(self, gate: str, samples: Sequence[Sample[Loss]]) -> Decision:  # noqa: ARG002
        losses = [sample.value for sample in samples if sample.value is not None]
        causes = {sample.id: sample.error for sample in samples if sample.error is not None}
        return _decide_perplexity(losses, causes, self.limits["max_perplexity"])

    def decide_sample(self, value: Loss) -> Decision:
        return _decide_loss(value.mean, value.tokens, self.limits["max_loss"])

    def fixtures(self, value: Loss) -> dict[str, object]:
        return {"record": value.record, "loss": value}

    def properties(self, value: Loss) -> dict[str, object]:
        return {"llm_judge_loss": round(value.mean, 6)}

    def side(self, samples: Sequence[Sample[Loss]], judge: JudgeLike | None) -> Side:  # noqa: ARG002
        losses = [sample.value for sample in samples if sample.value is not None]
        entries = tuple(
            entry
            for sample in samples
            for entry in _entries(
                sample.id,
                content_of(self.record(sample.id)),
                () if sample.value is None else sample.value.parts,
                self.record(sample.id).group,
            )
        )
        token_digests = {
            (loss.record.id, content_of(loss.record)): loss.token_digest for loss in losses
        }
        prompt = self._prompt_terms()
        terms = _terms(losses[0].tokenizer if losses else None, prompt, end=self.end)
        return Side(
            _MEASURE,
            self.name,
            entries,
            terms=terms,
            passes_at=self.limits["max_loss"],
            token_digests=token_digests,
        )

    def _limits(self) -> dict[str, Any]:
        terms = {"prompt": self._prompt_terms(), "end": self.end, "stride": self.stride}
        return {"limits": self.limits, "terms": terms}

    def _prompt_terms(self) -> dict[str, str | None] | None:
        """Return the template's name and, of a file, a digest; ``None`` without a prompt."""
        if self.is_text:
            return None
        prompt, system = self.loaded.settings.prompt, self.loaded.settings.system
        more = f" with the system text {template_digest(system)}" if system else ""
        if prompt in BUILT_IN_PROMPTS:
            return {"name": prompt + more, "digest": None}
        digest = template_digest(self.loaded.template + more)
        return {"name": Path(prompt).name + more, "digest": digest}


class _LossRun(ScoredRecordsRun[Loss]):
    _marker = "llm_loss"
    _encoder = _ENCODER

    def __init__(
        self,
        suite: _LossSuite,
        resources: Resources,
        model: ModelLike | None,
        needed: Sequence[str],
    ) -> None:
        super().__init__(suite, resources, model, needed, "losses")
        self._suite = suite
        self._tokenizer = ""

    def _make_key(self, record: Record) -> str:
        from pytest_llmjudge.pipeline.responses import thinking_option

        suite, settings = self._suite, self._resources.settings
        how = {
            "chat": suite.loaded.is_chat,
            "end": suite.end,
            "stride": suite.stride,
            "is_text": suite.is_text,
            "device": settings.device,
            "dtype": settings.dtype,
            **thinking_option(suite.loaded, self.model),
        }
        prompt = plain_prompt(suite.prompt(record, self.model))
        return make_key("loss/2", self._fingerprint.first, prompt, record.output, how)

    def _read(self, facts: str) -> _Kept:
        return _read(facts)

    def _value(self, record: Record, kept: _Kept) -> Loss:
        return Loss(record, *kept)

    def _encode(self, model: ScoringModel, record: Record) -> Task:
        contexts = self._contexts(model, record)
        if not self._tokenizer:
            self._tokenizer = self._describe_tokenizer(model)
        return Task(contexts, about=self._tokenizer)

    def _describe_tokenizer(self, model: ScoringModel) -> str:
        """Return a digest of how the model splits a sample text, and into which windows a text."""
        from pytest_llmjudge.pipeline.scoring_model import encoded_pair

        digest = make_key(encoded_pair(model, "", _PROBE, chat=False, end=False))[:12]
        if not self._suite.is_text:
            return digest
        length, stride = self._window(model)
        return f"{digest} in windows of {length} tokens by {stride}"

    def _facts(
        self, record: str, values: Sequence[Sequence[float]], task: Task
    ) -> str | LlmJudgeError:
        from pytest_llmjudge.pipeline.scoring_model import wrong_logprob

        contexts, tokenizer = task.contexts, task.about
        where = self._model_name()
        if any(len(value) != 1 for value in values):
            problem = f"score() gave no single value for record {record}"
            return CheckpointError(where, problem, "give one for each branch")
        sizes = [len(context.branches[0]) for context in contexts]
        parts = []
        for (value,), size in zip(values, sizes, strict=True):
            wrong = wrong_logprob(where, [value], f"record {record}")
            if wrong is not None:
                return wrong
            if not value >= -_MOST_NATS * size:
                return self._no_loss(record, value)
            parts.append((max(0.0, -value), size))
        ids = [(context.ids, context.branches[0]) for context in contexts]
        return json.dumps([parts, tokenizer, make_key(ids)[:_DIGITS]])

    def _no_loss(self, record: str, value: float) -> PromptError:
        """Return the error that a model gives NaN, or less than any model that is of use."""
        from pytest_llmjudge.generation.nonfinite import FLOAT16, WIDER

        problem = f"its loss on record {record} is NaN or infinite"
        # An integer of a user's model may be larger than any float.
        if -math.inf < value < math.inf:
            problem = f"its loss on record {record} is above {_MOST_NATS:,.0f} nats a token"
        is_narrow = self._resources.settings.dtype == FLOAT16
        hint = WIDER if is_narrow else "see whether its training diverged"
        return PromptError(self._model_name(), problem, hint)

    def _window(self, model: ScoringModel) -> tuple[int, int]:
        """Return how many tokens a window of a text has, and by how many they are apart."""
        length = min(model.context_length, _LONGEST_WINDOW)
        return length, min(self._suite.stride or max(1, length // 2), length)

    def _contexts(self, model: ScoringModel, record: Record) -> list[Context]:
        """Return what the model has to score for a record: one context, or windows of a text.

        Raises:
            PromptError: Nothing can be scored of it.
            SettingsError: It is a conversation, and the model takes texts.
        """
        from pytest_llmjudge.generation.base import Model
        from pytest_llmjudge.pipeline.responses import text_of
        from pytest_llmjudge.pipeline.scoring_model import encoded_pair

        suite, where = self._suite, self._model_name()
        prompt, chat = suite.prompt(record, self.model), suite.loaded.is_chat
        if not isinstance(self.model, Model):
            prompt = text_of(suite.name, prompt, self.model)
        end = suite.end and not suite.is_text
        # Models of this package's own take conversations too.
        text = cast("str", prompt)
        before, after = encoded_pair(model, text, record.output, chat=chat, end=end)
        if suite.is_text:
            windows = list(_windows([*before, *after], *self._window(model)))
            if not windows:
                raise PromptError(where, "a text of one token has no loss", "name a longer one")
            return windows
        if not before:
            # The first token of all has nothing that it could be predicted from.
            before, after = after[:1], after[1:]
        if not after:
            raise PromptError(where, "the reference is empty", "give the record an output")
        size = len(before) + len(after)
        # The last token is predicted and not read.
        if size - 1 > model.context_length:
            problem = (
                f"prompt and reference have {size} tokens and the context {model.context_length}"
            )
            raise PromptError(where, problem, "shorten the record, or leave it out")
        return [Context(before, (after,))]


def _windows(ids: Sequence[int], length: int, stride: int) -> Iterator[Context]:
    """Slide a window over a text, as https://huggingface.co/docs/transformers/perplexity does.

    Args:
        ids: Of the text.
        length: Of a window, in tokens.
        stride: By how much each begins behind the one before. Each token is predicted once, from
            all tokens before it in the first window that has it.
    """
    done = 0
    for start in range(0, len(ids), stride):
        stop = min(start + length, len(ids))
        # The first token of a window is predicted from nothing.
        first = max(done, start + 1)
        if first < stop:
            yield Context(list(ids[start:first]), (list(ids[first:stop]),))
        if stop == len(ids):
            return
        done = stop


def _read(facts: str) -> _Kept:
    """Return what was stored.

    Raises:
        ValueError: It is no loss.
    """
    parts, tokenizer, token_digest = json.loads(facts)
    for nll, tokens in parts:
        if not math.isfinite(nll) or type(tokens) is not int or tokens < 1:
            raise ValueError
    if not parts or not isinstance(tokenizer, str) or not isinstance(token_digest, str):
        raise ValueError
    return tuple((float(nll), tokens) for nll, tokens in parts), tokenizer, token_digest


def _load(marked: Marked, settings: Settings) -> tuple[suites.Suite, dict[str, Any]]:
    # Who only reads results files does not wait for this import.
    from pytest_llmjudge.records.suites import read_suite

    keywords = read_keywords(marked.name, marked.keywords, _KEYWORDS)
    file = records_file(marked, "llm_loss", _EXAMPLE)
    is_text, is_limited = file.endswith(_TEXT), not keywords.keys().isdisjoint(_LIMITS)
    if not is_limited and (is_text or settings.baseline is None):
        hint = "set max_perplexity or max_loss"
        hint += "" if is_text else ", or compare with --llm-judge-baseline"
        raise SettingsError(marked.name, "it has no gate and so cannot fail", hint)
    idle = _OF_RECORDS if is_text else ("stride",)
    problem = f"it says nothing of a {'text' if is_text else 'records'} file"
    for name in idle:
        if name in keywords:
            where = f"{marked.name}: {name}"
            raise SettingsError(where, problem, "leave it out")
    chosen = chosen_for(marked.name, keywords, marked.base, settings, takes_responses=False)
    if is_text:
        # An option for other suites may name a field.
        chosen = replace(chosen, group=None)
    read = partial(_read_samples, asdict(chosen))
    loaded = read_suite(marked.name, file, marked.base, chosen, read)
    check_single_turns(marked.name, "llm_loss", loaded.records)
    fewest, rule = fewest_falls(settings.alpha), rule_of(marked.name, keywords, settings, _MEASURE)
    groups = group_numbers(record.group for record in loaded.records)
    number, noun = len(loaded.records), "record"
    if groups is not None:
        number, noun = count_groups(groups), "group"
    if not is_limited and not rule.must_prove and number < fewest:
        problem = f"it cannot fail: {count_of(number, noun)} cannot show a rise"
        hint = f"give it {fewest} or more, or set max_perplexity"
        raise SettingsError(marked.name, problem, hint)
    return loaded, keywords


def _read_samples(terms: Mapping[str, Any], source: Source) -> tuple[Record, ...]:
    """Read a records file, or a text as a single record.

    Raises:
        RecordsError: It cannot be used.
    """
    path = source.path
    if path.suffix != _TEXT:
        records = records_reader({**terms, "responses": None})(source)
        lacking = [record for record in records if not record.output]
        if lacking:
            some = f"{len(lacking)} of {len(records)} records (the first is {lacking[0].id})"
            hint = "leave them out; a loss is that of a reference"
            raise RecordsError(path.name, f"there is no reference in {some}", hint)
        return records
    from pytest_llmjudge.paths import POINTER, PULL, is_pointer
    from pytest_llmjudge.reading import DATA_LIMIT, read_file, why_unreadable

    try:
        content = read_file(path, DATA_LIMIT)
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise RecordsError(path.name, why_unreadable(error), "name a text file") from None
    except UnicodeDecodeError:
        raise RecordsError(path.name, "it is not UTF-8", "save it as UTF-8") from None
    if is_pointer(content):
        raise RecordsError(path.name, POINTER, PULL)
    if not text.strip():
        raise RecordsError(path.name, "it is empty", "name a file with a text")
    return (Record("text", "", "", text, {}),)


_OF_RECORDS = (
    *("end", "prompt", "system", "sample", "group", "fields", "split"),
    *("training", "max_overlap"),
)
"""Keywords that say nothing of a text."""


_KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "max_perplexity": number_check(
        "{value} is no perplexity", "a number of 1 or more", lambda most: 1 <= most < math.inf
    ),
    "max_loss": number_check(
        "{value} is no loss", "a number of nats above 0", lambda most: 0 < most < math.inf
    ),
    "end": check_flag,
    "stride": integer_check(
        "{value} is no stride", "a number of tokens, 1 or more", lambda stride: stride >= 1
    ),
    "baseline_rule": BASELINE_KEYWORDS["baseline_rule"],
    "max_rise": check_rise,
    **{name: check for name, check in RECORD_KEYWORDS.items() if name != "responses"},
}


def _terms(
    tokenizer: str | None, prompt: Mapping[str, str | None] | None, *, end: bool
) -> dict[str, str]:
    """Return what has to be the same for two suites to compare, by name.

    A text has no prompt, and a results file of an earlier version does not say which it was.
    """
    terms = {"end token": "counted" if end else "left out", "tokenizer": tokenizer or "unknown"}
    if prompt is not None:
        # A template file may have been renamed.
        digest = prompt["digest"]
        terms["prompt"] = f"a template file ({digest})" if digest else str(prompt["name"])
    return terms


def _mean_loss(parts: Sequence[Sequence[float]]) -> float | None:
    return math.fsum(nll for nll, _ in parts) / sum(n for _, n in parts) if parts else None


def _wrong_figures(figures: Mapping[str, Any], parts: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield what of the loss and the tokens of a record or a suite is not that of its parts."""
    yield from differs(figures, "tokens", sum(n for _, n in parts) if parts else None)
    yield from differs(figures, "loss", _mean_loss(parts))


def _entries(
    name: str, content: str, parts: Sequence[Sequence[float]], group: str | None
) -> Iterator[Entry]:
    """Yield a record's mean loss as a comparison takes it, or that of each window of a text."""
    if not parts:
        yield Entry(name, content, None, None, group)
        return
    *windows, last = [(nll, int(tokens)) for nll, tokens in parts]
    if windows and 2 * last[1] < windows[-1][1]:
        # Each window counts alike, and this one is too short for that.
        nll, tokens = windows.pop()
        last = nll + last[0], tokens + last[1]
    for place, (nll, tokens) in enumerate([*windows, last]):
        # As many tokens on both sides: else another tokenizer made them.
        own = f"{name}-{place}" if windows else name
        yield Entry(own, f"{content} {tokens}", nll / tokens, None, group)


def _loss_record(record: Record, row: Mapping[str, Any]) -> LossRecord:
    return LossRecord(
        record,
        parts=tuple((nll, tokens) for nll, tokens in row.get("parts") or ()),
        tokenizer=row.get("tokenizer") or "",
        token_digest=row.get("token_digest") or "",
        error=row["error"],
        outcome=row["outcome"],
        cause=row.get("cause"),
    )


def _plain_record(one: LossRecord) -> dict[str, Any]:
    loss = one.loss
    document = {
        **record_texts(one.record),
        "loss": None if loss is None else round(loss.mean, 6),
        "tokens": None if loss is None else loss.tokens,
        "parts": [list(part) for part in one.parts],
        "token_digest": one.token_digest or None,
        "error": one.error,
        "outcome": one.outcome,
    }
    return document if one.cause is None else {**document, "cause": one.cause}


def _decide_loss(mean: float, tokens: int, most: float | None) -> Decision:
    perplexity = f"perplexity {_short(_exp(mean), 4)}"
    measured = f"loss {mean:.4f} nats a token ({count_of(tokens, 'token')}, {perplexity})"
    if most is None:
        return Decision(passed=True, reason=f"{measured}, no max_loss is set")
    if mean > most:
        return Decision(passed=False, reason=f"{measured} is above max_loss {most:g}")
    return Decision(passed=True, reason=f"{measured} is at most max_loss {most:g}")


def _decide_perplexity(
    losses: Sequence[Loss], causes: Mapping[str, str], most: float | None
) -> Decision:
    """Decide over a suite: each record has a loss, and their perplexity is low enough.

    Args:
        losses: Those there are.
        causes: Why a record has none, by its id.
        most: The highest perplexity; ``None`` for any.
    """
    if causes:
        total = len(losses) + len(causes)
        return unscored(list(causes), total, causes, "records", PERPLEXITY)
    figures, count = _pool(losses), len(losses)
    bounds = figures.range
    ends = " to ".join(_short(bound, 4) for bound in bounds or ())
    interval = f", 95 % CI {ends}" if ends else ""
    measured = (
        f"perplexity {_points(figures.perplexity, most)} (loss {figures.loss:.4f} nats a token, "
        f"{count_of(figures.tokens, 'token')} of {count_of(count, 'record')}"
        f"{in_groups(figures.groups)}{interval})"
    )
    if most is None:
        return Decision(passed=True, reason=f"{measured}, no max_perplexity is set")
    noise = NOISE if is_within_noise(bounds, most) else ""
    is_low = figures.perplexity <= most
    beside = "at most" if is_low else "above"
    reason = f"{measured} is {beside} max_perplexity {_points(most, figures.perplexity)}{noise}"
    return Decision(passed=is_low, reason=reason)


def _limit(result: LossResult, figures: Figures | None) -> Limit:
    most, missing = result.limits["max_perplexity"], result.total - len(result.losses)
    near = figures is not None and is_within_noise(figures.range, most)
    asked = "" if most is None else f"{PERPLEXITY} <= {most:g}"
    return Limit(asked, remark_on(missing, result.total, "without a loss", near=near))


def _high(result: LossResult) -> int:
    """Count the records that failed by their loss."""
    most = result.limits["max_loss"]
    return sum(
        one.outcome == "failed" and most is not None and loss.mean > most
        for one in result.records
        if (loss := one.loss) is not None
    )


def _causes(result: LossResult) -> Iterator[str]:
    most, high = result.limits["max_loss"], _high(result)
    of = f"of {result.total} records"
    if high:
        yield f"{high} {of} {is_one(high, 'has', 'have')} a loss above {most:g}"
    scored = [one for one in result.records if one.parts]
    yield from causes_of_items(scored, of, "loss", low=high)
    state = "has no loss", "have no loss"
    yield from causes_of_missing(result.records, result.total, "records", state)


def _overview(result: LossResult, figures: Figures | None, value: str, interval: str) -> Overview:
    tokens, loss = (NONE, NONE) if figures is None else (str(figures.tokens), f"{figures.loss:.4f}")
    counts = str(result.total), str(len(result.losses))
    cells = (result.name, *counts, tokens, loss, value, interval)
    return Overview(_HEADINGS, cells, title="Held-out loss")


def _worst(result: LossResult) -> Iterator[Excerpts]:
    worst = sorted(result.losses, key=lambda loss: -loss.mean)
    if len(worst) > 1:
        entries = tuple(
            Excerpt(
                f"{one.mean:.3f}",
                one.record.id,
                f"{count_of(one.tokens, 'token')}, perplexity {_short(one.perplexity, 3)}",
                one.record.instruction,
            )
            for one in worst
        )
        title = f"highest losses in {result.name}"
        yield Excerpts(title, entries, _EXCERPTS, are_quoted=False, are_counted=False)


def _short(value: float, decimals: int) -> str:
    """Write a perplexity, one of a model that diverged without its hundreds of digits."""
    return f"{value:.{decimals}f}" if value < _LARGE else f"{value:.4g}"


def _points(value: float, beside: float | None) -> str:
    return points(value, beside) if value < _LARGE else f"{value:.4g}"


def _finite(value: float) -> float | None:
    """Round to four digits; JSON has no number for what is infinite."""
    return round(value, 4) if math.isfinite(value) else None


def _finite_all(values: Sequence[float]) -> list[float] | None:
    return [round(value, 4) for value in values] if all(map(math.isfinite, values)) else None
