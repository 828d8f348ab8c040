"""How messages speak of a model at a server: as the judge, or as the model under test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["JUDGE", "UNDER_TEST", "Role"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a model at a server is there for, in the words of messages.

    Attributes:
        url_option: Option that names its address.
        name_option: Option that names it.
        prompt: What is sent to it.
        context: What it may be too long for, where its server gives no size.
        shorten: What to do about a prompt that does not fit.
        counts: Why its server must say how many tokens it read.
    """

    url_option: str
    name_option: str
    prompt: str
    context: str
    shorten: str
    counts: str


JUDGE: Final = Role(
    url_option="--llm-judge-url",
    name_option="--llm-judge-model",
    prompt="the judge prompt",
    context="the model's context",
    shorten="shorten the record or its response, take the record out, or judge with openai:NAME "
    "at a server with a longer context; a prompt that was cut is never scored",
    counts="a prompt that may have been cut is not scored",
)

UNDER_TEST: Final = Role(
    url_option="--llm-judge-checkpoint-url",
    name_option="--llm-judge-checkpoint",
    prompt="the prompt",
    context="the model's context, answer included",
    shorten="shorten the record's instruction and input, or lower --llm-judge-max-new-tokens; "
    "a prompt that was cut is never answered",
    counts="a prompt that may have been cut is not answered",
)
