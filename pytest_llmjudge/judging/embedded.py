"""The judge that needs no server: chrF of the response against the reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Choice, Explanation, JudgeIdentity, Verdict
from pytest_llmjudge.judging.likeness import chrf, metric
from pytest_llmjudge.settings import EMBEDDED

if TYPE_CHECKING:
    from pytest_llmjudge.data import Record
    from pytest_llmjudge.errors import JudgeError

__all__ = ["EmbeddedAsker"]


class EmbeddedAsker:
    """Scores by character n-grams (chrF), as sacrebleu computes it by default.

    It is deterministic and no language model: it forgives wrong facts in the right words.

    Attributes:
        server: ``None``, since there is none to wait for.
        wording: Version of what is asked, for the keys of verdicts.
        varies: Whether another seed may give another score, which it never does.
        pair_wording: Version of what is asked about two answers.
        echo_tolerance: Most points by which two scores of one answer may differ.
        refuses_with_decoys: Whether decoy questions belong to the way it is asked.
    """

    server = None
    wording = "chrf/1"
    varies = False
    pair_wording = "pair chrf/1"
    refuses_with_decoys = False
    echo_tolerance = 0

    def identify(self) -> JudgeIdentity:
        """Name sacrebleu's version and, as the digest, its signature of the metric."""
        import sacrebleu

        chrf("", "")
        signature = str(metric().get_signature())
        version = str(sacrebleu.__version__)
        return JudgeIdentity(EMBEDDED, EMBEDDED, version, signature, {}, self.wording)

    def installed(self) -> tuple[str, ...]:
        """Name no other model: there is no server that could have one."""
        return ()

    def known(self, record: Record, response: str) -> Verdict | None:  # noqa: ARG002  # as in Asker
        """Know of no response beforehand."""
        return None

    def prompt(self, record: Record, response: str) -> str:
        """Return all that the score depends on: response and reference."""
        return json.dumps([record.output, response])

    def ask(self, record: Record, response: str, *, sample: int = 0) -> Verdict:  # noqa: ARG002  # as in Asker
        """Score one response.

        The score is chrF2 (Popović 2015: character n-grams up to 6, beta 2, no whitespace), 0 to
        100, rounded to the nearest integer and half-way to the even one. The reply of the verdict
        is the value before rounding. No request is made, so that it takes no time and no tokens.
        """
        value = chrf(response, record.output)
        return Verdict(round(value), f"chrF {value:.2f}", seconds=0.0, tokens=0)

    def is_suspicious(self, record: Record, response: str, score: int) -> bool:  # noqa: ARG002  # as in Asker
        """No response can speak to it."""
        return False

    def is_suspicious_choice(self, record: Record, winner: str, loser: str) -> bool:  # noqa: ARG002  # as in Asker
        """No answer can speak to it."""
        return False

    def pair_prompt(self, record: Record, first: str, second: str) -> str:
        """Return all that a choice depends on: both answers and the reference."""
        return json.dumps([record.output, first, second])

    def choose(self, record: Record, first: str, second: str) -> Choice:
        """Choose the answer with the higher chrF, before it is rounded; equal ones are a tie."""
        values = [chrf(answer, record.output) for answer in (first, second)]
        winner = "tie" if values[0] == values[1] else "A" if values[0] > values[1] else "B"
        return Choice(winner, f"chrF {values[0]:.2f} and {values[1]:.2f}")

    def explanation_prompt(self, record: Record, response: str) -> str:
        """Return all that the score depends on: there is no question beside it."""
        return self.prompt(record, response)

    def explain(self, record: Record, response: str) -> Explanation:  # noqa: ARG002  # as in Asker
        """Return none: texts are compared, and nobody is asked."""
        return Explanation("", f"{EMBEDDED}: it compares texts, and cannot say what is wrong")

    def look(self, servers: object, digest: str) -> dict[str, JudgeError]:  # noqa: ARG002  # as in Asker
        """Look at nobody: there is no server."""
        return {}

    def close(self) -> None:
        """Do nothing: there is no connection to close."""
