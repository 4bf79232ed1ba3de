"""The orchestrator admits, publishes, repairs and retries what is due. Any number may run."""
