"""Proof that all processes of a run have one model, one judge and one set of records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge import __version__
from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline import fingerprint_of, judge_fingerprint
from pytest_llmjudge.pipeline.protocols import judge_name, name_of
from pytest_llmjudge.plugin.collect import report_usage_problem
from pytest_llmjudge.suites import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.suites import Suite

__all__ = [
    "agree_on_baseline",
    "agree_on_fixtures",
    "agree_on_judge",
    "agree_on_model",
    "agree_on_plan",
]

_DECIDES_NOTHING = {
    "annotations",
    "batch_size",
    "cache",
    "checkpoint_url",
    "concurrency",
    "timeout",
    "url",
}
"""Settings that no score depends on; a server is known by the model that it has."""
_FOUND_OUT = {"checkpoint", "digest", "due", "judge", "pairing", "path"}
"""What the description of a suite tells that is compared in another way, or is the machine's."""
_TRAINED = "run again when the training is done"
_WRITTEN = "run again when nothing writes to it"
_SHOWN = 12


class _Fact(NamedTuple):
    """Something that must be the same in all processes.

    Attributes:
        key: Names it among those of the run.
        where: What it is a fact of, for messages.
        what: It is, for messages.
        value: Plain data.
        todo: What the reader can do where it differs.
    """

    key: str
    where: str
    what: str
    value: object
    todo: str


def agree_on_plan(session: LlmSession) -> None:
    """Prove that this process planned what the first one did.

    Raises:
        SettingsError: It did not; says in what they differ.
    """
    _agree(session, _facts(session))


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
    _agree(session, _judge(asdict(identity)))


def agree_on_fixtures(session: LlmSession, name: str, model: object, judge: object) -> None:
    """Prove that a suite's fixtures of the user's own are what they were in the first process.

    They are made when an item needs them, so that the run ends here where they are not.

    Args:
        session: This process's.
        name: Of the suite or exam.
        model: Under test; ``None`` where there is none.
        judge: As ``model``.

    Raises:
        LlmJudgeError: They are not, or have no usable fingerprint.
    """
    facts = []
    if model is not None and not isinstance(model, Model):
        todo = "make it a text that changes only when the answers may"
        value = fingerprint_of(model)
        facts.append(_Fact(f"{name} llm_model", name_of(model), "fingerprint", value, todo))
    if judge is not None and not isinstance(judge, Judge):
        todo = "make it a text that changes only when the scores may"
        told = judge_fingerprint(judge)
        facts.append(_Fact(f"{name} llm_judge", judge_name(judge), "fingerprint", told, todo))
    try:
        _agree(session, facts)
    except SettingsError as error:
        if session.worker != "main":
            report_usage_problem(session.config, error)
        raise


def _agree(session: LlmSession, facts: Iterable[_Fact]) -> None:
    known = {fact.key: fact for fact in facts}
    values = {key: json.dumps(fact.value, sort_keys=True) for key, fact in known.items()}
    first = session.store.agree(values)
    for key, fact in known.items():
        if first[key] != values[key]:
            told = f"{_shown(json.loads(first[key]))} and {_shown(fact.value)}"
            found = f"its {fact.what} is not the same in all processes of this run ({told})"
            raise SettingsError(fact.where, found, fact.todo)


def _shown(value: object) -> str:
    text = one_line(str(value), 80)
    return text[:_SHOWN] if len(text) == 64 else text or "none"


def _facts(session: LlmSession) -> Iterator[_Fact]:
    for name, told in session.announced.items():
        checkpoint, judge = told["checkpoint"], told.get("judge")
        if checkpoint is not None and checkpoint[1]:
            yield _model(*checkpoint[:2])
            yield _Fact(f"{name} checkpoint", name, "checkpoint", checkpoint[0], _WRITTEN)
        if judge is not None:
            yield from _judge(judge)
        for key, value in told.items():
            if key not in _FOUND_OUT:
                yield _Fact(f"{name} {key}", name, key, value, _WRITTEN)
        suite = session.suites.get(name)
        path = told["path"] if suite is None else session.shown_path(suite.path)
        yield _Fact(f"{name} digest", path, "content", told["digest"], _WRITTEN)
        if suite is not None:
            yield from _suite(session, suite, told["pairing"])
    yield from _options(session.settings)
    todo = "install one version for all of them"
    yield _Fact("version", "pytest-llmjudge", "version", __version__, todo)


def _suite(session: LlmSession, suite: Suite, pairing: Mapping[str, Any] | None) -> Iterator[_Fact]:
    name = suite.name
    yield _Fact(f"{name} prompt", name, "prompt", make_key(suite.template), _WRITTEN)
    if suite.pairing is None or pairing is None:
        return
    against = pairing["against"]
    if against["kind"] == "checkpoint":
        yield _model(against["name"], against["fingerprint"])
    files = {"votes": suite.pairing.votes}
    if against["kind"] == "results":
        files["against"] = session.config.rootpath / suite.pairing.against
    for key, path in files.items():
        if path is not None:
            yield _file(f"{name} {key}", path)
    yield _Fact(f"{name} min_win_rate", name, "min_win_rate", suite.pairing.min_win_rate, _WRITTEN)


def _model(name: str, fingerprint: str) -> _Fact:
    return _Fact(f"model {name}", name, "fingerprint", fingerprint, _TRAINED)


def _judge(identity: Mapping[str, object]) -> Iterator[_Fact]:
    name, todo = str(identity["model"]), "run again when nobody updates the judge"
    for what in ("backend", "version", "digest", "options", "ask"):
        yield _Fact(f"judge {name} {what}", name, what, identity[what], todo)


def _file(key: str, path: Path) -> _Fact:
    return _Fact(key, path.name, "content", file_digest(path), _WRITTEN)


def _options(settings: Settings) -> Iterator[_Fact]:
    for name, value in asdict(settings).items():
        # Files are compared by what they hold.
        if name not in _DECIDES_NOTHING and not isinstance(value, Path):
            flag, todo = f"--llm-judge-{name.replace('_', '-')}", "give it on the command line"
            yield _Fact(f"option {flag}", flag, "value", str(value), todo)
    yield from _baseline(settings)


def _baseline(settings: Settings) -> Iterator[_Fact]:
    if settings.baseline is not None:
        yield _file("baseline", settings.baseline)
