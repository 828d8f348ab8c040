"""A judge: what it is, under which key its verdicts are kept, and how one is had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Preference
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.judging.asking import (
    WEIGHTED_1,
    WEIGHTED_2,
    IntegerAsker,
    WeightedAsker,
    unasked,
)
from pytest_llmjudge.judging.decoys import Decoys, confirm_by_decoys, confirm_choice_by_decoys
from pytest_llmjudge.judging.embedded import EmbeddedAsker
from pytest_llmjudge.judging.questions import wording_for
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.scoring import combine, join_orders
from pytest_llmjudge.servers.fleet import Limiter, unlimited
from pytest_llmjudge.servers.identity import Served
from pytest_llmjudge.servers.kinds import connect
from pytest_llmjudge.servers.ollama import CONTEXT
from pytest_llmjudge.servers.openai import Once, find_out
from pytest_llmjudge.servers.temperature import OWN_TEMPERATURE, has_own_temperature
from pytest_llmjudge.settings import EMBEDDED, OPENAI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.data import Choice, Explanation, JudgeIdentity, Record, Verdict
    from pytest_llmjudge.judging.asking import Asker
    from pytest_llmjudge.servers.chat import JudgeClient
    from pytest_llmjudge.servers.identity import Names

__all__ = ["CUSTOM", "Judge", "identity_label", "judge_of", "make_judge"]

CUSTOM: Final = "custom"
"""The backend of a judge of the user's own."""
_EXPLANATION: Final = "explain/1"
"""Name and version of the question what is wrong with a response."""


