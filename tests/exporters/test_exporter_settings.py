"""Settings refuse what could not work, and say why; secrets do not show."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from qwatch.exporters.settings import MetricsSettings, TelemetrySettings


def test_defaults_send_nothing_over_the_network() -> None:
    settings = TelemetrySettings()
    assert settings.otlp_endpoint is None
    assert settings.loki_url is None
    assert settings.log_level == "info"
    assert settings.log_format == "json"
    metrics = MetricsSettings()
    assert (metrics.host, metrics.port) == ("127.0.0.1", 8007)


@pytest.mark.parametrize("model", [MetricsSettings, TelemetrySettings])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    "url", ["http://loki:3100", "https://logs.site/loki/", "http://[::1]:3100", "http://10.0.0.1:3100/x/push"]
)
def test_addresses_that_work(url: str) -> None:
    assert TelemetrySettings(loki_url=url).loki_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["loki:3100", "ftp://loki", "http://", "http://u:p@loki", "http://loki:99999", "http://loki?x=1", ""]
)
@pytest.mark.parametrize("key", ["loki_url", "otlp_endpoint"])
def test_addresses_that_do_not(key: str, url: str) -> None:
    with pytest.raises(ValidationError, match=key):
        TelemetrySettings.model_validate({key: url})


def test_the_otlp_address_is_the_base() -> None:
    with pytest.raises(ValidationError, match="base address"):
        TelemetrySettings(otlp_endpoint="http://collector:4318/v1/traces")


def test_user_and_password_come_together() -> None:
    with pytest.raises(ValidationError, match="together"):
        TelemetrySettings(loki_user="qwatch")


def test_the_password_does_not_show() -> None:
    settings = TelemetrySettings.model_validate({"loki_user": "qwatch", "loki_password": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    "wrong", [{"lokiurl": "http://x"}, {"log_level": "loud"}, {"log_format": "xml"}, {"log_capacity": 0}]
)
def test_unknown_keys_and_values_are_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TelemetrySettings.model_validate(wrong)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(ValidationError):
        MetricsSettings(port=port)
