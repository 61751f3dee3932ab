"""Who may do what from where: a root credential from the network creates and revokes sessions, no more."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import AF_INET
from typing import Any

import psutil
import pytest
from prometheus_client import CollectorRegistry

from qwatch.qrmi import munge
from qwatch.scheduler import schema
from qwatch.scheduler.api.identity import HostAddresses, Identity, Proof, Rights
from qwatch.scheduler.api.munge_authentication import MungeAuthenticator
from qwatch.scheduler.errors import AuthenticationError, PermissionDeniedError
from qwatch.scheduler.settings import ApiSettings
from qwatch.scheduler.store import Store
from qwatch.telemetry.instruments import Instruments

HERE, NODE, ELSEWHERE = "127.0.0.1", "10.1.0.7", "203.0.113.9"


def identity(uid: int, address: str, **settings: object) -> Identity:
    return Rights(ApiSettings.model_validate(settings), HostAddresses()).identity(uid, address)


@pytest.mark.parametrize(
    ("uid", "address", "administers", "for_others", "sessions_only"),
    [
        (0, HERE, True, True, False),
        (0, "::1", True, True, False),
        (0, "127.8.9.10", True, True, False),
        (0, NODE, False, True, True),
        (0, ELSEWHERE, False, False, True),
        (1000, HERE, False, False, False),
        (1000, NODE, False, False, False),
        (500, HERE, True, True, False),
        (500, "10.2.0.1", True, False, False),
        (500, ELSEWHERE, False, False, False),
    ],
)
def test_rights_follow_user_and_address(
    uid: int, address: str, administers: bool, for_others: bool, sessions_only: bool
) -> None:
    found = identity(
        uid, address, admin_users=[0, 500], session_hosts=["10.1.0.0/16"], admin_hosts=["10.2.0.1"]
    )
    if uid == 0 and address in (NODE, ELSEWHERE):
        assert found.sessions_only
    assert (found.administers, found.creates_sessions_for_others, found.sessions_only) == (
        administers,
        for_others,
        sessions_only,
    )


def test_root_administers_from_another_host_only_if_it_is_listed() -> None:
    assert identity(0, NODE, admin_hosts=["10.1.0.0/16"]).administers
    assert not identity(0, ELSEWHERE, admin_hosts=["10.1.0.0/16"]).administers


def test_every_address_of_this_host_counts_as_this_host() -> None:
    addresses = [
        item.address for items in psutil.net_if_addrs().values() for item in items if item.family == AF_INET
    ]
    assert addresses
    for address in addresses:
        assert identity(0, address).administers


def test_users_who_are_not_authorised_are_refused_but_administrators_are_not() -> None:
    with pytest.raises(PermissionDeniedError, match="uid 1000 is not authorised"):
        identity(1000, HERE, authorized_users=[1001])
    assert identity(1001, HERE, authorized_users=[1001]).uid == 1001
    assert identity(0, HERE, authorized_users=[1001]).administers
    with pytest.raises(PermissionDeniedError):
        identity(1000, HERE, authorized_users=[])


class MungeStand:
    """The real authenticator with the real munged, on a store of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.settings = ApiSettings.model_validate(settings)
        self.store = Store(f"sqlite:///{folder / 'qwatch.db'}", Instruments(CollectorRegistry()))
        schema.upgrade(self.store.engine)

    def identify(self, *proofs: Proof) -> list[Identity | Exception]:
        async def main() -> list[Identity | Exception]:
            self.store.start()
            authenticator = MungeAuthenticator(self.settings, self.store)
            await authenticator.load()
            found: list[Identity | Exception] = []
            for proof in proofs:
                try:
                    found.append(await authenticator.identify(proof))
                except AuthenticationError as error:
                    found.append(error)
            await self.store.stop()
            return found

        return asyncio.run(main())


def proof(credential: str, peer: str = HERE) -> Proof:
    return Proof(peer=peer, host_header="qpu:8006", munge=credential, authorization=None, changes=True)


def test_a_credential_proves_its_user(munged: None, tmp_path: Path) -> None:
    (found,) = MungeStand(tmp_path).identify(proof(munge.encode()))
    assert isinstance(found, Identity)
    assert found.uid == os.getuid()


@pytest.mark.parametrize("peer", [NODE, ELSEWHERE, "2001:db8::1"])
def test_a_credential_made_on_another_host_than_it_is_sent_from_is_refused(
    munged: None, tmp_path: Path, peer: str
) -> None:
    (found,) = MungeStand(tmp_path).identify(proof(munge.encode(), peer))
    assert isinstance(found, AuthenticationError)
    assert f"sent from {peer}" in str(found)


def test_a_credential_older_than_a_minute_is_refused_though_munge_still_takes_it(
    munged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = munge.encode()
    later = time.time() + 61.5
    monkeypatch.setattr(time, "time", lambda: later)
    (found,) = MungeStand(tmp_path).identify(proof(credential))
    assert isinstance(found, AuthenticationError)
    assert "s old; send a fresh one" in str(found)


@pytest.fixture
def second_munged(munged: None, require_program: Callable[..., Path], wait_until: Any) -> Iterator[str]:
    """A munged with the same key, as on another host of the site: it has not seen our credentials."""
    if os.getuid() != 0:
        pytest.skip("a second munged reads the site's key: run the tests as root")
    program = require_program("munged", package="munge")
    with tempfile.TemporaryDirectory(prefix="munge-") as folder:
        shutil.chown(folder, "munge")
        Path(folder).chmod(0o755)
        names = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        process = subprocess.Popen(
            [program, "--foreground", *(f"--{option}={folder}/{name}" for option, name in names.items())],
            user="munge",
            group="munge",
            extra_groups=[],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: Path(folder, "socket").exists(), "the second munged does not start")
        yield f"{folder}/socket"
        process.terminate()
        process.wait(30)


def test_a_credential_that_another_replica_accepted_is_refused(second_munged: str, tmp_path: Path) -> None:
    """The shared store remembers what the munged of another host cannot know."""
    credential = munge.encode()
    (accepted,) = MungeStand(tmp_path).identify(proof(credential))
    assert isinstance(accepted, Identity)
    fresh, replayed = MungeStand(tmp_path, munge_socket=second_munged).identify(
        proof(munge.encode()), proof(credential)
    )
    assert isinstance(fresh, Identity)
    assert isinstance(replayed, AuthenticationError)
    assert "used before" in str(replayed)
