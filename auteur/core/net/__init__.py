"""Connect to servers that are not ours: URLs of users, and Kafka brokers."""
