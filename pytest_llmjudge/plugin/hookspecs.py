"""Hooks that this plugin calls, for a ``conftest.py`` or another plugin to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

__all__ = ["pytest_llm_judge_results"]


def pytest_llm_judge_results(
    config: pytest.Config, results: dict[str, Any], files: Mapping[str, Path]
) -> None:
    """Take the results of a run to wherever they are kept.

    It is called once, when all is decided and the files are written, in the process that owns the
    terminal: with xdist in the controller, which knows the ``conftest.py`` of the folders named on
    the command line and of pytest's root folder, not those of folders below. It is also called
    when the run failed or was interrupted, and without ``--llm-judge-report``; not where nothing
    was judged. An implementation takes those of the arguments that it needs.

    An exception becomes one line in the summary and exit status 1, and ends the call:
    implementations that have not had their turn do not get one. What was written stays.

    A file for each run:

        def pytest_llm_judge_results(results):
            name = results["created"].replace(":", "-")
            Path("runs", f"{name}.json").write_text(json.dumps(results))

    Figures under flat names, for a tracker of experiments:

        from pytest_llmjudge.tracking import metrics

        def pytest_llm_judge_results(results):
            tracker.log(metrics(results))

    A message where a release may not go out:

        from pytest_llmjudge.tracking import outcome

        def pytest_llm_judge_results(config, results, files):
            if outcome(results) != "passed":
                send(f"{config.rootpath.name}: {outcome(results)}, see {files.get('html')}")

    Args:
        config: pytest's.
        results: What ``--llm-judge-report`` writes, as its JSON Schema says
            (``pytest_llmjudge/schemas/results.json``), in lists, dictionaries, texts and numbers.
        files: What this run has written, by what it is: ``results``, ``html``, ``markdown``,
            ``step summary`` for the file of ``$GITHUB_STEP_SUMMARY``, and ``responses`` for the
            folder.
    """
