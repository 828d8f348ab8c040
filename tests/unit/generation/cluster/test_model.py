"""What actors answer in any order and pieces is to the byte what one process answers alone."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_llmjudge.data import Completion, Context, Turn
from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, PromptError, SettingsError
from pytest_llmjudge.generation.cluster.model import ClusterModel
from pytest_llmjudge.generation.cluster.shipping import Receiver, pieces_of
from pytest_llmjudge.generation.cluster.work import Place
from pytest_llmjudge.generation.cluster.worker import MakeModelWorker, ModelWorker
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.generation.reply import Reply
from pytest_llmjudge.records.framing import FramedText
from pytest_llmjudge.scoring import SCORE_SCHEMA, replies_to
from pytest_llmjudge.settings import Decoding, Settings, read_settings
from tests.support.odd_pool import OddPool
from tests.unit.generation.hugging import save_folder
from tests.unit.generation.tiny import TINY, save_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Prompt
    from pytest_llmjudge.generation.base import LocalInfo
    from pytest_llmjudge.generation.cluster.work import Job

Inner = InProcessModel[Any, Any]

KINDS = ("gpt2", "llama", "opt")
"""A checkpoint and a folder that the native engine runs, and one that only transformers runs."""

OPT: dict[str, Any] = {"ffn_dim": 64, "word_embed_proj_dim": 32}
PROMPTS = ["the thing", "a", "Say 1 in words.", "say please", "é" * 7, "x" * 400, ""] + [
    f"Say {number}" for number in range(15)
]
GREEDY = Decoding()
DRAWN = Decoding(temperature=0.9, seed=5)
SCORES = replies_to(SCORE_SCHEMA)
MANY = 5
"""Contexts of one pass that there is memory for."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    found = {kind: root / kind for kind in KINDS}
    found["gpt2"] = root / "gpt2.pth"
    save_model(found["gpt2"])
    save_folder(found["llama"], "llama")
    save_folder(found["opt"], "opt", **OPT)
    return found


def settings(**given: str) -> Settings:
    """The options of a run, as text by key."""
    options = {f"llm_judge_{key}": (text, "cli") for key, text in given.items()}
    return read_settings(options, Path(), Path(), "pytest.ini")


def alone(path: Path, options: Settings | None = None) -> Inner:
    """A model in this process."""
    model = make_model(path, options or settings())
    assert isinstance(model, InProcessModel)
    return model


class Started:
    """Starts pools, and keeps them."""

    def __init__(self, options: Settings | None = None, seed: int = 0) -> None:
        self.pools: list[OddPool] = []
        self._options = options or settings()
        self._seed = seed

    def __call__(self, inner: Inner, info: LocalInfo) -> OddPool:
        pool = OddPool(MakeModelWorker(inner.path, self._options, info.fingerprint), self._seed)
        self.pools.append(pool)
        return pool


def together(path: Path, options: Settings | None = None, seed: int = 0) -> ClusterModel:
    """The same model with its weights elsewhere."""
    return ClusterModel(alone(path, options), Started(options, seed))


def contexts_of(model: Inner, count: int = 150) -> list[Context]:
    """Contexts that begin alike, of several passes."""
    drawn = random.Random(3)  # noqa: S311
    shared = model.encode("the thing in the")

    def some(most: int) -> list[int]:
        return [drawn.randrange(5, 250) for _ in range(drawn.randint(1, most))]

    return [
        Context([*shared, *some(20)], tuple(some(4) for _ in range(drawn.randint(1, 4))))
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("kind", "decoding"), [("gpt2", GREEDY), ("llama", DRAWN), ("opt", GREEDY)], ids=KINDS
)
def test_texts(paths: Mapping[str, Path], kind: str, decoding: Decoding) -> None:
    """Each completion is the same, errors of prompts and cut beginnings included."""
    framed = FramedText(("the ", "thing", " in the"))
    asked = [*PROMPTS, framed]
    chosen: dict[str, Any] = {"max_new_tokens": 7, "decoding": decoding, "cut": True}
    model = together(paths[kind])

    done = sorted(model.stream(asked, **chosen), key=lambda one: one.index)

    expected = sorted(alone(paths[kind]).stream(asked, **chosen), key=lambda one: one.index)
    assert done == expected
    assert len({one.text for one in done}) > 5
    assert any(one.is_cut for one in done)
    assert any(one.error for one in done)


