"""The daemon's configuration: one YAML file, every key also an environment variable.

``api.port`` is ``QWATCH_API__PORT``; lists and mappings are JSON, and ``null`` is none. The environment wins
over the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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
from .configuration_file.document import Document, read_document
from .configuration_file.environment import variables_without_json
from .configuration_file.keys import DELIMITER, PREFIX, without_empty_sections
from .configuration_file.mistakes import Mistake, mistakes_of


class Configuration(BaseSettings):
    """Everything that the daemon is told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_parse_none_str="null",
        extra="forbid",
        frozen=True,
    )

    api: ApiSettings = Field(default_factory=ApiSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    devices: list[DeviceSettings] = Field(
        default_factory=list, description="QPUs and emulators that jobs run on"
    )
    scheduler: SchedulerSettings = Field(default_factory=SchedulerSettings)
    observer: ObserverSettings = Field(default_factory=ObserverSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    slurm: SlurmSettings = Field(default_factory=SlurmSettings)
    external: list[ExternalSettings] = Field(
        default_factory=list, description="scripts and files of the site's, in Prometheus' text format"
    )
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
        ConfigurationError: one line a mistake: file and line or environment variable, key, and what is wrong.
    """
    return configuration_of(read_document(path))


def configuration_from(data: dict[str, Any], origin: str) -> Configuration:
    """Check ``data`` as the configuration; ``origin`` is named in errors."""
    return configuration_of(Document(origin, {str(key): value for key, value in data.items()}))


def configuration_of(document: Document) -> Configuration:
    """Check what a file says, with the environment over it. Raises as `load_configuration`."""
    found = validate(document)
    if isinstance(found, Configuration):
        return found
    raise ConfigurationError("\n".join(str(mistake) for mistake in found))


def validate(document: Document) -> Configuration | list[Mistake]:
    """Return the configuration, or all that is wrong with it."""
    try:
        return Configuration(**without_empty_sections(document.data, Configuration))
    except ValidationError as error:
        return mistakes_of(error, Configuration, document, os.environ)
    except SettingsError:
        return [
            Mistake(f"environment {variable}", key, "is not JSON, as lists and mappings are in variables")
            for variable, key in variables_without_json(Configuration, os.environ)
        ]
