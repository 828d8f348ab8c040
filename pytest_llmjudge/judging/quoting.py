"""Text as data in a judge's prompt: control tokens are broken, and lines are quoted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ControlTokens", "quote"]

# Control tokens of the vocabularies of chat models. A server that parses a message for them may end
# the message there. Tags that are ordinary HTML, and placeholders such as [NAME], are not here.
_ANGLED: Final = (
    r"[|\uff5c]",  # ChatML, Llama 3, Phi, Qwen, Cohere: <|im_end|>; DeepSeek's full-width bars
    r"[a-z_]{1,20}\|>",  # Gemma 4: <turn|>, <channel|>
    r"(?:start|end|begin)_of_[a-z]+>",  # Gemma
    r"(?:start|end)_function_[a-z]+>",
    r"/?s>",  # Llama 2, Mistral
    r"</?SYS>>",
    r"(?:bos|eos|pad|unk|mask|sep|cls|eod|eot|eop|sop|eom|eoh|eoa|eoc|eog)(?:_token)?>",
    # T5, Gemma, Baichuan, Orpheus: <extra_id_1>, <unused1>, <reserved_106>, <custom_token_1>
    (
        r"(?:tokens_)?(?:extra_id|unused|reserved|special|custom|added|ctrl)"
        r"(?:_special)?(?:_token)?_?[0-9]+>"
    ),
    r"0x[0-9a-f]{2}>",  # a byte in the vocabularies of SentencePiece
    r"role>\s*(?-i:HUMAN|USER|ASSISTANT|SYSTEM|OBSERVATION|TOOL)",  # Ling
    # Multimodal models. <audio> and <video> alone are HTML.
    r"image(?:_[a-z0-9_]{1,20})?>",
    r"(?:audio|video)_[a-z0-9_]{1,20}>",
    r"seed:[a-z_]+>",
    r"/?(?:think|thinking|tool_call|tool_calls|tool_response|tool_output)>",
    (
        # StarCoder
        r"(?:fim[-_](?:prefix|middle|suffix|pad)|file_sep|repo_name|gh_stars|empty_output"
        r"|issue_(?:start|comment|closed)|jupyter_(?:start|text|code|output|script)"
        r"|commit_(?:before|msg|after))>"
    ),
)
_BRACKETED: Final = (
    r"\|",  # EXAONE: [|endofturn|]
    r"(?i:unused_?[0-9]+)\]",  # BERT, Gemma
    (
        r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|MODEL_SETTINGS"
        r"|ARGS|CALL_ID|THINK|PREFIX|MIDDLE|SUFFIX|IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO"
        r"|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK|BOS|EOS)\]"
    ),
)
_KNOWN: Final = rf"<(?=(?i:{'|'.join(_ANGLED)}))|\[(?={'|'.join(_BRACKETED)})"


class ControlTokens:
    """Breaks control tokens with a space behind their first character.

    Args:
        vocabulary: What the judge's own vocabulary marks as control tokens, where it is known.
    """

    def __init__(self, vocabulary: Collection[str] = ()) -> None:
        known = re.compile(_KNOWN)
        # A token of one character cannot be broken, and a word would be one in ordinary text too.
        own = sorted(
            {token for token in vocabulary if len(token) > 1 and not token[0].isalnum()},
            key=lambda token: (-len(token), token),
        )
        own = [token for token in own if known.match(token) is None and not token.isspace()]
        parts = [_KNOWN, *(f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in own)]
        self._pattern = re.compile("|".join(parts))

    def break_in(self, text: str) -> str:
        """Return ``text`` without control tokens; what has none comes back as it is."""
        return self._pattern.sub(r"\g<0> ", text)


def quote(text: str) -> str:
    """Put ``> `` before every line, so that none can be taken for a part of the question.

    Lines end where Unicode says so, and are joined with line feeds.
    """
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])