@pytest.mark.parametrize("kind", ["llama", "opt"])
def test_answers_to_messages(paths: Mapping[str, Path], kind: str) -> None:
    """The chat template is applied where the weights are; conversations are sent as such."""
    talk = (Turn("user", "the thing"), Turn("assistant", "a"), Turn("user", "Say 1"))
    asked: list[Prompt] = [*PROMPTS[:5], talk]

    done = list(together(paths[kind]).stream(asked, max_new_tokens=5, chat=True))

    expected = alone(paths[kind]).stream(asked, max_new_tokens=5, chat=True)
    assert sorted(done, key=lambda one: one.index) == sorted(expected, key=lambda one: one.index)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_scores(paths: Mapping[str, Path], kind: str, seed: int) -> None:
    """Equal to the last bit, and in order."""
    plain, model = alone(paths[kind]), together(paths[kind], seed=seed)
    contexts = contexts_of(plain)

    scores = list(model.score(contexts))

    assert len(plain.plan(contexts).passes) > 1
    assert scores == list(plain.score(contexts))


@pytest.mark.parametrize("kind", KINDS)
def test_groups_of_contexts(paths: Mapping[str, Path], kind: str) -> None:
    """One job, in which each group has the passes and the prefix that it has alone."""
    plain, started = alone(paths[kind]), Started()
    model = ClusterModel(alone(paths[kind]), started)
    contexts = contexts_of(plain, 120)
    groups = [contexts[:50], [Context([7, 8, 9], ([1], [2]))], contexts[50:]]

    scores = dict(model.score_groups(groups))

    expected = [values for group in groups for values in plain.score(group)]
    assert [scores[number] for number in range(len(expected))] == expected
    assert scores == dict(plain.score_groups(groups))
    (job,) = started.pools[0].jobs
    assert job.options["prefixes"] == [plain.plan(group).prefix for group in groups]
    costs = {
        at: {job.costs[n] for n, unit in enumerate(job.units) if unit[0] == at} for at in range(3)
    }
    assert [len(of_group) for of_group in costs.values()] == [1, 1, 1]


@pytest.mark.parametrize(("kind", "decoding"), [("llama", DRAWN), ("opt", GREEDY)])
def test_replies_of_a_judge(paths: Mapping[str, Path], kind: str, decoding: Decoding) -> None:
    """Weighed, written and held to a schema; probabilities to the last bit."""
    asked = PROMPTS[:10]
    ask: list[Callable[[Any], Iterator[tuple[int, Any]]]] = [
        lambda model: model.weighed_replies(asked, most=7),
        lambda model: model.written_replies(asked, max_new_tokens=5, decoding=decoding),
        lambda model: model.held_replies(asked, SCORES, decoding=decoding),
    ]
    plain, model = alone(paths[kind]), together(paths[kind])

    for replies in ask:
        found, expected = dict(replies(model)), dict(replies(plain))
        assert list(map(repr, _ordered(found))) == list(map(repr, _ordered(expected)))
        assert any(isinstance(one, Reply) for one in found.values())
        assert any(isinstance(one, PromptError) for one in found.values())


