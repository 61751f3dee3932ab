"""Links and cookies of the status page: once, for a while, in bounded memory."""

from __future__ import annotations

import pytest

from qwatch.daemon.live.web_logins import LINK_SECONDS, WebLogins
from qwatch.telemetry.redaction import MASK, redact


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> WebLogins:
    return WebLogins(3600.0, clock)


def test_a_link_works_once(logins: WebLogins) -> None:
    secret, _ = logins.new_link(7, administers=False)
    entered = logins.enter(secret)
    assert entered is not None
    assert logins.enter(secret) is None
    assert logins.find(entered[0]) == entered[1]
    assert (entered[1].uid, entered[1].administers) == (7, False)


def test_a_link_is_too_old_after_a_minute(logins: WebLogins, clock: Clock) -> None:
    secret, _ = logins.new_link(7, administers=False)
    clock.now += LINK_SECONDS
    assert logins.enter(secret) is None


def test_a_cookie_holds_for_its_time_however_much_it_is_used(logins: WebLogins, clock: Clock) -> None:
    cookie, _ = logins.enter(logins.new_link(7, administers=True)[0]) or pytest.fail("refused")
    clock.now += 3599
    assert logins.find(cookie) is not None
    clock.now += 1
    assert logins.find(cookie) is None


def test_who_logs_out_is_out(logins: WebLogins) -> None:
    cookie, _ = logins.enter(logins.new_link(7, administers=True)[0]) or pytest.fail("refused")
    logins.end(cookie)
    assert logins.find(cookie) is None


def test_neither_link_nor_cookie_is_kept_and_both_are_masked_in_text(logins: WebLogins) -> None:
    secret, _ = logins.new_link(7, administers=False)
    other, _ = logins.new_link(7, administers=False)
    cookie, _ = logins.enter(secret) or pytest.fail("refused")
    kept = [*logins._links, *logins._sessions]
    assert len(kept) == 2
    for item in (secret, other, cookie):
        assert len(item) >= 4 + 43
        assert all(item not in key for key in kept)
        assert redact(f"GET /{item} 200") == f"GET /{MASK} 200"


def test_several_links_of_a_user_work_beside_each_other(logins: WebLogins) -> None:
    links = [logins.new_link(7, administers=False)[0] for _ in range(5)]
    entered = [logins.enter(link) for link in links]
    assert all(found is not None and logins.find(found[0]) is not None for found in entered)


def test_a_user_who_makes_many_links_pushes_out_only_their_own(logins: WebLogins) -> None:
    mine, _ = logins.new_link(7, administers=False)
    theirs = [logins.new_link(8, administers=False)[0] for _ in range(3000)]
    assert logins.enter(mine) is not None
    assert logins.enter(theirs[0]) is None
    assert logins.enter(theirs[-1]) is not None
