"""Rules that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "platform/todoenbalance",
    "tenants",
    "notifications",
    "billing",
    "scheduling",
    "client_portal",
    "admin_portal",
    "migrations",
)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# The edges: where a transaction may end. Everything else flushes at most.
EDGES = {
    "platform/todoenbalance/kit/database.py",
    "platform/todoenbalance/kit/web/dependencies.py",
    "platform/todoenbalance/kit/web/edge.py",
    "migrations/runner.py",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_platform_folder_is_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


@pytest.mark.parametrize("where", [ROOT, ROOT / "platform", ROOT / "tests"])
def test_import_platform_is_the_standard_librarys_from_everywhere(where: Path) -> None:
    code = "import platform; print(platform.__file__)"
    for flags in ([], ["-P"]):
        done = subprocess.run(
            [sys.executable, *flags, "-c", code], cwd=where, capture_output=True, text=True, check=True
        )
        assert Path(done.stdout.strip()).name == "platform.py"
        assert ROOT not in Path(done.stdout.strip()).parents or ".venv" in done.stdout


def test_transactions_end_at_the_edges_only() -> None:
    offenders = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback"):
                called = ast.unparse(node.value)
                if name_of(path) not in EDGES and "savepoint" not in called and "database" not in called:
                    offenders.append(f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}")
    assert offenders == []


def test_the_environment_is_read_by_the_settings_alone() -> None:
    allowed = {"platform/todoenbalance/kit/settings.py"}
    offenders = [
        name_of(path)
        for path in SOURCES
        if name_of(path) not in allowed
        and not name_of(path).startswith(("platform/todoenbalance/devstack/", "platform/todoenbalance/cli/"))
        and ("os.environ" in path.read_text() or "getenv" in path.read_text())
    ]
    assert offenders == []


def test_time_comes_from_the_clock_alone() -> None:
    offenders = []
    for path in SOURCES:
        if name_of(path) == "platform/todoenbalance/kit/clock.py" or "/devstack/" in name_of(path):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "datetime.now", "datetime.utcnow", "datetime.datetime.now", "time.time", "date.today",
            ):  # fmt: skip
                offenders.append(f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}")
    assert offenders == []


def test_no_task_is_told_to_run_later_by_celery() -> None:
    """Redis redelivers a long `eta`: what is to happen later is a row of the queue."""
    offenders = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg in ("eta", "countdown"):
                offenders.append(f"{name_of(path)}:{node.value.lineno}")
    assert offenders == []


def test_every_public_function_of_kit_and_services_says_what_it_means() -> None:
    missing = []
    for path in SOURCES:
        if "/kit/" not in name_of(path) and path.name not in ("service.py", "port.py"):
            continue
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name[0] == "_":
                continue
            if ast.get_docstring(node) is None:
                missing.append(f"{name_of(path)}:{node.lineno}: {node.name}")
    assert missing == []


def test_nothing_loops_over_practices_but_migrations_exports_and_operators() -> None:
    offenders = [
        name_of(path)
        for path in SOURCES
        if "list_tenants" in path.read_text()
        and not name_of(path).startswith(
            ("platform/todoenbalance/operators/", "platform/todoenbalance/cli/", "tenants/registry/")
        )
    ]
    assert offenders == []
