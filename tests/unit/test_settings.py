"""Options and markers: which wins, and where paths start."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.settings import (
    OPTIONS,
    Decoding,
    Settings,
    chosen_for,
    read_settings,
    resolve_suite,
)
from pytest_llmjudge.values import (
    check_choice,
    parse_choice,
    parse_count_or_auto,
    parse_flag,
    parse_score,
)

CLI, INI, BASE = Path("/cli"), Path("/ini"), Path("/suite")


def read(given: dict[str, tuple[str, str]]) -> Settings:
    return read_settings(given, CLI, INI, "pytest.ini")


def test_defaults() -> None:
    """What the contract says when nothing is given."""
    settings = read({})

    assert settings.model == "llama3"
    assert (settings.timeout, settings.max_new_tokens, settings.cache) == (120.0, 256, "use")
    assert (settings.batch_size, settings.device, settings.dtype) == (None, "auto", "auto")
    assert (settings.min_score, settings.min_average, settings.checkpoint) == (None, None, None)
    assert settings.check == "strict"
    assert (settings.ask, settings.samples, settings.concurrency) == ("integer", 1, 1)


def test_paths_start_where_they_were_written() -> None:
    """On the command line from the working folder, in an ini file from its own."""
    settings = read(
        {"llm_judge_checkpoint": ("m.pth", "cli"), "llm_judge_report": ("out/r.json", "ini")}
    )

    assert settings.checkpoint == CLI / "m.pth"
    assert settings.report == INI / "out/r.json"


@pytest.mark.parametrize(
    ("source", "expected"), [("cli", CLI / "cli.pth"), ("ini", BASE / "marker.pth")]
)
def test_the_command_line_points_a_suite_at_a_candidate(source: str, expected: Path) -> None:
    """A checkpoint on the command line wins over the marker; one in an ini file does not."""
    settings = read({"llm_judge_checkpoint": ("cli.pth", source)})
    keywords = {"checkpoint": "marker.pth", "min_score": 1}

    assert expected == resolve_suite("s", keywords, BASE, settings).checkpoint


@given(st.none() | st.integers(0, 100), st.none() | st.integers(0, 100))
def test_the_marker_wins_over_the_options(marker: int | None, option: int | None) -> None:
    """What the marker leaves out comes from the options; without either there is no gate."""
    given_options = {} if option is None else {"llm_judge_min_score": (str(option), "cli")}
    keywords = {} if marker is None else {"min_score": marker}
    expected = option if marker is None else marker
    if expected is None:
        with pytest.raises(SettingsError):
            resolve_suite("s", keywords, BASE, read(given_options))
    else:
        assert resolve_suite("s", keywords, BASE, read(given_options)).min_score == expected


def test_every_option_has_help_and_a_prefix() -> None:
    """Nothing we add can be taken for another plugin's."""
    for option in OPTIONS:
        assert option.flag.startswith("--llm-judge")
        assert option.help[0].isupper()
        assert not option.help.endswith(".")


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("Yes", True), ("off", False), ("", False)]
)
def test_flags(text: str, expected: bool) -> None:  # noqa: FBT001  # a table's column
    """Ini files have several words for yes and no."""
    assert expected == parse_flag("x", text)


@given(st.integers(-1000, 1000))
def test_scores(number: int) -> None:
    """0 to 100 are scores, and nothing is clamped."""
    if 0 <= number <= 100:
        assert parse_score("x", str(number)) == number
    else:
        with pytest.raises(SettingsError):
            parse_score("x", str(number))


def test_auto_and_choices() -> None:
    """``auto`` is no number; a choice names the others."""
    assert parse_count_or_auto("x", "Auto") is None
    assert parse_count_or_auto("x", "7") == 7
    with pytest.raises(SettingsError) as caught:
        parse_choice("a", "b", "c")("where", "d")
    assert str(caught.value) == 'where: "d" is unknown; choose a, b or c'


def test_a_choice_of_an_enum() -> None:
    """It becomes the text that it is equal to, which it is not printed as."""

    class Mode(str, Enum):
        LETTERS = "letters"

    chosen = check_choice("letters", "continuation")("where", Mode.LETTERS)

    assert (chosen, type(chosen)) == ("letters", str)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        (
            "temperature",
            "warm",
            '"warm" is not a number; give a number from 0 to 10, for example 0.7',
        ),
        (
            "temperature",
            "-1",
            '"-1" is no temperature; give a number from 0 to 10, for example 0.7',
        ),
        (
            "temperature",
            "nan",
            '"nan" is no temperature; give a number from 0 to 10, for example 0.7',
        ),
        ("top_p", "0", '"0" is no share; give a number above 0 and at most 1, for example 0.9'),
        ("top_p", "1.1", '"1.1" is no share; give a number above 0 and at most 1, for example 0.9'),
        ("top_k", "0", "0 is too small; give a whole number of 1 or more"),
        ("seed", "-1", '"-1" is no seed; give a whole number from 0 to 9223372036854775807'),
        (
            "seed",
            "1.5",
            '"1.5" is not a whole number; give a whole number from 0 to 9223372036854775807',
        ),
        ("stop", "\0", "it is empty; give a text, or leave it out"),
        ("stop", "END\0\0", "it is empty; give a text, or leave it out"),
        ("stop", "END\udcff\0", "it has bytes that are no UTF-8; give a text"),
    ],
)
def test_what_cannot_decide_how_tokens_are_chosen(key: str, text: str, message: str) -> None:
    """Each is refused by its own name."""
    with pytest.raises(SettingsError) as caught:
        read({f"llm_judge_{key}": (text, "cli")})

    assert str(caught.value) == f"--llm-judge-{key.replace('_', '-')}: {message}"


