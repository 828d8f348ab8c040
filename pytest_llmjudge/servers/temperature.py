"""Whether a model at an OpenAI-compatible endpoint takes a temperature."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.servers.transport import HttpReply

__all__ = ["OWN_TEMPERATURE", "has_own_temperature", "refuses_temperature", "takes_any_temperature"]

OWN_TEMPERATURE: Final = "the model's own"
"""What stands in a judge's options for the temperature where none is sent."""

_OWNERS: Final = frozenset({"library", "llamacpp", "sglang", "vllm"})
"""What Ollama, llama.cpp, SGLang and vLLM say who owns a model; they take any temperature."""
# OpenAI's, LiteLLM's, Moonshot's and Anthropic's words; a temperature out of range is another case.
_UNSUPPORTED: Final = re.compile(
    r"unsupported|(?:not|n't) support|only (?:the default|(?:temperature ?=? ?)?1(?:\.0)?\b)"
    r"|deprecated",
    re.IGNORECASE,
)


def has_own_temperature(options: Mapping[str, object]) -> bool:
    """Whether a judge with these options is sent no temperature."""
    return options.get("temperature") == OWN_TEMPERATURE


def takes_any_temperature(owner: object) -> bool:
    """Whether no request is needed to know it, going by a model's ``owned_by``."""
    return isinstance(owner, str) and owner in _OWNERS


def refuses_temperature(reply: HttpReply) -> bool:
    """Whether a reply refuses a request because of its temperature, whatever that is.

    OpenAI's reasoning models do so with status 400, ``"param": "temperature"`` and ``"code":
    "unsupported_value"``; gateways use other words.
    """
    body = reply.json()
    error = (body.get("error") or body.get("detail")) if isinstance(body, dict) else None
    if reply.status not in {400, 422} or not error:
        return False
    fields = error if isinstance(error, dict) else {"message": error}
    subject = fields.get("param") or fields.get("message")
    text = f"{fields.get('message')} {fields.get('code')}"
    return "temperature" in str(subject).lower() and _UNSUPPORTED.search(text) is not None
