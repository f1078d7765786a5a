"""dma_copy: all routes, casts, register and index-tile addresses, out-of-bounds rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.diagnostics.model import BoundsError
from nki_sim.program import dtypes as d
from nki_sim.program.access import AccessPattern, DynamicOffset, VectorOffset
from nki_sim.program.dtypes import cast
from tests.support.programs import Builder, Tile, run, tile
from tests.support.values import FLOATS, INTEGERS, assert_same, layouts, random_values, seeds

few = settings(settings.get_profile("conformance"))
PLAIN = {"oob_mode": "error", "dge_mode": None, "engine": None, "priority": None}
SKIP = {**PLAIN, "oob_mode": "skip"}


@settings(few, max_examples=24)
@given(seeds, st.sampled_from([("hbm", "sbuf"), ("sbuf", "hbm"), ("sbuf", "sbuf"), ("hbm", "hbm")]), st.data())
def test_any_shape_to_any_shape_in_row_major_order(engine, seed, route, data):
    source, target = (data.draw(st.sampled_from(FLOATS + INTEGERS)) for _ in range(2))
    shapes = [(6, 20), (8, 15), (2, 3, 20), (30, 2, 2), (1, 120), (120, 1)]
    from_shape, to_shape = data.draw(st.permutations(shapes))[:2]
    values = random_values(seed, from_shape, source)
    src = Tile(values=values, dtype=source, space=route[0], layout=data.draw(layouts(from_shape[0], route[0])))
    dst = Tile(values=np.zeros(to_shape, target.storage), dtype=target, space=route[1],
               layout=data.draw(layouts(to_shape[0], route[1])))  # fmt: skip
    result = run(engine, "dma_copy", {"dst": dst, "src": src}, PLAIN, engine="dma")
    assert_same(result["dst"], cast(values, source, target).reshape(to_shape))
    assert not result.surroundings_changed("dst")


@pytest.mark.parametrize("dtype", [d.int32, d.uint32, d.float32, d.bfloat16])
def test_same_type_keeps_every_bit_pattern(engine, dtype):
    bits = np.random.default_rng(1).integers(0, 256, (9, 12 * dtype.itemsize), np.uint8)
    bits[:2] = 0xFF
    values = bits.view(dtype.storage)
    operands = {"dst": tile(np.zeros_like(values), dtype), "src": tile(values, dtype, "hbm")}
    assert run(engine, "dma_copy", operands, PLAIN, engine="dma")["dst"].tobytes() == values.tobytes()


def test_broadcast_and_reversed_reads(engine):
    builder = Builder()
    table = builder.tensor("hbm", (4, 6), d.float32, "input")
    builder.hbm[table.index][:] = np.arange(24).reshape(4, 6)
    out = builder.tensor("hbm", (3, 2, 6), d.float32, "output")
    src = AccessPattern(table, d.float32, None, 11, ((0, 3), (6, 2), (-1, 6)))
    builder.emit("dma_copy", {"dst": out.whole(), "src": src}, PLAIN, "dma")
    builder.run(engine)
    row = np.arange(24, dtype=np.float32).reshape(4, 6)[1:3, ::-1]
    assert_same(builder.hbm[out.index], np.stack([row] * 3))


def _indexed(seed, rows, columns, numbers, index_dtype):
    """A builder with a table in HBM and an index tile in SBUF."""
    builder = Builder()
    table = builder.tensor("hbm", (rows, columns), d.float32, "input")
    builder.hbm[table.index][:] = random_values(seed, (rows, columns), d.float32)
    _, pattern, _ = builder.add_tile(tile(np.array(numbers).reshape(-1, 1), index_dtype, step=1, before=1))
    whole = table.whole().replace(dims=((1, len(numbers)), (1, columns)), vector=VectorOffset(pattern, columns, rows))
    return builder, table, whole


@few
@given(seeds, st.lists(st.integers(0, 8), min_size=1, max_size=12), st.sampled_from([d.int32, d.uint32, d.int16]))
def test_gather_rows(engine, seed, numbers, index_dtype):
    builder, table, src = _indexed(seed, 9, 5, numbers, index_dtype)
    before = builder.hbm[table.index].copy()
    tiled = builder.tensor("sbuf", (len(numbers), 5), d.float32)
    builder.emit("dma_copy", {"dst": tiled.whole(), "src": src}, PLAIN, "dma")
    out = builder.bring_back(tiled)
    builder.run(engine)
    assert_same(builder.hbm[out.index], before[numbers])


@few
@given(seeds, st.lists(st.integers(0, 8), min_size=1, max_size=9, unique=True))
def test_scatter_rows_with_cast(engine, seed, numbers):
    builder, table, dst = _indexed(seed, 9, 5, numbers, d.int32)
    expected = builder.hbm[table.index].copy()
    rows = random_values(seed + 1, (len(numbers), 5), d.bfloat16)
    expected[numbers] = rows.astype(np.float32)
    _, src, _ = builder.add_tile(tile(rows, d.bfloat16))
    builder.emit("dma_copy", {"dst": dst, "src": src}, PLAIN, "dma")
    builder.run(engine)
    assert_same(builder.hbm[table.index], expected)


@pytest.mark.parametrize("bad", [-1, 9, 2**31 - 1])
def test_skip_leaves_out_of_bounds_rows_alone(engine, bad):
    numbers = [3, bad, 8, bad, 0]
    builder, table, src = _indexed(4, 9, 5, numbers, d.int32)
    before = builder.hbm[table.index].copy()
    tiled, pattern, old = builder.add_tile(tile(np.full((5, 5), 7.5, np.float32)))
    builder.emit("dma_copy", {"dst": pattern, "src": src}, SKIP, "dma")
    out = builder.bring_back(tiled)
    builder.run(engine)
    old[[0, 2, 4]] = before[[3, 8, 0]]
    assert_same(builder.hbm[out.index], old)

    builder, table, dst = _indexed(4, 9, 5, numbers, d.int32)
    expected = builder.hbm[table.index].copy()
    rows = random_values(6, (5, 5), d.float32)
    expected[[3, 8, 0]] = rows[[0, 2, 4]]
    builder.emit("dma_copy", {"dst": dst, "src": builder.add_tile(tile(rows))[1]}, SKIP, "dma")
    builder.run(engine)
    assert_same(builder.hbm[table.index], expected)


@pytest.mark.parametrize("bad", [-1, 9])
def test_error_mode_raises(engine, bad):
    builder, _, src = _indexed(4, 9, 5, [0, bad], d.int32)
    tiled = builder.tensor("sbuf", (2, 5), d.float32)
    builder.emit("dma_copy", {"dst": tiled.whole(), "src": src}, PLAIN, "dma")
    with pytest.raises(BoundsError) as caught:
        builder.run(engine)
    [finding] = caught.value.diagnostics
    assert finding.code == "bounds" and str(bad) in finding.message and "src" in finding.message


@pytest.mark.parametrize("tiled_offset", [True, False])
@pytest.mark.parametrize("start", [0, 3, 6])
def test_dynamic_start(engine, tiled_offset, start):
    builder = Builder()
    table = builder.tensor("hbm", (7, 5), d.float32, "input")
    builder.hbm[table.index][:] = random_values(2, (7, 5), d.float32)
    index = builder.add_tile(tile(np.array([[start]]), d.int32))[1]
    source = index
    if not tiled_offset:
        source = builder.register()
        builder.emit("register_load", {"dst": source, "src": index}, {}, "sync")
    src = AccessPattern(table, d.float32, None, 0, ((5, 1), (1, 5)), DynamicOffset(source, 5, 7))
    tiled = builder.tensor("sbuf", (1, 5), d.float32)
    builder.emit("dma_copy", {"dst": tiled.whole(), "src": src}, PLAIN, "dma")
    out = builder.bring_back(tiled)
    builder.run(engine)
    assert_same(builder.hbm[out.index], builder.hbm[table.index][start : start + 1])


@pytest.mark.parametrize("start", [-1, 7])
def test_dynamic_start_out_of_bounds(engine, start):
    for attributes in (PLAIN, SKIP):
        builder = Builder()
        table = builder.tensor("hbm", (7, 5), d.float32, "input")
        register = builder.register()
        builder.emit("register_move", {"dst": register, "src": start}, {}, "sync")
        src = AccessPattern(table, d.float32, None, 0, ((5, 1), (1, 5)), DynamicOffset(register, 5, 7))
        tiled, pattern, old = builder.add_tile(tile(np.full((1, 5), 7.5, np.float32)))
        builder.emit("dma_copy", {"dst": pattern, "src": src}, attributes, "dma")
        out = builder.bring_back(tiled)
        if attributes is PLAIN:
            with pytest.raises(BoundsError):
                builder.run(engine)
        else:
            builder.run(engine)
            assert_same(builder.hbm[out.index], old)


def test_dynamic_select_on_chip(engine):
    values = random_values(1, (8, 6, 4), d.float32)
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(values))
    register = builder.register()
    builder.emit("register_move", {"dst": register, "src": 4}, {}, "sync")
    src = AccessPattern(decl, d.float32, (0, 1, 8), 0, ((1, 4),), DynamicOffset(register, 4, 6))
    tiled = builder.tensor("sbuf", (8, 4), d.float32)
    builder.emit("tensor_copy", {"dst": tiled.whole(), "src": src}, {"engine": None}, "vector")
    out = builder.bring_back(tiled)
    builder.run(engine)
    assert_same(builder.hbm[out.index], values[:, 4])


def test_other_dtype_reads_the_bytes(engine):
    values = random_values(1, (4, 6), d.float32)
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(values))
    halves = AccessPattern(decl, d.uint16, (1, 1, 3), 1, ((2, 6),))
    tiled = builder.tensor("sbuf", (3, 6), d.uint16)
    builder.emit("dma_copy", {"dst": tiled.whole(), "src": halves}, PLAIN, "dma")
    out = builder.bring_back(tiled)
    builder.run(engine)
    assert_same(builder.hbm[out.index], np.ascontiguousarray(values).view(np.uint16)[1:, 1::2])


def test_partition_step(engine):
    values = random_values(1, (9, 6), d.float32)
    builder = Builder()
    decl, _, _ = builder.add_tile(tile(values))
    for step, count, expected in ((2, 4, values[1::2]), (0, 5, np.stack([values[1]] * 5))):
        tiled = builder.tensor("sbuf", (count, 6), d.float32)
        src = decl.whole().replace(partition=(1, step, count))
        builder.emit("dma_copy", {"dst": tiled.whole(), "src": src}, PLAIN, "dma")
        out = builder.bring_back(tiled)
        builder.run(engine)
        assert_same(builder.hbm[out.index], expected)