def test_how_tokens_are_chosen() -> None:
    """What is drawn by is read, and only what can change a text decides."""
    given = {
        "temperature": "0.7",
        "top_k": "40",
        "top_p": "0.9",
        "seed": "7",
        "stop": "a\nb\0\\n\0",
    }
    chosen = {f"llm_judge_{key}": (text, "cli") for key, text in given.items()}

    assert read({}).decoding == Decoding()
    assert read(chosen).decoding == Decoding(0.7, 40, 0.9, 7, ("a\nb", "\n"))
    assert read({"llm_judge_stop": ("END\n###", "ini")}).decoding.stop == ("END", "###")
    assert Decoding(seed=1, top_k=5).decides == Decoding(seed=2, top_p=0.5).decides
    assert Decoding(0.7, seed=1).decides != Decoding(0.7, seed=2).decides


@pytest.mark.parametrize("name", ["ollama:llama3", "openai:org/model"])
def test_served_models_are_no_paths(name: str) -> None:
    """Neither as an option nor in a marker; a path may have such a name all the same."""
    settings = read({"llm_judge_checkpoint": (name, "ini")})
    marked = resolve_suite("s", {"min_score": 1, "checkpoint": name}, BASE, read({}))

    assert settings.checkpoint == marked.checkpoint == name
    assert read({"llm_judge_checkpoint": (f"./{name}", "cli")}).checkpoint == CLI / name


@pytest.mark.parametrize(
    ("keywords", "given", "expected"),
    [
        ({}, {}, None),
        ({}, {"responses_field": "ini"}, "f"),
        ({}, {"responses_field": "cli", "checkpoint": "ini"}, "f"),
        ({}, {"responses_field": "ini", "checkpoint": "cli"}, None),
        ({}, {"responses_field": "cli", "checkpoint": "cli"}, "f"),
        ({"responses": "own"}, {"responses_field": "cli"}, "own"),
        ({"checkpoint": "m.pth"}, {"responses_field": "cli"}, None),
    ],
)
def test_a_field_of_responses(
    keywords: dict[str, str], given: dict[str, str], expected: str | None
) -> None:
    """A marker's field or model wins over it, and a candidate on the command line over an ini's."""
    texts = {"responses_field": "f", "checkpoint": "c.pth"}
    settings = read({f"llm_judge_{key}": (texts[key], source) for key, source in given.items()})
    chosen = resolve_suite("s", {"min_score": 1, **keywords}, BASE, settings)

    assert chosen.responses == expected
    assert chosen_for("s", {}, BASE, settings, takes_responses=False).responses is None


def test_a_model_and_a_field_of_responses_in_one_ini_file() -> None:
    """Either would silently replace the other."""
    keys = ("llm_judge_checkpoint", "llm_judge_responses_field")
    with pytest.raises(SettingsError) as caught:
        read(dict.fromkeys(keys, ("x", "ini")))

    assert str(caught.value).startswith(f"pytest.ini: {', '.join(keys)}: a suite takes")


@pytest.mark.parametrize(
    ("value", "option", "expected"),
    [
        (55, None, (55, {})),
        ({"all": 55, "math": 40}, None, (55, {"math": 40})),
        ({"math": 40}, None, (None, {"math": 40})),
        ({"math": 40}, "60", (60, {"math": 40})),
        ({"all": 55}, "60", (55, {})),
        (None, "60", (60, {})),
    ],
)
def test_averages_by_category(
    value: object, option: str | None, expected: tuple[float | None, dict[str, float]]
) -> None:
    """``all`` is the suite; where the marker leaves it out the option counts."""
    given = {} if option is None else {"llm_judge_min_average": (option, "cli")}
    chosen = resolve_suite("s", {"min_average": value}, BASE, read(given))

    assert (chosen.min_average, chosen.min_averages) == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({}, "s: min_average: {} names no categories; give a number, or one for each category"),
        ({3: 40}, "s: min_average: {3: 40} names no categories; give a number, or one"),
        ({"a": 101}, "s: min_average of a: 101 is not an average; give a number from 0 to 100"),
        ({"a": "x"}, "s: min_average of a: 'x' is not an average; give a number from 0 to 100"),
        ([1], "s: min_average: [1] is not an average; give a number from 0 to 100"),
    ],
)
def test_averages_that_are_none(value: object, problem: str) -> None:
    """Each is refused in a line that names the category."""
    with pytest.raises(SettingsError) as caught:
        resolve_suite("s", {"min_average": value}, BASE, read({}))

    assert str(caught.value).startswith(problem)
