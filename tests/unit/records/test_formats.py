"""Formats of records: each is known by its content, and read or refused in one line."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Criterion, FollowUp, Turn
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.keys import Content, content_of
from pytest_llmjudge.records.loading import load_records, record_id

if TYPE_CHECKING:
    from pathlib import Path

USER, ASSISTANT = "user", "assistant"


class Said(NamedTuple):
    """What a record says, whatever its format."""

    instruction: str
    output: str
    input: str = ""
    system: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    is_raw: bool = False


def message(role: str, content: object, **others: object) -> dict[str, object]:
    return {"role": role, "content": content, **others}


def share(sender: str, value: object) -> dict[str, object]:
    return {"from": sender, "value": value}


ASKED = [message("user", "Héllo?"), message("assistant", "Bonjour — \U0001f44b.")]
BENCH = {"question_id": 81, "category": "writing"}
TWO_TURNS = {**BENCH, "turns": ["a", "b"], "reference": ["c", "d"]}
TWO = ((USER, "Hi"), (ASSISTANT, ""))
LOADS: dict[str, tuple[dict[str, Any], Said]] = {
    "alpaca": (
        {"instruction": "Übersetze.", "input": None, "output": "翻訳", "note": 3},
        Said("Übersetze.", "翻訳"),
    ),
    "alpaca-with-history": (
        {"instruction": "Go on.", "output": "x", "system": None, "history": [["Hi", ""]]},
        Said("Go on.", "x", turns=TWO),
    ),
    "alpaca-with-blanks": (
        {"instruction": "a", "input": "", "output": " b ", "system": "", "history": []},
        Said("a", " b "),
    ),
    "with-response": (
        {"instruction": "a", "input": "i", "output": "b", "model_response": ""},
        Said("a", "b", "i"),
    ),
    "with-response-of-the-book": (
        {"instruction": "a?", "input": "", "output": "b", "model_response": "c\n"},
        Said("a?", "b"),
    ),
    "with-response-and-score": (
        {"id": "1", "instruction": "a", "output": "b", "model_response": "c", "human_score": 0},
        Said("a", "b"),
    ),
    "messages": ({"messages": ASKED}, Said("Héllo?", "Bonjour — \U0001f44b.")),
    "messages-of-parts": (
        {
            "messages": [
                message("developer", [{"type": "text", "text": "Be kind."}]),
                message("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
                message("assistant", "c", refusal=None, tool_calls=[], weight=1),
            ],
            "tools": [],
        },
        Said("a\nb", "c", system="Be kind."),
    ),
    "messages-of-several-turns": (
        {
            "messages": [
                message("system", "S"),
                *[message(role, text) for role, text in TWO],
                message("user", "Q"),
                message("assistant", "A", name="bot"),
                message("user", "after the reference"),
            ],
        },
        Said("Q", "A", system="S", turns=TWO),
    ),
    "sharegpt": (
        {"id": 7, "conversations": [share("human", "a"), share("gpt", "b")]},
        Said("a", "b"),
    ),
    "sharegpt-with-system": (
        {"conversations": [share("human", "a"), share("gpt", "b")], "system": "S", "tools": ""},
        Said("a", "b", system="S"),
    ),
    "sharegpt-of-several-turns": (
        {
            "conversations": [
                share("system", "S"),
                share("user", "Hi"),
                share("chatgpt", ""),
                share("human", "Q"),
                share("gpt", "A"),
            ],
            "system": "S",
        },
        Said("Q", "A", system="S", turns=TWO),
    ),
    "prompt-and-completion": (
        {"prompt": "2 + 2 =\n\n###\n\n", "completion": " 4 END"},
        Said("2 + 2 =\n\n###\n\n", " 4 END", is_raw=True),
    ),
    "prompt-and-completion-of-messages": (
        {"prompt": ASKED[:1], "completion": ASKED[1:], "system": "S"},
        Said("Héllo?", "Bonjour — \U0001f44b.", system="S"),
    ),
    "prompt-of-several-turns": (
        {
            "prompt": [*[message(*one) for one in TWO], message("user", "Q")],
            "completion": [message("assistant", "A")],
        },
        Said("Q", "A", turns=TWO),
    ),
    "dolly": (
        {"instruction": "a", "context": "c", "response": "b", "category": "closed_qa"},
        Said("a", "b", "c"),
    ),
    "dolly-with-null": ({"instruction": "a", "context": None, "response": "b"}, Said("a", "b")),
    "dolly-without-context": ({"instruction": "a", "response": "ß"}, Said("a", "ß")),
    "question-and-answer": ({"question": "a", "answer": "b\n#### 4"}, Said("a", "b\n#### 4")),
    "question-with-context": (
        {"question": "a", "context": "c", "answer": "b"},
        Said("a", "b", "c"),
    ),
    "question-with-input": (
        {"question": "a", "context": "", "input": "i", "answer": "b"},
        Said("a", "b", "i"),
    ),
    "dolly-with-both": (
        {"instruction": "a", "context": "c", "input": "c", "response": "b"},
        Said("a", "b", "c"),
    ),
    "query-and-response": ({"query": "a", "response": "b", "type": "GSM"}, Said("a", "b")),
    "problem-and-solution": ({"problem": "$x$", "solution": "b", "level": 5}, Said("$x$", "b")),
    "mt-bench": ({**BENCH, "turns": ["a"], "reference": ["b"]}, Said("a", "b")),
    "mt-bench-with-a-text": ({**BENCH, "turns": ["é"], "reference": "b"}, Said("é", "b")),
    "mt-bench-with-more": (
        {**BENCH, "turns": ["a"], "reference": ["b", "c"], "note": None},
        Said("a", "b"),
    ),
    "columns-of-another-format": (
        {"question": "a", "answer": "b", "messages": None, "prompt": None, "completion": None},
        Said("a", "b"),
    ),
}


def write(folder: Path, content: object, name: str = "data.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", list(LOADS))
def test_a_record_of_each_format(tmp_path: Path, name: str) -> None:
    """It says what its format means, and is kept as it stood."""
    value, said = LOADS[name]

    (record,) = load_records(write(tmp_path, [value]))

    turns = tuple((turn.role, turn.text) for turn in record.turns)
    assert said == Said(
        record.instruction, record.output, record.input, record.system, turns, record.is_raw
    )
    assert value == record.fields


PAIR = "write [question, answer]"
ONLY_TEXTS = "only texts can be judged, so leave the record out"
REFERENCE = "every record needs a reference answer, or criteria"
INSTRUCTION = "every record needs an instruction"
LIST = "it must be a list of strings, one for each turn"
REFUSED: dict[str, tuple[object, str]] = {
    "history-of-one": (
        {"instruction": "a", "output": "b", "history": [["Hi"]]},
        f'"history" has an entry that is no pair of texts; {PAIR}',
    ),
    "history-as-text": (
        {"instruction": "a", "output": "b", "history": "Hi"},
        '"history" is a string; it must be a list of pairs, [question, answer]',
    ),
    "system-as-number": (
        {"instruction": "a", "output": "b", "system": 1},
        '"system" is a number; it must be a string',
    ),
    "images": (
        {"instruction": "a", "output": "b", "images": ["x.png"]},
        f'it has "images"; {ONLY_TEXTS}',
    ),
    "image": (
        {"conversations": [share("human", "<image>"), share("gpt", "b")], "image": "x.png"},
        f'it has "image"; {ONLY_TEXTS}',
    ),
    "tools": (
        {"messages": ASKED, "tools": [{"type": "function"}]},
        f'it has "tools"; {ONLY_TEXTS}',
    ),
    "part-image": (
        {"messages": [message("user", [{"type": "image_url", "image_url": {}}]), ASKED[1]]},
        f'message 1 has a part of the type "image_url"; {ONLY_TEXTS}',
    ),
    "part-audio": (
        {"messages": [message("user", [{"type": "input_audio"}]), ASKED[1]]},
        f'message 1 has a part of the type "input_audio"; {ONLY_TEXTS}',
    ),
    "tool-calls": (
        {"messages": [ASKED[0], message("assistant", None, tool_calls=[{"id": "1"}])]},
        f'message 2 has "tool_calls"; {ONLY_TEXTS}',
    ),
    "message-with-image": (
        {"messages": [message("user", "a", image="x.png"), ASKED[1]]},
        f'message 1 has "image"; {ONLY_TEXTS}',
    ),
    "message-with-videos": (
        {"messages": [message("user", "a", videos=["x.mp4"]), ASKED[1]]},
        f'message 1 has "videos"; {ONLY_TEXTS}',
    ),
    "nan-without-a-name": (
        {"messages": ASKED, "": float("nan")},
        '"" is NaN, which JSON does not have; leave it out or write null',
    ),
    "tool-message": (
        {"messages": [ASKED[0], message("tool", "4"), ASKED[1]]},
        f'message 2 is of the role "tool"; {ONLY_TEXTS}',
    ),
    "function-message": (
        {"conversations": [share("human", "a"), share("function_call", "{}"), share("gpt", "b")]},
        f'message 2 is of the role "function_call"; {ONLY_TEXTS}',
    ),
    "role": (
        {"messages": [message("narrator", "a"), ASKED[1]]},
        '"role" of message 1 is "narrator"; it must be system, user or assistant',
    ),
    "role-as-list": (
        {"messages": [message(["user"], "a"), ASKED[1]]},  # type: ignore[arg-type]
        '"role" of message 1 is a list; it must be system, user or assistant',
    ),
    "content-null": (
        {"messages": [message("user", None), ASKED[1]]},
        '"content" of message 1 is null; it must be a text, or a list of texts',
    ),
    "value-as-number": (
        {"conversations": [share("human", 5), share("gpt", "b")]},
        '"value" of message 1 is a number; it must be a text, or a list of texts',
    ),
    "message-as-text": (
        {"messages": ["a", "b"]},
        "message 1 is a string; a message is an object",
    ),
    "no-messages": ({"messages": []}, '"messages" is empty; it must be a list of messages'),
    "messages-as-text": (
        {"messages": "[{}]"},
        '"messages" is a string; it must be a list of messages',
    ),
    "no-reference": (
        {"messages": ASKED[:1]},
        f'"messages" has no message of the assistant; {REFERENCE}',
    ),
    "no-question": (
        {"messages": [message("system", "S"), ASKED[1]]},
        f"no message of the user stands before message 2, the reference; {INSTRUCTION}",
    ),
    "blank-reference": (
        {"messages": [ASKED[0], message("assistant", " \n")]},
        f"message 2, the reference, is empty; {REFERENCE}",
    ),
    "blank-question": (
        {"messages": [message("user", "\u2003"), ASKED[1]]},
        f"message 1, the last of the user, is empty; {INSTRUCTION}",
    ),
    "late-system": (
        {"messages": [*ASKED, message("system", "S"), *ASKED]},
        "a system message stands between the others; write it first, or leave the record out",
    ),
    "two-systems": (
        {"messages": [message("system", "S"), *ASKED], "system": "T"},
        '"system" and the system message differ; leave one of them out',
    ),
    "prompt-blank": ({"prompt": "", "completion": "b"}, f'"prompt" is empty; {INSTRUCTION}'),
    "completion-as-number": (
        {"prompt": "a", "completion": 4},
        '"completion" is a number; it must be a string',
    ),
    "completion-of-no-messages": (
        {"prompt": ASKED, "completion": []},
        f'"completion" has no message of the assistant; {REFERENCE}',
    ),
    "completion-without-the-assistant": (
        {"prompt": ASKED, "completion": ASKED[:1]},
        f'"completion" has no message of the assistant; {REFERENCE}',
    ),
    "prompt-with-system": (
        {"prompt": "a", "completion": "b", "system": "S"},
        (
            'it has "system", and a prompt that is a text is sent as it is; write the prompt as a list '
            "of messages"
        ),
    ),
    "dolly-null": ({"instruction": "a", "response": None}, f'"response" is null; {REFERENCE}'),
    "answer-as-number": (
        {"question": "a", "answer": 4},
        '"answer" is a number; it must be a string',
    ),
    "context-and-input": (
        {"question": "a", "answer": "b", "context": "c", "input": "i"},
        '"context" and "input" differ; leave one of them out',
    ),
    "context-as-object": (
        {"question": "a", "answer": "b", "context": {"title": "x"}},
        '"context" is an object; it must be a string',
    ),
    "mt-bench-of-two-without-reference": (
        {**BENCH, "turns": ["a", "b"], "reference": None},
        f'"reference" is missing; {REFERENCE}',
    ),
    "mt-bench-of-two-with-one-reference": (
        {**BENCH, "turns": ["a", "b"], "reference": ["c"]},
        '"turns" has 2 texts and "reference" has 1; write a list of as many in "reference"',
    ),
    "mt-bench-of-two-with-a-text": (
        {**BENCH, "turns": ["a", "b"], "reference": "c"},
        '"turns" has 2 texts and "reference" has 1; write a list of as many in "reference"',
    ),
    "mt-bench-of-two-with-a-blank": (
        {**BENCH, "turns": ["a", " "], "reference": ["c", "d"]},
        f'turn 2 of "turns" is empty; {INSTRUCTION}',
    ),
    "mt-bench-of-two-with-a-number": (
        {**BENCH, "turns": ["a", 1], "reference": ["c", "d"]},
        'turn 2 of "turns" is a number; it must be a string',
    ),
    "mt-bench-of-two-with-a-blank-reference": (
        {**BENCH, "turns": ["a", "b"], "reference": ["c", ""]},
        f'turn 2 of "reference" is empty; {REFERENCE}',
    ),
    "mt-bench-of-two-with-nul": (
        {**BENCH, "turns": ["a", "b\0"], "reference": ["c", "d"]},
        "turns: it holds a NUL character; remove it",
    ),
    "mt-bench-of-two-with-a-response": (
        {**TWO_TURNS, "model_response": "x"},
        f'"model_response" is a string; {LIST}',
    ),
    "mt-bench-of-two-with-one-answer": (
        {**TWO_TURNS, "model_response": ["x"]},
        f'"model_response" is a list of 1, and "turns" one of 2; {LIST}',
    ),
    "mt-bench-of-two-with-no-texts": (
        {**TWO_TURNS, "model_response": ["x", None]},
        f'"model_response" holds null; {LIST}',
    ),
    "mt-bench-of-two-with-half-a-pair": (
        {**TWO_TURNS, "model_response": ["x", "\ud83d"]},
        "model_response: it holds half a surrogate pair (character 1); write the text again as UTF-8",
    ),
    "mt-bench-without-reference": (
        {**BENCH, "turns": ["a"]},
        f'"reference" is missing; {REFERENCE}',
    ),
    "alpaca-eval": (
        {"instruction": "a", "output": "b", "generator": "gpt-4", "dataset": "helpful_base"},
        (
            'it is an output of AlpacaEval, whose "output" is the response of a model; judge it '
            'with responses="output", and give criteria=, or name a reference with '
            'fields={"output": "…"}'
        ),
    ),
    "alpaca-eval-with-null": (
        {"dataset": "", "instruction": None, "output": "b", "generator": "g"},
        (
            'it is an output of AlpacaEval, whose "output" is the response of a model; judge it '
            'with responses="output", and give criteria=, or name a reference with '
            'fields={"output": "…"}'
        ),
    ),
    "nul": (
        {"messages": [message("user", "a\0"), ASKED[1]]},
        "instruction: it holds a NUL character; remove it",
    ),
    "surrogate-in-a-turn": (
        {"messages": [message("user", "\ud83d"), *ASKED[1:], *ASKED]},
        "turns: it holds half a surrogate pair (character 1); write the text again as UTF-8",
    ),
    "surrogate-in-an-id": (
        {"question": "a", "answer": "b", "id": "\ud800"},
        "id: it holds half a surrogate pair (character 1); write the text again as UTF-8",
    ),
    "score": (
        {"question": "a", "answer": "b", "human_score": 101},
        '"human_score" is 101; it must be an integer from 0 to 100',
    ),
    "gate": (
        {"question": "a", "answer": "b", "id": "average"},
        '"id" is "average", the name of a gate; give the record another id',
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_one_line_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    """It names the record, and the part of it that cannot be used."""
    value, text = REFUSED[name]

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [value]), gates=["average"])

    assert caught.value.lines == (f"data.json: record 1: {text}",)


def test_a_score_that_holds_what_json_does_not_have(tmp_path: Path) -> None:
    """It is shown all the same, in a line of its own."""
    value = {"instruction": "a", "output": "b", "human_score": [float("inf")]}

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [value]))

    number, score = caught.value.lines
    assert number == (
        'data.json: record 1: "human_score" holds Infinity, which JSON does not have; leave it out '
        "or write null"
    )
    assert score == (
        'data.json: record 1: "human_score" is ["Infinity"]; it must be an integer from 0 to 100'
    )


WHOLE: dict[str, tuple[list[dict[str, object]], str]] = {
    "preference": (
        [{"prompt": "a", "chosen": "b"}] * 310,
        (
            'all 310 records lack "instruction"; the fields are "prompt" and "chosen", which is '
            'preference data: give fields={"instruction": "prompt", "output": "chosen"}, or '
            '{"messages": "chosen"}'
        ),
    ),
    "unpaired": (
        [{"prompt": "a", "completion": "b", "label": False}] * 3,
        (
            'all 3 records lack "instruction"; the fields are "prompt", "completion" and "label", which '
            "is unpaired preference data: leave out the completions that were not liked, and the field "
            "label"
        ),
    ),
    "text": (
        [{"text": "a"}] * 3,
        (
            'all 3 records lack "instruction"; the fields are "text", which is text to train on: '
            'measure its loss with llm_loss("text.txt")'
        ),
    ),
    "choices": (
        [{"question": "a", "choices": ["x", "y"], "answerKey": "A"}] * 3,
        (
            'all 3 records lack "instruction"; the fields are "question", "choices" and "answerKey", '
            "which is multiple choice: records need a reference answer in words"
        ),
    ),
    "unknown": (
        [{"a": 1}, {"b": 1}],
        (
            'all 2 records lack "instruction"; the fields are "a" and "b": name yours with '
            'fields={"instruction": "…", "output": "…"}'
        ),
    ),
    "no-output": (
        [{"instruction": "a", "gold": "b"}] * 2,
        (
            'all 2 records lack "output"; the fields are "instruction" and "gold": name yours with '
            'fields={"output": "…"}'
        ),
    ),
    "two-formats": (
        [{"problem": "a", "solution": "b", "messages": ASKED}] * 2,
        (
            "its records can be read as OpenAI's messages and as problem and solution; say which: "
            'fields={"messages": "messages"} or fields={"instruction": "problem", "output": "solution"}'
        ),
    ),
    "two-formats-with-context": (
        [{"problem": "a", "solution": "b", "context": "c", "messages": ASKED}] * 2,
        (
            "its records can be read as OpenAI's messages and as problem and solution; say which: "
            'fields={"messages": "messages"} or fields={"instruction": "problem", '
            '"input": "context", "output": "solution"}'
        ),
    ),
    "one-output-of-alpaca-eval": (
        [
            {"instruction": "a", "output": "b"},
            {"instruction": "a", "output": "b"},
            {"instruction": "a", "output": "b", "generator": "g", "dataset": "d"},
        ],
        (
            'record 3: it is an output of AlpacaEval, whose "output" is the response of a model; '
            'judge it with responses="output", and give criteria=, or name a reference with '
            'fields={"output": "…"}'
        ),
    ),
    "one-disliked-completion": (
        [
            {"prompt": "a", "completion": "b"},
            {"prompt": "a", "completion": "b"},
            {"prompt": "a", "completion": "b", "label": False},
        ],
        (
            'record 3: it has "label", which is of another format than prompt and completion; '
            "leave the record out, or write it as the others are"
        ),
    ),
    "raw-and-messages": (
        [{"prompt": "a", "completion": "b"}, {"prompt": ASKED[:1], "completion": ASKED[1:]}],
        "1 of 2 prompts are texts, and the others lists of messages; write all of them as lists of messages",
    ),
}


@pytest.mark.parametrize("name", list(WHOLE))
def test_one_line_for_a_whole_file(tmp_path: Path, name: str) -> None:
    """What all records share is said once, with what the file looks like."""
    values, text = WHOLE[name]

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, values))

    assert caught.value.lines == (f"data.json: {text}",)


def test_causes_are_counted(tmp_path: Path) -> None:
    """Records that have the same part, wherever in them, are one line."""
    calls = message("assistant", None, tool_calls=[{"id": "1"}])
    values = [{"messages": [*ASKED * number, calls, *ASKED]} for number in range(1, 5)]

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [*values, {"messages": ASKED}]))

    (line,) = caught.value.lines
    assert (
        line
        == f'data.json: record 1 and 3 others like it: message 3 has "tool_calls"; {ONLY_TEXTS}'
    )


def test_a_record_without_the_field_of_the_others(tmp_path: Path) -> None:
    """The format is that of most records."""
    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [{"messages": ASKED}] * 2 + [{"text": "x"}]))

    assert caught.value.lines == (
        'data.json: record 3: "messages" is missing; every record needs its conversation',
    )


NAMES = st.sampled_from(
    [
        *("instruction", "input", "output", "system", "history", "id", "messages", "conversations"),
        *(
            "prompt",
            "completion",
            "response",
            "context",
            "question",
            "answer",
            "turns",
            "reference",
        ),
        *(
            "question_id",
            "role",
            "content",
            "from",
            "value",
            "type",
            "text",
            "images",
            "tool_calls",
        ),
    ]
)
TEXTS = st.sampled_from(
    ["user", "assistant", "system", "human", "gpt", "tool", "text", "", " ", "é\0"]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 1), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(
    st.lists(st.dictionaries(NAMES, VALUES, max_size=6), max_size=3),
    st.dictionaries(NAMES, TEXTS | NAMES, max_size=2),
)
def test_nothing_else_comes_of_odd_records(
    tmp_path: Path, values: list[dict[str, object]], fields: dict[str, str]
) -> None:
    """Whatever stands where, a file is read or refused in our own words."""
    path = write(tmp_path, values)

    with contextlib.suppress(RecordsError):
        for record in load_records(path, fields=fields or None):
            assert record.instruction.strip()
            assert record.output.strip()


def canonical(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def test_a_name_by_the_last_message_and_the_whole(tmp_path: Path) -> None:
    """Its slug is of the last message of the user, its hash of all but what runs add."""
    value = {"messages": ASKED, "source": "é"}

    (record,) = load_records(write(tmp_path, [value]))
    (judged,) = load_records(write(tmp_path, [{**value, "model_response": "x", "score": 5}]))

    assert record.id == judged.id == f"hello-{canonical(value)}"


def test_no_name_by_the_answers_under_test(tmp_path: Path) -> None:
    """Another answer in the fields that are judged is an answer to the same record."""
    value = {"question": "a", "answer": "b"}

    ids = {
        load_records(
            write(tmp_path, [{**value, "mine": text, "theirs": text * 2}]),
            response_field="mine",
            against_field="theirs",
        )[0].id
        for text in ("x", "y")
    }

    assert ids == {f"a-{canonical(value)}"}


def test_fields_of_their_own_names_change_no_name(tmp_path: Path) -> None:
    """Saying what the content says already keeps the ids of Alpaca's format."""
    path = write(tmp_path, [{"instruction": "a", "input": "i", "output": "b", "n": "1"}])
    own = {"instruction": "instruction", "output": "output"}

    for fields in (own, {**own, "input": "input"}, {"input": "input"}):
        assert load_records(path, fields=fields)[0].id == record_id("a", "i", "b")
    assert load_records(path, fields={**own, "input": "n"})[0].id != record_id("a", "1", "b")


