"""What a page may do: its own style and script, and nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["policy_of"]


def policy_of(style: str, script: str = "") -> str:
    """Return the content security policy of a page with this style, and this script or none."""
    scripts = f"script-src {_source(script)}; " if script else ""
    return (
        f"default-src 'none'; style-src {_source(style)}; {scripts}"
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
