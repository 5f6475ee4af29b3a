"""Measuring programs built on Google Benchmark: statistics, blocks, verdicts, snapshots of the sources, results and their formats.

Knows nothing of what is measured, only that the project around it is built with CMake. tests/test_perf_harness.py holds that."""