def test_alpaca_is_named_by_its_texts_alone(tmp_path: Path) -> None:
    """History and system text do not change the name, and the file's type does not either."""
    texts = {"instruction": "Say é.", "input": "i", "output": "x"}
    path = tmp_path / "data.csv"
    path.write_text("output,instruction,input\nx,Say é.,i\n", encoding="utf-8")

    (plain,) = load_records(write(tmp_path, [texts]))
    (empty,) = load_records(write(tmp_path, [{**texts, "history": [], "system": "", "tag": "t"}]))
    (row,) = load_records(path)

    assert plain.id == empty.id == row.id == record_id("Say é.", "i", "x")


def test_alpaca_with_history_or_a_system_text_keeps_its_name(tmp_path: Path) -> None:
    """Files of before keep their ids; what is asked is part of a record's content all the same."""
    texts = {"instruction": "Say é.", "input": "i", "output": "x"}
    further = {"history": [["a", "b"]], "system": "S"}

    (record,) = load_records(write(tmp_path, [{**texts, **further}]))

    assert record.id == record_id("Say é.", "i", "x")
    assert content_of(record) != content_of(Content("Say é.", "i", "x"))


def test_several_turns(tmp_path: Path) -> None:
    """The first question is the instruction, each other follows with a reference of its own."""
    value = {**BENCH, "turns": ["Say 1.", "Say é 2!"], "reference": ["one", "two"]}

    (record,) = load_records(write(tmp_path, [value]))

    assert (record.instruction, record.output, record.turns) == ("Say 1.", "one", ())
    assert record.follow_ups == (FollowUp("Say é 2!", "two"),)
    assert record.id == f"say-e-2-{canonical(value)}"


