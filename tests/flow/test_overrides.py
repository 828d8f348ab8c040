"""Models and judges of the user's own, in all the ways a conftest can give them."""

from __future__ import annotations

import pytest

from tests.support.fake_ollama import Failure, FakeOllama, always, in_turn
from tests.support.project import MODEL, Project, records
from tests.unit.generation.tiny import save_model

SUITE = "test_suite.py::test_instructions"
JUDGE = """
import pytest
from pytest_llmjudge import Verdict

class Constant:
    def score(self, record, response):
        return Verdict({score})

@pytest.fixture(scope="{scope}")
def llm_judge():
    return Constant()
"""


def errors(result: pytest.RunResult) -> list[str]:
    return [line for line in result.errlines if line.startswith("ERROR: ")]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids="".join)
def test_judges_of_two_folders_do_not_share_verdicts(
    project: Project, order: tuple[str, str]
) -> None:
    """The same records judged by two judges of one name and no fingerprint get two scores."""
    for folder, score in (("a", 10), ("b", 90)):
        project.write(f"{folder}/conftest.py", JUDGE.format(score=score, scope="session"))
        project.suite(records(3), data=f"{folder}/data.json", test=f"{folder}/test_{folder}.py")
        body = (project.path / f"{folder}/test_{folder}.py").read_text()
        project.write(f"{folder}/test_{folder}.py", body.replace(f'"{folder}/data', '"data'))

    result = project.run(*order, "-v")

    result.assert_outcomes(passed=5, failed=3)
    result.stdout.fnmatch_lines(["FAILED a/test_a.py::test_instructions[[]r0[]]*"])


def test_a_judge_with_a_fingerprint_sees_the_whole_record(project: Project) -> None:
    """Records of one text that differ in a further field are judged apart."""
    judge = """
import pytest
from pytest_llmjudge import Verdict

class Weigher:
    fingerprint = "weigher-1"

    def score(self, record, response):
        return Verdict(record.fields["weight"])

@pytest.fixture(scope="session")
def llm_judge():
    return Weigher()
"""
    project.write("conftest.py", judge)
    same = {"instruction": "Say.", "output": "x", "model_response": "x"}
    project.suite(
        [{**same, "weight": 10 * number} for number in range(3)],
        'responses="model_response", min_score=0',
    )

    project.run("--llm-judge-report=results.json").assert_outcomes(passed=4)

    scores = [record["score"] for record in project.results()["suites"][0]["records"]]
    assert scores == [0, 10, 20]


def test_a_suite_is_not_parametrised_by_a_fixture(project: Project) -> None:
    """One suite has one model: a fixture with params is refused, not mixed up."""
    conftest = MODEL.format(answer="prompt").replace(
        'scope="session")\ndef llm_model()',
        'scope="session", params=["good", "bad"])\ndef llm_model(request)',
    )
    project.write("conftest.py", conftest)
    project.write("data.json", records(2))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", min_score=0)
def test_instructions(llm_model, verdict):
    pass
"""
    project.write("test_suite.py", body)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = f"{SUITE}: it is parametrised by llm_model as well; write one marked function for each"
    assert [f"ERROR: {text} variant"] == errors(result)


def test_a_suite_is_not_repeated(project: Project) -> None:
    """What pytest-repeat would run again was decided the first time."""
    # As pytest-repeat does it.
    conftest = """
import pytest

