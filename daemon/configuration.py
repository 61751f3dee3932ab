"""The daemon's configuration: one YAML file, every key also an environment variable.

``api.port`` is ``QWATCH_API__PORT``. The environment wins over the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError

from ..collectors.observer.settings import ObserverSettings
from ..collectors.settings import ExternalSettings, SlurmSettings
from ..exporters.settings import MetricsSettings, TelemetrySettings
from ..reports.settings import ReportSettings
from ..scheduler.errors import ConfigurationError
from ..scheduler.privacy.settings import PrivacySettings
from ..scheduler.settings import ApiSettings, DeviceSettings, SchedulerSettings, StoreSettings


class Configuration(BaseSettings):
    """Everything that the daemon is told."""

    model_config = SettingsConfigDict(
        env_prefix="QWATCH_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    api: ApiSettings = Field(default_factory=ApiSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    devices: list[DeviceSettings] = Field(default_factory=list)
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    observer: ObserverSettings = Field(default_factory=ObserverSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    slurm: SlurmSettings = Field(default_factory=SlurmSettings)
    external: list[ExternalSettings] = Field(default_factory=list)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)

    @field_validator("external")
    @classmethod
    def _have_names_of_their_own(cls, value: list[ExternalSettings]) -> list[ExternalSettings]:
        names = [source.name for source in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {twice[0]}; each needs a name of its own")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(init_settings, InitSettingsSource)
        return env_settings, init_settings


def load_configuration(path: Path) -> Configuration:
    """Read and check the configuration.

    Raises:
        ConfigurationError: one line a mistake: where it is and what is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; write one, see docs/configuration.md") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not YAML: {_one_line(error)}") from error
    if not isinstance(data, dict):
        raise ConfigurationError(f"{path}: must be a mapping with keys such as 'api' and 'devices'")
    return configuration_from(data, str(path))


def configuration_from(data: dict[str, Any], origin: str) -> Configuration:
    """Check ``data`` as the configuration; ``origin`` is named in errors."""
    try:
        return Configuration(**{str(key): value for key, value in data.items()})
    except ValidationError as error:
        lines = [f"{origin}: {_place(item['loc'])}: {_sentence(dict(item))}" for item in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error
    except SettingsError as error:
        raise ConfigurationError(f"environment: {_one_line(error)}") from error


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "the whole"


def _sentence(item: dict[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key"
    return str(item["msg"]).removeprefix("Value error, ")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
