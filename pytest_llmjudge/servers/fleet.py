"""Several servers with one model, asked as if they were one: each question to the least busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import JudgeDownError, JudgeError, SettingsError, one_line
from pytest_llmjudge.servers.chat import FORMAT_IGNORED, SEED, WITHOUT_PARSER, ReplacedError
from pytest_llmjudge.servers.role import JUDGE
from pytest_llmjudge.servers.temperature import has_own_temperature

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_llmjudge.data import JudgeIdentity, Prompt
    from pytest_llmjudge.servers.chat import ChatClient, ChatReply
    from pytest_llmjudge.servers.identity import Names
    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.settings import Decoding

__all__ = ["Fleet", "Limiter", "servers_that_answer", "unlimited"]

Limiter = Callable[[Sequence[str]], AbstractContextManager[str]]
"""Waits until one of some servers, the best first, may be sent a request, and says which one."""

_MANY: Final = 3
_ANSWERED: ContextVar[set[str] | None] = ContextVar("servers that answered", default=None)


@contextmanager
def servers_that_answer() -> Iterator[set[str]]:
    """Gather the addresses of all servers that answer a question of this thread meanwhile."""
    answered: set[str] = set()
    token = _ANSWERED.set(answered)
    try:
        yield answered
    finally:
        _ANSWERED.reset(token)


def unlimited(servers: Sequence[str]) -> AbstractContextManager[str]:
    """Let any number of requests be in flight."""
    return nullcontext(servers[0])


class Fleet:
    """A chat client over one server or several. Threads may share it.

    Args:
        clients: One for each server.
        limiter: Asked for each request which server may be sent it.
        note: Told once of each server that is left out of the rest of the run, and of what holds
            for many replies.
        names: Told under which name the model answers, where that has to be one name.
        role: How messages speak of the model.
    """

    def __init__(
        self,
        clients: Sequence[ChatClient],
        *,
        limiter: Limiter = unlimited,
        note: Callable[[str], None] = lambda _: None,
        names: Names | None = None,
        role: Role = JUDGE,
    ) -> None:
        self._clients = {client.url: client for client in clients}
        self._limiter = limiter
        self._note = note
        self._answering_names = names
        self._agreed = ""
        self._role = role
        self._lock = threading.Lock()
        self._busy = dict.fromkeys(self._clients, 0)
        self._dead: set[str] = set()
        self._names: set[str] = set()
        self._ignored = 0

    @property
    def url(self) -> str:
        """The addresses, in the order in which they were given."""
        return ", ".join(self._clients)

    @property
    def model(self) -> str:
        """Name of the model, the same at all servers."""
        return next(iter(self._clients.values())).model

    @property
    def weigh_options(self) -> Mapping[str, object]:
        """What is asked for besides where candidates are to be weighed."""
        return next(iter(self._clients.values())).weigh_options

    @property
    def control_tokens(self) -> frozenset[str]:
        """The control tokens that any of the servers names: all are asked the same."""
        return frozenset().union(*(client.control_tokens for client in self._clients.values()))

    @property
    def chat_template(self) -> str:
        """The first that any of the servers names: all have the same model."""
        templates = (client.chat_template for client in self._clients.values())
        return next(filter(None, templates), "")

    def identify(self) -> JudgeIdentity:
        """Ask all servers what decides their answers.

        Raises:
            JudgeDownError: One does not answer.
            JudgeError: One does not have the model, or is none of this kind of servers.
            SettingsError: They have different models of that name.
        """
        identities = {url: client.identify() for url, client in self._clients.items()}
        first, *others = identities.values()
        if any(other.digest != first.digest for other in others):
            held = ", ".join(f"{url} has {one.digest[:12]}" for url, one in identities.items())
            problem = f'the servers have different models named "{self.model}": {held}'
            hint = "get the same one on all of them, or leave the others out"
            raise SettingsError(self._role.url_option, problem, hint)
        if len({has_own_temperature(one.options) for one in identities.values()}) > 1:
            problem = (
                f'the servers have different models named "{self.model}": some of {self.url} '
                "refuse a temperature, and some take one"
            )
            hint = "get the same one on all of them, or leave the others out"
            raise SettingsError(self._role.url_option, problem, hint)
        versions = sorted({one.version for one in identities.values()})
        return replace(first, version=", ".join(versions))

    def look(self, servers: Collection[str], digest: str) -> dict[str, JudgeError]:
        """Ask some of the servers again for the model's digest, as :meth:`ChatClient.look` says.

        Raises:
            ReplacedError: One has another model under this name, or none any more.
            JudgeError: None of all servers says.
        """
        silent: dict[str, JudgeError] = {}
        said = False
        for url in sorted(self._clients, key=lambda url: url not in servers):
            if said and url not in servers:
                break
            try:
                self._clients[url].look([url], digest)
                said = True
            except ReplacedError:
                raise
            except JudgeError as error:
                silent[url] = error
        if not said:
            raise next(iter(silent.values()))
        return {url: error for url, error in silent.items() if url in servers}

    def installed(self) -> Sequence[str]:
        """Name the models that all servers have."""
        first, *others = (client.installed() for client in self._clients.values())
        return [name for name in first if all(name in other for other in others)]

    def check_logprobs(self) -> None:
        """Prove that all servers give log-probabilities.

        Raises:
            NoLogprobsError: One does not.
        """
        for client in self._clients.values():
            client.check_logprobs()

    def chat(
        self,
        prompt: str,
        *,
        schema: Mapping[str, object] | None = None,
        seed: int = SEED,
        temperature: float = 0,
        weigh: bool = False,
        room: int | None = None,
    ) -> ChatReply:
        """Ask the least busy server, and the others when the failure may be its own.

        Raises:
            ReplacedError: The model answers under another name than before.
            JudgeError: No server answers, as the first one said it.
        """
        return self._ask(
            lambda client: client.chat(
                prompt, schema=schema, seed=seed, temperature=temperature, weigh=weigh, room=room
            )
        )

    def complete(self, prompt: Prompt, *, tokens: int, decoding: Decoding, chat: bool) -> ChatReply:
        """Have the least busy server write, and the others when the failure may be its own.

        Raises:
            ReplacedError: The model answers under another name than before.
            JudgeError: No server answers, as the first one said it.
        """
        return self._ask(
            lambda client: client.complete(prompt, tokens=tokens, decoding=decoding, chat=chat)
        )

    def close(self) -> None:
        """Close all connections that are not in use."""
        for client in self._clients.values():
            client.close()

    def _ask(self, question: Callable[[ChatClient], ChatReply]) -> ChatReply:
        failed: dict[str, JudgeError] = {}
        while True:
            with self._turn(failed) as client:
                try:
                    reply = question(client)
                except JudgeError as error:
                    if not error.is_infrastructure:
                        raise
                    failed[client.url] = error
                    if isinstance(error, JudgeDownError):
                        self._leave_out(client.url, error)
                    if len(failed) == len(self._clients):
                        raise next(iter(failed.values())) from error
                    continue
            # Another one answers, so it was not the question.
            self._welcome(client.url)
            answered = _ANSWERED.get()
            if answered is not None:
                answered.add(client.url)
            self._agree(client.url, reply.named or client.model)
            self._note_name(client.url, reply.named)
            self._note_ignored(client.url, reply.ignored_by)
            for url, failure in failed.items():
                self._leave_out(url, failure)
            return reply

    def _agree(self, url: str, name: str) -> None:
        """Prove that the model answers under one name in the whole run.

        Raises:
            ReplacedError: It does not.
        """
        if self._answering_names is not None and name != self._agreed:
            self._answering_names.agree(url, name)
            self._agreed = name

    def _note_name(self, url: str, named: str) -> None:
        """Say once in a run that a server calls the model by another name."""
        if named and named not in self._names:
            self._names.add(named)
            self._note(f'{url}: answers as "{one_line(named, 100)}" for "{self.model}"')

    def _note_ignored(self, url: str, parser: str) -> None:
        """Say that replies are not held to a schema, once there are enough of them to matter."""
        with self._lock:
            self._ignored += bool(parser)
            is_news = bool(parser) and self._ignored == _MANY
        if is_news:
            self._note(f'{url}: with the parser "{parser}" {FORMAT_IGNORED}; {WITHOUT_PARSER}')

    @contextmanager
    def _turn(self, failed: Collection[str]) -> Iterator[ChatClient]:
        with self._lock:
            untried = [url for url in self._clients if url not in failed]
            # Those that are left out are asked again when there are no others.
            servers = [url for url in untried if url not in self._dead] or untried
            servers.sort(key=self._busy.__getitem__)
        with self._limiter(servers) as url:
            with self._lock:
                self._busy[url] += 1
            try:
                yield self._clients[url]
            finally:
                with self._lock:
                    self._busy[url] -= 1

    def _welcome(self, url: str) -> None:
        """Count on a server that answers, whatever it was before."""
        with self._lock:
            self._dead.discard(url)

    def _leave_out(self, url: str, error: JudgeError) -> None:
        """Do without a server that does not answer, as long as there are others."""
        with self._lock:
            others = [other for other in self._clients if other != url and other not in self._dead]
            is_news = bool(others) and url not in self._dead
            if others:
                self._dead.add(url)
        if is_news:
            self._note(f"{url}: {error.problem}; the run goes on with {', '.join(others)}")
