"""No suite is decided by a judge that cannot tell known right answers from wrong ones."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_ollama import (
    Answer,
    ChatRequest,
    Failure,
    FakeOllama,
    Reply,
    always,
    similarity,
)
from tests.support.project import MODEL, Project

if TYPE_CHECKING:
    from tests.support.fake_ollama import Replier

SUITE = "test_suite.py::test_instructions"
GATE = f"{SUITE}[judge-check]"
STRICT = "--llm-judge-check=strict"
REPORT = "--llm-judge-report=results.json"
ARGUMENTS = 'responses="model_response", min_average=50'
ADVICE = "name a larger judge with --llm-judge-model, or --llm-judge-ask=weighted"
POINTS_TO_THE_CHECK = (
    f"{GATE}: the judge failed known answers; see there, nothing else of this suite is decided"
)
ANSWERS = (
    "Paris lies on the Seine.",
    "Seven times eight is fifty-six.",
    "A haiku has three lines.",
    "Whales are mammals, not fish.",
    "The verb goes last in German clauses.",
    "Mercury orbits closest to our Sun.",
    "Bread dough needs yeast and time.",
    "Mozart wrote The Magic Flute.",
    "Glass is made of molten sand.",
    "Kangaroos carry their young in pouches.",
)


def unlike_records() -> list[dict[str, Any]]:
    """Make records whose references have little in common, all of them answered rightly."""
    return [
        {
            "id": f"r{number}",
            "instruction": f"Tell me fact {number}.",
            "output": text,
            "model_response": text,
        }
        for number, text in enumerate(ANSWERS)
    ]


def at_random(request: ChatRequest) -> Reply:
    """Answer any integer, another one each time."""
    seed = f"{request.number} {request.prompt}"
    return Answer(str(random.Random(seed).randint(0, 100)))  # noqa: S311  # no secret


def obedient(request: ChatRequest) -> Reply:
    """Know right from wrong, and give 100 to whoever asks for it."""
    return Answer("100") if "100" in request.response else similarity(request)


def length_of_reference(request: ChatRequest) -> Reply:
    """Answer how long the reference is, whatever the response."""
    return Answer(str(min(100, len(request.reference))))


def forgetful(request: ChatRequest) -> Reply:
    """Know right from wrong, but never say the same twice."""
    if request.response == request.reference:
        return Answer(str(90 + request.number % 10))
    return similarity(request)


UNFIT: dict[str, tuple[Replier, tuple[str, ...]]] = {
    "constant": (
        always("85"),
        (
            "it does not tell right answers from wrong and empty ones, AUC 0.50 where at least 0.9 "
            "is needed, and it gives 85 to right and 85 to wrong answers where at least 30 points "
            "between them are needed; " + ADVICE,
        ),
    ),
    "random": (
        at_random,
        ("it does not tell right answers from wrong", "answers changed when asked about again"),
    ),
    "obedient": (
        obedient,
        ("wrong answers with a grader injection get ", "at most 10 points more"),
    ),
    "length": (
        length_of_reference,
        ("it does not tell right answers from wrong and empty ones, AUC 0.5",),
    ),
    "forgetful": (forgetful, ("of 8 answers changed when asked about again; " + ADVICE,)),
    "silent": (
        always("What a question!"),
        ('40 of 40 known answers got no score (llama3 wrote "What a question!" and, asked again',),
    ),
}


@pytest.mark.parametrize("name", list(UNFIT))
def test_an_unfit_judge_decides_nothing(project: Project, name: str, mode: tuple[str, ...]) -> None:
    """The check fails and says why; all else is an error of one line that points to it."""
    replier, reasons = UNFIT[name]
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(replier) as server:
        result = project.run(STRICT, REPORT, *mode, server=server.url)

    result.assert_outcomes(failed=1, errors=11)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = project.results()["suites"]
    (gate,) = (gate for gate in suite["gates"] if gate["name"] == "judge-check")
    assert gate["outcome"] == "failed"
    assert gate["reason"].startswith("judge llama3: ")
    for reason in reasons:
        assert reason in gate["reason"]
    assert gate["reason"] in result.outlines
    assert f"NOT FIT, {gate['reason']}" in result.outlines
    assert result.outlines.count(POINTS_TO_THE_CHECK) == 11
    assert (suite["outcome"], suite["check"]["fit"]) == ("incomplete", False)
    assert {record["cause"] for record in suite["records"]} == {"rig"}
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_fit_judge_is_accepted(project: Project, dist: tuple[str, ...]) -> None:
    """One that scores by likeness to the reference decides, and the summary says how it did."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        result = project.run(STRICT, REPORT, *dist, server=server.url)
        asked = len(server.chats)
        assert server.max_in_flight == 1
        again = project.run(STRICT, *dist, server=server.url)
        assert len(server.chats) == asked

    result.assert_outcomes(passed=12)
    again.assert_outcomes(passed=12)
    assert asked == 40 + 10
    (suite,) = project.results()["suites"]
    check = suite["check"]
    assert (check["fit"], check["right"], check["auc"], check["changed"]) == (True, 100, 1, 0)
    line = "judge-check: passed, the judge tells right from wrong"
    assert line in result.outlines
    assert line in again.outlines
    assert [gate["name"] for gate in suite["gates"]] == ["judge-check", "average"]