def test_several_turns_with_answers(tmp_path: Path) -> None:
    """A field of responses holds a list of texts, which does not change the id."""
    plain, answered = (
        load_records(write(tmp_path, [value]), response_field=field)[0]
        for value, field in (
            (TWO_TURNS, None),
            ({**TWO_TURNS, "mine": ["", "x"], "model_response": ["y", ""]}, "mine"),
        )
    )

    assert answered.id == plain.id
    for wrong, problem in ((["x"], 'is a list of 1, and "turns" one of 2'), ("x", "is a string")):
        with pytest.raises(RecordsError) as caught:
            load_records(write(tmp_path, [{**TWO_TURNS, "mine": wrong}]), response_field="mine")
        hint = 'responses="mine" needs a list of strings, one for each turn'
        assert caught.value.lines == (f'data.json: record 1: "mine" {problem}; {hint}',)


def test_numbers_are_ids_of_conversations(tmp_path: Path) -> None:
    """Published files have them, but an Alpaca file has texts."""
    asked = {"conversations": [share("human", "a"), share("gpt", "b")]}

    loaded = load_records(write(tmp_path, [{**asked, "id": 7}, {**asked, "id": None}, asked]))

    assert [record.id for record in loaded] == [
        "7",
        f"a-{canonical({**asked, 'id': None})}",
        f"a-{canonical(asked)}",
    ]
    with pytest.raises(RecordsError, match='"id" is a number; it must be a string'):
        load_records(write(tmp_path, [{"instruction": "a", "output": "b", "id": 7}]))