def _ordered(replies: Mapping[int, object]) -> list[object]:
    return [reply for _, reply in sorted(replies.items())]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_without_weights(paths: Mapping[str, Path], kind: str) -> None:
    """All that is asked about tokens and sizes; nothing is loaded for it, and no actor starts."""
    plain, inner = alone(paths[kind]), alone(paths[kind])
    started = Started()
    model = ClusterModel(inner, started)
    plain.load()

    for one in (plain, model):
        one.check()
        assert one.encode("the thing") == plain.encode("the thing")
        assert one.encode_pair("the", " thing", end=False) == plain.encode_pair(
            "the", " thing", end=False
        )
    for name in (
        *("chat_template", "special_tokens", "engine", "may_begin_texts", "most_context", "begin"),
        *("context_length", "fingerprint", "path", "dtype", "decoding", "has_place_for_system"),
    ):
        assert getattr(model, name) == getattr(plain, name)
    assert model.info == plain.info
    assert list(model.score([])) == []
    assert list(model.stream([], max_new_tokens=1)) == []
    assert (inner.is_loaded, model.is_loaded, started.pools) == (False, False, [])


def test_a_prompt_that_cannot_be_answered(paths: Mapping[str, Path]) -> None:
    """``generate`` refuses it before any actor is asked, with the same words."""
    started = Started()
    model = ClusterModel(alone(paths["gpt2"]), started)

    with pytest.raises(PromptError) as caught:
        model.generate(["a", "Q" * 400], max_new_tokens=1)

    with pytest.raises(PromptError) as expected:
        alone(paths["gpt2"]).generate(["a", "Q" * 400], max_new_tokens=1)
    assert str(caught.value) == str(expected.value)
    assert not started.pools
    texts = model.generate(["a", "the"], max_new_tokens=3)
    assert texts == alone(paths["gpt2"]).generate(["a", "the"], max_new_tokens=3)


def test_the_life_of_actors(paths: Mapping[str, Path]) -> None:
    """They start when they are first needed, end when they are let go of, and start anew."""
    started = Started()
    model = ClusterModel(alone(paths["gpt2"]), started)
    first = model.generate(["a"], max_new_tokens=3)
    (pool,) = started.pools

    assert (model.is_loaded, pool.is_closed) == (True, False)
    model.release()
    assert (model.is_loaded, pool.is_closed) == (False, True)
    assert model.generate(["a"], max_new_tokens=3) == first
    assert len(started.pools) == 2
    model.release()
    assert all(one.is_closed for one in started.pools)


def test_files_that_change_while_actors_start(tmp_path: Path) -> None:
    """No actor of another model is left: those that started end with the refusal."""
    path = tmp_path / "model.pth"
    save_model(path)
    started = Started()

    def start(inner: Inner, info: LocalInfo) -> OddPool:
        pool = started(inner, info)
        save_model(path, replace(TINY, n_layers=1))
        return pool

    model = ClusterModel(alone(path), start)
    with pytest.raises(CheckpointError, match="it changed since the run began"):
        model.generate(["a"], max_new_tokens=1)

    model.release()
    assert [pool.is_closed for pool in started.pools] == [True]


def test_tokens_are_counted_and_answers_are_learned_from(paths: Mapping[str, Path]) -> None:
    """Costs begin with the most that an answer may have, and become what answers had."""
    started, counts = Started(), list[int]()
    model = ClusterModel(alone(paths["llama"]), started)
    model.on_tokens = counts.append
    done = list(model.stream(PROMPTS[:5], max_new_tokens=20))
    list(model.stream(PROMPTS[:5], max_new_tokens=20))

    first, second = started.pools[0].jobs
    mean = sum(one.tokens for one in done) / 5
    read = [0.1 * (1 + len(prompt) / 4) for prompt in PROMPTS[:5]]
    assert list(first.costs) == pytest.approx([20 + one for one in read])
    assert list(second.costs) == pytest.approx([mean + one for one in read])
    assert sum(counts) >= sum(one.tokens for one in done)


class Failing:
    """A pool whose units end their actors again and again."""

    error = CheckpointError("--llm-judge-ray", "4 actors ended", "look at the memory")

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        return ((number, self.error) for number in range(len(job.units)))

    def close(self) -> None:
        """Nothing is left."""


