"""What cannot be used ends the run with status 4 and one line, wherever it is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import MARKED, MODEL, Project, records

if TYPE_CHECKING:
    from tests.support.fake_ollama import FakeOllama

SUITE = "test_suite.py::test_instructions"


def errors(result: pytest.RunResult) -> list[str]:
    return [line for line in result.errlines if line.startswith("ERROR: ")]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("min-score=101", "101 is not a score; give an integer from 0 to 100"),
        ("min-score=x", '"x" is not a whole number; give an integer from 0 to 100'),
        ("min-average=-1", "-1.0 is not an average; give a number from 0 to 100"),
        ("min-average=nan", "nan is not an average; give a number from 0 to 100"),
        ("min-average=x", '"x" is not a number; give a number from 0 to 100'),
        (
            "timeout=0",
            '"0" is not a length of time; give a number of seconds up to 86400, for example 120',
        ),
        (
            "timeout=abc",
            '"abc" is not a number; give a number of seconds up to 86400, for example 120',
        ),
        ("max-new-tokens=0", "0 is too small; give a whole number of 1 or more"),
        ("batch-size=big", '"big" is not a whole number; give a whole number of 1 or more'),
        ("check=maybe", '"maybe" is unknown; choose strict, warn or off'),
        ("ask=nicely", '"nicely" is unknown; choose integer, weighted or weighted1'),
        ("samples=0", "0 is too small; give a whole number of 1 or more"),
        ("concurrency=x", '"x" is not a whole number; give a whole number of 1 or more'),
        ("cache=never", '"never" is unknown; choose use, refresh or off'),
        ("dtype=int8", '"int8" is unknown; choose auto, float32, bfloat16 or float16'),
        ("model= ", "it is empty; give a value or leave it out"),
        (
            "model=openai:",
            '"openai:" names no model; name an Ollama model, openai: and a model, or "embedded"',
        ),
    ],
)
def test_an_option_that_cannot_be_used(project: Project, option: str, text: str) -> None:
    """Each option is checked when the run starts."""
    project.suite(records(1))

    result = project.pytester.runpytest("--llm-judge", f"--llm-judge-{option}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [f"ERROR: --llm-judge-{option.split('=', maxsplit=1)[0]}: {text}"] == errors(result)


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["plain", "two"])
@pytest.mark.parametrize(
    ("option", "is_obeyed"),
    [
        ("min-average=90", False),
        ("min-score=90", True),
        ("split=test", False),
        ("fields=instruction=instruction", False),
    ],
)
def test_an_option_that_every_marker_overrides(
    project: Project, option: str, how: tuple[str, ...], *, is_obeyed: bool
) -> None:
    """The marker wins, as documented, and the run says that the option changed nothing."""
    arguments = 'split="train", fields={"output": "output"}, min_average=1'
    project.write("data.json", {"train": records(2)})
    project.write("conftest.py", MODEL.format(answer='"The number."'))
    project.write("test_suite.py", MARKED.format(arguments=f'"data.json", {arguments}'))

    result = project.run(f"--llm-judge-{option}", *how)

    assert result.ret == int(is_obeyed)
    flag = f"--llm-judge-{option.partition('=')[0]}"
    note = f"note: {flag}: it changes nothing: no suite of this run leaves that to the option"
    assert result.outlines.count(note) == (not is_obeyed)


def test_an_ini_value_that_cannot_be_used(project: Project) -> None:
    """The message names the ini file and its key."""
    project.write("pytest.ini", "[pytest]\nllm_judge = perhaps\n")

    result = project.pytester.runpytest()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = 'ERROR: pytest.ini: llm_judge: "perhaps" is neither yes nor no; give true or false'
    assert [text] == errors(result)


@pytest.mark.parametrize("name", ["labels", "baseline", "report", "checkpoint", "model", "split"])
def test_a_nul_character_in_an_ini_file(project: Project, name: str) -> None:
    """No command line can hold one, and what opens files ends in a traceback at it."""
    project.suite(records(1))
    project.write("pytest.ini", f"[pytest]\nllm_judge_{name} = local:a\0b\n")

    result = project.pytester.runpytest("--llm-judge")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = f"ERROR: pytest.ini: llm_judge_{name}: it holds a NUL character; remove it"
    assert errors(result) == [text]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            '"data.json", min_score=1, checkpoint="a\\0b"',
            f"{SUITE}: checkpoint: it holds a NUL character; remove it",
        ),
        (
            '"data.json", min_score=1, checkpoint="\\ud800"',
            f"{SUITE}: checkpoint: it holds half a surrogate pair; remove it",
        ),
        (
            '"data.json", min_score=1, baseline_rule=__import__("numpy").array([1, 2])',
            f"{SUITE}: baseline_rule: array([1, 2]) is unknown; choose no-drop or not-worse",
        ),
        (
            '"data.json", min_score=1, checkpoint="a.pth", responses="model_response"',
            (
                f"{SUITE}: it names a checkpoint, and a field with responses, so that nothing "
                "would ask it; leave checkpoint= or responses= out"
            ),
        ),
        (
            '"data.json", min_scor=3',
            (
                f'{SUITE}: unknown keyword "min_scor"; use min_score, min_average, by, labels, '
                "correct, min_agreement, max_judge_error, max_judge_bias, baseline_rule, max_drop, criteria, checkpoint, prompt, system, responses, sample, "
                "group, fields, split, training or max_overlap"
            ),
        ),
        (
            '"data.json", responses="model_response"',
            (
                f"{SUITE}: it has no gate and so cannot fail; set min_score or min_average, or "
                "--llm-judge-min-score or --llm-judge-min-average, or compare with "
                "--llm-judge-baseline"
            ),
        ),
        (
            '"data.json", min_score=101',
            f"{SUITE}: min_score: 101 is not a score; give an integer from 0 to 100",
        ),
        (
            '"data.json", min_score=True',
            f"{SUITE}: min_score: True is not a score; give an integer from 0 to 100",
        ),
        (
            '"data.json", min_average="x"',
            f"{SUITE}: min_average: 'x' is not an average; give a number from 0 to 100",
        ),
        (
            '"data.json", min_score=1, sample=0',
            f"{SUITE}: sample: 0 is no number of records; give a whole number of 1 or more",
        ),
        (
            '"data.json", min_score=1, prompt="phi4"',
            (
                f'{SUITE}: prompt: "phi4" is no prompt, and as a file it is not there; name '
                "alpaca, phi3, chatml, llama3, gemma, mistral, vicuna, raw or chat, or the path of "
                "a template file"
            ),
        ),
        (
            '"data.json", min_score=1, prompt="empty.txt"',
            (
                f"{SUITE}: prompt empty.txt: it has no {{instruction}}; write {{instruction}} and "
                "{input} where they belong"
            ),
        ),
        (
            "min_score=1",
            (
                f"{SUITE}: llm_judge has 0 positional arguments; give it one records file, as in "
                'llm_judge("records.json", min_average=50)'
            ),
        ),
        (
            '"data.json", min_score=1',
            (
                f"{SUITE}: it has no model under test; give --llm-judge-checkpoint, or checkpoint= "
                "or responses= in the marker, or judge the model_response that every record has "
                "with --llm-judge-responses-field=model_response"
            ),
        ),
    ],
)
def test_a_marker_that_cannot_be_used(
    project: Project, mode: tuple[str, ...], arguments: str, text: str
) -> None:
    """A marker's mistakes end the run before anything is judged."""
    project.write("data.json", records(1))
    project.write("empty.txt", "")
    project.write("test_suite.py", MARKED.format(arguments=arguments))

    result = project.run(*mode)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [f"ERROR: {text}"] == errors(result)