FIELDS: dict[str, tuple[dict[str, str], dict[str, Any], Said]] = {
    "other-names": (
        {"instruction": "q", "output": "gold"},
        {"q": "a", "gold": "b", "input": "i"},
        Said("a", "b", "i"),
    ),
    "one-name": (
        {"output": "gold"},
        {"instruction": "a", "gold": "b", "output": "c"},
        Said("a", "b"),
    ),
    "a-name-of-another-part": (
        {"instruction": "input", "output": "target"},
        {"input": "a", "target": "b"},
        Said("a", "b"),
    ),
    "exchanged": (
        {"instruction": "output", "output": "instruction"},
        {"instruction": "b", "output": "a"},
        Said("a", "b"),
    ),
    "dotted": (
        {"instruction": "data.question", "output": "data.answers.text.0", "system": "sys"},
        {"data": {"question": "a", "answers": {"text": ["b", "c"]}}, "sys": "S"},
        Said("a", "b", system="S"),
    ),
    "a-dot-in-a-name": (
        {"instruction": "a.b", "output": "c"},
        {"a.b": "a", "c": "b"},
        Said("a", "b"),
    ),
    "messages": (
        {"messages": "chosen"},
        {"chosen": ASKED, "prompt": "x"},
        Said("Héllo?", "Bonjour — \U0001f44b."),
    ),
    "prompt": (
        {"prompt": "text", "completion": "label"},
        {"text": "a", "label": "b"},
        Said("a", "b", is_raw=True),
    ),
    "against-two-formats": (
        {"instruction": "problem", "output": "solution"},
        {"problem": "a", "solution": "b", "messages": ASKED},
        Said("a", "b"),
    ),
}


