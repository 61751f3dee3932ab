"""Python runs this first in a program started by ``qwatch run``: QRMI is instrumented once it is imported.

It runs in whatever Python the program uses. Where qwatch is not installed, the program runs as it would
without; errors in here never reach it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LIBRARY = "qrmi"


class _InstrumentingLoader(Loader):
    """Loads the library as its own loader does, and instruments it afterwards."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        # Where qwatch is not installed, or is of another version, the program goes on without traces.
        with contextlib.suppress(Exception):
            importlib.import_module("qwatch.qrmi.auto_instrument").install()


class _LibraryFinder(MetaPathFinder):
    """Waits for the import of the library, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _LIBRARY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _InstrumentingLoader(spec.loader)
        return spec


def _run_next_sitecustomize() -> None:
    """Run the ``sitecustomize`` that this one hides, if there is one; its errors are its own."""
    here = os.path.realpath(os.path.dirname(__file__))
    rest = [entry for entry in sys.path if os.path.realpath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


sys.meta_path.insert(0, _LibraryFinder())
_run_next_sitecustomize()
