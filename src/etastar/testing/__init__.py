"""Suites of laws that other people's schedules and engines can run against theirs."""