@pytest.mark.parametrize("name", list(FIELDS))
def test_fields_say_what_is_what(tmp_path: Path, name: str) -> None:
    """They win over what the content looks like."""
    fields, value, said = FIELDS[name]

    (record,) = load_records(write(tmp_path, [value]), fields=fields)

    turns = tuple((turn.role, turn.text) for turn in record.turns)
    texts = (record.instruction, record.output, record.input, record.system)
    assert said == Said(*texts, turns, record.is_raw)
    assert record.fields == value
    assert record.id.endswith(canonical(value))


def test_the_response_of_an_output_of_alpaca_eval(tmp_path: Path) -> None:
    """With a reference that is named, its output is what is judged."""
    value = {"instruction": "a", "output": "b", "generator": "g", "dataset": "d", "gold": "c"}

    (record,) = load_records(
        write(tmp_path, [value]), response_field="output", fields={"output": "gold"}
    )

    assert (record.output, record.fields["output"]) == ("c", "b")


BAD_FIELDS = {
    "typo": (
        {"instruction": "a", "output": "gild"},
        'no record has "gild"; the fields are a, gold, n, list',
    ),
    "part": (
        {"question": "a", "output": "gold"},
        (
            'fields= has "question", which is no part of a record; name instruction, output, input, '
            "history, system, id, group, criteria, messages, prompt or completion"
        ),
    ),
    "mixed": (
        {"messages": "a", "output": "gold"},
        (
            'fields= has "messages" and "output", which are parts of different formats; give instruction '
            "and output, messages, or prompt and completion"
        ),
    ),
    "path-of-many-digits": (
        {"instruction": "a", "output": f"list.{'1' * 5000}"},
        f'no record has "list.{"1" * 34}…"; the fields are a, gold, n, list',
    ),
    "number": (
        {"instruction": "a", "output": "n"},
        'all 3 records: "n" is a number; it must be a string',
    ),
}


