"""`tests/` mirrors the packages of the product."""

from pathlib import Path

from auteur.devstack.processes import BASE_DIR

TESTS = Path(__file__).parent
APPS = ("accounts", "auteur", "credits", "gpu_tasks", "jobs", "media", "projects")


def test_each_folder_of_tests_is_a_package_of_the_product() -> None:
    folders = {
        str(path.parent.relative_to(TESTS))
        for app in APPS
        for path in (TESTS / app).rglob("test_*.py")
    }
    assert {folder for folder in folders if not (BASE_DIR / folder).is_dir()} == set()


def test_other_folders_test_the_whole() -> None:
    folders = {path.name for path in TESTS.iterdir() if (path / "__init__.py").exists()}
    assert folders - set(APPS) == {
        "admin",
        "benchmarks",
        "chaos",
        "clients",
        "deploy",
        "fixtures",
        "fuzz",
        "journeys",
        "modal_peer",
        "studio",
    }
