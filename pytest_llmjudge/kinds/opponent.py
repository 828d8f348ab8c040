"""What the responses of a suite of pairs are compared with, and the people who decide."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pytest_llmjudge.data import AgainstReference
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.vote_judgements import VoteJudgements
from pytest_llmjudge.pipeline import SavedResponses, field_source, model_source
from pytest_llmjudge.records.prompts import given_response, is_blank
from pytest_llmjudge.storage.results_reader import read_results
from pytest_llmjudge.storage.saved_responses import responses_of
from pytest_llmjudge.storage.votes import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.data import Vote
    from pytest_llmjudge.kinds.pairing import Pairing
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.pipeline.sources import Source
    from pytest_llmjudge.records.suites import Suite

__all__ = ["Opponent"]

_SHOWN_DIGITS = 12


class Opponent:
    """The other side of one suite of pairs.

    Args:
        suite: Its records and settings.
        pairing: What the suite's responses are compared with.
        resources: Of this process.
    """

    def __init__(self, suite: Suite, pairing: Pairing, resources: Resources) -> None:
        self._suite = suite
        self._pairing = pairing
        self._resources = resources

    def check(self) -> None:
        """Prove that the other responses, and the votes, can be had.

        Raises:
            LlmJudgeError: They cannot.
        """
        self.reference()
        if self._pairing.kind == "checkpoint":
            self._resources.models.get(self._pairing.against).check()
        self._votes  # noqa: B018  # reading them is the check

    def check_differs(self, fingerprint: str) -> None:
        """Prove that the suite does not compare a model with itself, which always passes.

        Args:
            fingerprint: Of the model under test; one that nobody knows is empty.

        Raises:
            LlmJudgeError: It does, or what it is compared with cannot be had.
        """
        other = self.reference()
        if not fingerprint or fingerprint != other.fingerprint:
            return
        shown = fingerprint[:_SHOWN_DIGITS]
        if other.kind == "results":
            problem = f"{other.name} has answers of the model under test itself ({shown})"
            hint = "name the results of another model in against=, or test another model"
            raise SettingsError(self._suite.name, problem, hint)
        problem = f"{other.name} is compared with itself ({shown})"
        hint = "name the release in against= and the candidate in --llm-judge-checkpoint"
        raise SettingsError(self._suite.name, problem, hint)

    def reference(self) -> AgainstReference:
        """Name what the suite is compared with.

        Raises:
            LlmJudgeError: It cannot be had.
        """
        pairing, models = self._pairing, self._resources.models
        if pairing.kind == "field":
            return AgainstReference("field", str(pairing.against), "")
        name = models.shown_path(pairing.against)
        if pairing.kind == "results":
            return AgainstReference("results", name, self._results[1])
        return AgainstReference("checkpoint", name, models.get(pairing.against).fingerprint)

    def source(self) -> Source[str]:
        """Return what has or makes the other responses.

        Raises:
            LlmJudgeError: It cannot be had.
        """
        pairing, resources = self._pairing, self._resources
        if pairing.kind == "field":
            field = str(pairing.against)
            return field_source(self._suite, resources.settings, resources.store, field)
        if pairing.kind == "results":
            return self._results[0]
        model = resources.models.get(pairing.against)
        settings, store, worker = resources.settings, resources.store, resources.worker
        return model_source(self._suite, settings, store, model, worker)

    def people(self, model: str) -> VoteJudgements | None:
        """Return the people who decide; ``None`` when the judge does.

        Args:
            model: Name of the model under test.

        Raises:
            LlmJudgeError: Their votes cannot be read.
        """
        path, votes = self._pairing.votes, self._votes
        if path is None:
            return None
        vague = sum(not (vote.response_a and vote.response_b and vote.content) for vote in votes)
        if vague:
            self._resources.store.add_note(
                f"{path.name}: {vague} of {len(votes)} votes do not say on which question and "
                "answers they are; those count by id and by the names of the models"
            )
        return VoteJudgements(path, votes, (model, self.reference().name))

    @cached_property
    def _votes(self) -> tuple[Vote, ...]:
        path = self._pairing.votes
        return () if path is None else read_votes(path, named_by=f"{self._suite.name}: votes")

    @cached_property
    def _results(self) -> tuple[SavedResponses, str]:
        path = self._resources.root / self._pairing.against
        where = f"{self._suite.name}: against {path}"
        named_by = f"{self._suite.name}: against"
        run = read_results(path, self._resources.kinds, named_by=named_by)
        responses, reasons, fingerprint = responses_of(run, where, self._suite.records)
        if not responses:
            hint = "name the results of a model that answered them"
            raise SettingsError(where, "it has none of these records", hint)
        _check_texts(self._suite, where, responses)
        return SavedResponses(where, responses, reasons), fingerprint


def _check_texts(suite: Suite, where: str, responses: Mapping[str, str | None]) -> None:
    """Refuse what nobody can lose against: blank answers, and the ones under test."""
    texts = [text for text in responses.values() if text is not None]
    blank = sum(map(is_blank, texts))
    if texts and 2 * blank >= len(texts):
        problem = f"{blank} of its {len(texts)} responses to these records are blank"
        raise SettingsError(where, problem, "name the results of a model that answered them")
    field = suite.settings.responses
    if field is None:
        return
    tested = {record.id: given_response(record, field) for record in suite.records}
    if all(text == tested.get(name) for name, text in responses.items()):
        problem = f'its responses are those under test ("{field}")'
        raise SettingsError(where, problem, "name the results of another model")