@pytest.mark.parametrize("name", list(BAD_FIELDS))
def test_fields_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    """The message names the field as the file has it."""
    fields, text = BAD_FIELDS[name]

    with pytest.raises(RecordsError) as caught:
        load_records(
            write(tmp_path, [{"a": "x", "gold": "y", "n": 1, "list": []}] * 3), fields=fields
        )

    assert caught.value.lines == (f"data.json: {text}",)


def test_a_typo_in_responses(tmp_path: Path) -> None:
    """It is one line that names the fields there are."""
    value = {"instruction": "a", "input": "", "output": "b", "model_response": "c"}

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [value] * 3), response_field="respones")

    assert caught.value.lines == (
        (
            'data.json: no record has "respones"; the fields are instruction, input, output, '
            "model_response"
        ),
    )


def test_a_typo_beside_many_fields(tmp_path: Path) -> None:
    """The line names eight of them, and counts the others."""
    value = {"instruction": "a", "output": "b", **{f"f{n}": n for n in range(2000)}}

    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [value]), response_field="respones")

    (line,) = caught.value.lines
    assert line.endswith("instruction, output, f0, f1, f2, f3, f4, f5 and 1994 more")


def test_turns_are_turns(tmp_path: Path) -> None:
    """They are the messages before the last of the user, as a template takes them."""
    value, _ = LOADS["messages-of-several-turns"]

    (record,) = load_records(write(tmp_path, [value]))

    assert record.turns == (Turn("user", "Hi"), Turn("assistant", ""))


