"""How ``qwatch top`` hears from a daemon: what it asks with, what it makes of refusals, when it comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qwatch.cli.daemon_client import DaemonClient
from qwatch.cli.failure import CommandFailedError
from qwatch.cli.top.feed import Feed, events_in
from qwatch.cli.top.reading import UnreadableError
from qwatch.cli.top.source import Source, root_of
from qwatch.qrmi.location import Location

from .top_pictures import of_user, told

TOKEN = "qwt_" + "A" * 43


class Answers(ThreadingHTTPServer):
    """Gives each request the next of ``replies``, (status, body), the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        self.replies: list[tuple[int, str]] = []
        self.asked: list[tuple[str, str | None]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.asked.append((self.path, self.headers.get("authorization")))
                replies = answers.replies
                status, body = replies.pop(0) if len(replies) > 1 else replies[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def answers() -> Iterator[Answers]:
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    return file


@pytest.fixture
def source(answers: Answers, token_file: Path) -> Source:
    url = f"http://127.0.0.1:{answers.server_port}/devices/FRESNEL"
    return Source(DaemonClient(Location("FRESNEL", "pasqal-local", "a test", token_file=token_file), url))


def event(data: object) -> str:
    return f"retry: 1000\nid: 3\nevent: snapshot\ndata: {json.dumps(data)}\n\n"


def test_events_are_read_with_signs_of_life_between_them() -> None:
    stream = [
        ": alive",
        "",
        "event: snapshot",
        'data: {"a":',
        "data: 1}",
        "",
        "data:2",
        "",
        'data: {"cut": off',
    ]
    assert list(events_in(stream)) == [None, {"a": 1}, 2]
    with pytest.raises(UnreadableError, match="another version"):
        list(events_in(["data: <html>", ""]))


def test_the_whole_daemon_is_asked_whichever_of_its_devices_was_named(source: Source, answers: Answers) -> None:
    answers.replies = [(200, json.dumps(of_user()))]
    assert source.snapshot()["own"]["user"] == "ada"
    assert answers.asked == [("/live", f"Bearer {TOKEN}")]
    assert root_of("http://h:1/devices/A/classes/qa") == root_of("http://h:1/classes/qa/") == "http://h:1"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_proof_leaves_the_public_part_and_the_daemons_reason(
    source: Source, answers: Answers, status: int
) -> None:
    refusal = (status, '{"detail": "uid 7 is not authorised"}')
    answers.replies = [refusal, (200, json.dumps(told())), refusal, (200, event(told()))]
    assert source.snapshot()["own"] is None
    assert "uid 7 is not authorised" in source.note
    assert [token for _, token in answers.asked] == [f"Bearer {TOKEN}", None]
    assert next(source.events(5))["own"] is None
    assert "uid 7 is not authorised" in source.note


def test_without_a_proof_the_public_part_is_asked_for(
    source: Source, answers: Answers, token_file: Path
) -> None:
    token_file.unlink()
    answers.replies = [(200, json.dumps(told()))]
    source.snapshot()
    assert answers.asked == [("/live", None)]
    assert "token file" in source.note


@pytest.mark.parametrize(
    ("reply", "told_so"),
    [((404, "{}"), "no live view"), ((503, '{"detail": "too many streams"}'), "too many streams")],
)
def test_a_refusal_is_one_line(source: Source, answers: Answers, reply: tuple[int, str], told_so: str) -> None:
    answers.replies = [reply]
    with pytest.raises(CommandFailedError, match=told_so):
        source.snapshot()
    with pytest.raises(CommandFailedError, match=told_so):
        list(source.events(5))


def test_the_feed_keeps_its_picture_through_failures_and_goes_on(
    source: Source, answers: Answers, wait_until: Callable[..., Any]
) -> None:
    newer = of_user(version="0.2.0")
    answers.replies = [
        (200, event(of_user())),
        (503, '{"detail": "restarting"}'),
        (200, "data: <html>\n\n"),
        (200, event(newer)),
    ]
    feed = Feed(source)
    feed.start()
    wait_until(lambda: "restarting" in feed.heard.problem)
    stale = feed.heard
    assert stale.snapshot is not None
    assert stale.next_try is not None
    assert stale.now == stale.snapshot.at + stale.heard - stale.told
    wait_until(lambda: feed.heard.snapshot.version == "0.2.0")
    assert feed.heard.problem == ""
    assert feed.heard.next_try is None
