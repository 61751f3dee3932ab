"""What the keys of ``qwatch top`` change."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qwatch.cli.top.job_table import COLUMNS, SORTABLE
from qwatch.cli.top.reading import read_snapshot
from qwatch.cli.top.view import CancelOrder, Mode, Quit, View

from .top_pictures import of_administrator, of_user, told

USER, ADMINISTRATOR = read_snapshot(of_user()), read_snapshot(of_administrator())


def pressed(*keys: str, administrator: bool = False) -> View:
    view = View()
    for key in keys:
        view.press(key, ADMINISTRATOR if administrator else USER)
    return view


def numbers(view: View, administrator: bool = False) -> list[int]:
    return [job.id for job in view.jobs(ADMINISTRATOR if administrator else USER)]


def test_jobs_are_in_the_order_in_which_they_run_then_the_ended_ones() -> None:
    assert numbers(View()) == [4711, 4713, 4716, 4699, 4702]


@pytest.mark.parametrize("column", sorted(SORTABLE))
def test_any_column_sorts_and_its_reverse_is_the_reverse_of_what_is_known(column: str) -> None:
    view = View(column=column)
    key = SORTABLE[column]
    known = [key(job) for job in view.jobs(ADMINISTRATOR) if key(job) is not None]
    assert known == sorted(known)
    assert len(numbers(view, True)) == len(ADMINISTRATOR.all_jobs)
    view.press("r", ADMINISTRATOR)
    assert [key(job) for job in view.jobs(ADMINISTRATOR) if key(job) is not None] == known[::-1]
    unknown = [job for job in view.jobs(ADMINISTRATOR) if key(job) is None]
    assert view.jobs(ADMINISTRATOR)[len(known) :] == unknown


def test_s_goes_through_the_columns_that_are_shown_and_back() -> None:
    names = [item.key for item in COLUMNS if item.key in SORTABLE]
    own = [name for name in names if name not in ("user", "account")]
    assert sorted(pressed(*"s" * times).column for times in range(len(own))) == sorted(own)
    assert sorted(pressed(*"s" * times, administrator=True).column for times in range(len(names))) == sorted(
        names
    )
    assert pressed("s", "s", "S", "S").column == View().column


def test_a_click_on_a_heading_sorts_and_again_reverses() -> None:
    view = View()
    view.sort_by("shots")
    assert (view.column, view.reverse) == ("shots", False)
    view.sort_by("shots")
    assert (view.column, view.reverse) == ("shots", True)
    view.sort_by("progress")
    assert view.column == "shots"


def test_a_filter_keeps_jobs_that_hold_every_word() -> None:
    assert numbers(pressed("/", *"GRACE fre", "enter", administrator=True), True) == [4712, 4715, 4701]
    assert numbers(pressed("/", *"471x", "backspace")) == [4711, 4713, 4716]
    assert numbers(pressed("/", *"error", "escape")) == numbers(View())
    assert pressed("/", *"q").mode is Mode.FILTER


def test_d_picks_each_device_then_all_again() -> None:
    picks = [pressed(*"d" * times, administrator=True).device for times in range(4)]
    assert picks == [None, "FRESNEL", "EMU", None]
    assert numbers(pressed("d", "d", administrator=True), True) == [4650, 4655]
    assert pressed("D", administrator=True).device == "EMU"


def test_a_device_that_is_not_there_picks_none() -> None:
    assert numbers(View(device="GONE")) == numbers(View())


def test_a_shows_own_jobs_to_administrators_and_tells_others_why_not() -> None:
    assert numbers(pressed("a", administrator=True), True) == []
    assert len(numbers(pressed("a", "a", administrator=True), True)) == 9
    assert "administrators" in pressed("a").said


def test_the_cursor_stays_with_its_job_when_rows_move() -> None:
    view = pressed("down", "down")
    assert view.chosen(USER).id == 4716
    view.press("r", USER)
    assert view.chosen(USER).id == 4716
    assert pressed("up").chosen(USER).id == 4711
    assert pressed("end").chosen(USER).id == 4702
    assert pressed("end", "home").chosen(USER).id == 4711


def test_a_job_is_canceled_only_after_a_yes() -> None:
    view = pressed("down", "c")
    assert view.mode is Mode.CONFIRM
    order = view.press("y", USER)
    assert isinstance(order, CancelOrder)
    assert (order.job.id, order.own) == (4713, True)
    for other in ("n", "enter", "q", "escape", " "):
        view = pressed("c")
        assert view.press(other, USER) is None
        assert view.said == "nothing was canceled"
        assert view.mode is Mode.BROWSE


def test_the_question_names_the_job_that_it_was_asked_of_even_if_rows_move_meanwhile() -> None:
    view = pressed("c")
    order = view.press("y", ADMINISTRATOR)
    assert isinstance(order, CancelOrder)
    assert (order.job.id, order.own) == (4711, False)


def test_a_job_that_ended_is_not_asked_about() -> None:
    view = pressed("end", "c")
    assert view.mode is Mode.BROWSE
    assert "has ended" in view.said
    nobody = read_snapshot(told())
    empty = View()
    empty.press("c", nobody)
    assert "no job" in empty.said


def test_q_leaves_from_everywhere_but_a_question_and_a_filter() -> None:
    assert isinstance(View().press("q", None), Quit)
    assert isinstance(pressed("?").press("q", USER), Quit)
    assert View().press("x", None) is None
    assert pressed("?", "x").mode is Mode.BROWSE


def test_space_pauses_and_goes_on() -> None:
    assert pressed(" ").paused
    assert not pressed(" ", " ").paused


def test_other_commands_do_not_load_the_live_view() -> None:
    asked = "import sys, qwatch.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "qwatch.cli.main" in loaded
    assert not {name for name in loaded if name.startswith(("qwatch.cli.top", "curses", "httpx"))}
