"""The screens of ``qwatch top``, as text: ``QWATCH_WRITE_SCREENS=1`` writes them anew, to be looked at."""

from __future__ import annotations

import os
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwatch.cli.top.frame import Frame, Link, Size, draw
from qwatch.cli.top.glyphs import ASCII, UNICODE, Glyphs, glyphs_for
from qwatch.cli.top.reading import UnreadableError, read_snapshot
from qwatch.cli.top.time_partition import partition_bar
from qwatch.cli.top.view import Mode, View
from qwatch.cli.top.words import clock_in, length, share, until

from .top_pictures import NOW, emulator, fresnel, moment, of_administrator, of_user, told, waiting

SCREENS = Path(__file__).parent / "screens" / "top"
LINK = Link("qpu.example:8006")
LOST = Link(
    "qpu.example:8006",
    problem="the daemon does not answer (Connection refused)",
    since=NOW,
    next_try=NOW + 16,
)
WITHOUT_PROOF = Link("qpu.example:8006", note="no MUNGE credential can be made: munged does not answer")


def drawn(
    data: dict[str, Any] | None,
    size: str,
    view: View | None = None,
    link: Link = LINK,
    glyphs: Glyphs = UNICODE,
) -> Frame:
    width, height = map(int, size.split("x"))
    snapshot = None if data is None else read_snapshot(data)
    return draw(snapshot, view or View(), link, NOW, Size(width, height), glyphs, clock_in(UTC))


def text(frame: Frame) -> str:
    return "\n".join(line.plain.rstrip() for line in frame.lines) + "\n"


def confirming() -> View:
    view = View()
    view.press("down", read_snapshot(of_administrator()))
    view.press("c", read_snapshot(of_administrator()))
    return view


SCREENS_DRAWN: dict[str, tuple[Any, ...]] = {
    "administrator-120x40": (of_administrator(), "120x40"),
    "administrator-80x24": (of_administrator(), "80x24"),
    "administrator-picked-120x40": (of_administrator(), "120x40", View(device="FRESNEL")),
    "administrator-cancels-120x40": (of_administrator(), "120x40", confirming()),
    "user-120x40": (of_user(), "120x40"),
    "user-80x24": (of_user(), "80x24"),
    "user-filters-80x24": (of_user(), "80x24", View(filter="test", mode=Mode.FILTER)),
    "user-stale-80x24": (of_user(), "80x24", View(), LOST),
    "user-ascii-80x24": (of_user(), "80x24", View(), LINK, ASCII),
    "administrator-60x15": (of_administrator(), "60x15"),
    "user-60x15": (of_user(), "60x15"),
    "public-80x24": (told(fresnel(), emulator()), "80x24", View(), WITHOUT_PROOF),
    "help-80x24": (of_user(), "80x24", View(mode=Mode.HELP)),
    "not-reached-80x24": (None, "80x24", View(), LOST),
}


