"""A model under test that a server answers for: Ollama, or an OpenAI-compatible endpoint."""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import (
    CheckpointError,
    JudgeDownError,
    JudgeError,
    PromptError,
    RefusedError,
    SettingsError,
)
from pytest_llmjudge.generation.base import Model, check_tokens, text_before
from pytest_llmjudge.generation.thoughts import no_answer, prompt_opens, without_thoughts
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.servers.chat import ChatReply, PromptTooLongError
from pytest_llmjudge.servers.fleet import servers_that_answer
from pytest_llmjudge.servers.identity import Served
from pytest_llmjudge.servers.kinds import connect, model_addresses
from pytest_llmjudge.servers.ollama import CONTEXT
from pytest_llmjudge.servers.role import UNDER_TEST
from pytest_llmjudge.settings import OLLAMA

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from pytest_llmjudge.data import JudgeIdentity, Prompt
    from pytest_llmjudge.servers.identity import Names
    from pytest_llmjudge.settings import Decoding, Settings

    _Done: TypeAlias = tuple[int, ChatReply | Exception, frozenset[str]]

__all__ = ["ServedInfo", "ServedModel"]

_PROMPT_TOKENS: Final = 1024
# Beyond those that were in flight together when a server failed.
_MORE_FAILURES: Final = 2


@dataclass(frozen=True, slots=True)
class ServedInfo:
    """What its server says of a model.

    Attributes:
        path: The name as it was given, ``ollama:NAME`` or ``openai:NAME``.
        fingerprint: Made of what the server says: Ollama the digest of the model and its own
            version, other servers what they list of the model and their address.
        parameters: ``None``; servers do not state them in one way.
    """

    path: str
    fingerprint: str
    parameters: None = None


