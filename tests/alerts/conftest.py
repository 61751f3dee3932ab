"""A real Prometheus with the test profile, a real Alertmanager, and who it tells."""

from __future__ import annotations

import contextlib
import json
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwatch.alerts import generate
from qwatch.alerts.alertmanager import alertmanager
from qwatch.alerts.configuration import Configuration


@dataclass
class Told:
    """What Alertmanager sent: bodies of webhooks by path, and mails as text."""

    http_port: int = 0
    mail_port: int = 0
    posts: dict[str, list[Any]] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)


@contextmanager
def receivers() -> Iterator[Told]:
    """Take webhooks and mails on loopback."""
    told = Told()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.posts.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode(errors="replace").strip():
                word = line.split(":")[0].split(" ")[0].upper()
                if word == "DATA":
                    self.say("354 go on")
                    told.mails.append(self.message())
                self.say("221 bye" if word == "QUIT" else "250 ok")
                if word == "QUIT":
                    return

        def message(self) -> str:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.decode(errors="replace"))
            return "".join(lines)

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class MailServer(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as web, MailServer(("127.0.0.1", 0), Mail) as mail:
        told.http_port, told.mail_port = web.server_address[1], mail.server_address[1]
        for server in (web, mail):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield told
        web.shutdown()
        mail.shutdown()


@dataclass
class Alerting:
    """A running Prometheus and Alertmanager."""

    prometheus: str
    alertmanager: str
    told: Told

    def query(self, query: str) -> list[Any]:
        reply = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": query}, timeout=30).json()
        assert reply["status"] == "success", reply
        return list(reply["data"]["result"])

    def firing(self, name: str, **labels: str) -> bool:
        matched = "".join(f',{key}="{value}"' for key, value in labels.items())
        return bool(self.query(f'ALERTS{{alertname="{name}",alertstate="firing"{matched}}}'))

    def all_firing(self) -> set[str]:
        return {found["metric"]["alertname"] for found in self.query('ALERTS{alertstate="firing"}')}

    def arrived(self, name: str, **labels: str) -> dict[str, Any] | None:
        """Return the alert as Alertmanager has it, inhibited or not; None if it has not or it is over."""
        reply = httpx.get(
            f"{self.alertmanager}/api/v2/alerts", params={"filter": f"alertname={name}"}, timeout=30
        )
        found = [alert for alert in reply.json() if labels.items() <= alert["labels"].items()]
        return found[0] if found else None

    def post(self, *alerts: Mapping[str, str]) -> None:
        """Hand alerts to Alertmanager, as Prometheus does."""
        body = [{"labels": dict(labels), "annotations": {"summary": "told by a test"}} for labels in alerts]
        httpx.post(f"{self.alertmanager}/api/v2/alerts", json=body, timeout=30).raise_for_status()


RunAlerting = Callable[..., contextlib.AbstractContextManager[Alerting]]


@pytest.fixture(scope="session")
def run_alerting(
    require_program: Callable[..., Path],
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
    wait_until: Any,
) -> RunAlerting:
    """Return a context manager (targets) that runs both with the test profile, and takes what they tell.

    Targets that are scraped ``patiently`` may take two seconds for an answer.
    """

    @contextmanager
    def run(*targets: str, patiently: Sequence[str] = ()) -> Iterator[Alerting]:
        home = tmp_path_factory.mktemp("alerting")
        with receivers() as told, contextlib.ExitStack() as exits:
            manager = f"127.0.0.1:{free_port()}"
            _alertmanager(home, told, manager)
            server = f"127.0.0.1:{free_port()}"
            _prometheus(home, manager, {1: targets, 2: patiently})
            programs: list[list[object]] = [
                [
                    require_program("prometheus-alertmanager", "prometheus-alertmanager"),
                    f"--config.file={home / 'alertmanager.yml'}",
                    f"--storage.path={home / 'alertmanager'}",
                    f"--web.listen-address={manager}",
                    "--cluster.listen-address=",
                ],
                [
                    require_program("prometheus", "prometheus"),
                    f"--config.file={home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={home / 'data'}",
                    f"--web.listen-address={server}",
                    "--rules.alert.resend-delay=1s",
                ],
            ]
            for number, program in enumerate(programs):
                exits.enter_context(_running(program, home / f"log{number}"))
            alerting = Alerting(f"http://{server}", f"http://{manager}", told)
            wait_until(lambda: _answers(f"{alerting.prometheus}/-/ready"), f"Prometheus does not start: {home}")
            wait_until(
                lambda: _answers(f"{alerting.alertmanager}/-/ready"), f"Alertmanager does not start: {home}"
            )
            yield alerting

    return run


def _alertmanager(home: Path, told: Told, address: str) -> None:
    chat = home / "chat_url"
    chat.write_text(f"http://127.0.0.1:{told.http_port}/chat")
    configuration = replace(
        Configuration().scaled(),
        chat_url_file=str(chat),
        dead_man_url=f"http://127.0.0.1:{told.http_port}/watchdog",
        smtp_host=f"127.0.0.1:{told.mail_port}",
        smtp_tls=False,
        templates=str(generate.ALERTMANAGER.parent / "templates" / "*.tmpl"),
    )
    (home / "alertmanager.yml").write_text(generate.written(alertmanager(configuration)), encoding="utf-8")


def _prometheus(home: Path, manager: str, targets: Mapping[int, Sequence[str]]) -> None:
    jobs = [
        {
            "job_name": f"every-{seconds}s",
            "scrape_interval": f"{seconds}s",
            "scrape_timeout": f"{seconds}s",
            "static_configs": [{"targets": [target.removeprefix("http://") for target in given]}],
        }
        for seconds, given in targets.items()
    ]
    content = {
        "rule_files": [str(generate.TEST_PROFILE)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": jobs,
    }
    (home / "prometheus.yml").write_text(generate.written(content), encoding="utf-8")


@contextmanager
def _running(command: list[object], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        time.sleep(0.1)
        return False
