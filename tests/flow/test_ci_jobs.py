"""The calls of pytest in the documentation's jobs for CI, run as they stand there."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.support.ci_jobs import jobs
from tests.support.fake_ollama import DIGEST, Answer, FakeOllama
from tests.support.project import Project, records
from tests.unit.generation.tiny import TINY, save_model

ROOMY = replace(TINY, context_length=512)


def test_a_release_and_a_candidate(project: Project) -> None:
    """What the jobs keep is there: the baseline, the reports and the verdicts."""
    of_file = jobs("github")
    gate, baseline = of_file["gate"], of_file["baseline"]
    for job in (gate, baseline):
        save_model(project.path / job.options["--llm-judge-checkpoint"], ROOMY)
    project.suite(records(6), "min_average=0")
    no = Answer("No", candidates=[("Yes", math.log(0.1)), ("No", math.log(0.9))])

    with FakeOllama(lambda _: no, models={gate.options["--llm-judge-model"]: DIGEST}) as server:
        released = project.run(*baseline.pytest, "--llm-judge-max-new-tokens=8", server=server.url)
        made = project.path / baseline.options["--llm-judge-report"]
        project.write(gate.options["--llm-judge-baseline"], made.read_bytes())
        asked = len(server.chats)
        compared = project.run(*gate.pytest, "--llm-judge-max-new-tokens=8", server=server.url)

    released.assert_outcomes(passed=7)
    compared.assert_outcomes(passed=8)
    assert 0 < asked == len(server.chats)
    for job in (gate, baseline):
        for flag in ("--llm-judge-report", "--llm-judge-html", "--junitxml"):
            assert (project.path / job.options[flag]).is_file()
    assert (project.path / ".pytest_cache/d/llm-judge").is_dir()