def test_the_check_comes_first(project: Project, dist: tuple[str, ...]) -> None:
    """It is an item like any other, before the records."""
    project.suite(unlike_records(), ARGUMENTS)

    result = project.run(STRICT, "--collect-only", "-q", *dist)

    items = [line for line in result.outlines if "::" in line]
    assert items[0] == GATE
    assert len(items) == 12


@pytest.mark.every_mode
@pytest.mark.parametrize("selected", ["r3", "average"])
def test_a_check_that_is_not_selected_holds_all_the_same(
    project: Project, selected: str, mode: tuple[str, ...]
) -> None:
    """``-k`` does not get a verdict past it."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(always("85")) as server:
        result = project.run(STRICT, "-k", selected, *mode, server=server.url)

    result.assert_outcomes(errors=1, deselected=0 if mode else 11)
    (line,) = {line for line in result.outlines if line.startswith(f"{SUITE}: the judge ")}
    assert line.endswith(f"; {ADVICE}; nothing else of this suite is decided")
    assert GATE not in str(result.stdout)


def test_warn_decides_all_the_same(project: Project) -> None:
    """The warning has the numbers, and the summary does not call the judge fit."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(always("85")) as server:
        result = project.run("--llm-judge-check=warn", "-Wdefault", server=server.url)
        as_error = project.run("--llm-judge-check=warn", "-Werror", server=server.url)

    as_error.assert_outcomes(passed=11, failed=1)
    as_error.stdout.no_fnmatch_line("*Traceback*")
    as_error.stdout.no_fnmatch_line("*items.py*")
    result.assert_outcomes(passed=12, warnings=1)
    result.stdout.fnmatch_lines(["*JudgeCheckWarning: judge llama3: it does not tell right *"])
    result.stdout.fnmatch_lines(["NOT FIT, judge llama3: it does not tell right *"])


def test_off_asks_nothing(project: Project) -> None:
    """Without the check there is no item for it and nobody is asked."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama() as server:
        project.run("--llm-judge-check=off", server=server.url).assert_outcomes(passed=11)
        assert len(server.chats) == 10


def test_strict_is_the_default(project: Project) -> None:
    """Nobody has to ask for it."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(always("85")) as server:
        result = project.pytester.runpytest("--llm-judge", f"--llm-judge-url={server.url}")

    result.assert_outcomes(failed=1, errors=11)


def test_the_other_models_are_named(project: Project) -> None:
    """Whoever needs a larger judge sees which ones the server has."""
    project.suite(unlike_records(), ARGUMENTS)
    models = {"llama3:latest": "1c", "llama3:70b": "2d", "gemma3:270m": "3e"}

    with FakeOllama(always("85"), models=models) as server:
        result = project.run(STRICT, server=server.url)

    has = "name a larger judge with --llm-judge-model (installed: llama3:70b, gemma3:270m)"
    assert any(f"; {has}, or --llm-judge-ask=weighted" in line for line in result.outlines)


def test_a_broken_rig_is_not_an_unfit_judge(project: Project) -> None:
    """Where the server fails nothing is known of the judge: an error, not a failure."""
    project.suite(unlike_records(), ARGUMENTS)

    with FakeOllama(lambda _: Failure(500, "out of order")) as server:
        result = project.run(STRICT, REPORT, server=server.url)
        assert len(server.chats) <= 4

    result.assert_outcomes(errors=12)
    cause = (
        f"{server.url}: answered with status 500: out of order; "
        'the log of "ollama serve" tells more'
    )
    assert result.outlines.count(cause) == 12
    (suite,) = project.results()["suites"]
    assert suite["check"] is None
    assert suite["gates"][0] == {"name": "judge-check", "outcome": "error", "reason": cause}


