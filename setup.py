"""Maps each top-level room to the package ``qwatch.<room>``; all metadata is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.editable_wheel import editable_wheel

HERE = Path(__file__).parent
ROOMS = [
    "alerts",
    "cli",
    "collectors",
    "compose",
    "daemon",
    "dashboards",
    "emulator",
    "examples",
    "exporters",
    "qrmi",
    "reports",
    "scheduler",
    "telemetry",
]
PACKAGES = [
    f"qwatch.{name}"
    for room in ROOMS
    for name in (room, *(f"{room}.{sub}" for sub in find_namespace_packages(room)))
]
EXCLUDED = ("__pycache__",)


class LinkedEditableWheel(editable_wheel):
    """An editable wheel over ``.editable/qwatch/<room>`` links, which type-checkers and editors can follow."""

    def run(self) -> None:
        """Make the links, then the wheel that leads to them."""
        links = HERE / ".editable" / "qwatch"
        shutil.rmtree(links.parent, ignore_errors=True)
        links.mkdir(parents=True)
        for room in ROOMS:
            (links / room).symlink_to(Path("..") / ".." / room, target_is_directory=True)
        self.distribution.package_dir = {"": ".editable"}
        super().run()


setup(
    cmdclass={"editable_wheel": LinkedEditableWheel},
    package_dir={"qwatch": "."},
    packages=[name for name in PACKAGES if not name.endswith(EXCLUDED)],
    package_data={
        "": [
            "*.json",
            "*.yaml",
            "*.yml",
            "*.md",
            "*.ini",
            "*.mako",
            "py.typed",
            "*.html",
            "*.css",
            "*.js",
            "*.tmpl",
            "Containerfile",
            "*.service",
            "*.conf",
            "*.example",
            "*.sh",
        ]
    },
)
