"""Names of responses and verdicts: all that decides them, and nothing else."""

from __future__ import annotations

import hashlib
import json

__all__ = ["make_key"]


def make_key(*parts: object) -> str:
    """Return the SHA-256, in hex, of the canonical JSON of ``parts``."""
    text = json.dumps(parts, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