FREE: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "Say it.", "input": "i"},
    "alpaca-null": {"instruction": "Say it.", "input": "i", "output": None},
    "alpaca-blank": {"instruction": "Say it.", "input": "i", "output": " "},
    "dolly": {"instruction": "Say it.", "context": "i"},
    "question": {"question": "Say it.", "context": "i"},
    "query": {"query": "Say it.", "input": "i", "response": ""},
    "messages": {"messages": [{"role": "user", "content": "Say it."}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Say it."}]},
    "prompt": {"prompt": "Say it."},
    "prompt-messages": {"prompt": [{"role": "user", "content": "Say it."}]},
    "mt-bench": {"question_id": 1, "category": "c", "turns": ["Say it."]},
}
KIND = (Criterion("", "It is kind."),)


@pytest.mark.parametrize("whose", ["record", "marker"])
@pytest.mark.parametrize("name", list(FREE))
def test_records_with_criteria_may_lack_a_reference(tmp_path: Path, name: str, whose: str) -> None:
    """In every format, whether the criteria are the record's own or the marker's."""
    value = FREE[name]
    own = {"criteria": "It is kind."} if whose == "record" else {}

    (record,) = load_records(write(tmp_path, [{**value, **own}]), criteria=() if own else KIND)

    assert (record.instruction, record.output, record.criteria) == ("Say it.", "", KIND)
    assert record.input == ("i" if "i" in value.values() else "")


@pytest.mark.parametrize("name", list(FREE))
def test_records_without_criteria_need_a_reference(tmp_path: Path, name: str) -> None:
    """They are refused in one line."""
    with pytest.raises(RecordsError) as caught:
        load_records(write(tmp_path, [FREE[name]]))

    assert len(caught.value.lines) == 1


def test_a_conversation_with_criteria_keeps_its_reference(tmp_path: Path) -> None:
    """Where the assistant's message is there, it is one."""
    talk = [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": "It."}]

    (record,) = load_records(write(tmp_path, [{"messages": talk}]), criteria=KIND)

    assert (record.output, record.criteria) == ("It.", KIND)


def test_outputs_of_alpaca_eval_by_criteria(tmp_path: Path) -> None:
    """Their output is the response that is judged, and nothing else."""
    value = {"instruction": "Say it.", "output": "It.", "generator": "g", "dataset": "d"}
    path = write(tmp_path, [value])

    (record,) = load_records(path, response_field="output", criteria=KIND)

    assert (record.instruction, record.output) == ("Say it.", "")
    with pytest.raises(RecordsError):
        load_records(path, criteria=KIND)


def test_criteria_do_not_change_the_id_of_alpaca_records(tmp_path: Path) -> None:
    """So that a criterion can be reworded without losing sight of a record."""
    value = {"instruction": "Say it.", "output": "It."}

    plain, own = load_records(write(tmp_path, [value, {**value, "criteria": "It is kind."}]))

    assert own.id == f"{plain.id}-2"


def test_fields_name_criteria(tmp_path: Path) -> None:
    """As they name any other part."""
    value = {"q": "Say it.", "rubric": {"0": "no", "100": "yes"}}
    fields = {"instruction": "q", "criteria": "rubric"}

    (record,) = load_records(write(tmp_path, [value]), fields=fields)

    assert record.criteria == (Criterion("", "0: no\n100: yes"),)
