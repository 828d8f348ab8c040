"""What a local model thinks before its answer is no part of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Completion
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.thoughts import split_thoughts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.settings import Decoding


class Thinker(TorchModel):
    """Writes what it is asked."""

    def load(self) -> None:
        pass

    def encode_prompt(
        self, where: str, prompt: Prompt, *, chat: bool, cut: bool = False
    ) -> list[int]:
        return list(str(prompt).encode())

    def _decode(
        self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
    ) -> Iterator[Completion]:
        for index, ids in prompts.items():
            yield Completion(index, bytes(ids).decode(), tokens=len(ids))


@pytest.mark.parametrize("chat", [False, True])
def test_thoughts_are_no_part_of_a_response(*, chat: bool) -> None:
    """Whole ones are kept beside it, and a word about them is none."""
    prompts = ["<think>\nhm\n</think>\n\nTwo.", "The tag is <think>.", "Two."]

    done = list(Thinker("m.pth").stream(prompts, max_new_tokens=9, chat=chat))

    assert [one.text for one in done] == ["\n\nTwo.", "The tag is <think>.", "Two."]
    assert [one.thoughts for one in done] == ["hm", "", ""]
    assert [one.error for one in done] == [None] * 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [("<think>hm", "unfinished thoughts"), ("<think>hm</think>\n", "thoughts")],
)
def test_thoughts_alone_are_no_response(text: str, kind: str) -> None:
    """The record has none, says why, and keeps the thoughts."""
    (done,) = Thinker("m.pth").stream([text], max_new_tokens=9, chat=True)

    assert (done.text, done.thoughts) == (None, "hm")
    assert done.error == (
        f"m.pth: the model wrote {kind} and no answer; switch its thoughts off, or raise "
        "--llm-judge-max-new-tokens"
    )


def test_an_empty_response_stays_one() -> None:
    """It is judged, which scores 0."""
    (done,) = Thinker("m.pth").stream([""], max_new_tokens=9)

    assert (done.text, done.error) == ("", None)


def test_texts_of_generate_are_whole() -> None:
    """A test of the user's own sees all that the model wrote."""
    texts = Thinker("m.pth").generate(["<think>hm</think>Two."], max_new_tokens=9)

    assert texts == ["<think>hm</think>Two."]


def test_thoughts_that_a_chat_template_opened() -> None:
    """Only their end is in the text then, which means nothing in another one."""
    text = "hm</think>Two."

    assert split_thoughts(text, opened=True) == ("Two.", "hm", True)
    assert split_thoughts(text, opened=False) == (text, "", True)


@pytest.mark.parametrize("opening", ["<think>", "<think>\n", "<thinking>\n\n"])
def test_thoughts_that_a_prompt_opened(opening: str) -> None:
    """Behind its end the answer begins; without one there is none."""

    class Thinking(Thinker):
        def _decode(
            self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
        ) -> Iterator[Completion]:
            texts = ["hm</think>Two.", "hm, let me see"]
            for index in prompts:
                yield Completion(index, texts[index], tokens=1)

    done = list(Thinking("m.pth").stream([f"1 + 1? {opening}"] * 2, max_new_tokens=9))

    assert [one.text for one in done] == ["Two.", None]
    assert "thoughts and no answer" in (done[1].error or "")


def test_an_error_behind_opened_thoughts_stays() -> None:
    """A prompt that was never answered is not said to have thoughts."""

    class Broken(Thinker):
        def _decode(
            self, prompts: dict[int, list[int]], max_new_tokens: int, decoding: Decoding
        ) -> Iterator[Completion]:
            yield Completion(0, None, error="broken")

    (done,) = Broken("m.pth").stream(["<think>"], max_new_tokens=9)

    assert done.error == "broken"


def test_thoughts_that_an_unknown_prompt_may_have_opened() -> None:
    """Their end is believed, and a text without one is an answer."""
    assert split_thoughts("hm</think>Two.", opened=None) == ("Two.", "hm", True)
    assert split_thoughts("Two.", opened=None) == ("Two.", "", True)


@pytest.mark.parametrize(
    ("text", "beside", "split"),
    [
        ("Two.", "hm", ("Two.", "hm", True)),
        ("<think>oh</think>Two.", " hm\n", ("Two.", "hm\n\noh", True)),
        ("", "hm", (None, "hm", True)),
        (" ", "", (None, "", True)),
        ("", None, ("", "", True)),
        ("<think>\n\n</think>\n\nTwo.", None, ("\n\nTwo.", "", True)),
        ("<think>hm", "oh", (None, "oh\n\nhm", False)),
        ("Two.<think>hm</think>", None, ("Two.<think>hm</think>", "", True)),
    ],
    ids=[
        "beside",
        "both",
        "beside alone",
        "out of sight",
        "empty",
        "nothing thought",
        "unfinished",
        "behind",
    ],
)
def test_where_thoughts_may_be(
    text: str, beside: str | None, split: tuple[str | None, str, bool]
) -> None:
    """Beside the text, before the answer, or at both places; nowhere else."""
    assert split_thoughts(text, opened=False, beside=beside) == split