def test_units_that_end_their_actors(paths: Mapping[str, Path]) -> None:
    """The error is that of each prompt and of each context."""
    model = ClusterModel(alone(paths["llama"]), lambda *_: Failing())
    line = "--llm-judge-ray: 4 actors ended; look at the memory"

    done = list(model.stream(["a", "b"], max_new_tokens=2))

    assert done == [Completion(number, None, error=line, final=False) for number in range(2)]
    for replies in (
        model.weighed_replies(["a", "b"], most=3),
        model.written_replies(["a", "b"], max_new_tokens=2, decoding=GREEDY),
        model.held_replies(["a", "b"], SCORES, decoding=GREEDY),
    ):
        found = dict(replies)
        assert [(type(one), str(one)) for one in found.values()] == [(PromptError, line)] * 2
    contexts = [Context([1], ([2],)), Context([2], ([1],))]
    scores = dict(model.score_groups([contexts[:1], contexts]))
    assert [(type(one), str(one)) for one in scores.values()] == [(PromptError, line)] * 3
    with pytest.raises(PromptError) as caught:
        list(model.score(contexts))
    assert str(caught.value) == line


class Narrow:
    """A pool of one actor, which has no memory for passes of many contexts."""

    def __init__(self, inner: Inner) -> None:
        self.path = inner.path
        self.weigh = inner.weigh
        self._inner = inner

    def run(self, job: Job) -> Iterator[tuple[int, Any]]:
        """Compute all units in order."""
        worker: Any = ModelWorker(self)  # type: ignore[arg-type]  # it has what is needed of one
        results: Iterator[tuple[int, Any]] = getattr(worker, job.method)(job.units, **job.options)
        return results

    def behind(self, prefix: list[int]) -> Any:  # noqa: ANN401
        """Return what computes passes behind a prefix."""
        computes: Any = self._inner.behind(prefix)

        def unless_many(name: str) -> Callable[[Sequence[Context]], Any]:
            def compute(contexts: Sequence[Context]) -> Any:  # noqa: ANN401
                if len(contexts) > MANY:
                    message = "CUDA out of memory"
                    raise RuntimeError(message)
                return getattr(computes, name)(contexts)

            return compute

        return SimpleNamespace(
            score=unless_many("score"), next_logprobs=unless_many("next_logprobs")
        )

    def close(self) -> None:
        """Nothing is left."""


def test_passes_that_there_is_no_memory_for(paths: Mapping[str, Path]) -> None:
    """The error is that of their contexts alone; all others have what they have without it."""
    plain = alone(paths["llama"])
    model = ClusterModel(alone(paths["llama"]), lambda *_: Narrow(plain))
    line = f"{paths['llama']}: out of memory; free some, or take another device"
    groups = [[Context([number], ([2],)) for number in range(MANY + 1)], [Context([3], ([2],))]]
    many = ["a"] * (MANY + 1)

    scores = dict(model.score_groups(groups))
    few, replies = (
        dict(model.weighed_replies(["a"], most=3)),
        dict(model.weighed_replies(many, most=3)),
    )

    assert {str(scores[number]) for number in range(MANY + 1)} == {line}
    assert [scores[MANY + 1]] == list(plain.score(groups[1]))
    assert few == dict(plain.weighed_replies(["a"], most=3))
    assert [(type(one), str(one)) for one in replies.values()] == [(PromptError, line)] * len(many)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """What a node writes files with that it is sent."""
    receiver = Receiver()
    yield receiver
    receiver.remove()


def sent(receiver: Receiver, inner: Inner) -> MakeModelWorker:
    """Send a node all files of a model; return what makes it there."""
    for name, piece in pieces_of(inner.info.contents):
        assert not receiver.receive(name, piece)
    return MakeModelWorker(inner.path, settings(), inner.fingerprint)


