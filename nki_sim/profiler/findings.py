"""Findings: habits that cost time on this machine, each with its numbers, its lines and the source of the rule.

A finding says what is there; what changing it would gain is for advice.py to find out by replay. Thresholds are the
documents' where they give one, else ours and called assumed. Findings come with the time or bytes concerned, most
telling first.
"""

from __future__ import annotations

from nki_sim.profiler.finding import Finding, Rule, Run
from nki_sim.profiler.findings_engines import (
    cold_clock,
    float32_matmuls,
    idle_partitions,
    single_buffers,
    table_switches,
    tiny_free_dimensions,
    transposes,
)
from nki_sim.profiler.findings_transfers import busy_queue, reloaded, small_transfers
from nki_sim.profiler.metrics import Metrics
from nki_sim.timing.timeline import Timeline

RULES: tuple[Rule, ...] = (
    reloaded,
    small_transfers,
    busy_queue,
    float32_matmuls,
    cold_clock,
    single_buffers,
    table_switches,
    tiny_free_dimensions,
    idle_partitions,
    transposes,
)


def find(timeline: Timeline, metrics: Metrics) -> list[Finding]:
    """All findings, those that concern most of the run first."""
    if not len(timeline.rows):
        return []
    run = Run(timeline, metrics)
    found = [one for rule in RULES for one in rule(run)]
    return sorted(found, key=lambda one: -one.share)


__all__ = ["RULES", "Finding", "find"]
