"""The server of the run, a database for each worker, and an account for each test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.postgres.server import PostgresServer, binaries, start


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; the tests are skipped where the machine has none."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if os.name == "nt":
        pytest.skip("the test run starts a Postgres on POSIX systems only")
    programs = binaries()
    if programs is None:
        pytest.skip("no Postgres on this machine: install the package postgresql to run these tests")
    server = start(os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)[:12], programs)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def dsn(postgres_server: PostgresServer) -> str:
    """The connection string of this worker's database, which holds the schema."""
    import psycopg

    from zra_async.postgres.schema import SCHEMA

    name = f"worker_{os.getpid()}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    with psycopg.connect(postgres_server.dsn(name), autocommit=True) as connection:
        connection.execute(SCHEMA)
    return postgres_server.dsn(name)


@pytest.fixture
def empty_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The connection string of an empty database."""
    import psycopg

    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield postgres_server.dsn(name)
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def account() -> str:
    """The name of an account that no other test uses."""
    return f"account {uuid.uuid4().hex}"
