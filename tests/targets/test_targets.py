"""Every number of every target has a unit and a source, and the generations differ where the documents say so."""

from __future__ import annotations

import pytest

from nki_sim.targets import ALIASES, NAMES, load

TIMED_SECTIONS = {
    "tensor", "clock_gate", "vector", "scalar", "gpsimd", "sync", "semaphore", "dma", "hbm", "launch",
    "activation_tables",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_unit_and_a_source(name: str) -> None:
    target = load(name)
    assert set(target.numbers) >= TIMED_SECTIONS
    for section, entries in target.numbers.items():
        for key, number in entries.items():
            assert number.unit, f"{section}.{key}"
            assert len(number.source) > 5, f"{section}.{key}"
            assert isinstance(number.value, (int, float)), f"{section}.{key}"
            if number.source.startswith("assumed"):
                assert number.source.startswith("assumed: "), f"{section}.{key}: say why"


@pytest.mark.parametrize("name", NAMES)
def test_units_agree_with_names(name: str) -> None:
    """`_ns` in ns, `_cycles` in cycles, `_bytes` in bytes, `_ghz` in GHz or columns per ns."""
    units = {"_ns": "ns", "_cycles": "cycles", "_bytes": "bytes", "_ratio": " "}
    for section, entries in load(name).numbers.items():
        for key, number in entries.items():
            for suffix, unit in units.items():
                if key.endswith(suffix):
                    assert unit in number.unit, f"{section}.{key} is in {number.unit}"


@pytest.mark.parametrize(
    "name, tensor, vector, scalar",
    [
        ("trn1", 2.8, 1.12, 1.4),
        ("inf2", 2.8, 1.12, 1.4),
        ("trn2", 2.4, 0.96, 1.2),
        ("trn3", 2.4, 1.2, 1.2),
    ],
)
def test_documented_clocks(name: str, tensor: float, vector: float, scalar: float) -> None:
    target = load(name)
    assert (target["tensor.clock_ghz"], target["vector.clock_ghz"], target["scalar.clock_ghz"]) == (
        tensor,
        vector,
        scalar,
    )
    assert target["tensor.peak_bf16_tflops"] == pytest.approx(2 * 128 * 128 * tensor / 1e3, rel=0.01)


def test_what_came_with_the_third_generation() -> None:
    old, new = load("trn1"), load("trn2")
    assert (old["dma.hwdge"], new["dma.hwdge"]) == (0, 1)
    assert (old["clock_gate.enabled"], new["clock_gate.enabled"]) == (0, 1)


def test_aliases_and_unknown_names() -> None:
    assert {alias: load(alias).name for alias in ALIASES} == dict(ALIASES)
    with pytest.raises(ValueError, match="trn9"):
        load("trn9")