@pytest.mark.parametrize("name", SCREENS_DRAWN)
def test_a_screen_looks_as_it_was_approved(name: str) -> None:
    found = text(drawn(*SCREENS_DRAWN[name]))
    file = SCREENS / f"{name}.txt"
    if os.environ.get("QWATCH_WRITE_SCREENS"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8")


def test_every_approved_screen_is_drawn() -> None:
    assert {file.stem for file in SCREENS.glob("*.txt")} == set(SCREENS_DRAWN)


def test_the_documented_picture_is_the_screen() -> None:
    shown = (SCREENS / "administrator-picked-120x40.txt").read_text(encoding="utf-8")
    documented = (SCREENS.parents[3] / "docs" / "top.md").read_text(encoding="utf-8")
    assert re.sub("\n{3,}", "\n\n", shown) in documented


DATA = {"user": of_user(), "administrator": of_administrator(), "public": told(fresnel()), "none": told()}


@settings(deadline=None, max_examples=150)
@given(
    data=st.sampled_from(sorted(DATA)),
    width=st.integers(1, 250),
    height=st.integers(1, 60),
    mode=st.sampled_from(Mode),
    lost=st.booleans(),
    device=st.sampled_from([None, "FRESNEL", "EMU", "NOWHERE"]),
    glyphs=st.sampled_from([ASCII, UNICODE]),
    words=st.text(max_size=5),
)
def test_a_frame_of_any_size_fills_the_screen_and_never_more(
    data: str, width: int, height: int, mode: Mode, lost: bool, device: str | None, glyphs: Glyphs, words: str
) -> None:
    view = View(device=device, mode=mode, filter=words, said=words)
    frame = drawn(DATA[data], f"{width}x{height}", view, LOST if lost else LINK, glyphs)
    assert {line.cell_len for line in frame.lines} <= {width}
    assert len(frame.lines) <= height
    for row, number in frame.hits.jobs.items():
        if row < height - 1:
            assert str(number) in frame.lines[row].plain
    for row, name in frame.hits.devices.items():
        assert name in frame.lines[row].plain
    if glyphs is ASCII and words.isascii():
        assert all(line.plain.isascii() for line in frame.lines)


def test_the_chosen_job_is_always_on_the_screen() -> None:
    jobs = {
        "waiting": [waiting(place, place) for place in range(1, 101)],
        "waiting_total": 250, "running": [], "ended": [],
    }  # fmt: skip
    data = told(fresnel(), own={"uid": 1000, "user": "ada", "jobs": jobs})
    snapshot, view = read_snapshot(data), View()
    seen = []
    for _ in range(100):
        frame = drawn(data, "80x24", view)
        (row,) = [row for row, number in frame.hits.jobs.items() if number == view.chosen(snapshot).id]
        assert frame.lines[row].plain.startswith("▸")
        seen.append(view.chosen(snapshot).id)
        view.press("down", snapshot)
    assert seen == list(range(1, 101))
    assert "and 150 more wait" in text(drawn(data, "80x24", view))


def test_what_is_said_by_colour_is_also_said_in_words_or_signs() -> None:
    """Without any style each state, activity, severity, and the chosen row can still be told."""
    plain = text(drawn(of_administrator(), "120x40"))
    for word in ("online", "paused", "execute", "maintenance", "critical", "warning", "RUNNING", "▸ 4711"):
        assert word in plain
    assert len(set(UNICODE.activity.values())) == len(UNICODE.activity) == len(set(ASCII.activity.values()))


@given(
    seconds=st.dictionaries(st.sampled_from(sorted(UNICODE.activity)), st.floats(0, 3600), max_size=8),
    width=st.integers(1, 200),
)
def test_a_partition_bar_is_as_wide_as_asked_and_shows_whatever_occurred(
    seconds: dict[str, float], width: int
) -> None:
    bar = partition_bar(seconds, width, ASCII).plain
    assert len(bar) == width
    occurred = {name for name, value in seconds.items() if value > 0}
    if len(occurred) <= width and occurred:
        assert {ASCII.activity[name] for name in occurred} == set(bar)


def test_alerts_that_are_not_known_are_not_told_as_none() -> None:
    for alerts, error, words in (
        ([], None, "alerts     none"),
        (None, None, "no Alertmanager is configured"),
        (None, "http://am:9093 does not answer", "alerts are not known: http://am:9093 does not answer"),
    ):
        data = of_administrator()
        data["administration"] |= {"alerts": alerts, "alerts_error": error}
        assert words in text(drawn(data, "120x40"))
    assert "alert" not in text(drawn(of_user(), "120x40"))


def test_an_observer_is_not_taken_for_a_daemon_that_refused() -> None:
    shown = text(drawn(told(fresnel(), role="observer"), "80x24", View(), WITHOUT_PROOF))
    assert "an observer tells of devices and queues" in shown
    assert "MUNGE" not in shown


def test_a_queue_that_is_not_told_is_not_called_empty() -> None:
    silent = fresnel(queue=[], waiting=None, running=None)
    for size in ("80x24", "60x15"):
        assert "queue      not known" in text(drawn(told(silent), size))
        assert "queue      empty" in text(drawn(told(silent | {"waiting": 0}), size))


def test_of_ended_jobs_the_newest_is_first() -> None:
    data = of_user()
    data["own"]["jobs"]["ended"][0]["ended_at"] = moment(5)
    assert [job.id for job in View().jobs(read_snapshot(data))][-2:] == [4702, 4699]


def test_control_characters_from_elsewhere_do_not_reach_the_terminal() -> None:
    data = told(fresnel(name="\x1b[31mF", state="paused", message="a\x1b]0;title\x07\nb"))
    data["devices"][0]["windows"] = [{"kind": "drain", "since": moment(60), "announced_end": None}]
    shown = text(drawn(data, "80x24"))
    assert "]0;title" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)


@pytest.mark.parametrize("reply", [[], {}, {"at": "now"}, {"at": moment(0), "devices": [{"name": "F"}]}, None])
def test_a_reply_that_is_no_snapshot_is_said_to_be_none(reply: Any) -> None:
    with pytest.raises(UnreadableError, match="another version"):
        read_snapshot(reply)


def test_fields_of_a_newer_daemon_are_left_alone() -> None:
    newer = of_user(more={"a": 1})
    newer["devices"][0]["colour"] = "blue"
    assert read_snapshot(newer) == read_snapshot(of_user())


@pytest.mark.parametrize(
    ("environment", "glyphs"),
    [
        ({"LANG": "en_US.UTF-8"}, UNICODE),
        ({"LANG": "C.utf8"}, UNICODE),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LANG": "de_DE.ISO-8859-1"}, ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, ASCII),
        ({"LC_CTYPE": "C.UTF-8"}, UNICODE),
        ({}, ASCII),
    ],
)
def test_signs_are_those_that_the_locale_shows(environment: dict[str, str], glyphs: Glyphs) -> None:
    assert glyphs_for(environment) is glyphs


def test_words_for_time_and_shares() -> None:
    assert [length(value) for value in (None, -3, 0, 42, 99.4, 100, 5969, 5970, 172800)] == [
        "-", "0 s", "0 s", "42 s", "99 s", "2 min", "99 min", "1.7 h", "2.0 d",
    ]  # fmt: skip
    assert [until(value, 100) for value in (None, 90, 100.2, 160)] == ["-", "now", "now", "in 60 s"]
    assert [share(part, 100) for part in (0, 0.2, 50, 99.9, 100)] == ["0 %", "<1 %", "50 %", "99 %", "100 %"]
