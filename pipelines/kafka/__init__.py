"""Apache Kafka: the only package that imports the client."""

from pipelines.kafka.connection import Connection
from pipelines.kafka.dead_letters import DeadLetter, DeadLetters
from pipelines.kafka.relay import Relay
from pipelines.kafka.source import KafkaSource
from pipelines.kafka.survey import survey
from pipelines.kafka.topics import Topics

__all__ = ["Connection", "DeadLetter", "DeadLetters", "KafkaSource", "Relay", "Topics", "survey"]
