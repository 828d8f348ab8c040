"""Records of several turns, asked of checkpoints that run here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmjudge.generation.engine.model import TorchModel
from tests.unit.generation.tiny import TINY, save_model

if TYPE_CHECKING:
    from tests.support.project import Project

TOKENS = "--llm-judge-max-new-tokens=6"
REPORT = "--llm-judge-report=results.json"
ROOMY = replace(TINY, context_length=400)
CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def bench(*questions: list[str]) -> list[dict[str, object]]:
    """Records in MT-Bench's shape with these turns."""
    return [
        {
            "question_id": number,
            "id": f"q{number}",
            "turns": turns,
            "reference": ["the thing"] * len(turns),
        }
        for number, turns in enumerate(questions)
    ]


def test_a_raw_checkpoint(project: Project, mode: tuple[str, ...]) -> None:
    """It goes on from the same texts as when it is asked by hand, each with its own answers."""
    save_model(project.path / "model.pth", ROOMY)
    content = bench(["Say 1.", "And 2?", "And 3?"], ["the thing", "in the"], ["Say 4."])
    project.suite(content, 'min_score=0, checkpoint="model.pth", prompt="chatml"')

    project.run(TOKENS, REPORT, *mode).assert_outcomes(passed=4)

    (suite,) = project.results()["suites"]
    model = TorchModel(project.path / "model.pth")
    for record in suite["records"]:
        questions = [record["instruction"]]
        questions += [one["instruction"] for one in record.get("follow_ups", ())]
        text, answers = "", []
        for question in questions:
            text += CHATML.format(question)
            (answer,) = model.generate([text], max_new_tokens=6)
            answers.append(answer.strip())
            text += f"{answers[-1]}<|im_end|>\n"
        assert record.get("answers", [record["model_response"]]) == answers


def test_a_conversation_that_outgrows_the_context(project: Project) -> None:
    """Its record errs with the turn; the others are answered."""
    save_model(project.path / "model.pth", ROOMY)
    content = bench(["Say 1.", "And 2?"], ["Say 3.", "x" * 400])
    project.suite(content, 'min_score=0, checkpoint="model.pth", prompt="chatml"')

    result = project.run(TOKENS, REPORT)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    good, bad = project.results()["suites"][0]["records"]
    assert (good["error"], len(good["answers"])) == (None, 2)
    start = f"turn 2: {project.path / 'model.pth'}: the prompt has "
    assert bad["error"].startswith(start)
    assert bad["error"].endswith("shorten the record's instruction and input")
