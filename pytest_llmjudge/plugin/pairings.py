"""What the responses of a suite of pairs are compared with, and the people who decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.data import AgainstReference
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.pipeline import SavedResponses, VoteJudgements, field_source, model_source
from pytest_llmjudge.prompts import clean_response
from pytest_llmjudge.storage.results_reader import read_results
from pytest_llmjudge.storage.saved_responses import responses_of
from pytest_llmjudge.storage.votes import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_llmjudge.data import Vote
    from pytest_llmjudge.pipeline.sources import Source
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.suites import Pairing, Suite

__all__ = ["Pairings"]

_SHOWN_DIGITS = 12


class Pairings:
    """The other sides of all suites of pairs in one process of a run."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._saved: dict[str, tuple[SavedResponses, str]] = {}
        self._votes: dict[Path, tuple[Vote, ...]] = {}

    def check(self, suite: Suite) -> None:
        """Prove that what a suite is compared with, and its votes, can be had.

        Raises:
            LlmJudgeError: They cannot.
        """
        pairing = _pairing(suite)
        self.reference(suite)
        if pairing.kind == "checkpoint":
            self._session.model(pairing.against).check()
        if pairing.votes is not None:
            self._read_votes(suite.name, pairing.votes)

    def check_apart(self, suite: Suite, fingerprint: str) -> None:
        """Prove that a suite does not compare a model with itself, which always passes.

        Args:
            suite: Of pairs.
            fingerprint: Of the model under test; one that nobody knows is empty.

        Raises:
            LlmJudgeError: It does, or what it is compared with cannot be had.
        """
        other = self.reference(suite)
        if not fingerprint or fingerprint != other.fingerprint:
            return
        told = fingerprint[:_SHOWN_DIGITS]
        if other.kind == "results":
            found = f"{other.name} has answers of the model under test itself ({told})"
            todo = "name the results of another model in against=, or test another model"
            raise SettingsError(suite.name, found, todo)
        found = f"{other.name} is compared with itself ({told})"
        todo = "name the release in against= and the candidate in --llm-judge-checkpoint"
        raise SettingsError(suite.name, found, todo)

    def reference(self, suite: Suite) -> AgainstReference:
        """Name what a suite is compared with.

        Raises:
            LlmJudgeError: It cannot be had.
        """
        pairing, session = _pairing(suite), self._session
        if pairing.kind == "field":
            return AgainstReference("field", str(pairing.against), "")
        name = session.shown_path(pairing.against)
        if pairing.kind == "results":
            return AgainstReference("results", name, self._results(suite)[1])
        return AgainstReference("checkpoint", name, session.model(pairing.against).fingerprint)

    def source(self, suite: Suite) -> Source[str]:
        """Return what has or makes the responses that a suite is compared with.

        Raises:
            LlmJudgeError: It cannot be had.
        """
        pairing, session = _pairing(suite), self._session
        if pairing.kind == "field":
            return field_source(suite, session.settings, session.store, str(pairing.against))
        if pairing.kind == "results":
            return self._results(suite)[0]
        model = session.model(pairing.against)
        return model_source(suite, session.settings, session.store, model, session.worker)

    def people(self, suite: Suite, model: str) -> VoteJudgements | None:
        """Return the people who decide over a suite; ``None`` when the judge does.

        Args:
            suite: Of pairs.
            model: Name of the model under test.

        Raises:
            LlmJudgeError: Their votes cannot be read.
        """
        path = _pairing(suite).votes
        if path is None:
            return None
        votes = self._read_votes(suite.name, path)
        vague = sum(not (vote.response_a and vote.response_b and vote.content) for vote in votes)
        if vague:
            self._session.store.add_note(
                f"{path.name}: {vague} of {len(votes)} votes do not say on which question and "
                "answers they are; those count by id and by the names of the models"
            )
        return VoteJudgements(path, votes, (model, self.reference(suite).name))

    def _read_votes(self, suite: str, path: Path) -> tuple[Vote, ...]:
        if path not in self._votes:
            self._votes[path] = read_votes(path, named_by=f"{suite}: votes")
        return self._votes[path]

    def _results(self, suite: Suite) -> tuple[SavedResponses, str]:
        if suite.name not in self._saved:
            path = self._session.config.rootpath / _pairing(suite).against
            where = f"{suite.name}: against {path}"
            run = read_results(path, named_by=f"{suite.name}: against")
            found, reasons, fingerprint = responses_of(run, where, suite.records)
            if not found:
                todo = "name the results of a model that answered them"
                raise SettingsError(where, "it has none of these records", todo)
            _check_texts(suite, where, found)
            self._saved[suite.name] = SavedResponses(where, found, reasons), fingerprint
        return self._saved[suite.name]


def _check_texts(suite: Suite, where: str, found: Mapping[str, str | None]) -> None:
    """Refuse what nobody can lose against: blank answers, and the ones under test."""
    texts = [text for text in found.values() if text is not None]
    blank = sum(not text.strip() for text in texts)
    if texts and 2 * blank >= len(texts):
        told = f"{blank} of its {len(texts)} responses to these records are blank"
        raise SettingsError(where, told, "name the results of a model that answered them")
    field = suite.settings.responses
    if field is None:
        return
    tested = {record.id: clean_response(str(record.fields[field])) for record in suite.records}
    if all(text == tested.get(name) for name, text in found.items()):
        told = f'its responses are those under test ("{field}")'
        raise SettingsError(where, told, "name the results of another model")


def _pairing(suite: Suite) -> Pairing:
    assert suite.pairing is not None  # noqa: S101  # only suites of pairs come here
    return suite.pairing
