"""MUNGE credentials through the real libmunge and munged."""

from __future__ import annotations

import os
import threading
import time

import pytest

from qwatch.qrmi import munge

pytestmark = pytest.mark.usefixtures("munged")


def test_a_credential_tells_who_made_it_where_and_when():
    credential = munge.decode(munge.encode(b"payload \x00 of any bytes"))
    assert (credential.uid, credential.gid) == (os.getuid(), os.getgid())
    assert credential.payload == b"payload \x00 of any bytes"
    assert credential.encode_address.count(".") == 3
    assert abs(credential.encode_time - time.time()) < 60
    assert credential.decode_time >= credential.encode_time
    assert credential.ttl > 0


def test_an_empty_payload_is_the_default():
    assert munge.decode(munge.encode()).payload == b""


def test_a_second_decode_is_a_replay():
    text = munge.encode()
    munge.decode(text)
    with pytest.raises(munge.MungeError, match="Replayed") as caught:
        munge.decode(text)
    assert (caught.value.code, caught.value.name) == (munge.MungeCode.REPLAYED, "REPLAYED") == (17, "REPLAYED")


@pytest.mark.parametrize("change", [str.lower, lambda text: text[:-9] + ":", lambda text: "", lambda text: "ü"])
def test_what_is_no_credential_is_refused(change):
    with pytest.raises(munge.MungeError) as caught:
        munge.decode(change(munge.encode()))
    assert caught.value.name in ("BAD_CRED", "INVALID", "BAD_VERSION")


@pytest.mark.parametrize(
    "change", [lambda text: text + "\x00x", lambda text: f" {text}", lambda text: text + "\n"]
)
def test_a_credential_has_one_spelling_only(change):
    with pytest.raises(munge.MungeError, match="format"):
        munge.decode(change(munge.encode()))


def test_a_changed_credential_is_invalid():
    text = munge.encode(b"x" * 30)
    middle = len(text) // 2
    with pytest.raises(munge.MungeError):
        munge.decode(text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :])


def test_no_daemon_is_told_apart_from_a_refusal(tmp_path):
    with pytest.raises(munge.MungeUnavailableError, match="munged does not answer"):
        munge.encode(socket=str(tmp_path / "nowhere"))
    with pytest.raises(munge.MungeUnavailableError):
        munge.decode(munge.encode(), socket=str(tmp_path / "nowhere"))


def test_no_library_is_told_apart_from_a_refusal(monkeypatch):
    munge._load.cache_clear()
    monkeypatch.setattr(munge, "LIBRARY", "libmunge-absent.so")
    with pytest.raises(munge.MungeUnavailableError, match="install the package munge"):
        munge.encode()
    monkeypatch.undo()
    munge._load.cache_clear()
    munge.decode(munge.encode())


def test_threads_do_not_disturb_each_other():
    failures = []

    def work(number):
        for turn in range(30):
            text = f"{number}-{turn}".encode()
            if munge.decode(munge.encode(text)).payload != text:
                failures.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
