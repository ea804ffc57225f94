"""What holds for all tests, and the real parts that some of them need."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings
from kafka.admin import KafkaAdminClient, NewTopic

from tests.parts import missing, tansu
from tests.parts.kafka import Broker, UnavailableError, running
from tests.parts.postgres import Postgres
from tests.parts.postgres import UnavailableError as NoServerError
from tests.parts.tansu import Cluster, StandIn

# how long an example takes says more of the machine than of the code
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# workers that tests start side by side must not ask for the same port
os.environ.setdefault("PUSHWAKE_RUN__PORT", "0")

MakeTopic = Callable[..., str]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("no_cover") is None)


@pytest.fixture(autouse=True)
def processes_measured_as_the_test_is(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test marked ``no_cover`` starts processes that measure no coverage either.

    The mark is for tests that run the whole product at length: other tests reach the same lines,
    and counting them took half of the time.
    """
    if request.node.get_closest_marker("no_cover"):
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)


class NoApacheWarning(UserWarning):
    """Part of the tests is left out."""


@pytest.fixture(scope="session")
def broker() -> Iterator[Cluster]:
    """A cluster shared by the tests of this process, and not to be killed.

    One that runs already (``KAFKA_BOOTSTRAP_SERVERS``), or Apache Kafka, or where that cannot be
    had, `tansu`; which of the last two is said when a test is skipped for it.
    """
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield StandIn(servers)
        return
    with ExitStack() as parts:
        try:
            one: Cluster = parts.enter_context(running())
        except UnavailableError as reason:
            if os.environ.get("PUSHWAKE_REQUIRE_PARTS"):
                missing("Apache Kafka", str(reason))
            warnings.warn(
                NoApacheWarning(f"tansu stands in for Apache Kafka: {reason}"), stacklevel=1
            )
            one = parts.enter_context(tansu.running())
        yield one


@pytest.fixture
def apache(broker: Cluster) -> Broker:
    """The shared cluster, where it is an Apache Kafka of our own: for what others do not do."""
    if not isinstance(broker, Broker):
        missing("Apache Kafka", f"{broker.bootstrap} is not ours, or only like it")
    return broker


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """Apache Kafka for one test, which may kill it."""
    try:
        with running() as one:
            yield one
    except UnavailableError as reason:
        missing("Apache Kafka", str(reason))


@pytest.fixture
def make_topic(broker: Cluster) -> Iterator[MakeTopic]:
    """Makes a topic of a name of its own."""
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        yield _maker(admin)


@pytest.fixture
def own_topic(own_broker: Broker) -> Iterator[MakeTopic]:
    """The same on the test's own broker."""
    with KafkaAdminClient(bootstrap_servers=own_broker.bootstrap) as admin:
        yield _maker(admin)


def _maker(admin: KafkaAdminClient) -> MakeTopic:
    def make(partitions: int = 1, name: str = "topic", **configuration: str) -> str:
        topic = f"{name}-{uuid.uuid4().hex[:12]}"
        admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configuration)])
        return topic

    return make


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
