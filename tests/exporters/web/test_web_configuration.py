"""The web configuration file: what it may say, and one clear line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from qwatch.exporters.web_access import WebAccess
from qwatch.exporters.web_config import WebConfigurationError, load_web_configuration

HASH = "$2b$04$" + "a" * 53


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "web.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WebConfigurationError) as caught:
        WebAccess(file)
    line = str(caught.value)
    assert "\n" not in line
    assert str(tmp_path) in line
    return line


def test_paths_are_relative_to_the_file_s_folder(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(
        "tls_server_config: {cert_file: server.crt, key_file: /etc/server.key}\n"
        f"basic_auth_users: {{prometheus: '{HASH}'}}\n"
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n"
    )
    found = load_web_configuration(tmp_path / "web.yml")
    assert found.tls_server_config is not None
    assert found.tls_server_config.cert_file == tmp_path / "server.crt"
    assert found.tls_server_config.key_file == Path("/etc/server.key")
    assert found.tls_server_config.min_version == "TLS12"
    assert HASH not in repr(found)


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("")
    access = WebAccess(tmp_path / "web.yml")
    assert access.tls is None
    assert not access.configuration.basic_auth_users


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tls_server_config: {cert_file: a}", "key_file"),
        ("tls_server_config: {cert_file: a, key_file: b}", "a and "),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "asks for no certificate"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
            "needs client_ca_file",
        ),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}",
            "use VerifyClientCertIfGiven",
        ),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: SSL3}", "min_version"),
        ("tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}", "is not known here"),
        ("basic_auth_users: {prometheus: secret}", "not a bcrypt hash"),
        ("http_server_config: {headers: {Set-Cookie: x}}", "'Set-Cookie'"),
        ("rate_limit: {burst: 1}", "rate_limit: is not known here"),
        ("[]", "mapping"),
        ("{", "not YAML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_a_password_in_plain_text_does_not_show_in_the_refusal(tmp_path: Path) -> None:
    assert "hunter2" not in refusal(tmp_path, "basic_auth_users: {prometheus: hunter2}")


def test_key_and_certificate_must_belong_together(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    one.cert_chain_pems[0].write_to_path(str(tmp_path / "crt"))
    other.private_key_pem.write_to_path(str(tmp_path / "key"))
    line = refusal(tmp_path, "tls_server_config: {cert_file: crt, key_file: key}")
    assert "belong together" in line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WebConfigurationError, match="No such file"):
        WebAccess(tmp_path / "web.yml")


def test_a_change_that_cannot_be_used_is_logged_once_and_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users: {{one: '{HASH}'}}\n")
    access = WebAccess(file)
    file.write_text("basic_auth_users: {two: secret}\n")
    access.refresh()
    access.refresh()
    assert list(access.configuration.basic_auth_users) == ["one"]
    assert len(caplog.records) == 1
    assert "stays as it was" in caplog.text
    file.write_text(f"basic_auth_users: {{two: '{HASH}', three: '{HASH}'}}\n")
    access.refresh()
    assert list(access.configuration.basic_auth_users) == ["two", "three"]
