"""The service: durable jobs, the workers that do them, and the API in front of both."""
