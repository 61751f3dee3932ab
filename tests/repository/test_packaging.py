"""How folders become one package (CONTRIBUTING)."""

import ast
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/py.typed"))

MAY_IMPORT = {
    "telemetry": set(),
    "emulator": {"telemetry"},
    "qrmi": {"emulator", "telemetry"},
    "scheduler": {"qrmi", "telemetry"},
    "collectors": {"scheduler", "qrmi", "telemetry"},
    "compose": set(),
    "exporters": {"telemetry"},
    "dashboards": {"telemetry"},
    "alerts": {"telemetry"},
    "examples": {"qrmi"},
    "reports": {"scheduler", "telemetry"},
    "daemon": {"reports", "scheduler", "collectors", "exporters", "qrmi", "emulator", "telemetry"},
    "cli": {"daemon", "reports", "scheduler", "collectors", "exporters", "qrmi", "emulator", "telemetry"},
}


def test_import_qrmi_from_the_root_finds_the_real_library():
    code = "import qrmi; print(hasattr(qrmi, 'QuantumResource'), qrmi.__file__)"
    for command in ([sys.executable, "-c", code], [sys.executable, "-P", "-c", code]):
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert found.startswith("True"), found
        assert str(ROOT / "qrmi") not in found


def test_the_qrmi_room_has_no_init_file_at_all():
    assert not list((ROOT / "qrmi").rglob("__init__.py"))


def test_qwatch_is_a_namespace_of_all_rooms():
    import qwatch

    assert qwatch.__file__ is None
    assert set(ROOMS) == set(MAY_IMPORT)


@pytest.fixture(scope="module")
def built_wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "qwatch"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, tracked):
        origin = ROOT / name.decode()
        if origin.is_file():
            target = source / name.decode()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(origin.read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)], check=True
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_paths(built_wheel):
    with zipfile.ZipFile(built_wheel) as wheel:
        return wheel.namelist()


def test_the_wheel_installs_into_an_empty_environment_and_every_room_is_imported_from_there(
    built_wheel, tmp_path
):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = ["--no-index", "--no-deps", "--disable-pip-version-check", built_wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "-q", *install], check=True)
    code = """
import importlib, sys
from pathlib import Path
import qwatch
assert list(qwatch.__path__) == [sys.argv[1]], list(qwatch.__path__)
left_out = ("qwatch.scheduler.migrations", "qwatch.examples")
for room in Path(sys.argv[1]).iterdir():
    for file in room.rglob("*.py"):
        name = ".".join(("qwatch", *file.relative_to(sys.argv[1]).with_suffix("").parts))
        if not name.startswith(left_out) and not name.endswith("__init__"):
            importlib.import_module(name)
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("qwatch.")}))
"""
    [place] = environment.glob("lib/python*/site-packages/qwatch")
    # What it needs comes from this environment; the .pth files there, which lead to our folder, are not read.
    needed = sysconfig.get_paths()["purelib"]
    ran = subprocess.run(
        [python, "-c", code, place],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": needed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [room for room in ROOMS if room != "examples"]
    help_text = subprocess.run(
        [environment / "bin" / "qwatch", "store", "--help"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": needed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "backup" in help_text


def test_every_path_of_the_wheel_starts_with_qwatch(wheel_paths):
    assert [path for path in wheel_paths if not path.startswith("qwatch")] == []


def test_the_wheel_holds_every_module_and_data_file_of_the_rooms(wheel_paths):
    tracked = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = {f"qwatch/{path}" for path in tracked if (ROOT / path).exists()}
    assert wanted - set(wheel_paths) == set()


def test_a_users_install_leaves_the_daemons_libraries_out():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = " ".join(project["dependencies"]).lower()
    for heavy in ("fastapi", "sqlalchemy", "pulser", "prometheus", "grafanalib", "pydantic", "uvicorn"):
        assert heavy not in core


def test_every_dependency_has_a_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    stubs = ("types-", "scipy-stubs", "qwatch[")
    for requirement in (item for group in groups for item in group):
        assert ">=" in requirement or requirement.startswith(stubs), requirement


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room):
    for path in (ROOT / room).rglob("*.py"):
        for other in _rooms_imported(path, room):
            assert other in MAY_IMPORT[room] | {room}, f"{path.relative_to(ROOT)} imports {other}"


def _rooms_imported(path, room):
    depth = len(path.relative_to(ROOT / room).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == depth + 1:
                yield from [module.split(".")[0]] if module else [alias.name for alias in node.names]
            elif node.level == 0 and module.split(".")[0] == "qwatch":
                yield module.split(".")[1]