def place_of(receiver: Receiver) -> Place:
    """Return the place of an actor on a node that was sent files."""
    return Place(torch.get_num_threads(), str(receiver.folder))


@pytest.mark.parametrize("kind", [*KINDS, "a link", "a folder of links"])
def test_files_that_were_sent(
    paths: Mapping[str, Path], tmp_path: Path, receiver: Receiver, kind: str
) -> None:
    """All that decides a model is there under its fingerprint, and it bears the driver's path."""
    path = paths.get(kind, tmp_path / "model.pth")
    if kind == "a link":
        # Its tokenizer lies where it leads.
        path.symlink_to(paths["gpt2"])
    elif kind == "a folder of links":
        path.mkdir()
        for file in paths["llama"].iterdir():
            (path / file.name).symlink_to(file)
    inner = alone(path)

    worker = sent(receiver, inner)(place_of(receiver))

    options: dict[str, Any] = {"max_new_tokens": 5, "decoding": GREEDY, "chat": False, "cut": False}
    asked = ["the thing", "x" * 400]
    done = dict(worker.stream_whole(asked, **options))
    assert done == {one.index: one for one in inner.stream(asked, max_new_tokens=5)}
    assert str(done[1].error).startswith(f"{path}: the prompt has ")


def test_a_tokenizer_that_cannot_be_loaded_on_a_node(tmp_path: Path, receiver: Receiver) -> None:
    """It is an error of the actor's start, and of the driver's file."""
    save_model(tmp_path / "model.pth")
    ranks = tmp_path / "model.tiktoken"
    ranks.write_text("no ranks")
    make = sent(receiver, alone(tmp_path / "model.pth"))

    with pytest.raises(CheckpointError, match="line 1 is not a token in base64") as caught:
        make(place_of(receiver))

    assert str(caught.value).startswith(f"{ranks}: ")


@pytest.mark.parametrize("is_sent", [False, True], ids=["read there", "sent"])
def test_a_path_that_is_relative_on_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, *, is_sent: bool
) -> None:
    """Errors name the file as the driver does."""
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "model.pth")
    Path("own.tiktoken").write_text("no ranks")
    options = replace(settings(), tokenizer=Path("own.tiktoken"))
    inner = alone(Path("model.pth"), options)
    for name, piece in pieces_of(inner.info.contents):
        assert not receiver.receive(name, piece)
    root = str(receiver.folder) if is_sent else ""
    make = MakeModelWorker(inner.path, options, inner.fingerprint)

    with pytest.raises(CheckpointError, match="line 1 is not a token in base64") as caught:
        make(Place(torch.get_num_threads(), root, str(tmp_path)))

    assert str(caught.value).startswith("own.tiktoken: ")


def test_all_problems_of_a_file_on_a_node(paths: Mapping[str, Path]) -> None:
    """Those that come with the first one, and the count of the rest."""
    make = MakeModelWorker(Path("model.pth"), settings(), "")
    place = Place(1, "/sent", "/here")
    first = CheckpointError("/sent/here/model.pth", "is wrong", "correct it")
    error = CheckpointError("/sent/here/model.pth", "is bad", "mend it", more=(first,), left=3)

    assert make._as_here(error, place).lines == (
        "model.pth: is bad; mend it",
        "model.pth: is wrong; correct it",
        "model.pth: and 3 more problems",
    )


def test_a_chat_template_on_a_node(tmp_path: Path, receiver: Receiver) -> None:
    """Its errors name the driver's folder as well."""
    save_folder(tmp_path / "model", template="{{ raise_exception('no') }}")
    worker = sent(receiver, alone(tmp_path / "model"))(place_of(receiver))
    options: dict[str, Any] = {"max_new_tokens": 5, "decoding": GREEDY, "chat": True, "cut": False}

    with pytest.raises(CheckpointError) as caught:
        list(worker.stream_whole(["the thing"], **options))

    assert str(caught.value).startswith(f"{tmp_path / 'model'}: ")


