"""A logger with a Loki handler, with pauses short enough for tests."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qwatch.exporters import loki as loki_module
from qwatch.exporters.loki import LokiHandler


class Logs:
    """A logger with a Loki handler, and what the handler dropped."""

    def __init__(self, url: str, **options: Any) -> None:
        self.dropped: Counter[str] = Counter()
        options = {"interval": 0.02, "timeout": 5.0} | options
        self.handler = LokiHandler(url, "qwatch-test", dropped=self.count, **options)
        self.logger = logging.getLogger(f"qwatch.test.loki.{id(self)}")
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        self.logger.addHandler(self.handler)

    def count(self, reason: str, number: int) -> None:
        self.dropped[reason] += number

    def many(self, number: int) -> list[str]:
        texts = [f"line {index}" for index in range(number)]
        for text in texts:
            self.logger.info(text)
        return texts


@pytest.fixture
def logs() -> Iterator[Callable[..., Logs]]:
    made: list[Logs] = []

    def make(url: str, **options: Any) -> Logs:
        made.append(Logs(url, **options))
        return made[-1]

    yield make
    for item in made:
        item.logger.removeHandler(item.handler)
        item.handler.close(0)


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loki_module, "FIRST_BACKOFF", 0.02)
    monkeypatch.setattr(loki_module, "LONGEST_BACKOFF", 0.1)