@pytest.fixture
def __pytest_repeat_step_number(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("__pytest_repeat_step_number")
    metafunc.parametrize("__pytest_repeat_step_number", range(2), indirect=True)
"""
    project.write("conftest.py", conftest)
    project.suite(records(2))

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        f"ERROR: {SUITE}: pytest-repeat runs it several times, and its verdicts are kept after the "
        "first; leave out --count and the marker repeat, and ask again with --llm-judge-samples"
    )
    assert [text] == errors(result)


def test_a_method_of_unittest_is_refused(project: Project) -> None:
    """What pytest cannot parametrise does not pass unjudged."""
    project.write("data.json", records(2))
    body = """
import unittest
import pytest

class TestOld(unittest.TestCase):
    @pytest.mark.llm_judge("data.json", responses="model_response", min_score=50)
    def test_words(self):
        pass
"""
    project.write("test_suite.py", body)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "ERROR: test_suite.py::TestOld::test_words: llm_judge marks what pytest cannot "
        "parametrise; write it as a plain function or as a method of a plain class"
    )
    assert [text] == errors(result)


def test_a_records_file_is_collected_whatever_functions_are_called(project: Project) -> None:
    """``python_functions`` is about the user's functions, not ours."""
    project.write("pytest.ini", "[pytest]\npython_functions = check_*\n")
    project.write("conftest.py", MODEL.format(answer="prompt"))
    project.write("data.json", records(2))

    project.run("data.json", "--llm-judge-min-score=0").assert_outcomes(passed=3)


def test_suites_run_beside_a_broken_file(project: Project, mode: tuple[str, ...]) -> None:
    """``--continue-on-collection-errors`` judges what could be collected."""
    project.suite(records(2))
    project.write("test_broken.py", "import nothing_of_that_name\n")

    result = project.run("--continue-on-collection-errors", *mode)

    result.assert_outcomes(passed=3, errors=1)


def test_a_wrapped_model_follows_the_marker(project: Project) -> None:
    """An override that wraps the model under test wraps the suite's own."""
    conftest = """
import pytest

class Loud:
    def __init__(self, model):
        self.model = model

    @property
    def fingerprint(self):
        return "loud " + self.model.fingerprint

    def generate(self, prompts, *, max_new_tokens):
        texts = self.model.generate(prompts, max_new_tokens=max_new_tokens)
        return ["LOUD " + text for text in texts]

@pytest.fixture(scope="session")
def llm_model(llm_model):
    return Loud(llm_model)
"""
    project.write("conftest.py", conftest)
    project.write("prompt.txt", "Say {instruction}:")
    save_model(project.path / "model.pth")
    project.suite(records(2), 'min_score=0, checkpoint="model.pth", prompt="prompt.txt"')

    result = project.run("--llm-judge-max-new-tokens=4", "--llm-judge-report=results.json")

    result.assert_outcomes(passed=3)
    (suite,) = project.results()["suites"]
    assert all(record["model_response"].startswith("LOUD") for record in suite["records"])


def test_a_judge_made_for_every_item_is_refused(project: Project) -> None:
    """A fixture of a narrow scope would be used after its end."""
    project.write("conftest.py", JUDGE.format(score=90, scope="function"))
    project.suite(records(2))

    result = project.run()

    result.assert_outcomes(passed=1, errors=2)
    text = f'{SUITE}: llm_judge is made anew for every item; give the fixture scope="session"'
    assert text in result.outlines


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("", "it has no fingerprint; give it a string attribute that changes when its answers may"),
        (
            "fingerprint = 7",
            "it has no fingerprint; give it a string attribute that changes when its answers may",
        ),
        (
            "fingerprint = property(lambda self: 1 / 0)",
            "fingerprint raised ZeroDivisionError: division by zero; correct it",
        ),
    ],
    ids=["none", "number", "raises"],
)
def test_a_model_without_a_fingerprint(project: Project, model: str, text: str) -> None:
    """Every item reports it in one line, without a traceback."""
    conftest = MODEL.format(answer="prompt").replace('fingerprint = "echo-1"', model)
    project.write("conftest.py", conftest)
    project.suite(records(1), "min_score=0")

    result = project.run()

    result.assert_outcomes(errors=2)
    assert f"llm_model (Echo): {text}" in result.outlines


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            "Echo.fingerprint = property(lambda self: uuid.uuid4().hex)",
            (
                "its fingerprint changes from call to call; make it a text that changes only when "
                "the answers may"
            ),
        ),
        (
            "Echo.generate = lambda self, prompts, *, max_new_tokens: sys.exit(3)",
            "generate() raised SystemExit: 3; correct it",
        ),
        (
            "Echo.generate = lambda self, prompts, *, max_new_tokens: pytest.skip('no GPU')",
            "generate() raised Skipped: no GPU; correct it",
        ),
        (
            "Echo.generate = lambda self, prompts, *, max_new_tokens: pytest.importorskip('no_such')",
            (
                "generate() raised Skipped: could not import 'no_such': No module named 'no_such'; "
                "correct it"
            ),
        ),
    ],
    ids=["restless", "exits", "skips", "imports"],
)
def test_a_model_that_would_end_no_run_or_all(project: Project, changes: str, text: str) -> None:
    """Every item tells it in one line, and the run ends as any other."""
    made = MODEL.format(answer="prompt").replace("import pytest", "import sys, uuid, pytest")
    project.write("conftest.py", f"{made}\n{changes}\n")
    project.suite(records(3), "min_score=0")

    result = project.run()

    result.assert_outcomes(errors=3, failed=1)
    message = f"llm_model (Echo): {text}"
    assert result.outlines.count(message) == 3
    assert result.outlines.count(f"first cause: {message}") == 1
    assert not (project.path / "generated.log").exists()