def test_a_gpu_that_torch_cannot_use(paths: Mapping[str, Path]) -> None:
    """An actor that was planned on a GPU never computes on cores instead."""
    inner = alone(paths["gpt2"])
    make = MakeModelWorker(inner.path, settings(), inner.fingerprint)

    with pytest.raises(SettingsError) as caught:
        make(Place(torch.get_num_threads(), torch_device="cuda:999", address="10.0.0.7"))

    assert str(caught.value) == (
        f"--llm-judge-ray: torch {torch.__version__} on node 10.0.0.7 cannot use the device "
        "'cuda:999'; install one that can, or give --llm-judge-device=cpu"
    )


def test_a_file_that_only_torch_reads(tmp_path: Path) -> None:
    """This process loads its weights for its sizes, and lets go of them."""
    path = tmp_path / "model.pth"
    state = save_model(path).state_dict()
    torch.save(state, path, _use_new_zipfile_serialization=False)
    inner = alone(path)
    model = ClusterModel(inner, Started())
    ids = model.encode("the thing")
    was_loaded = inner.is_loaded

    scores = list(model.score([Context(ids, ([2],))]))

    assert (was_loaded, inner.is_loaded) == (True, False)
    assert scores == list(alone(path).score([Context(ids, ([2],))]))


def test_another_model_on_a_node(paths: Mapping[str, Path], tmp_path: Path) -> None:
    """It is refused before it answers anything."""
    other = tmp_path / "other.pth"
    save_model(other, seed=1)
    make = MakeModelWorker(other, settings(), alone(paths["gpt2"]).fingerprint)

    with pytest.raises(CheckpointError) as caught:
        make(Place(torch.get_num_threads()))

    assert str(caught.value) == (
        f"{other}: it is another model on a node, whose files or transformers differ; install the "
        "same version of transformers on all nodes; if a file changed there meanwhile, run again"
    )


def test_who_divides_work_imports_no_torch(paths: Mapping[str, Path]) -> None:
    """Tokens and passes of a checkpoint are plain data."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_llmjudge.data import Context\n"
        "from pytest_llmjudge.generation.cluster.model import ClusterModel\n"
        "from pytest_llmjudge.generation.engine.model import TorchModel\n"
        "class Pool:\n"
        "    def run(self, job):\n"
        "        return ((at, [[0.5]] * len(one)) for at, (_, one) in enumerate(job.units))\n"
        "    def close(self): pass\n"
        "model = ClusterModel(TorchModel(Path(sys.argv[1])), lambda *_: Pool())\n"
        "assert list(model.score([Context(model.encode('the thing'), ([1],))])) == [[0.5]]\n"
        "model.release()\n"
        "assert not {'torch', 'ray', 'transformers'} & set(sys.modules)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", program, str(paths["gpt2"])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")


def _classes(cls: type[LlmJudgeError]) -> Iterator[type[LlmJudgeError]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _classes(below)


def test_errors_come_back_from_actors() -> None:
    """With all of their problems, whatever their class."""
    first = CheckpointError("a", "is wrong", "correct it")
    rooms = "pytest_llmjudge.errors", "pytest_llmjudge.generation"
    kinds = {kind for kind in _classes(LlmJudgeError) if kind.__module__.startswith(rooms)}
    for kind in kinds:
        error = kind("b", "is wrong too", "correct it", more=(first,), left=3)

        back: Sequence[str] = pickle.loads(pickle.dumps(error)).lines  # noqa: S301 - our own

        assert back == error.lines
        assert len(back) == 3


def test_a_context_that_is_full(paths: Mapping[str, Path]) -> None:
    """One long context is a pass of its own beside those that share one."""
    size = TINY.context_length
    contexts = [Context(list(range(size)), ([1], [2])), *(Context([0, 1], ([2],)),) * 50]

    assert list(together(paths["gpt2"]).score(contexts)) == list(
        alone(paths["gpt2"]).score(contexts)
    )
