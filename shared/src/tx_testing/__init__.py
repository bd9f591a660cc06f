"""The suites and fixtures that every tx package's tests use."""