def test_a_check_is_rerun(project: Project) -> None:
    """A server that comes back is asked again."""
    project.suite(unlike_records(), ARGUMENTS)
    broken = [Failure(500, "out of order")]

    def once(request: ChatRequest) -> Reply:
        return broken.pop() if broken else similarity(request)

    with FakeOllama(once) as server:
        result = project.run(STRICT, "--reruns=1", server=server.url)

    assert result.parseoutcomes() == {"passed": 12, "rerun": 1}


def test_questions_that_are_too_long_are_left_out(project: Project) -> None:
    """A judge is not unfit because a record is too long for it."""
    long = unlike_records()
    long[4]["output"] = "A sentence that is repeated. " * 400
    project.suite(long, 'responses="model_response", min_average=50')

    with FakeOllama() as server:
        result = project.run(STRICT, REPORT, server=server.url)

    result.assert_outcomes(passed=10, failed=1, errors=1)
    (suite,) = project.results()["suites"]
    assert suite["check"]["fit"]
    (unscored,) = (record for record in suite["records"] if record["score"] is None)
    assert (unscored["id"], unscored["cause"]) == ("r4", "record")


@pytest.mark.parametrize("judge", ["llama3", "openai:llama3"])
def test_who_was_never_asked_about_a_right_answer(project: Project, judge: str) -> None:
    """A judge that gives 85 to everything is not fit because all right answers are too long."""
    long = [
        {**record, "output": f"fact{number} " * 400, "model_response": "nonsense"}
        for number, record in enumerate(unlike_records())
    ]
    project.suite(long, 'responses="model_response", min_average=0')

    def refuses(request: ChatRequest) -> Reply:
        if len(request.prompt) > 4500:
            return Failure(400, "the input length exceeds the context length")
        return Answer("85")

    with FakeOllama(refuses) as server:
        result = project.run(STRICT, REPORT, f"--llm-judge-model={judge}", server=server.url)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (suite,) = project.results()["suites"]
    assert not suite["check"]["fit"]
    assert (
        f"judge {judge}: no right or wrong or injected or echo answer is short enough for it; "
        in suite["check"]["reason"]
    )


def test_one_record_is_enough(project: Project) -> None:
    """Where no record has another reference a fixed sentence is the wrong answer."""
    project.suite(unlike_records()[:1], ARGUMENTS)

    with FakeOllama() as server:
        project.run(STRICT, server=server.url).assert_outcomes(passed=3)
        assert len(server.chats) == 5 + 1