class Judge(Served):
    """Scores and compares responses; nothing is sent before it is needed. Threads may share it.

    Args:
        asker: The way responses are scored.
        samples: How many verdicts make one; their median is the score.
        known: The identity, when another process has asked for it already.
        names: See :class:`~pytest_llmjudge.servers.identity.Served`.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        samples: int = 1,
        known: JudgeIdentity | None = None,
        names: Names | None = None,
    ) -> None:
        super().__init__(asker, known, names=names)
        self._asker = asker
        self.samples = samples if asker.varies else 1

    @property
    def server(self) -> str | None:
        """Where a language model is asked, for messages; ``None`` when none is."""
        return self._asker.server

    @property
    def echo_tolerance(self) -> int:
        """Most points by which two scores of one answer may differ for reasons of arithmetic."""
        return self._asker.echo_tolerance

    @property
    def refuses_with_decoys(self) -> bool:
        """Whether an injection that decoy questions show counts as refused by the judge itself."""
        return self._asker.refuses_with_decoys

    @property
    def label(self) -> str:
        """The identity in a few words, for headers; raises as :attr:`identity` does."""
        return identity_label(self.identity)

    @property
    def mark(self) -> str:
        """A text that only a judge with these weights has; raises as :attr:`identity` does."""
        return make_key("judge", self._weights.model, self._weights.digest)

    def installed(self) -> Sequence[str]:
        """Name the models that could judge instead; empty when nobody says."""
        return self._asker.installed()

    def close(self) -> None:
        """Close the connections to its server; it may still be asked."""
        self._asker.close()

    def score(self, record: Record, response: str) -> Verdict:
        """Score one response from 0 to 100.

        An empty response scores 0 and is not sent, which is the lecture's rule. A server's failure
        is noted in the verdict, not raised.
        """
        known = self.known(record, response)
        if known is not None:
            return known
        samples = range(self.samples)
        verdict = combine((self.ask(record, response, sample) for sample in samples), self.samples)
        questions = self.decoy_questions(record, response, verdict, Decoys())
        if not questions:
            return verdict
        asked = (self.ask(question, response) for question in questions)
        return confirm_by_decoys(record, verdict, asked) or verdict

    def known(self, record: Record, response: str) -> Verdict | None:
        """Return the verdict on a response that nobody needs to be asked about."""
        return self._asker.known(record, response) if response.strip() else unasked(0)

    def ask(self, record: Record, response: str, sample: int = 0) -> Verdict:
        """Ask for one verdict of those that make a score, whatever is known of the response."""
        return self._asker.ask(record, response, sample=sample)

    def decoy_questions(
        self, record: Record, response: str, verdict: Verdict, decoys: Decoys
    ) -> Sequence[Record]:
        """Return what else the judge is to be asked about a response before its score counts.

        It is nothing unless the score looks suspicious; see
        :mod:`~pytest_llmjudge.judging.decoys`.
        """
        if verdict.score is None or not self._asker.is_suspicious(record, response, verdict.score):
            return ()
        return decoys.questions(record, response)

    def compare(self, record: Record, a: str, b: str) -> Preference:
        """Say which of two answers is preferred: asked in both orders, for place must not decide.

        Identical answers are a tie, and not sent. A server's failure is noted in the preference,
        not raised.
        """
        known = self.known_preference(a, b)
        if known is not None:
            return known
        orders = ((a, b), (b, a))
        preference = join_orders(self.choose(record, *order) for order in orders)
        questions = self.decoy_choices(record, (a, b), preference, Decoys())
        if not questions:
            return preference
        asked = (self.choose(*question) for question in questions)
        return confirm_choice_by_decoys(record, preference, asked) or preference

    def decoy_choices(
        self, record: Record, pair: tuple[str, str], preference: Preference, decoys: Decoys
    ) -> Sequence[tuple[Record, str, str]]:
        """Return between what else the judge is to choose before its preference counts.

        It is nothing unless the preferred answer looks suspicious, or that of the model under test
        where neither is preferred. Else it is that answer beside the reference of another record,
        as answers to that record, in both orders.
        """
        if preference.winner is None:
            return ()
        winner, loser = pair[::-1] if preference.winner == "b" else pair
        if not self._asker.is_suspicious_choice(record, winner, loser):
            return ()
        other = decoys.pair_question(record)
        return (other, winner, other.output), (other, other.output, winner)

    def known_preference(self, a: str, b: str) -> Preference | None:
        """Return the preference between answers that nobody needs to be asked about."""
        return Preference("tie") if a.strip() == b.strip() else None

    def choose(self, record: Record, first: str, second: str) -> Choice:
        """Ask which of two answers is better, in this order and whatever is known of them."""
        return self._asker.choose(record, first, second)

    def explain(self, record: Record, response: str) -> Explanation:
        """Say what is wrong with a response; a server's failure is noted there, not raised."""
        return self._asker.explain(record, response)

    def explanation_key(self, record: Record, response: str) -> str:
        """Name an explanation by all that decides it, as :meth:`key` does a verdict.

        Raises:
            JudgeError: As :attr:`identity`.
        """
        weights = self._weights
        decides = {
            "ask": wording_for(record, _EXPLANATION),
            "digest": weights.digest,
            "options": self._options_of_one,
            "prompt": self._asker.explanation_prompt(record, response),
            "version": weights.version,
        }
        return make_key("explanation/1", decides, *self._name_in_keys)

    @property
    def _options_of_one(self) -> dict[str, object]:
        """What is sent where one answer is asked for, though scores may be drawn."""
        options = dict(self._weights.options)
        return options if has_own_temperature(options) else {**options, "temperature": 0}

    def choice_key(self, record: Record, first: str, second: str) -> str:
        """Name a choice by all that decides it, as :meth:`key` does a verdict.

        Raises:
            JudgeError: As :attr:`identity`.
        """
        weights = self._weights
        decides = {
            "ask": wording_for(record, self._asker.pair_wording),
            "digest": weights.digest,
            "options": self._options_of_one,
            "prompt": self._asker.pair_prompt(record, first, second),
            "version": weights.version,
        }
        return make_key("choice/2", decides, *self._name_in_keys)

    def key(self, record: Record, response: str, *, sample: int = 0) -> str:
        """Name the verdict by all that decides it, and by nothing else.

        Args:
            record: The record.
            response: The response to it.
            sample: Number of the verdict, where several are asked for.

        Returns:
            SHA-256, in hex, of canonical JSON. The model's digest is in it and its name is not:
            a name may stand for other weights tomorrow.

        Raises:
            JudgeError: As :attr:`identity`.
        """
        weights = self._weights
        decides = {
            "ask": wording_for(record, self._asker.wording),
            "digest": weights.digest,
            "options": dict(weights.options),
            "prompt": self._asker.prompt(record, response),
            "sample": sample,
            "version": weights.version,
        }
        return make_key("verdict/2", decides, *self._name_in_keys)


