"""Which kind of server a model's name means: where it answers, and how it is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_llmjudge.servers.address import normalise_url
from pytest_llmjudge.servers.fleet import Fleet, Limiter, unlimited
from pytest_llmjudge.servers.ollama import CONTEXT, OllamaClient
from pytest_llmjudge.servers.openai import DEFAULT_OPENAI_URL, Once, OpenAIClient, find_out
from pytest_llmjudge.servers.role import JUDGE, UNDER_TEST
from pytest_llmjudge.settings import EMBEDDED, OPENAI

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.servers.chat import ChatClient
    from pytest_llmjudge.servers.identity import Names
    from pytest_llmjudge.servers.role import Role
    from pytest_llmjudge.settings import Settings

__all__ = ["connect", "judge_addresses", "model_addresses"]


def judge_addresses(settings: Settings) -> tuple[str, ...]:
    """Find where the judge answers, each address once and in its canonical form.

    Raises:
        SettingsError: Something is no address.
    """
    if settings.is_judge_local or (settings.url is None and settings.model == EMBEDDED):
        return ()
    return _addresses(settings.model, settings.url, JUDGE)


def model_addresses(name: str, settings: Settings) -> tuple[str, ...]:
    """Find where a served model under test answers, in the same form.

    Where nothing is said of it, it is where a judge of the same kind is.

    Raises:
        SettingsError: Something is no address.
    """
    if settings.checkpoint_url is not None:
        return _addresses(name, settings.checkpoint_url, UNDER_TEST)
    is_of_a_kind = name.startswith(OPENAI) == settings.model.startswith(OPENAI)
    is_served = settings.model != EMBEDDED and not settings.is_judge_local
    shared = settings.url if is_of_a_kind and is_served else None
    return _addresses(name, shared, JUDGE)


def _addresses(name: str, given: Sequence[str] | None, role: Role) -> tuple[str, ...]:
    where = role.url_option
    if given is None and name.startswith(OPENAI):
        where = "OPENAI_BASE_URL"
        given = (os.environ.get(where) or DEFAULT_OPENAI_URL,)
    elif given is None:
        where = "OLLAMA_HOST"
        given = (os.environ.get(where, ""),)
    return tuple(dict.fromkeys(normalise_url(url, where) for url in given))


def connect(
    name: str,
    urls: Sequence[str],
    timeout: float,
    *,
    num_ctx: int = CONTEXT,
    lowers_num_ctx: bool = False,
    limiter: Limiter = unlimited,
    note: Callable[[str], None] = lambda _: None,
    names: Names | None = None,
    role: Role = JUDGE,
    once: Once = find_out,
) -> Fleet:
    """Make the client of a model at some servers; nothing is sent yet.

    Args:
        name: ``openai:`` and a model of an OpenAI-compatible endpoint, or an Ollama model.
        urls: Where it is served.
        timeout: Seconds for one request.
        num_ctx: Tokens of the context that Ollama is asked for.
        lowers_num_ctx: See :class:`~pytest_llmjudge.servers.ollama.OllamaClient`.
        limiter: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        note: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        names: See :class:`~pytest_llmjudge.servers.fleet.Fleet`.
        role: How messages speak of the model.
        once: See :class:`~pytest_llmjudge.servers.openai.OpenAIClient`.

    Raises:
        SettingsError: An address is none, or ``OPENAI_API_KEY`` no key.
    """
    clients: list[ChatClient] = []
    for url in urls:
        if name.startswith(OPENAI):
            model = name.removeprefix(OPENAI)
            clients.append(OpenAIClient(url, model, timeout=timeout, role=role, once=once))
        else:
            ollama = OllamaClient(
                url,
                name,
                timeout=timeout,
                num_ctx=num_ctx,
                lowers_num_ctx=lowers_num_ctx,
                role=role,
            )
            clients.append(ollama)
    return Fleet(clients, limiter=limiter, note=note, names=names, role=role)
