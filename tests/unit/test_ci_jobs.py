"""The jobs for CI in the documentation: valid files, whose parts fit each other and the plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pytest_llmjudge.settings import OPTIONS
from tests.support.ci_jobs import FILES, SHARDED, Job, jobs
from tests.support.pages import PAGES, blocks

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = {option.flag: option for option in OPTIONS}
WRITES = ("--llm-judge-report", "--llm-judge-html", "--junitxml")
VERDICTS = ".pytest_cache/d/llm-judge"
EACH_FILE = pytest.mark.parametrize("name", FILES)
JOBS = {f"{name}-{key}": job for name in FILES for key, job in jobs(name).items()}
GITHUB = {name: job for name, job in JOBS.items() if name.startswith("github")}
EACH_JOB = pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)


def test_all_jobs_stand_on_one_page() -> None:
    """So that these tests see all of them."""
    # What Ray reads is tried where Ray is installed.
    pages = [page for page in PAGES if page.name != "cluster.md"]
    shown = [block.text for page in pages for block in blocks(page, "yaml")]

    assert shown == [*FILES.values(), *SHARDED.values()]


@pytest.mark.parametrize(
    ("place", "schema"), [("github", "vendor.github-workflows"), ("gitlab", "vendor.gitlab-ci")]
)
def test_the_files_are_valid(place: str, schema: str, tmp_path: Path) -> None:
    """By the schemas of GitHub and GitLab."""
    named = {name: text for name, text in {**FILES, **SHARDED}.items() if name.startswith(place)}
    assert len(named) > 1
    files = [tmp_path / f"{name}.yml" for name in named]
    for file, text in zip(files, named.values(), strict=True):
        file.write_text(text, "utf-8")

    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        schema,
        *map(str, files),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout


@EACH_JOB
def test_options_can_be_given(job: Job) -> None:
    """With the values that they have; the judge is a small one that is asked for one token."""
    for flag, value in job.options.items():
        if flag.startswith("--llm-judge"):
            assert bool(value) == bool(FLAGS[flag].metavar)
            if value:
                FLAGS[flag].parse(flag, value)

    assert job.options["--llm-judge-ask"] == "weighted"
    assert "1.5b" in job.options["--llm-judge-model"] or "1.5B" in str(job.lines)


@EACH_JOB
def test_torch_for_the_cpu_comes_first(job: Job) -> None:
    """Before the package, which would bring the one with CUDA."""
    installs = [line for line in job.lines if line[:2] == ("pip", "install")]

    torch, package = installs
    assert torch[2:] == ("torch", "--index-url", "https://download.pytorch.org/whl/cpu")
    assert package[2].startswith("pytest-llmjudge")


@EACH_JOB
def test_what_is_written_is_kept(job: Job) -> None:
    """Results, HTML and JUnit, also of a run that failed, and nothing that nobody writes."""
    written = {job.options[flag] for flag in WRITES}
    if "steps" in job.facts:
        (upload,) = job.steps("actions/upload-artifact")
        assert upload["if"] == "always()"
        kept = set(upload["with"]["path"].split())
    else:
        artifacts = job.facts["artifacts"]
        assert artifacts["when"] == "always"
        kept = {*artifacts["paths"], artifacts["reports"]["junit"]}

    assert kept == written


@EACH_JOB
def test_a_job_ends(job: Job) -> None:
    """Also where a server hangs."""
    assert job.facts.get("timeout-minutes", job.facts.get("timeout")) in {60, "1 hour"}


@EACH_FILE
def test_the_gate_reads_what_the_baseline_is(name: str) -> None:
    """Candidate and release are judged alike, and the file that one leaves the other finds."""
    of_file = jobs(name)
    gate = of_file["gate"]
    release = gate.options["--llm-judge-baseline"]
    (got,) = (line for line in gate.lines if "baseline.json" in line or "$BASELINE" in line)

    if name == "gitlab":
        assert got[got.index("--output") + 1] == release
    else:
        assert f"{got[got.index('--dir') + 1]}/{got[got.index('--pattern') + 1]}" == release
    if "baseline" not in of_file:
        return
    baseline = of_file["baseline"]
    (put,) = (line for line in baseline.lines if "--clobber" in line or "--upload-file" in line)
    assert baseline.options["--llm-judge-report"] in put
    assert "--llm-judge-baseline" not in baseline.options
    for flag in ("--llm-judge-model", "--llm-judge-ask"):
        assert baseline.options[flag] == gate.options[flag]


@pytest.mark.parametrize("name", SHARDED)
def test_shards_and_their_merge(name: str) -> None:
    """The files that the jobs leave are those that the last one merges."""
    of_file = jobs(name)
    options = of_file["shard"].options

    (merge,) = (line for line in of_file["gate"].lines if line[0] == "llmjudge")
    assert merge == ("llmjudge", "merge", "shard-*.json", "--out", "results.json")
    assert options["--llm-judge-report"].startswith("shard-")
    assert options.keys() >= {"--llm-judge-shard", "--llm-judge-baseline"}
    for flag in options:
        assert not flag.startswith("--llm-judge") or flag in FLAGS


def test_gitlab_has_one_place_for_the_baseline() -> None:
    """From which one job reads what the other has written."""
    file = yaml.safe_load(FILES["gitlab"])

    assert file["variables"]["BASELINE"].endswith("/baseline.json")
    for job in jobs("gitlab").values():
        (curl,) = (line for line in job.lines if line[0] == "curl")
        assert curl[-1] == "$BASELINE"


@pytest.mark.parametrize("job", GITHUB.values(), ids=GITHUB)
def test_caches_of_github(job: Job) -> None:
    """Models by name, saved as soon as they are there; verdicts by run, with a prefix to begin with."""
    models, verdicts = (step["with"] for step in job.steps("actions/cache/restore"))

    assert re.fullmatch(r"models-[a-z0-9.-]+", models["key"])
    assert ".cache/tiktoken" in models["path"].split()
    assert verdicts["path"] == VERDICTS
    assert verdicts["key"].startswith(verdicts["restore-keys"])
    assert {"github.run_id", "github.run_attempt"} == set(
        re.findall(r"\{\{ (.+?) \}\}", verdicts["key"])
    )
    saved = job.steps("actions/cache/save")
    if not saved:
        return
    assert [(step["with"]["path"], step["with"]["key"]) for step in saved] == [
        (part["path"], part["key"]) for part in (models, verdicts)
    ]
    assert [step["if"] for step in saved] == [
        "steps.models.outputs.cache-hit != 'true'",
        "always()",
    ]


@pytest.mark.parametrize("job", jobs("gitlab").values(), ids=jobs("gitlab"))
def test_caches_of_gitlab(job: Job) -> None:
    """Models by name; verdicts by branch, or the main one's; both also of a job that failed."""
    models, verdicts = job.facts["cache"]

    assert "$" not in models["key"]
    assert set(models["paths"]) == {"judge", ".cache/tiktoken"}
    assert verdicts["paths"] == [VERDICTS]
    assert verdicts["fallback_keys"] == [
        verdicts["key"].replace("$CI_COMMIT_REF_SLUG", "$CI_DEFAULT_BRANCH")
    ]
    assert {models["when"], verdicts["when"]} == {"always"}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("github")])
def test_rights_at_github(name: str) -> None:
    """To read; only the job that publishes a baseline may write."""
    file = yaml.safe_load(FILES[name])

    assert file["permissions"] == {"contents": "read"}
    for key, job in jobs(name).items():
        assert ("permissions" in job.facts) == (key == "baseline")
        (checkout,) = job.steps("actions/checkout")
        assert checkout["with"]["persist-credentials"] is False


def test_actions_have_one_version_each() -> None:
    """A major one, as those of GitHub are pinned."""
    used: dict[str, set[str]] = {}
    steps: list[dict[str, Any]] = [step for job in GITHUB.values() for step in job.facts["steps"]]
    for step in steps:
        if "uses" in step:
            action, _, version = step["uses"].partition("@")
            used.setdefault("/".join(action.split("/")[:2]), set()).add(version)

    assert set(used) == {
        f"actions/{name}" for name in ("cache", "checkout", "setup-python", "upload-artifact")
    }
    assert all(len(versions) == 1 for versions in used.values())
    assert all(re.fullmatch(r"v\d+", version) for (version,) in used.values())
