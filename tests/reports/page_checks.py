"""What a page must be for people who do not see or point: asked of the browser itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
CONTRASTS = (_FOLDER / "contrasts.js").read_text(encoding="utf-8")
STRUCTURE = (_FOLDER / "structure.js").read_text(encoding="utf-8")
OVERLAPS = (_FOLDER / "overlaps.js").read_text(encoding="utf-8")


def least_contrast(page: Any) -> tuple[float, str]:
    """Return the least contrast of any text of the page, and of which."""
    found = page.evaluate(CONTRASTS)
    assert found, "a page without text"
    return min((value, what) for what, value in found)


def focused_by_keys(page: Any, most: int) -> list[str]:
    """Return what has the focus after each press of Tab, until the page is through."""
    found: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => { const at = document.activeElement; return at === document.body ? '' : "
            "at.getAttribute('aria-label') ?? at.textContent.trim() }"
        )
        if not name:
            break
        found.append(name)
    return found
