"""``qwatch emulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..daemon.service_manager import ServiceManager
from ..emulator.serve import serve
from ..emulator.settings import EmulatorSettings
from ..telemetry.json_logging import configure_logging
from .failure import CommandFailedError


def run_emulator(file: Path | None, **options: object) -> None:
    """Serve an emulated QPU with ``options``, over which the settings in ``file`` win."""
    configure_logging("qwatch-emulator")
    manager = ServiceManager()
    try:
        settings = EmulatorSettings(**(options | _read(file)))
        serve(settings, started=lambda: manager.tell("READY=1", "STATUS=ready"))
        manager.tell("STOPPING=1")
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(str(part) for part in found["loc"])
        raise CommandFailedError(f"{file or 'options'}: {place}: {found['msg']}") from error


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandFailedError(f"{file}: is neither JSON nor YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise CommandFailedError(f"{file}: must be a mapping")
    return found
