"""nc_stream_shuffle against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim.program import dtypes as d
from tests.support.programs import Alias, Tile, run, tile
from tests.support.values import FLOATS, INTEGERS, assert_same, layouts, random_values, seeds

few = settings(settings.get_profile("conformance"), max_examples=12)


@few
@given(seeds, st.sampled_from([32, 64, 96, 128]), st.sampled_from(FLOATS + INTEGERS), st.booleans(), st.data())
def test_each_quadrant_by_itself(engine, seed, rows, dtype, in_place, data):
    mask = tuple(data.draw(st.lists(st.sampled_from([*range(32), 255, 255, 255]), min_size=32, max_size=32)))
    x, old = random_values(seed, (rows, 3, 5), dtype), random_values(seed + 1, (rows, 15), dtype)
    old = x if in_place else old
    dst = Tile(values=old, dtype=dtype, layout=data.draw(layouts(rows)))
    src = Alias("dst") if in_place else Tile(values=x, dtype=dtype, layout=data.draw(layouts(rows)))
    result = run(engine, "nc_stream_shuffle", {"dst": dst, "src": src}, {"shuffle_mask": mask})
    expected = old.reshape(rows, -1).copy()
    for partition in range(rows):
        chosen = mask[partition % 32]
        if chosen != 255:
            expected[partition] = x.reshape(rows, -1)[partition - partition % 32 + chosen]
    assert_same(result["dst"], expected)
    assert not result.surroundings_changed("dst")


def test_broadcast_of_one_partition(engine):
    x = random_values(1, (1, 9), d.bfloat16)
    operands = {"dst": tile(np.zeros((20, 9)), d.bfloat16), "src": tile(x, d.bfloat16)}
    result = run(engine, "nc_stream_shuffle", operands, {"shuffle_mask": (0,) * 32})
    assert_same(result["dst"], np.concatenate([x] * 20))