def test_a_model_that_exits_ends_no_worker(project: Project) -> None:
    """Every item tells it in one line, and the run ends as any other."""
    made = MODEL.format(answer="prompt").replace("import pytest", "import sys, pytest")
    exits = "Echo.generate = lambda self, prompts, *, max_new_tokens: sys.exit(3)"
    project.write("conftest.py", f"{made}\n{exits}\n")
    project.suite(records(3), "min_score=0")

    result = project.run("-n", "2")

    result.assert_outcomes(errors=3, failed=1)
    message = "llm_model (Echo): generate() raised SystemExit: 3; correct it"
    assert result.outlines.count(message) == 3


@pytest.mark.parametrize(
    ("kind", "named"), [("model", "llm_model (Echo)"), ("judge", "llm_judge (Own)")]
)
def test_workers_whose_fixtures_differ(project: Project, kind: str, named: str) -> None:
    """A model or judge of the user's own that is another one in each worker ends the run."""
    made = MODEL.format(answer="prompt").replace("import pytest", "import os, pytest")
    own = "fingerprint = os.environ.get('PYTEST_XDIST_WORKER', 'main')"
    if kind == "model":
        made = made.replace('fingerprint = "echo-1"', own)
    else:
        made += (
            "\nfrom pytest_llmjudge import Verdict\n"
            f"class Own:\n    {own}\n"
            "    def score(self, record, response):\n"
            "        import time\n        time.sleep(0.3)\n        return Verdict(90)\n"
            "@pytest.fixture(scope='session')\ndef llm_judge():\n    return Own()\n"
        )
    project.write("conftest.py", made)
    project.suite(records(6), "min_score=0")

    result = project.run("-n", "2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    start = "its fingerprint is not the same in all processes of this run (gw"
    lines = [line for line in result.errlines if line.startswith(f"ERROR: {named}: {start}")]
    assert len(lines) == 1
    assert lines[0].endswith(
        "; make it a text that changes only when the "
        + ("answers may" if kind == "model" else "scores may")
    )


def test_a_fingerprint_that_comes_with_the_weights(project: Project) -> None:
    """Answers of a model that has another once it has loaded are not kept under the one before."""
    made = MODEL.format(answer="prompt").replace("import pytest", "import os, pytest")
    late = "Echo.fingerprint = property(lambda self: str(os.path.exists('generated.log')))"
    project.write("conftest.py", f"{made}\n{late}\n")
    project.suite(records(3), "min_score=0")

    result = project.run()

    result.assert_outcomes(errors=3, failed=1)
    assert (
        result.outlines.count(
            "llm_model (Echo): its fingerprint changes from call to call; make it a text that changes "
            "only when the answers may"
        )
        == 3
    )
    assert (project.path / "generated.log").read_text() == "3\n"


def test_an_interrupted_model_is_no_error(project: Project) -> None:
    """Whoever presses Ctrl-C while texts are made ends the run."""
    made = MODEL.format(answer="1 / 0").replace(
        "with open", "raise KeyboardInterrupt\n        with open"
    )
    project.write("conftest.py", made)
    project.suite(records(3), "min_score=0")

    result = project.run_subprocess()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.no_fnmatch_line("*generate() raised*")


@pytest.mark.parametrize(
    ("ends", "raised"),
    [
        ('sys.exit("no")', "SystemExit: no"),
        ('pytest.skip("no")', "Skipped: no"),
        ('pytest.xfail("no")', "XFailed: no"),
    ],
    ids=["exit", "skip", "xfail"],
)
def test_a_judge_that_ends_its_item(project: Project, ends: str, raised: str) -> None:
    """It is the record's error, in one line: a skipped record would be one that passes."""
    project.write(
        "conftest.py",
        """
import sys
import pytest

class Judge:
    def score(self, record, response):
        {ends}

@pytest.fixture(scope="session")
def llm_judge():
    return Judge()
""".replace("{ends}", ends),
    )
    project.suite(records(2), 'min_score=0, responses="model_response"')

    result = project.run("--llm-judge-check=off")

    result.assert_outcomes(errors=2, failed=1)
    text = (
        f"llm_judge (Judge): score() raised {raised}; correct it, or return a Verdict with an error"
    )
    assert result.outlines.count(text) == 2


def test_attributes_of_ones_own_are_ones_own(project: Project) -> None:
    """What the contract does not name may be called anything."""
    conftest = """
import pytest
from pytest_llmjudge import Verdict

class Judge:
    key = "sk-secret"
    identity = "me"
    server = 7

    def score(self, record, response):
        return Verdict(90)

class Model:
    fingerprint = "m"
    info = "x"
    stream = False

    def generate(self, prompts, *, max_new_tokens):
        return ["half a pair: \\ud83d" for _ in prompts]

@pytest.fixture(scope="session")
def llm_judge():
    return Judge()

@pytest.fixture(scope="session")
def llm_model():
    return Model()
"""
    project.write("conftest.py", conftest)
    project.suite(records(2), "min_score=0")

    result = project.run("--llm-judge-report=results.json")

    result.assert_outcomes(passed=3)
    (suite,) = project.results()["suites"]
    assert suite["records"][0]["model_response"] == "half a pair: ?"
    assert "sk-secret" not in result.stdout.str()


def test_control_characters_do_not_reach_the_terminal(project: Project) -> None:
    """Records, responses and replies are shown, not obeyed."""
    evil = "\x1b]0;owned\x07\x1b[2J"
    record = {
        "id": f"id{evil}",
        "instruction": f"Say{evil}.",
        "output": "x",
        "model_response": f"y{evil}",
    }
    project.suite([record])

    with FakeOllama(always("7")) as server:
        result = project.run(server=server.url)

    result.assert_outcomes(passed=1, failed=1)
    assert "\x1b" not in result.stdout.str()
    result.stdout.fnmatch_lines([r"response:      y\x1b]0;owned\x07\x1b[[]2J"])


def test_usefixtures_may_name_the_verdict(project: Project) -> None:
    """A mark that asks for it does not ask for the gate's, which has none."""
    project.write("data.json", records(2))
    body = """
import pytest

@pytest.mark.usefixtures("verdict")
@pytest.mark.llm_judge("data.json", responses="model_response", min_score=50)
def test_instructions():
    pass
"""
    project.write("test_suite.py", body)

    project.run().assert_outcomes(passed=3)


def test_expected_failures_keep_their_scores(project: Project) -> None:
    """A record that is expected to fail has failed, as far as the results are concerned."""
    project.suite(records(2, wrong=[0, 1]), 'responses="model_response", min_score=50')
    body = (project.path / "test_suite.py").read_text()
    project.write(
        "test_suite.py",
        body.replace("@pytest.mark.llm_judge", "@pytest.mark.xfail\n@pytest.mark.llm_judge"),
    )

    result = project.run("--llm-judge-report=results.json")

    assert result.parseoutcomes()["xfailed"] == 2
    (suite,) = project.results()["suites"]
    assert [record["outcome"] for record in suite["records"]] == ["failed", "failed"]
    assert suite["outcome"] == "failed"


def test_a_rerun_of_the_average_asks_again(project: Project) -> None:
    """A gate alone that met a failing server gets another chance as well."""
    project.suite(records(2), 'responses="model_response", min_average=50')

    with FakeOllama(in_turn(Failure(400, "out of order"))) as server:
        result = project.run("-k", "average", "--reruns", "1", server=server.url)

    assert {"passed": 1, "rerun": 1, "deselected": 2} == result.parseoutcomes()


def test_direct_questions_wait_for_their_turn(project: Project) -> None:
    """A body that asks the judge itself is one of those that ask one at a time."""
    project.write("data.json", records(12))
    body = """
import pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_score=0)
def test_instructions(record, llm_judge):
    assert llm_judge.score(record, "another response").score is not None
"""
    project.write("test_suite.py", body)

    with FakeOllama() as server:
        result = project.run("-n", "2", server=server.url)

    result.assert_outcomes(passed=13)
    assert server.max_in_flight == 1
    assert len(server.chats) == 24


def test_a_worker_that_crashes_loses_no_verdict(project: Project) -> None:
    """The gate's rows stand in for the item's, whose outcome is an error."""
    project.write("data.json", records(6))
    body = """
import os, pytest

@pytest.mark.llm_judge("data.json", responses="model_response", min_average=50)
def test_instructions(record, verdict):
    if record.id == "r3":
        os._exit(1)
"""
    project.write("test_suite.py", body)

    result = project.run("-n", "2", "--llm-judge-report=results.json")

    assert result.parseoutcomes()["failed"] == 1
    (suite,) = project.results()["suites"]
    assert (suite["scored"], suite["average"], suite["outcome"]) == (6, 100.0, "failed")
    assert suite["records"][3]["outcome"] == "error"


@pytest.mark.parametrize("fixture", ["llm_judge", "llm_model"])
def test_a_fixture_that_returns_nothing(project: Project, fixture: str) -> None:
    """A forgotten return is one line, and each item errs with it."""
    project.write(
        "conftest.py",
        MODEL.format(answer="prompt")
        if fixture == "llm_judge"
        else JUDGE.format(score=50, scope="session"),
    )
    with (project.path / "conftest.py").open("a", encoding="utf-8") as file:
        file.write(f'\n@pytest.fixture(scope="session")\ndef {fixture}():\n    pass\n')
    project.suite(records(2), "min_average=1")

    result = project.run()

    result.assert_outcomes(errors=3)
    what = fixture.removeprefix("llm_")
    line = f"{SUITE}: its fixture {fixture} returned None; let the fixture return its {what}"
    assert result.outlines.count(line) == 3