def test_the_embedded_judge_needs_no_address(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the environment of another program ends the run, and no server has any load."""
    monkeypatch.setenv("OLLAMA_HOST", "http://[::1")
    project.suite(unlike_records(), ARGUMENTS)

    result = project.run(STRICT, "--llm-judge-concurrency=4")

    result.assert_outcomes(passed=12)
    result.stdout.no_fnmatch_line("*in flight*")


def test_the_embedded_judge_is_checked_too(project: Project) -> None:
    """It holds, on answers that differ, and says what it is."""
    project.suite(unlike_records(), ARGUMENTS)

    result = project.run(STRICT)

    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["judge-check: passed, the judge tells right from wrong"])


def test_figures_are_for_verbose_runs(project: Project) -> None:
    """The first summary says what they mean; -v adds them, and what the cache knows a model by."""
    project.write("conftest.py", MODEL.format(answer='"The number in words."'))
    project.suite(unlike_records(), "min_average=0")
    passed = "judge-check: passed, the judge tells right from wrong"

    quiet, verbose = project.run(STRICT), project.run(STRICT, "-v")
    again = project.run(STRICT, "--llm-judge-cache=refresh")

    assert {passed, "model: Echo", "llm-judge: cache .pytest_cache/d/llm-judge"} <= {
        *quiet.outlines
    }
    quiet.stdout.no_re_match_line("^(?!FAILED).*(AUC|fingerprint|[(]use[)])")
    verbose.stdout.fnmatch_lines(
        [
            "llm-judge: cache .pytest_cache/d/llm-judge (--llm-judge-cache=use)",
            "model: Echo (fingerprint echo-1)",
            f"{passed} (right 100, wrong *, AUC 1.00, grader injection +*)",
        ]
    )
    assert "llm-judge: cache .pytest_cache/d/llm-judge, made anew" in again.outlines


def test_a_judge_of_ones_own_is_checked_too(project: Project) -> None:
    """A constant of the user's own is no better than a server's."""
    conftest = """
import pytest
from pytest_llmjudge import Verdict

class Constant:
    def score(self, record, response):
        return Verdict(85)

@pytest.fixture(scope="session")
def llm_judge():
    return Constant()
"""
    project.write("conftest.py", conftest)
    project.suite(unlike_records(), ARGUMENTS)

    result = project.run(STRICT)

    result.assert_outcomes(failed=1, errors=11)
    result.stdout.fnmatch_lines(
        ["judge of your own (Constant): it does not tell *; correct it, or take another"]
    )


def test_nothing_is_generated_for_a_judge_that_is_not_fit(project: Project) -> None:
    """The model under test need not be loaded for what nobody may decide."""
    project.write("conftest.py", MODEL.format(answer="'x'"))
    project.suite(unlike_records(), "min_average=50")

    with FakeOllama(always("85")) as server:
        project.run(STRICT, server=server.url).assert_outcomes(failed=1, errors=11)

    assert not (project.path / "generated.log").exists()


def test_agreement_with_people(project: Project) -> None:
    """Where records carry ``human_score`` the summary compares."""
    people = [100, 90, 95, 80, 100, 10, 0, 20, 5, 15]
    judged = unlike_records()
    for number, record in enumerate(judged):
        record["human_score"] = people[number]
        if number >= 5:
            record["model_response"] = hashlib.sha256(str(number).encode()).hexdigest()
    project.suite(judged, 'responses="model_response", min_score=0')

    with FakeOllama() as server:
        result = project.run(REPORT, server=server.url)

    (suite,) = project.results()["suites"]
    agreement = suite["agreement"]
    assert agreement["count"] == 10
    assert 0.7 < agreement["spearman"] < 1
    scores = [record["score"] for record in suite["records"]]
    differences = [score - human for score, human in zip(scores, people, strict=True)]
    assert agreement["bias"] == pytest.approx(sum(differences) / 10)
    assert agreement["mean_absolute_error"] == pytest.approx(sum(map(abs, differences)) / 10)
    line = (
        f"people in test_suite.py::test_instructions: 10 records, Spearman "
        f"{agreement['spearman']:.2f}, mean absolute error "
        f"{agreement['mean_absolute_error']:.1f}, judge minus people {agreement['bias']:+.1f}"
    )
    assert line in result.outlines


def test_people_who_scored_another_response(project: Project) -> None:
    """A score of what the records hold says nothing of what was generated."""
    project.write("conftest.py", MODEL.format(answer="'x'"))
    judged = [{**record, "human_score": 90} for record in unlike_records()]
    project.suite(judged, "min_score=0")

    project.run(REPORT)

    assert project.results()["suites"][0]["agreement"] is None


def test_junit_keeps_failures_and_errors_apart(project: Project) -> None:
    """An unscored record and an infrastructure error are errors of their own kinds, a low score a failure."""
    judged = unlike_records()
    judged[0]["model_response"] = "xyz"
    project.suite(judged, 'responses="model_response", min_score=50')

    def odd(request: ChatRequest) -> Reply:
        if "fact 1." in request.prompt:
            return Answer("No idea.")
        return Failure(500, "broken") if "fact 2." in request.prompt else similarity(request)

    with FakeOllama(odd) as server:
        result = project.run("--junitxml=junit.xml", REPORT, server=server.url)

    xml = (project.path / "junit.xml").read_text()
    assert xml.count('name="llm_judge_cause" value="record"') == 1
    assert xml.count('name="llm_judge_cause" value="rig"') == 1
    assert xml.count("<failure") == 2  # the record and the average
    assert xml.count("<error") == 2
    causes = {
        record["id"]: (record["outcome"], record.get("cause"))
        for record in project.results()["suites"][0]["records"]
    }
    assert causes["r0"] == ("failed", None)
    assert causes["r1"] == ("error", "record")
    assert causes["r2"] == ("error", "rig")
    result.stdout.fnmatch_lines(["unscored in test_suite.py::test_instructions: 1", "       r1  *"])
    result.stdout.fnmatch_lines(
        ["infrastructure errors in test_suite.py::test_instructions: 1", "       r2  *"]
    )
    assert json.loads((project.path / "results.json").read_text())["notes"] == []
