"""What Ollama accepts, refuses and counts, as recorded from version 0.24.0; pure functions."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.support.ollama_replies import Answer, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MODEL_CONTEXT",
    "check_chat",
    "check_host",
    "check_length",
    "context_length",
    "count_read",
    "count_tokens",
    "full_name",
    "loads_only",
]

MODEL_CONTEXT: Final = 8192
"""Longest context of every model here; a larger ``num_ctx`` is silently lowered to it."""

_DEFAULT_CONTEXT: Final = 4096
_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*(:[\w.-]+)?")
_OPTION_TYPES: Final = {
    "seed": "integer",
    "num_ctx": "integer",
    "num_predict": "integer",
    "num_thread": "integer",
    "temperature": "float32",
    "repeat_penalty": "float32",
    "top_k": "integer",
    "top_p": "float32",
}
_SCHEMA_TYPES: Final = ("object", "array", "string", "number", "integer", "boolean", "null")
_GO_NAMES: Final = {str: "string", int: "number", float: "number", bool: "bool", dict: "object"}


def check_host(host: str) -> bool:
    """Whether a server on a loopback address answers requests that name it ``host``."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def full_name(model: str) -> str:
    """The name as ``/api/tags`` has it."""
    return model if ":" in model else f"{model}:latest"


def check_chat(raw: bytes, models: Mapping[str, str]) -> dict[str, Any] | Failure:
    """Read the body of a chat request, or refuse it as Ollama does."""
    if not raw:
        return Failure(400, "missing request body")
    try:
        body = json.loads(raw)
    except ValueError as error:
        return Failure(400, _syntax(raw, error))
    if not isinstance(body, dict):
        return Failure(400, f"json: cannot unmarshal {_go_name(body)} into Go value")
    return _check_fields(body) or _check_model(body, models) or _check_options(body) or body


def check_length(body: Mapping[str, Any]) -> Failure | None:
    """Refuse a prompt that does not fit, when the request wants it whole."""
    if body.get("truncate") is not False or count_tokens(body) <= context_length(body):
        return None
    kind = "application/json" + ("; charset=utf-8" if body.get("stream") is False else "")
    return Failure(400, "the input length exceeds the context length", content_type=kind)


def context_length(body: Mapping[str, Any]) -> int:
    """The context that is really in use for a request."""
    wanted = body.get("options", {}).get("num_ctx", _DEFAULT_CONTEXT)
    return min(int(wanted), MODEL_CONTEXT)


def count_tokens(body: Mapping[str, Any]) -> int:
    """Estimate the tokens: one for four characters, and ten around each that is not raw."""
    if "prompt" in body:
        return len(body["prompt"]) // 4 + (0 if body.get("raw") else 10)
    return sum(10 + len(message["content"]) // 4 for message in body["messages"])


def count_read(body: Mapping[str, Any]) -> int:
    """Tokens that are left of a prompt or of messages after the silent truncation."""
    if "prompt" in body:
        return min(count_tokens(body), context_length(body))
    messages = list(body["messages"])
    while len(messages) > 1 and count_tokens({"messages": messages}) > context_length(body):
        del messages[1 if messages[0].get("role") == "system" and len(messages) > 2 else 0]
    return min(count_tokens({"messages": messages}), context_length(body))


def loads_only(body: Mapping[str, Any]) -> Answer | None:
    """The answer to a request without a text, which only loads or unloads the model."""
    if body.get("messages") or body.get("prompt"):
        return None
    reason = "unload" if body.get("keep_alive") == 0 else "load"
    return Answer("", done_reason=reason, counts=False)


def _syntax(raw: bytes, error: ValueError) -> str:
    position = error.pos if isinstance(error, json.JSONDecodeError) else 0
    rest = raw[position:].decode(errors="replace").strip()
    if not rest:
        return "unexpected EOF"
    return f"invalid character '{rest[0]}' after object key:value pair"


def _go_name(value: object) -> str:
    return _GO_NAMES.get(type(value), "array")


def _check_fields(body: Mapping[str, Any]) -> Failure | None:
    if not isinstance(body.get("messages", []), list):
        kind = _go_name(body["messages"])
        field = "Go struct field ChatRequest.messages of type []api.Message"
        return Failure(400, f"json: cannot unmarshal {kind} into {field}")
    alive = body.get("keep_alive", 0)
    if isinstance(alive, str) and not re.fullmatch(r"-?(\d+(\.\d+)?(ms|s|m|h))+|0", alive):
        return Failure(400, f'time: invalid duration "{alive}"')
    if not 0 <= body.get("top_logprobs", 0) <= 20:
        return Failure(400, "top_logprobs must be between 0 and 20")
    return None


def _check_model(body: Mapping[str, Any], models: Mapping[str, str]) -> Failure | None:
    model = body.get("model", "")
    if not model:
        return Failure(400, "model is required")
    if not _MODEL_NAME.fullmatch(model):
        return Failure(400, "invalid model name")
    if model.endswith(":cloud"):
        return Failure(403, "ollama cloud is disabled: remote model is unavailable")
    if full_name(model) not in models:
        return Failure(404, f"model '{model}' not found")
    if body.get("tools"):
        name = f"registry.ollama.ai/library/{full_name(model)}"
        return Failure(400, f"{name} does not support tools")
    return Failure(400, f'"{model}" does not support thinking') if body.get("think") else None


def _check_options(body: Mapping[str, Any]) -> Failure | None:
    for name, value in body.get("options", {}).items():
        kind = _OPTION_TYPES.get(name)
        if kind is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return Failure(500, f'option "{name}" must be of type {kind}')
    wanted = body.get("format") or "json"
    if isinstance(wanted, str) and wanted != "json":
        expected = 'expected "json" or a valid JSON Schema object'
        return Failure(500, f"invalid format: {json.dumps(json.dumps(wanted))}; {expected}")
    if isinstance(wanted, dict) and wanted.get("type", "object") not in _SCHEMA_TYPES:
        return Failure(500, "invalid JSON schema in format")
    return None