def identity_label(identity: JudgeIdentity) -> str:
    """``llama3 (ollama 0.24.0, digest 1ca99c7a9cf4)``, or what the embedded judge really is."""
    if identity.backend == EMBEDDED:
        return "embedded (chrF, no LLM)"
    if identity.backend == CUSTOM:
        return f"{identity.model} (custom)"
    version = f"{identity.backend} {identity.version}".strip()
    asked = ", weighted" if identity.ask.startswith("weighted") else ""
    asked += f", temperature {OWN_TEMPERATURE}" if has_own_temperature(identity.options) else ""
    return f"{identity.model} ({version}, digest {identity.digest[:12]}{asked})"


def make_judge(
    model: str,
    urls: str | Sequence[str],
    timeout: float,
    *,
    ask: str = "integer",
    samples: int = 1,
    num_ctx: int = CONTEXT,
    lowers_num_ctx: bool = False,
    limiter: Limiter = unlimited,
    note: Callable[[str], None] = lambda _: None,
    known: JudgeIdentity | None = None,
    names: Names | None = None,
    once: Once = find_out,
) -> Judge:
    """Make the judge that ``--llm-judge-model`` names.

    Args:
        model: ``embedded``, ``openai:`` and a model of an OpenAI-compatible endpoint, or an Ollama
            model.
        urls: Where it is served, in any form that ``OLLAMA_HOST`` may have; one address or more.
        timeout: Seconds for one request.
        ask: ``integer``, ``weighted`` or ``weighted1``, the first version of ``weighted``.
        samples: See :class:`Judge`.
        num_ctx: Tokens of the context that Ollama is asked for.
        lowers_num_ctx: See :class:`~pytest_llmjudge.servers.ollama.OllamaClient`.
        limiter: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        note: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        known: See :class:`Judge`.
        names: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        once: See :class:`~pytest_llmjudge.servers.openai.OpenAIClient`.

    Raises:
        SettingsError: There is no such judge, or an address is none.
    """
    if model == EMBEDDED:
        return Judge(EmbeddedAsker(), samples=samples, known=known)
    if not model.removeprefix(OPENAI).strip():
        problem = "it is empty" if not model.strip() else f'"{model}" names no model'
        option, hint = (
            "--llm-judge-model",
            'name an Ollama model, openai: and a model, or "embedded"',
        )
        raise SettingsError(option, problem, hint)
    addresses = [urls] if isinstance(urls, str) else urls
    client = connect(
        model,
        addresses,
        timeout,
        num_ctx=num_ctx,
        lowers_num_ctx=lowers_num_ctx,
        limiter=limiter,
        note=note,
        names=names,
        once=once,
    )
    return judge_of(client, ask=ask, samples=samples, known=known, names=names)


def judge_of(
    client: JudgeClient,
    *,
    ask: str = "integer",
    samples: int = 1,
    known: JudgeIdentity | None = None,
    names: Names | None = None,
) -> Judge:
    """Make a judge of a language model.

    Args:
        client: The model.
        ask: As :func:`make_judge` takes it, as the others.
        samples: See :class:`Judge`.
        known: See :class:`Judge`.
        names: See :class:`Judge`.
    """
    wording = {"weighted": WEIGHTED_2, "weighted1": WEIGHTED_1}.get(ask)
    asker: Asker = IntegerAsker(client, samples=samples)
    if wording is not None:
        asker = WeightedAsker(client, wording)
    return Judge(asker, samples=samples, known=known, names=names)
