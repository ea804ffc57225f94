"""What is normal? Pure arithmetic on arrays: no logs, no Kafka, no clock, no input or output."""
