"""What holds for all tests, and the real parts that some of them need."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from kafka.admin import KafkaAdminClient, NewTopic

from tests.parts import missing
from tests.parts.kafka import Broker, UnavailableError, running
from tests.parts.postgres import Postgres
from tests.parts.postgres import UnavailableError as NoServerError

# how long an example takes says more of the machine than of the code
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# workers that tests start side by side must not ask for the same port
os.environ.setdefault("PUSHWAKE_RUN__PORT", "0")

MakeTopic = Callable[..., str]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Apache Kafka, shared by the tests of this process; it is not to be killed."""
    try:
        with running() as one:
            yield one
    except UnavailableError as reason:
        missing("Apache Kafka", str(reason))


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """Apache Kafka for one test, which may kill it."""
    try:
        with running() as one:
            yield one
    except UnavailableError as reason:
        missing("Apache Kafka", str(reason))


@pytest.fixture
def make_topic(broker: Broker) -> Iterator[MakeTopic]:
    """Makes a topic of a name of its own."""
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:

        def make(partitions: int = 1, name: str = "topic", **configuration: str) -> str:
            topic = f"{name}-{uuid.uuid4().hex[:12]}"
            admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configuration)])
            return topic

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server. Whoever stops it starts it again."""
    try:
        server = Postgres()
        server.start()
    except NoServerError as error:
        missing("PostgreSQL", str(error))
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The store's address of an empty database on a real PostgreSQL."""
    return postgres.new()
