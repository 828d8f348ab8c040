"""A judge in this process answers as one at a server does, and its errors are a judge's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import CheckpointError, JudgeError, PromptError
from pytest_llmjudge.generation.reply import Reply, TemplateError, TooLongError
from pytest_llmjudge.judging.asking import WeightedAsker
from pytest_llmjudge.pipeline.local_judge import LocalJudge, settings_of_judge
from pytest_llmjudge.scoring import CHOICE_SCHEMA
from pytest_llmjudge.servers.chat import PromptTooLongError
from pytest_llmjudge.settings import Decoding, read_settings
from pytest_llmjudge.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Model:
    """Replies as it is told, and notes how it was asked."""

    path = Path("judge")
    special_tokens: frozenset[str] = frozenset()

    def __init__(self, *replies: Reply | PromptError | CheckpointError) -> None:
        self.replies = list(replies)
        self.asked: list[object] = []

    def weighed_replies(self, prompts: Sequence[str], *, most: int) -> Iterator[tuple[int, Any]]:
        self.asked.append(most)
        return self._next(prompts)

    def held_replies(
        self, prompts: Sequence[str], allowed: Sequence[str], *, decoding: Decoding
    ) -> Iterator[tuple[int, Any]]:
        self.asked.append((allowed, decoding))
        return self._next(prompts)

    def written_replies(
        self, prompts: Sequence[str], *, max_new_tokens: int, decoding: Decoding
    ) -> Iterator[tuple[int, Any]]:
        if prompts:
            self.asked.append((max_new_tokens, decoding))
        return self._next(prompts)

    def _next(self, prompts: Sequence[str]) -> Iterator[tuple[int, Any]]:
        for number in range(len(prompts)):
            reply = self.replies.pop(0)
            if isinstance(reply, CheckpointError):
                raise reply
            yield number, reply

    def end_turn(self) -> None:
        """Do nothing."""

    release = end_turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, "run")
    yield made
    made.close()


def judge_of(store: Store, model: Model) -> LocalJudge:
    settings = read_settings({}, Path(), Path(), "pytest.ini")
    named: Any = model
    return LocalJudge(named, "local:judge", store, settings, is_alone=True)


def test_the_ways_to_ask(store: Store) -> None:
    """By the first token, freely, or held to a schema; drawn where a temperature says so."""
    model = Model(
        Reply("yes", candidates=(("yes", -0.1),), tokens=40),
        Reply("85", tokens=50),
        Reply('{"winner": "A"}', tokens=60),
        Reply("It is wrong.", tokens=70),
    )
    judge = judge_of(store, model)

    weighed = judge.chat("a", weigh=True)
    written = judge.chat("b", seed=124, temperature=0.7)
    held = judge.chat("c", schema=CHOICE_SCHEMA)
    explained = judge.chat("d", room=120)

    judge.close()
    assert (weighed.content, weighed.candidates) == ("yes", (("yes", -0.1),))
    assert (written.content, written.done_reason, written.candidates) == ("85", "stop", None)
    assert (held.content, explained.content) == ('{"winner": "A"}', "It is wrong.")
    replies = weighed, written, held, explained
    assert [reply.tokens for reply in replies] == [40, 50, 60, 70]
    assert all(reply.seconds is not None for reply in replies)
    drawn = Decoding(temperature=0.7, seed=124)
    winners = tuple(f'{{"winner": "{one}"}}' for one in ("A", "B", "tie"))
    assert model.asked == [100, (64, drawn), (winners, Decoding()), (120, Decoding())]


def test_a_reply_without_a_score(store: Store) -> None:
    """The message has the judge's name once."""
    judge = judge_of(store, Model(Reply("A", candidates=(("A", -0.1), ("yes", -3.0)))))

    verdict = WeightedAsker(judge).ask(Record("r", "a", "", "b", {}), "c")

    judge.close()
    assert verdict.error == (
        'local:judge: the judge answers with "A" 0.90, "yes" 0.05: p(yes) + p(no) is 0.05, and below '
        "0.5 it says nothing; take another judge, or ask with --llm-judge-ask=integer"
    )


def test_room_for_thoughts(store: Store) -> None:
    """Who begins with them gets more; whoever rambles does not."""
    model = Model(
        Reply("<think>\nHm", is_cut=True, tokens=70),
        Reply("<think>\nHm.\n</think>\n90", tokens=90),
        Reply("The score is", is_cut=True),
    )
    judge = judge_of(store, model)

    thought, rambled = judge.chat("a"), judge.chat("b")

    judge.close()
    assert (thought.answer.strip(), thought.tokens) == ("90", 160)
    assert (rambled.content, rambled.done_reason) == ("The score is", "length")
    assert model.asked == [(room, Decoding()) for room in (64, 1088, 64)]


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (
            TooLongError("judge", "long", "shorten"),
            PromptTooLongError,
            "local:judge: long; shorten",
        ),
        (PromptError("judge", "no numbers", "see"), JudgeError, "local:judge: no numbers; see"),
        (
            CheckpointError("judge", "out of memory", "buy"),
            JudgeError,
            "local:judge: out of memory; buy",
        ),
        (
            TemplateError("judge", "its chat template is odd", "choose another prompt"),
            JudgeError,
            "local:judge: its chat template is odd; correct it, or take another judge",
        ),
    ],
)
def test_errors(store: Store, raised: Any, kind: type[JudgeError], text: str) -> None:  # noqa: ANN401
    """Each is one of the judge, in one line; only a prompt that is too long is the record's."""
    judge = judge_of(store, Model(raised))

    with pytest.raises(JudgeError) as caught:
        judge.chat("a", weigh=True)

    judge.close()
    assert type(caught.value) is kind
    assert str(caught.value) == text
    assert caught.value.is_infrastructure == (kind is JudgeError)


def test_options_of_the_model_under_test(tmp_path: Path) -> None:
    """They do not reach the judge."""
    given = {
        "llm_judge_base": ("base", "cli"),
        "llm_judge_tokenizer": ("tokenizer.json", "cli"),
        "llm_judge_temperature": ("0.8", "cli"),
        "llm_judge_stop": ("END", "cli"),
        "llm_judge_dtype": ("bfloat16", "cli"),
    }

    own = settings_of_judge(read_settings(given, tmp_path, tmp_path, "pytest.ini"))

    assert (own.base, own.tokenizer, own.decoding, own.dtype) == (
        None,
        None,
        Decoding(),
        "bfloat16",
    )
