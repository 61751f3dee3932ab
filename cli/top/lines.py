"""Lines of the screen: fitted to its width, put side by side, with the cells that a click can hit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from .glyphs import Glyphs


def styled(text: str, style: str = "") -> Text:
    """Return a text in a style that what is appended to it does not take over."""
    return Text().append(text, style)


def fitted(line: Text, width: int, glyphs: Glyphs) -> Text:
    """Return the line in exactly ``width`` cells, cut with a mark if it is longer."""
    if line.cell_len > width:
        line = line.copy()
        line.truncate(max(width - len(glyphs.more), 0))
        line.append(glyphs.more[:width])
    # A wide character that was cut leaves a cell.
    return line + Text(" " * (width - line.cell_len)) if line.cell_len < width else line


def column(text: Text | str, width: int, glyphs: Glyphs, *, right: bool = False) -> Text:
    """Return a text in a column of ``width`` cells."""
    found = text if isinstance(text, Text) else Text(text)
    if right and found.cell_len < width:
        return Text(" " * (width - found.cell_len)) + found
    return fitted(found, width, glyphs)


def joined(parts: Sequence[Text | str], separator: str) -> Text:
    """Return the parts in one line."""
    return Text(separator).join(part if isinstance(part, Text) else Text(part) for part in parts)


def sides(left: Text, right: Text, width: int, glyphs: Glyphs) -> Text:
    """Return a line with a left and a right end; the left one gives way."""
    right = right if right.cell_len <= width else fitted(right, width, glyphs)
    room = width - right.cell_len
    return fitted(left, room, glyphs) + right if room > 0 else right


def wrapped(parts: Sequence[Text], width: int, indent: int, gap: int = 3) -> list[Text]:
    """Return the parts in as many lines as they need, ``gap`` cells between them, never cut inside one."""
    lines: list[Text] = []
    line = Text(" " * indent)
    for part in parts:
        if line.cell_len > indent and line.cell_len + gap + part.cell_len > width:
            lines.append(line)
            line = Text(" " * indent)
        if line.cell_len > indent:
            line.append(" " * gap)
        line.append_text(part)
    return [*lines, line] if line.cell_len > indent else lines


def titled(title: str, width: int, glyphs: Glyphs) -> Text:
    """Return the heading of a part."""
    line = styled(f"{title} ", "bold")
    line.append(glyphs.rule * max(width - cell_len(title) - 1, 0), "dim")
    return line