def test_parametrize_beside_the_marker(project: Project) -> None:
    """A suite has its own parameters."""
    project.write("data.json", records(1))
    body = """
import pytest

@pytest.mark.parametrize("x", [1, 2])
@pytest.mark.llm_judge("data.json", min_score=1)
def test_instructions(verdict, x):
    pass
"""
    project.write("test_suite.py", body)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = f"{SUITE}: llm_judge and parametrize stand together; write one marked function for each"
    assert [f"ERROR: {text} variant"] == errors(result)


def test_a_records_file_without_the_option(project: Project) -> None:
    """Naming a records file without ``--llm-judge`` says what is missing."""
    project.write("data.json", records(1))

    result = project.pytester.runpytest("data.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "ERROR: data.json: it is a records file; add --llm-judge to judge its records"
    assert [text] == errors(result)


def test_a_candidate_that_is_not_there(project: Project) -> None:
    """A checkpoint on the command line is looked at even if no suite generates."""
    project.suite(records(1))

    result = project.run("--llm-judge-checkpoint=candidate.pth")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: {project.path / 'candidate.pth'}: no such file; check the path, or train and "
        "save the model first"
    )
    assert [text] == errors(result)


def test_a_judge_that_does_not_answer(project: Project, mode: tuple[str, ...]) -> None:
    """No server: one line before anything is generated."""
    project.suite(records(2))

    result = project.run(*mode, server="http://127.0.0.1:9")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        'ERROR: http://127.0.0.1:9: is not answering; start it with "ollama serve" for the judge '
        '"llama3", name another with --llm-judge-url, or begin without a server with '
        "--llm-judge-model=embedded"
    )
    assert [text] == errors(result)


@pytest.mark.parametrize(
    ("name", "meant"), [("embeded", "embedded"), ("open-ai:gpt-4o", "openai:gpt-4o")]
)
def test_a_judge_that_was_meant_for_another(
    project: Project, ollama: FakeOllama, name: str, meant: str
) -> None:
    """Whether a server is there or not, the name that was meant is said before any work."""
    project.suite(records(2))
    option = f"--llm-judge-model={name}"

    down = project.run(option, server="http://127.0.0.1:9")
    up = project.run(option, "--llm-judge-check=strict", server=ollama.url)

    assert down.ret == up.ret == pytest.ExitCode.USAGE_ERROR
    assert errors(down) == [
        (
            f'ERROR: http://127.0.0.1:9: is not answering; did you mean "{meant}"? If not, start it with '
            f'"ollama serve" for the judge "{name}", or name another with --llm-judge-url'
        )
    ]
    assert errors(up) == [
        (
            f'ERROR: {ollama.url}: has no model "{name}"; installed: llama3:latest; did you mean '
            f'"{meant}"? If not, "ollama pull {name}" gets it'
        )
    ]
    assert ollama.chats == []


def test_a_folder_that_cannot_be_made(project: Project) -> None:
    """Where results cannot be written is found before the work, not after it."""
    project.suite(records(1))
    project.write("file", "")

    result = project.run("--llm-judge-report=file/results.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: --llm-judge-report: nothing can be written to {project.path / 'file'} "
        "(File exists); name another place"
    )
    assert [text] == errors(result)