class ServedModel(Served, Model):
    """A model that answers prompts at one server or several.

    A text ends before the end token or a text of ``stop``, after ``max_new_tokens``, or when prompt
    and text together fill the model's context. A prompt that does not fit is not cut.

    Ollama is asked for one context in the whole run, since another would load the model anew: the
    judge's 2,048 tokens, or more where ``--llm-judge-max-new-tokens`` leaves too few for prompts.

    The requests in flight are counted in this process alone, which is the only one that generates.
    A judge at the same server has as many again.

    Args:
        name: ``ollama:`` or ``openai:``, and the model's name there.
        settings: The run's options.
        note: Told once of each server that is left out of the rest of the run.
        names: Under which name it answers, where that may be another than it was asked for.

    Raises:
        SettingsError: The name is empty, or an address is none.
    """

    is_served = True

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        note: Callable[[str], None] = lambda _: None,
        names: Names | None = None,
    ) -> None:
        kind, _, model = name.partition(":")
        if not model.strip():
            hint = f"write {kind}: and the name of a model"
            raise SettingsError(UNDER_TEST.name_option, f'"{name}" names no model', hint)
        urls = model_addresses(name, settings)
        self._name = name
        self._decoding = settings.decoding
        self._in_flight = settings.concurrency * len(urls)
        self._client = connect(
            name.removeprefix(OLLAMA),
            urls,
            settings.timeout,
            num_ctx=max(CONTEXT, _PROMPT_TOKENS + settings.max_new_tokens),
            limiter=_Places(settings.concurrency),
            note=note,
            names=names,
            role=UNDER_TEST,
        )
        super().__init__(self._client, names=names)

    @cached_property
    def info(self) -> ServedInfo:
        """What its server says of it.

        Raises:
            CheckpointError: The server does not answer, or does not have the model.
            SettingsError: Several servers have different models.
        """
        identity = self.identity
        decides = (identity.backend, identity.digest, identity.version)
        return ServedInfo(self._name, make_key("served model/2", *decides, *self._name_in_keys))

    @property
    def identity(self) -> JudgeIdentity:
        """What decides its texts; raises as :attr:`info` does."""
        try:
            return super().identity
        except JudgeError as error:
            raise _as_checkpoint_error(error) from error

    @property
    def mark(self) -> str:
        """A text that only a served model with these weights has; raises as :attr:`info` does."""
        return make_key("model", self._name, self.identity.digest)

    @property
    def chat_template(self) -> str:
        """What its server says of its chat template; raises as :attr:`info` does."""
        self.info  # noqa: B018  # reading it asks the server
        return self._client.chat_template

    @property
    def has_place_for_system(self) -> bool:
        """Whether Ollama puts a system text into the prompt; raises as :attr:`info` does."""
        template = self.chat_template
        return not template or ".System" in template or ".Messages" in template

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Answer all prompts, in their order.

        Raises:
            CheckpointError: The server fails.
            PromptError: A prompt does not fit into the model's context.
        """
        texts = [""] * len(prompts)
        replying = self._replies(prompts, max_new_tokens, self._decoding, chat=False)
        with closing(replying) as replies:
            for index, reply, _ in replies:
                where = f"prompts[{index}]"
                if isinstance(reply, JudgeError):
                    raise PromptError(where, reply.problem, reply.hint)
                if reply.thoughts is not None and not reply.content.strip():
                    raise no_answer(where, self._name, is_finished=True)
                texts[index] = reply.content
        return texts

    def stream(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        chat: bool = False,
        decoding: Decoding | None = None,
        cut: bool = False,  # noqa: ARG002  # the server's tokens are not known here
    ) -> Iterator[Completion]:
        """Answer all prompts; each answer comes as soon as it is there, whatever the order.

        A prompt that does not fit, that the server refuses, or on which the model only thinks,
        comes back as a completion with an error. A failure of the server is raised when the
        others are answered, or at once when it answers no more.

        Raises:
            CheckpointError: The server fails.
        """
        decoding = decoding or self._decoding
        with closing(self._replies(prompts, max_new_tokens, decoding, chat=chat)) as replies:
            for index, reply, servers in replies:
                if isinstance(reply, JudgeError):
                    final = isinstance(reply, PromptTooLongError) and reply.final
                    yield Completion(index, None, error=str(reply), final=final, servers=servers)
                else:
                    # Some servers do not tell thoughts apart.
                    done = without_thoughts(
                        Completion(index, reply.content, servers=servers),
                        self._client.url,
                        opened=prompt_opens(prompts[index], chat=chat),
                        model=self._name,
                        beside=reply.thoughts,
                    )
                    yield replace(done, final=done.error is None)

    def release(self) -> None:
        """Close the connections to its servers."""
        self._client.close()

    def _replies(
        self, prompts: Sequence[Prompt], max_new_tokens: int, decoding: Decoding, *, chat: bool
    ) -> Generator[tuple[int, ChatReply | JudgeError, frozenset[str]], None, None]:
        """Yield each prompt's number with its reply, and which servers gave it.

        What has not begun ends with the iterator.
        """
        check_tokens(max_new_tokens)
        self.info  # noqa: B018  # it also tells the client what the server says only once
        waiting = deque(enumerate(prompts))
        done: SimpleQueue[_Done | None] = SimpleQueue()

        def work() -> None:
            while True:
                try:
                    index, prompt = waiting.popleft()
                except IndexError:
                    done.put(None)
                    return
                with servers_that_answer() as servers:
                    reply = self._ask(prompt, max_new_tokens, decoding, chat=chat)
                done.put((index, reply, frozenset(servers)))

        threads = min(self._in_flight, len(prompts))
        for number in range(threads):
            # Daemons: a server that hangs must not keep a process that was interrupted.
            name = f"llm-judge-model-{number}"
            threading.Thread(target=work, name=name, daemon=True).start()
        try:
            yield from self._collect(done, threads, stop=waiting.clear)
        finally:
            waiting.clear()

    def _ask(
        self, prompt: Prompt, tokens: int, decoding: Decoding, *, chat: bool
    ) -> ChatReply | Exception:
        try:
            reply = self._client.complete(prompt, tokens=tokens, decoding=decoding, chat=chat)
        except Exception as error:  # noqa: BLE001  # reported where the replies are read
            return error
        # Some servers leave the stop text in, and what comes after it.
        return replace(reply, content=text_before(decoding.stop, reply.content))

    @staticmethod
    def _collect(
        done: SimpleQueue[_Done | None],
        threads: int,
        stop: Callable[[], None],
    ) -> Iterator[tuple[int, ChatReply | JudgeError, frozenset[str]]]:
        """Yield replies, and what is wrong with single prompts, until all threads have ended.

        Then raise the first failure of the server, if any.

        One prompt may be too much for a server that answers all others, so a failure does not stop
        them; several without an answer in between do.
        """
        failure: Exception | None = None
        in_a_row, most = 0, threads + _MORE_FAILURES
        while threads:
            item = done.get()
            if item is None:
                threads -= 1
                continue
            index, reply, servers = item
            if isinstance(reply, ChatReply | PromptTooLongError | RefusedError):
                in_a_row = 0
                yield index, reply, servers
                continue
            failure = failure or reply
            in_a_row += 1
            is_down = isinstance(reply, JudgeDownError) or not isinstance(reply, JudgeError)
            if is_down or in_a_row >= most:
                stop()
        if isinstance(failure, JudgeError):
            raise _as_checkpoint_error(failure) from failure
        if failure is not None:
            raise failure


class _Places:
    """Limits how many requests are in flight at each server.

    Args:
        number: Requests at each server.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()

    @contextmanager
    def __call__(self, servers: Sequence[str]) -> Iterator[str]:
        """Wait until one of ``servers``, the best first, may be sent a request."""
        with self._changed:
            while not (free := [url for url in servers if self._taken[url] < self._number]):
                self._changed.wait()
            server = min(free, key=self._taken.__getitem__)
            self._taken[server] += 1
        try:
            yield server
        finally:
            with self._changed:
                self._taken[server] -= 1
                self._changed.notify_all()


def _as_checkpoint_error(error: JudgeError) -> CheckpointError:
    return CheckpointError(error.where, error.problem, error.hint)
