"""Who looks at a live view: by credential, by cookie, by a trusted proxy's header; and what each may see."""

from __future__ import annotations

import asyncio
import os
import pwd
from typing import Any

import pytest
from starlette.requests import Request

from qwatch.daemon.live.source import PUBLIC, Audience
from qwatch.daemon.live.viewer import COOKIE, Viewer, Viewers
from qwatch.daemon.live.web_logins import WebLogins
from qwatch.scheduler.api.identity import HostAddresses, Identity, Proof, Rights
from qwatch.scheduler.errors import AuthenticationError, PermissionDeniedError
from qwatch.scheduler.run_time_settings import AUTHORIZED_USERS, RunTimeSettings
from qwatch.scheduler.settings import ApiSettings

USER = pwd.getpwnam("daemon")
HERE, ADMIN_HOST, ELSEWHERE = "127.0.0.1", "10.1.0.5", "203.0.113.9"


class Decoded:
    """Takes `uid` as the credential, and judges it as MUNGE's authenticator does."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    async def load(self) -> None:
        """Nothing is remembered."""

    async def identify(self, proof: Proof) -> Identity:
        if proof.munge is None or not proof.munge.isdigit():
            raise AuthenticationError("no MUNGE credential")
        return self._rights.identity(int(proof.munge), proof.peer)


class Site:
    """The part of a daemon that tells who looks."""

    def __init__(self, **api: Any) -> None:
        settings = ApiSettings(
            **{"admin_users": [0, USER.pw_uid], "admin_hosts": [ADMIN_HOST], "authorized_users": None} | api
        )
        self.run_time = RunTimeSettings(settings)
        rights = Rights(settings, HostAddresses(), self.run_time)
        self.logins = WebLogins(3600.0)
        self.viewers = Viewers(settings, self.run_time, Decoded(rights), self.logins)

    def request(self, peer: str, **headers: str | list[str]) -> Request:
        pairs = [
            (name.replace("_", "-").encode(), one.encode())
            for name, value in headers.items()
            for one in ([value] if isinstance(value, str) else value)
        ]
        return Request({"type": "http", "method": "GET", "path": "/", "client": (peer, 5), "headers": pairs})

    def viewer(self, peer: str, **headers: str | list[str]) -> Viewer:
        return asyncio.run(self.viewers.of(self.request(peer, **headers)))

    def cookie(self, uid: int, administers: bool = False) -> str:
        entered = self.logins.enter(self.logins.new_link(uid, administers)[0])
        assert entered is not None
        return f"{COOKIE}={entered[0]}"


def test_who_proves_nothing_is_the_public() -> None:
    assert Site().viewer(ELSEWHERE).audience == PUBLIC


def test_a_credential_shows_ones_own_and_to_administrators_all() -> None:
    site = Site()
    assert site.viewer(ELSEWHERE, x_munge_cred="4242").audience == Audience(4242, administers=False)
    assert site.viewer(HERE, x_munge_cred=str(USER.pw_uid)).audience == Audience(USER.pw_uid, administers=True)
    assert not site.viewer(ELSEWHERE, x_munge_cred=str(USER.pw_uid)).audience.administers
    with pytest.raises(AuthenticationError):
        site.viewer(HERE, x_munge_cred="forged")


def test_a_root_credential_from_the_network_shows_nothing_and_makes_no_link() -> None:
    site = Site()
    with pytest.raises(PermissionDeniedError, match="sessions only"):
        site.viewer(ELSEWHERE, x_munge_cred="0")
    with pytest.raises(PermissionDeniedError, match="sessions only"):
        asyncio.run(site.viewers.proven(site.request(ELSEWHERE, x_munge_cred="0")))


def test_a_cookie_administers_only_if_link_and_browser_may() -> None:
    site = Site()
    uid = USER.pw_uid
    assert site.viewer(HERE, cookie=site.cookie(uid, administers=True)).audience == Audience(uid, True)
    assert site.viewer(ADMIN_HOST, cookie=site.cookie(uid, administers=True)).audience == Audience(uid, True)
    assert site.viewer(ELSEWHERE, cookie=site.cookie(uid, administers=True)).audience == Audience(uid, False)
    assert site.viewer(HERE, cookie=site.cookie(uid, administers=False)).audience == Audience(uid, False)
    assert site.viewer(HERE, cookie=f"{COOKIE}=qww_forged").audience == PUBLIC


def test_a_cookie_and_its_streams_end_when_its_user_is_no_longer_authorised() -> None:
    site = Site()
    cookie = site.cookie(4242)
    viewer = site.viewer(ELSEWHERE, cookie=cookie)
    assert viewer.audience == Audience(4242)
    assert viewer.still_holds()
    site.run_time.apply({AUTHORIZED_USERS: [1]})
    assert not viewer.still_holds()
    assert site.viewer(ELSEWHERE, cookie=cookie).audience == PUBLIC


PROXY = {"proxy_user_header": "X-Remote-User", "proxy_hosts": [HERE, "10.1.0.0/24"], "admin_users": [0]}


def test_a_trusted_proxy_names_the_user() -> None:
    found = Site(**PROXY).viewer(HERE, x_remote_user="daemon")
    assert found.audience == Audience(USER.pw_uid)
    assert found.still_holds()


def test_anybody_elses_header_is_as_if_it_were_not_there() -> None:
    assert Site(**PROXY).viewer(ELSEWHERE, x_remote_user="daemon").audience == PUBLIC
    assert Site().viewer(HERE, x_remote_user="daemon").audience == PUBLIC


@pytest.mark.parametrize("name", ["root", "nobody-of-that-name", "../daemon", "a\x00b"])
def test_a_proxy_cannot_name_root_or_somebody_unknown(name: str) -> None:
    with pytest.raises(PermissionDeniedError):
        Site(**PROXY).viewer(HERE, x_remote_user=name)


def test_a_proxy_that_names_two_users_is_refused() -> None:
    with pytest.raises(AuthenticationError, match="2 users"):
        Site(**PROXY).viewer(HERE, x_remote_user=["daemon", "bin"])


def test_through_a_proxy_an_administrator_is_one_only_where_the_proxy_is_listed() -> None:
    api = PROXY | {"admin_users": [0, USER.pw_uid]}
    assert not Site(**api).viewer(HERE, x_remote_user="daemon").audience.administers
    assert Site(**api).viewer(ADMIN_HOST, x_remote_user="daemon").audience.administers


def test_a_user_who_is_not_authorised_is_refused_whoever_names_them() -> None:
    site = Site(**PROXY, authorized_users=[os.getuid() + 5000])
    with pytest.raises(PermissionDeniedError, match="not authorised"):
        site.viewer(HERE, x_remote_user="daemon")
    with pytest.raises(PermissionDeniedError, match="not authorised"):
        site.viewer(HERE, x_munge_cred="4242")
