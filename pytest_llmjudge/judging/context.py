"""How long a context a judge needs for a question of some size."""

from __future__ import annotations

from typing import Final

from pytest_llmjudge.servers.ollama import CONTEXT

__all__ = ["context_for", "text_size"]

# English has more than four bytes to a token, source code about three; figures and base64 have two.
_BYTES_OF_A_TOKEN: Final = 2
# The longest wording of a question, and the longest grader injection of a known answer.
_WORDING_BYTES: Final = 1024
# What a chat template puts around a question, and the reply.
_TOKENS_BESIDE: Final = 256


def text_size(text: str) -> int:
    """Return the UTF-8 bytes that a text takes in a question where each of its lines is quoted."""
    return len(text.encode("utf-8", "surrogatepass")) + 2 * (text.count("\n") + 1)


def context_for(size: int) -> int:
    """Return the smallest power of two, from 2,048 up, that holds a question.

    The tokenizer is at the server, so a token is taken for two bytes: nearly every text has fewer.

    Args:
        size: Bytes of the texts that the question is about.
    """
    tokens = (size + _WORDING_BYTES) // _BYTES_OF_A_TOKEN + _TOKENS_BESIDE
    return int(max(CONTEXT, 1 << (tokens - 1).bit_length()))
