"""Which addresses a configuration names, how each is asked whether it answers, and who has its ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ...scheduler.errors import ConfigurationError
from ...scheduler.settings import DeviceAuthSettings
from .. import reachability
from ..listening import listen
from ..reachability import Answer
from .document import Location
from .finding import Level
from .template import Role

if TYPE_CHECKING:
    from ...collectors.observer.settings import ObservedDeviceSettings
    from ...scheduler.settings import DeviceSettings
    from ..configuration import Configuration

Question = tuple[Location, Callable[[], Answer]]


def questions(configuration: Configuration, role: Role) -> Iterator[Question]:
    """Yield what ``role`` will talk to."""
    yield ("store", "url"), partial(reachability.database_answers, configuration.store.url)
    if role == "all":
        if configuration.api.auth == "munge":
            yield (
                ("api", "munge_socket"),
                partial(reachability.munge_answers, configuration.api.munge_socket),
            )
        for index, device in enumerate(configuration.devices):
            yield from _of_a_device(("devices", index), device)
    else:
        for index, observed in enumerate(configuration.observer.devices):
            yield from _of_an_observed(("observer", "devices", index), observed)
    yield from _of_telemetry(configuration)


def _of_a_device(at: Location, device: DeviceSettings) -> Iterator[Question]:
    if device.adapter == "qpu-http" and device.url is not None:
        yield (*at, "url"), partial(reachability.api_answers, device.url)
    else:
        yield from _of_a_resource((*at, "environment"), device.environment)
    if device.auth is not None:
        yield _keycloak((*at, "auth"), device.auth)
    feed = device.quality.feed
    if feed is None:
        return
    location = (*at, "quality", "feed", "url")
    if feed.url.startswith("/"):
        yield location, partial(_file, Path(feed.url))
    else:
        yield location, partial(reachability.http_answers, feed.url)


def _of_an_observed(at: Location, observed: ObservedDeviceSettings) -> Iterator[Question]:
    if (peer := observed.peer_api) is not None:
        yield (*at, "peer_api", "url"), partial(reachability.api_answers, f"{peer.url}/accessible")
        if peer.auth == "munge":
            socket = (*at, "peer_api", "munge_socket")
            yield socket, partial(reachability.munge_answers, peer.munge_socket)
    if (database := observed.peer_database) is not None:
        location = (*at, "peer_database", "url")
        if database.url.startswith("sqlite"):
            yield location, partial(_sqlite_to_read, database.url)
        else:
            password = _text_of(database.password_file)
            yield location, partial(reachability.database_answers, database.url, password)
    if observed.qpu_api is not None:
        yield (*at, "qpu_api", "url"), partial(reachability.api_answers, observed.qpu_api.url)
        if observed.qpu_api.auth is not None:
            yield _keycloak((*at, "qpu_api", "auth"), observed.qpu_api.auth)
    if observed.qrmi is not None:
        yield from _of_a_resource((*at, "qrmi", "environment"), observed.qrmi.environment)


def _of_a_resource(at: Location, environment: Mapping[str, str]) -> Iterator[Question]:
    """Yield the addresses among a QRMI resource's keys; what they speak is the library's affair."""
    for key, value in environment.items():
        if value.startswith(("http://", "https://")):
            yield (*at, key), partial(reachability.listens, value)


def _of_telemetry(configuration: Configuration) -> Iterator[Question]:
    telemetry = configuration.telemetry
    if telemetry.otlp_endpoint is not None:
        location = ("telemetry", "otlp_endpoint")
        if telemetry.otlp.protocol_of("traces") == "grpc":
            yield location, partial(reachability.listens, telemetry.otlp_endpoint)
        else:
            address = f"{telemetry.otlp_endpoint}/v1/traces"
            yield location, partial(reachability.otlp_answers, address, telemetry.otlp.headers)
    if telemetry.loki_url is not None:
        yield ("telemetry", "loki_url"), partial(reachability.loki_answers, telemetry.loki_url)


def port_remarks(configuration: Configuration, role: Role) -> Iterator[tuple[Level, Location, str]]:
    """Yield which wanted ports something else than qwatch listens on."""
    api, metrics = configuration.api, configuration.metrics
    if role == "all":
        yield from _port("api", api.host, api.port, _is_a_daemon)
    yield from _port("metrics", metrics.host, metrics.port, _has_health)


def _port(
    section: str, host: str, port: int, is_ours: Callable[[str], bool]
) -> Iterator[tuple[Level, Location, str]]:
    key = f"{section}.port"
    try:
        listen(host, port, key).close()
    except ConfigurationError as error:
        reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        if port and is_ours(f"{reached}:{port}"):
            yield "ok", (section, "port"), f"port {port} is served by a qwatch that runs already"
        else:
            yield "error", (section, "port"), str(error).removeprefix(f"{key}: ")


def _is_a_daemon(where: str) -> bool:
    try:
        found = httpx.get(f"http://{where}/", timeout=reachability.TIMEOUT).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(found, dict) and found.get("service") == "qwatch"


def _has_health(where: str) -> bool:
    for scheme in ("http", "https"):
        try:
            # Who it is does not matter here, so its certificate is not looked at.
            reply = httpx.get(f"{scheme}://{where}/livez", timeout=reachability.TIMEOUT, verify=False)
        except httpx.HTTPError:
            continue
        if reply.text == "ok\n" or reply.status_code == httpx.codes.UNAUTHORIZED:
            return True
    return False


def _keycloak(at: Location, auth: DeviceAuthSettings) -> Question:
    return (*at, "url"), partial(reachability.api_answers, auth.url)


def _file(path: Path) -> Answer:
    return Answer(path.is_file(), f"{path} is there" if path.is_file() else f"{path} does not exist")


def _sqlite_to_read(url: str) -> Answer:
    from sqlalchemy.engine import make_url

    return _file(Path(make_url(url).database or ""))


def _text_of(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
