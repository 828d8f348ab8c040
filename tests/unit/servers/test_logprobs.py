"""Log-probabilities of a reply's first token: read as they are, or refused."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.judging.judge import make_judge
from pytest_llmjudge.servers.chat import read_candidates
from tests.support.fake_ollama import Page

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen.", {})
YES = {"token": "Yes", "logprob": -0.6}
NO = {"token": "No", "logprob": -0.8}


def first(*top: object, **chosen: object) -> list[dict[str, object]]:
    """Make a list of one entry, whose token is Yes unless something else is said."""
    return [{**YES, "top_logprobs": list(top), **chosen}]


UNREADABLE: list[tuple[object, str]] = [
    ({}, "log-probabilities that are no list ({})"),
    ("Yes", 'log-probabilities that are no list ("Yes")'),
    ([7], "log-probabilities with an entry without a token (7)"),
    (first(YES, NO, token=None), "log-probabilities with an entry without a token ("),
    (first(top_logprobs="Yes"), 'top_logprobs that are no list ("Yes")'),
    (first(YES, "No"), 'log-probabilities with an entry without a token ("No")'),
    (
        first(YES, {"token": None, "bytes": [78, 111], "logprob": -0.8}),
        'log-probabilities with an entry without a token ({"token": null, ',
    ),
    (first(YES, {"token": "No"}), 'nothing as the log-probability of "No"'),
    (first(YES, NO, logprob=None), 'nothing as the log-probability of "Yes"'),
    *(
        (first(YES, {"token": "No", "logprob": value}), f'{shown} as the log-probability of "No"')
        for value, shown in [
            (math.nan, "NaN"),
            (math.inf, "Infinity"),
            ("-0.8", '"-0.8"'),
            (True, "true"),
            (3.0, "3.0"),
            (0.01, "0.01"),
            (-(10**400), f"-1{'0' * 57}…"),
            (10**400, f"1{'0' * 58}…"),
        ]
    ),
]


@pytest.mark.parametrize("value", [-math.inf, None])
def test_a_token_without_a_probability(value: float | None) -> None:
    """Some servers list tokens that cannot be; such a one counts as not listed."""
    listed = first(YES, NO, {"token": "Maybe", "logprob": value})

    assert read_candidates(listed) == read_candidates(first(YES, NO))


@pytest.mark.parametrize(("logprobs", "message"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_no_log_probability(logprobs: object, message: str) -> None:
    """It is refused, never left out: what is left would look like certainty."""
    with pytest.raises(ValueError, match=r"log-?prob") as caught:
        read_candidates(logprobs)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("logprobs", "candidates"),
    [
        (None, ()),
        ([], ()),
        (first(YES, NO), (("Yes", -0.6), ("No", -0.8))),
        (first(NO), (("No", -0.8), ("Yes", -0.6))),
        (first(), (("Yes", -0.6),)),
        (first(top_logprobs=None), (("Yes", -0.6),)),
        (first({"token": "No", "logprob": -9999}, YES), (("No", -9999.0), ("Yes", -0.6))),
        (first({"token": "Yes", "logprob": 2e-7}), (("Yes", 0.0),)),
    ],
    ids=str,
)
def test_what_is_read(logprobs: object, candidates: tuple[tuple[str, float], ...]) -> None:
    """The candidates and the chosen token; a rounding error above 0 is 0."""
    assert read_candidates(logprobs) == candidates


@pytest.mark.parametrize("model", ["llama3", "openai:llama3"])
@pytest.mark.parametrize(
    ("logprobs", "error"),
    [
        (
            first(YES, {"token": "No", "logprob": math.nan}),
            'answered with NaN as the log-probability of "No"; {log}',
        ),
        (
            first(YES, {"token": "No", "logprob": -(10**400)}),
            f'answered with -1{"0" * 57}… as the log-probability of "No"; {{log}}',
        ),
        (
            first(YES),
            (
                'tells no log-probability of the other answer, "no", which may have 0.45 and make '
                "the score 60 instead of 100; let it give the 20 likeliest tokens that it is asked "
                "for, or ask with --llm-judge-ask=integer"
            ),
        ),
    ],
    ids=["nan", "huge", "not there"],
)
def test_a_record_is_unscored(
    server: FakeOllama, model: str, logprobs: list[dict[str, object]], error: str
) -> None:
    """One line says why; the next run asks again."""
    body: dict[str, Any] = {"model": "llama3", "prompt_eval_count": 9, "done": True}
    message = {"role": "assistant", "content": "Yes"}
    if model == "llama3":
        body |= {"message": message, "done_reason": "stop", "logprobs": logprobs}
        url, log = server.url, 'the log of "ollama serve" tells more'
    else:
        choice = {"message": message, "logprobs": {"content": logprobs}, "finish_reason": "stop"}
        body |= {"choices": [choice]}
        url, log = f"{server.url}/v1", "the server's log tells more"
    server.reply = lambda _: Page(200, "application/json", json.dumps(body))

    verdict = make_judge(model, server.url, 5.0, ask="weighted").ask(RECORD, "Jane.")

    assert (verdict.score, verdict.final, verdict.is_infrastructure) == (None, False, True)
    assert verdict.error == f"{url}: {error.format(log=log)}"
