"""Builds an archive of qwatch and all that it needs, which installs with no network: ``make wheelhouse``.

It holds the wheels, their checksums and a script that installs them. Run it where there is a network, with the
Python that the site has; ``--platform`` builds for another C library than this machine's.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRAS = "daemon,quality,postgresql,reports,grpc"
_NOT_SOURCE = (".*", "build", "dist", "*.egg-info", "__pycache__")
_FIRST_MANYLINUX = 17


def main() -> None:
    """Build the archive and print its path."""
    parser = argparse.ArgumentParser(description="Build an archive that installs qwatch with no network.")
    parser.add_argument("--extras", default=EXTRAS, help=f"default: {EXTRAS}")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the archive; default: dist")
    parser.add_argument("--platform", help="for example manylinux_2_34_x86_64; default: this machine")
    parser.add_argument("--python-version", help="with --platform, for example 3.12; default: this Python")
    parser.add_argument("--constraint", type=Path, help="versions to take, in the form of 'pip freeze'")
    options = parser.parse_args()
    if options.python_version and not options.platform:
        parser.error("--python-version goes with --platform")
    try:
        print(build(options.extras, options.out, options.platform, options.python_version, options.constraint))
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip could not do it (exit code {error.returncode}); its own lines are above")


def build(
    extras: str,
    out: Path,
    platform: str | None = None,
    python_version: str | None = None,
    constraint: Path | None = None,
) -> Path:
    """Return the archive that was built for a platform and a Python, by default this machine's.

    Raises:
        subprocess.CalledProcessError: pip could not build or find a wheel.
    """
    python = python_version or f"{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory(prefix="qwatch-wheelhouse-") as folder:
        source, wheels = Path(folder, "source"), Path(folder, "wheels")
        # A copy: what an earlier build left behind in the tree would get into the wheel.
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
        _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
        [own] = wheels.glob("qwatch-*.whl")
        version = own.name.split("-")[1]
        wanted = [f"{own}[{extras}]" if extras else str(own), "pip"]
        if constraint is not None:
            wanted += ["--constraint", str(constraint)]
        if platform is None:
            _pip("wheel", "--wheel-dir", str(wheels), *wanted)
        else:
            tags = [word for tag in _older(platform) for word in ("--platform", tag)]
            _pip(
                *("download", "--dest", str(wheels), "--only-binary=:all:"),
                *("--python-version", python, "--implementation", "cp", *tags, *wanted),
            )
        tag = platform or sysconfig.get_platform().replace("-", "_").replace(".", "_")
        name = f"qwatch-{version}-python{python}-{tag}"
        place = Path(folder, name)
        place.mkdir()
        wheels.rename(place / "wheels")
        requirement = f"qwatch[{extras}]=={version}" if extras else f"qwatch=={version}"
        text = Path(__file__).with_name("install.sh").read_text(encoding="utf-8")
        for mark, value in (("@VERSION@", version), ("@PYTHON@", python), ("@REQUIREMENT@", requirement)):
            text = text.replace(mark, value)
        (place / "install.sh").write_text(text, encoding="utf-8")
        _write_sums(place)
        out.mkdir(parents=True, exist_ok=True)
        archive = out / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:  # wheels are compressed already
            tar.add(place, arcname=name)
        sum_file = archive.with_name(f"{archive.name}.sha256")
        sum_file.write_text(f"{_sum(archive)}  {archive.name}\n", encoding="utf-8")
    return archive


def _older(platform: str) -> list[str]:
    """Return the tags of the wheels that run on a platform: those of older C libraries, too."""
    head, _, tail = platform.removeprefix("manylinux_2_").partition("_")
    if not platform.startswith("manylinux_2_") or not head.isdigit():
        return [platform]
    newest = range(int(head), _FIRST_MANYLINUX - 1, -1)
    return [*(f"manylinux_2_{minor}_{tail}" for minor in newest), f"manylinux2014_{tail}"]


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", arguments[0], "--quiet"]
    subprocess.run([*command, *arguments[1:]], check=True, stdout=sys.stderr)


def _write_sums(place: Path) -> None:
    files = sorted(path for path in place.rglob("*") if path.is_file())
    lines = [f"{_sum(path)}  {path.relative_to(place)}\n" for path in files]
    (place / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
