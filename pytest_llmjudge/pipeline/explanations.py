"""Asks the judge what is wrong with responses that failed, once all scores are known."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Explanation
from pytest_llmjudge.errors import JudgeError, LlmJudgeError
from pytest_llmjudge.pipeline.parts import parts_of
from pytest_llmjudge.pipeline.protocols import Counter, KnownProblemError
from pytest_llmjudge.pipeline.watch import Watch
from pytest_llmjudge.servers.fleet import servers_that_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.judging.judge import Judge
    from pytest_llmjudge.storage.store import Store

__all__ = ["INTERRUPTED", "Explained", "Question", "explain_all", "question_about"]

INTERRUPTED: Final = (
    "--llm-judge-explain: it was interrupted; run again for the rest, what was said is kept in the "
    "cache"
)
_EMPTY: Final = Explanation("The response is empty.")


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A response that failed.

    Attributes:
        suite: Name of its suite.
        id: Of its record in the suite.
        record: What was answered: one question, with the criterion it is judged by.
        response: The answer to that.
        part: Name of the part of the response that this is; empty for all of it.
    """

    suite: str
    id: str
    record: Record
    response: str
    part: str


@dataclass(frozen=True, slots=True)
class Explained:
    """What the judge said.

    Attributes:
        explanations: By suite and id; of what was not asked in the end there is none.
        problem: Why some could not be asked, as one line; empty where all were.
    """

    explanations: Mapping[tuple[str, str], Explanation]
    problem: str = ""


def question_about(
    suite: str, record: Record, response: str, scores: Iterable[tuple[str, int]]
) -> Question:
    """Return the question about a response: where it was judged in parts, about the worst of them.

    Args:
        suite: Name of the suite.
        record: What was answered.
        response: The answer, or all answers as
            :func:`~pytest_llmjudge.records.answers.join_answers` has them.
        scores: Of the parts, by their names.
    """
    known = dict(scores)
    part = min(parts_of(record, response), key=lambda one: known.get(one.name, 0))
    return Question(suite, record.id, part.record, part.response, part.name)


def explain_all(
    questions: Sequence[Question], judge: Judge, store: Store, *, worker: str, at_once: int
) -> Explained:
    """Ask what the cache does not have; Ctrl-C ends the asking, and what was said is kept.

    Where the judge's server or model fails, no more is asked: the rest would fail alike.

    Args:
        questions: Those to be asked first come first.
        judge: At a server, or a language model in this process.
        store: Of the run.
        worker: Name of this process, for progress.
        at_once: How many may be asked at the same time.

    Raises:
        LlmJudgeError: The judge cannot be named, or the cache cannot be used.
    """
    empty = {one: _EMPTY for one in questions if not one.response.strip()}
    keys = {
        one: judge.explanation_key(one.record, one.response)
        for one in questions
        if one not in empty
    }
    watch = Watch(store, judge)
    watch.adopt()
    stored = store.explanations(list(keys.values()))
    asked = [one for one, key in keys.items() if key not in stored]
    known = empty | {one: stored[key] for one, key in keys.items() if key in stored}
    counter = Counter(store, "explanations", "", worker)
    counter.start(len(asked))
    said: dict[Question, Explanation] = {}
    problem = ""
    try:
        for one, explanation, servers in _answers(asked, judge, at_once):
            said[one] = explanation
            counter.step(kept=False)
            if explanation.is_infrastructure:
                problem = str(explanation.error)
                break
            if explanation.final:
                store.add_explanation(keys[one], explanation, watch.awaits(servers))
    except KeyboardInterrupt:
        return Explained(_named(known | _confirmed(watch, said)[0]), INTERRUPTED)
    finally:
        counter.reach(len(asked))
    said, replaced = _confirmed(watch, said)
    problem = replaced or problem
    if problem:
        # Whoever reads the results sees what was to be asked.
        missing = Explanation("", problem, final=False, is_infrastructure=True)
        said = {one: said.get(one, missing) for one in asked}
    return Explained(_named(known | said), problem)


def _named(explanations: Mapping[Question, Explanation]) -> dict[tuple[str, str], Explanation]:
    """Return explanations by suite and id, with the name of the part that they speak of."""
    return {
        (one.suite, one.id): replace(said, text=f"{one.part}: {said.text}")
        if one.part and said.text
        else said
        for one, said in explanations.items()
    }


def _confirmed(
    watch: Watch, said: dict[Question, Explanation]
) -> tuple[dict[Question, Explanation], str]:
    """Look at the model once more; return what it said, and why that does not count."""
    try:
        watch.confirm()
    except KnownProblemError as error:
        return {}, str(error)
    except JudgeError:
        # Nobody says which model it is, so that only this run has the answers.
        pass
    return said, ""


def _answers(
    questions: Sequence[Question], judge: Judge, at_once: int
) -> Iterator[tuple[Question, Explanation, set[str]]]:
    """Yield answers as they come, each with the servers that gave it."""
    waiting = deque(questions)
    answered: SimpleQueue[tuple[Question, Explanation, set[str]] | Exception] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                one = waiting.popleft()
            except IndexError:
                return
            try:
                answer = _answer(one, judge)
            except Exception as error:  # noqa: BLE001  # a mistake of ours, raised by who waits
                answered.put(error)
                return
            if answer[1].is_infrastructure:
                # Before this thread or another asks once more.
                waiting.clear()
            answered.put(answer)

    for number in range(min(at_once, len(questions))):
        # Nobody waits for a request under way once the asking has ended.
        name = f"llm-judge-explain-{number}"
        threading.Thread(target=work, name=name, daemon=True).start()
    try:
        for _ in questions:
            answer = answered.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
    finally:
        waiting.clear()


def _answer(one: Question, judge: Judge) -> tuple[Question, Explanation, set[str]]:
    with servers_that_answer() as servers:
        try:
            explanation = judge.explain(one.record, one.response)
        except LlmJudgeError as error:
            explanation = Explanation("", str(error), final=False, is_infrastructure=True)
    return one, explanation, servers
