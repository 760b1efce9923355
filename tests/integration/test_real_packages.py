"""Packages that people use work in the environments: imported and used, run as commands, measured by coverage."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING

import pytest

from support.realworld import make_real_project, pythons_of_the_lock, run_patiently
from support.reports import is_right

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.projects import Project

pytestmark = pytest.mark.integration

SCRIPTS = {
    "flask": """
        from flask import Flask, render_template_string
        app = Flask(__name__)
        @app.get("/hello/<name>")
        def hello(name):
            return render_template_string("Hello {{ name }}!", name=name)
        answer = app.test_client().get("/hello/%3Cb%3E")
        assert (answer.status_code, answer.text) == (200, "Hello &lt;b&gt;!"), answer.text
    """,
    "numpy": """
        import numpy
        matrix = numpy.array([[3.0, 1.0], [1.0, 2.0]])
        assert numpy.allclose(numpy.linalg.solve(matrix, [9.0, 8.0]), [2.0, 3.0])
        values, vectors = numpy.linalg.eigh(matrix)
        assert numpy.allclose(vectors @ numpy.diag(values) @ vectors.T, matrix)
    """,
    "pandas": """
        import pandas
        frame = pandas.DataFrame({"kind": ["a", "b", "a"], "size": [1, 2, 3]})
        assert frame.groupby("kind")["size"].sum().to_dict() == {"a": 4, "b": 2}
    """,
    "django": """
        import django
        from django.conf import settings
        settings.configure(TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}])
        django.setup()
        from django.template import engines
        template = engines["django"].from_string("{% for n in names %}{{ n|upper }} {% endfor %}")
        assert template.render({"names": ["a", "<"]}) == "A &lt; "
    """,
    "cryptography": """
        from cryptography.fernet import Fernet, InvalidToken
        key = Fernet(Fernet.generate_key())
        assert key.decrypt(key.encrypt(b"secret")) == b"secret"
        try:
            Fernet(Fernet.generate_key()).decrypt(key.encrypt(b"secret"))
        except InvalidToken:
            pass
        else:
            raise SystemExit("another key has opened it")
    """,
    "pydantic": """
        from pydantic import BaseModel, ValidationError
        class Point(BaseModel):
            x: int
            y: int = 0
        assert Point.model_validate_json('{"x": "3"}') == Point(x=3, y=0)
        try:
            Point(x="three")
        except ValidationError as error:
            assert [problem["loc"] for problem in error.errors()] == [("x",)]
        else:
            raise SystemExit("three has passed for a number")
    """,
    "sqlalchemy": """
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
        class Base(DeclarativeBase):
            pass
        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([User(name="ada"), User(name="grace")])
            session.commit()
            assert session.scalars(select(User.name).order_by(User.name.desc())).all() == ["grace", "ada"]
    """,
}

SHOP = '''"""A shop."""

import flask


def total(prices: list[int]) -> int:
    """What one pays."""
    return sum(prices)


def page() -> flask.Flask:
    """A page that says it."""
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: str(total([1, 2])))
    return app
'''
TEST_SHOP = """import shop


def test_total(mocked):
    assert shop.total(mocked) == 3


def test_page():
    assert shop.page().test_client().get("/").text == "3"
"""
CONFTEST = """import pytest


@pytest.fixture
def mocked():
    return [1, 2]
"""
# Cells run at the same time in one folder, so each names its own files. `source` is not set: coverage itself has to
# tell the user's code from that of others.
COVERAGERC = """[run]
data_file = .coverage-${LOCKPROOF_CELL}
[json]
output = coverage-${LOCKPROOF_CELL}.json
"""
TOOLS = [
    "pytest -q -p no:cacheprovider --cov=shop --cov-fail-under=100 test_shop.py",
    "coverage run -m pytest -q -p no:cacheprovider test_shop.py",
    "coverage json -q",
    "black --check --diff shop.py test_shop.py",
    "mypy --strict --cache-dir /dev/null shop.py",
]


@pytest.fixture(scope="module")
def real(all_pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A small project that uses all of it, on the oldest and the newest Python of the lock."""
    base = tmp_path_factory.mktemp("real")
    oldest, *_, newest = pythons_of_the_lock(all_pythons).items()
    project = make_real_project(base, dict([oldest, newest]))
    for name, source in SCRIPTS.items():
        project.write(f"use_{name}.py", textwrap.dedent(source))
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TEST_SHOP)
    project.write("conftest.py", CONFTEST)
    project.write(".coveragerc", COVERAGERC)
    project.matrix(
        lock="requirements.txt",
        commands=[*(f"python use_{name}.py" for name in SCRIPTS), *TOOLS],
        cells={"axes": {"link": {"auto": {}, "copy": {"link": "copy"}}}},
    )
    yield project
    shutil.rmtree(base)


@pytest.mark.parametrize("cells", ["*-auto", "newest-copy"])
def test_packages_are_used_in_proven_environments(real: Project, cells: str) -> None:
    ran = run_patiently(real, cells.replace("newest", f"{list(real.pythons)[-1]}-*"))
    is_right(ran)
    for cell in ran.cells:
        commands = cell["commands"]
        assert isinstance(commands, list)
        assert [(command["exit_code"], command.get("note", "")) for command in commands] == [(0, "")] * len(commands)
        measured = json.loads((real.folder / f"coverage-{cell['id']}.json").read_text())
        assert sorted(measured["files"]) == ["conftest.py", "shop.py", "test_shop.py"]
