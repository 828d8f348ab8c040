"""Proof that all processes of a run have one model, one judge and one set of records."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_llmjudge import __version__
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.kinds.shared import Shared, shared_file, shared_model, shown_value
from pytest_llmjudge.pipeline import fingerprint_of, judge_fingerprint
from pytest_llmjudge.pipeline.protocols import judge_name, name_of
from pytest_llmjudge.plugin.collect import report_usage_problem
from pytest_llmjudge.settings import DECIDING, LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.settings import Settings

__all__ = [
    "agree_on_baseline",
    "agree_on_fixtures",
    "agree_on_judge",
    "agree_on_model",
    "agree_on_plan",
    "shared_facts",
]

_BY_CONTENT = {"baseline", "base", "checkpoint", "labels", "prompt", "tokenizer"}
"""Options of which what they name is compared: a file may lie elsewhere, and a prompt is what it is
to a suite."""


def agree_on_plan(session: LlmSession) -> None:
    """Prove that this process planned what the first one did.

    Raises:
        SettingsError: It did not; says in what they differ.
    """
    _agree(session, [*shared_facts(session), *_named_alike(session)])


def agree_on_baseline(session: LlmSession) -> None:
    """Let all processes have the baseline that this one has, which is the first.

    Raises:
        SettingsError: Another one was first after all.
    """
    _agree(session, _baseline(session.settings))


def agree_on_model(session: LlmSession, name: str, fingerprint: str) -> None:
    """Prove that this process sees the model that the first one saw.

    Raises:
        SettingsError: It does not.
    """
    _agree(session, [_model(name, fingerprint)])


def agree_on_judge(session: LlmSession, identity: JudgeIdentity) -> None:
    """Prove that this process sees the judge that the first one saw.

    Raises:
        SettingsError: It does not.
    """
    facts = _judge(asdict(identity))
    if session.resources.judges.fits_context:
        # Before the collection nobody knows what context the run needs.
        facts = (fact for fact in facts if fact.what != "options")
    _agree(session, facts)


def agree_on_fixtures(session: LlmSession, name: str, model: object, judge: object) -> None:
    """Prove that a suite's fixtures of the user's own are what they were in the first process.

    They are made when an item needs them, so that the run ends here where they are not.

    Args:
        session: This process's.
        name: Of the suite.
        model: Under test; ``None`` where there is none.
        judge: As ``model``.

    Raises:
        LlmJudgeError: They are not, or have no usable fingerprint.
    """
    facts = []
    if model is not None and not isinstance(model, Model):
        hint = "make it a text that changes only when the answers may"
        value = fingerprint_of(model)
        facts.append(Shared(f"{name} llm_model", name_of(model), "fingerprint", value, hint))
    if judge is not None and not isinstance(judge, Judge):
        hint = "make it a text that changes only when the scores may"
        fingerprint = judge_fingerprint(judge)
        facts.append(
            Shared(f"{name} llm_judge", judge_name(judge), "fingerprint", fingerprint, hint)
        )
    try:
        _agree(session, facts)
    except SettingsError as error:
        if session.is_worker:
            report_usage_problem(session.config, error)
        raise


def _agree(session: LlmSession, facts: Iterable[Shared]) -> None:
    known = {fact.key: fact for fact in facts}
    values = {key: json.dumps(fact.value, sort_keys=True) for key, fact in known.items()}
    first = session.store.agree(values)
    for key, fact in known.items():
        if first[key] != values[key]:
            both = f"{shown_value(json.loads(first[key]))} and {shown_value(fact.value)}"
            problem = f"its {fact.what} is not the same in all processes of this run ({both})"
            raise SettingsError(fact.where, problem, fact.hint)


def shared_facts(session: LlmSession) -> Iterator[Shared]:
    """Yield what decides over the results of the run that this process has planned, but judges."""
    resources = session.resources
    for name, facts in session.announced.items():
        suite, checkpoint = session.suites[name], facts["checkpoint"]
        if checkpoint is not None and checkpoint[1]:
            yield shared_model(f"{name} checkpoint", *checkpoint[:2])
        yield from suite.shared(resources)
        hint = "let all processes collect the same suites"
        yield Shared(f"{name} rule", name, "rule for the baseline", facts["rule"], hint)
        path = resources.models.shown_path(suite.path)
        yield Shared(f"{name} digest", path, "content", suite.digest())
    yield from _options(session.settings)
    hint = "install one version for all of them"
    yield Shared("version", "pytest-llmjudge", "version", __version__, hint)


def _named_alike(session: LlmSession) -> Iterator[Shared]:
    """Yield models and judges by name, as the head of the run has agreed on them."""
    for facts in session.announced.values():
        checkpoint, judge = facts["checkpoint"], facts["judge"]
        if checkpoint is not None and checkpoint[1]:
            yield _model(*checkpoint[:2])
        if judge is not None:
            yield from _judge(judge)


def _model(name: str, fingerprint: str) -> Shared:
    return shared_model(f"model {name}", name, fingerprint)


def _judge(identity: Mapping[str, object]) -> Iterator[Shared]:
    name, hint = str(identity["model"]), "run again when nobody updates the judge"
    for what in ("backend", "version", "digest", "options", "ask"):
        yield Shared(f"judge {name} {what}", name, what, identity[what], hint)


def _options(settings: Settings) -> Iterator[Shared]:
    for name in DECIDING:
        if name not in _BY_CONTENT:
            flag, hint = f"--llm-judge-{name.replace('_', '-')}", "give it on the command line"
            is_place = name == "model" and settings.is_judge_local
            value = LOCAL if is_place else getattr(settings, name)
            yield Shared(f"option {flag}", flag, "value", str(value), hint)
    yield from _baseline(settings)


def _baseline(settings: Settings) -> Iterator[Shared]:
    if settings.baseline is not None:
        yield shared_file("baseline", settings.baseline)
