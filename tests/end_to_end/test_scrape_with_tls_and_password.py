"""A daemon whose metrics port asks for TLS and a password, and a real Prometheus that has both."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
import trustme

USER, PASSWORD = "prometheus", "correct horse battery"


@dataclass
class Stand:
    """A daemon, and what a client needs to scrape it."""

    daemon: Any
    folder: Path
    authority: trustme.CA
    url: str

    def write(self, *, user: str = USER) -> None:
        """Write the web configuration, with a new certificate."""
        served = self.authority.issue_cert("127.0.0.1")
        served.cert_chain_pems[0].write_to_path(str(self.folder / "server.crt"))
        served.private_key_pem.write_to_path(str(self.folder / "server.key"))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.crt"))
        client = self.authority.issue_cert("prometheus.site")
        client.cert_chain_pems[0].write_to_path(str(self.folder / "client.crt"))
        client.private_key_pem.write_to_path(str(self.folder / "client.key"))
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / "web.yml").write_text(
            "tls_server_config:\n"
            "  cert_file: server.crt\n"
            "  key_file: server.key\n"
            "  client_ca_file: ca.crt\n"
            "  client_auth_type: RequireAndVerifyClientCert\n"
            "basic_auth_users:\n"
            f"  {user}: {hashed}\n"
        )

    def client(self, *, certificate: bool = True, **options: Any) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if certificate:
            context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        return httpx.Client(base_url=self.url, verify=context, timeout=30, **options)


@pytest.fixture(scope="module")
def stand(
    run_daemon: Any, run_device: Any, device_at: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("web")
    found = Stand(None, folder, trustme.CA(), "")
    found.write()
    with (
        run_device() as qpu,
        run_daemon(
            devices=[device_at(qpu.url)], metrics={"web_config_file": str(folder / "web.yml")}
        ) as daemon,
    ):
        found.daemon = daemon
        found.url = daemon.metrics_url.replace("http://", "https://")
        yield found


def test_prometheus_scrapes_with_tls_client_certificate_and_password(
    stand: Stand, tmp_path: Path, require_program: Any, free_port: Any, wait_until: Any
) -> None:
    program = require_program("prometheus", package="prometheus")
    port = free_port()
    target = stand.url.removeprefix("https://")
    ours = {"ca_file": "ca.crt", "cert_file": "client.crt", "key_file": "client.key"}
    tls = ", ".join(f"{key}: {stand.folder / name}" for key, name in ours.items())
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: qwatch\n"
        "    scheme: https\n"
        f"    tls_config: {{{tls}}}\n"
        f"    basic_auth: {{username: {USER}, password: '{PASSWORD}'}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
        "  - job_name: without\n"
        "    scheme: https\n"
        f"    tls_config: {{{tls}}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
    )
    command = [
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def health() -> dict[str, tuple[str, str]]:
        try:
            found = httpx.get(f"http://127.0.0.1:{port}/api/v1/targets", timeout=5).json()["data"][
                "activeTargets"
            ]
        except (httpx.HTTPError, ValueError):
            return {}
        return {item["labels"]["job"]: (item["health"], item["lastError"]) for item in found}

    try:
        wait_until(lambda: health().get("qwatch") == ("up", ""), "Prometheus does not scrape")
        wait_until(lambda: "401" in health().get("without", ("", ""))[1], "no password is no refusal")
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(
    "auth", [None, (USER, "wrong"), ("nobody", PASSWORD), (USER, ""), (USER, "x" * 5000), ("", "")]
)
@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/nothing"])
def test_without_the_password_nothing_is_answered(stand: Stand, auth: Any, path: str) -> None:
    with stand.client(auth=auth) as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.text == "this port asks for a user and a password\n"


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + "QQ==", "Bearer x", "Basic /w=="])
def test_a_malformed_header_is_refused(stand: Stand, header: str) -> None:
    with stand.client() as client:
        assert client.get("/metrics", headers={"authorization": header}).status_code == 401


def test_without_a_client_certificate_there_is_no_connection(stand: Stand) -> None:
    with stand.client(certificate=False, auth=(USER, PASSWORD)) as client, pytest.raises(httpx.HTTPError):
        client.get("/metrics")
    with pytest.raises(httpx.HTTPError):
        httpx.get(stand.url.replace("https", "http"), timeout=10).raise_for_status()


def test_users_and_certificate_are_read_anew(stand: Stand, wait_until: Any) -> None:
    def serial() -> int | None:
        with stand.client(auth=(USER, PASSWORD)) as client:
            client.get("/metrics")
            (connection,) = client._transport._pool.connections  # type: ignore[attr-defined]
            stream = connection._connection._network_stream
            found = stream.get_extra_info("ssl_object").getpeercert()
        return int(found["serialNumber"], 16) if found else None

    before = serial()
    time.sleep(0.01)
    stand.write(user="other")
    try:
        wait_until(lambda: serial() != before, "the new certificate is not served")
        with stand.client(auth=("other", PASSWORD)) as client:
            assert client.get("/livez").text == "ok\n"
        with stand.client(auth=(USER, PASSWORD)) as client:
            assert client.get("/livez").status_code == 401
    finally:
        stand.write()


def test_the_password_is_nowhere_in_the_log(stand: Stand) -> None:
    assert PASSWORD not in stand.daemon.log
    assert "https://127.0.0.1" in stand.daemon.log
