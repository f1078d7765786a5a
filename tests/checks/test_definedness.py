"""Undefined bytes: the analysis agrees byte for byte with a naive interpreter, and reports what a reader needs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nki_sim import checks
from nki_sim.checks.definedness import analyse_definedness
from nki_sim.memory import allocate
from nki_sim.memory.accesses import flatten
from nki_sim.program.access import AccessPattern, VectorOffset
from nki_sim.program.dtypes import bfloat16, float32, int32, uint8
from nki_sim.targets import load
from tests.support.ir import Build, at_register, part

SIDE = 4


def run(build, **options):
    target = load(build.program.target)
    allocation = allocate(build.program, target, **options)
    return checks.run(build.program, target, allocation)


def errors(build, **options):
    return [d for d in run(build, **options) if d.severity == "error"]


# -- against a naive interpreter ---------------------------------------------------------------------------------------


class Naive:
    """Defined or not, one Python bool per byte of every tensor or address."""

    def __init__(self, program):
        self.undefined = set()
        self.tensors = program.tensors
        for tensor in program.tensors:
            if tensor.role != "input":
                self.undefined |= self.bytes_of(tensor.whole())

    def places(self, pattern):
        """For each element in order, the set of its places."""
        tensor, size = pattern.tensor, pattern.dtype.itemsize
        row, byte, memory = 0, 0, tensor.index
        if tensor.address is not None:
            (row, byte), memory = tensor.address, tensor.space
        return [
            {(memory, row + p, byte + offset * size + k) for k in range(size)}
            for p, offset in pattern.element_offsets()
        ]

    def bytes_of(self, pattern):
        return set().union(*self.places(pattern))

    def load(self, pattern):
        return [bool(places & self.undefined) for places in self.places(pattern)]

    def store(self, pattern, values):
        for places, bad in zip(self.places(pattern), values, strict=True):
            self.undefined = self.undefined | places if bad else self.undefined - places

    def step(self, instruction):
        x = instruction.operands
        dst = x["dst"]
        op = instruction.op
        if op in ("tensor_copy", "dma_copy"):
            out = self.load(x["src"])
        elif op == "memset":
            out = [False] * dst.elements
        elif op == "tensor_tensor":
            out = [a or b for a, b in zip(self.load(x["data1"]), self.load(x["data2"]), strict=True)]
        elif op == "tensor_scalar":
            width = dst.free_elements
            column = self.load(x["operand0"])
            out = [a or column[i // width] for i, a in enumerate(self.load(x["data"]))]
        elif op == "tensor_reduce":
            data, width = self.load(x["data"]), x["data"].free_elements
            out = [any(data[i : i + width]) for i in range(0, len(data), width)]
        elif op == "tensor_tensor_scan":
            width = dst.free_elements
            step = [a or b for a, b in zip(self.load(x["data0"]), self.load(x["data1"]), strict=True)]
            out = [any(step[i - i % width : i + 1]) for i in range(len(step))]
        elif op == "nc_transpose":
            rows, columns = x["data"].shape
            data = self.load(x["data"])
            out = [data[r * columns + c] for c in range(columns) for r in range(rows)]
        elif op == "nc_matmul":
            stationary, moving = self.load(x["stationary"]), self.load(x["moving"])
            k, m = x["stationary"].shape
            n = x["moving"].shape[1]
            out = [
                any(stationary[j * m + a] or moving[j * n + b] for j in range(k)) for a in range(m) for b in range(n)
            ]
        elif op == "affine_select":
            mask = self.load(x["on_true_tile"])
            width = dst.free_elements
            step = instruction.attributes["pattern"][0][0]
            slope, offset = instruction.attributes["channel_multiplier"], instruction.attributes["offset"]
            out = [a and offset + (i // width) * slope + (i % width) * step >= 0 for i, a in enumerate(mask)]
        self.store(dst, out)


@st.composite
def rectangles(draw, tensor, rows=None, columns=None):
    height = rows or draw(st.integers(1, SIDE))
    width = columns or draw(st.integers(1, SIDE))
    top, left = draw(st.integers(0, SIDE - height)), draw(st.integers(0, SIDE - width))
    return part(tensor, rows=slice(top, top + height), columns=slice(left, left + width))


OPS = ("copy", "copy", "copy", "memset", "tensor_tensor", "tensor_scalar", "tensor_reduce", "tensor_tensor_scan",
       "nc_transpose", "nc_matmul", "affine_select")  # fmt: skip


@st.composite
def programs(draw):
    build = Build()
    dtypes = st.sampled_from((float32, float32, uint8))
    pool = [build.input(SIDE, SIDE, name="x"), build.output(SIDE, SIDE, name="o", dtype=draw(dtypes))]
    for _ in range(draw(st.integers(2, 5))):
        dtype = draw(dtypes)
        address = draw(st.sampled_from((None, None, (0, 0), (1, 4), (0, 8))))
        pool.append(build.sbuf(SIDE, SIDE, dtype=dtype, address=address))
    chip = st.sampled_from(pool[2:])
    psum = build.psum(SIDE, SIDE)
    for _ in range(draw(st.integers(1, 12))):
        op = draw(st.sampled_from(OPS))
        if op == "copy":
            dst = draw(rectangles(draw(st.sampled_from(pool[1:]))))
            rows, columns = [count for _, count in dst.dims] if dst.partition is None else dst.shape
            build.copy(dst, draw(rectangles(draw(st.sampled_from(pool)), rows, columns)))
            continue
        dst = draw(rectangles(psum if op == "nc_matmul" else draw(chip)))
        rows, columns = dst.shape
        if op == "memset":
            build.memset(dst, 1.0)
        elif op == "tensor_tensor":
            a, b = draw(rectangles(draw(chip), rows, columns)), draw(rectangles(draw(chip), rows, columns))
            build.emit(op, dst=dst, data1=a, data2=b, op="add")
        elif op == "tensor_scalar":
            a, b = draw(rectangles(draw(chip), rows, columns)), draw(rectangles(draw(chip), rows, 1))
            build.emit(op, dst=dst, data=a, operand0=b, op0="add")
        elif op == "tensor_reduce":
            out = part(dst.tensor, slice(0, rows), slice(0, 1))
            build.emit(op, dst=out, data=draw(rectangles(draw(chip), rows)), axis=(1,))
        elif op == "tensor_tensor_scan":
            a, b = draw(rectangles(draw(chip), rows, columns)), draw(rectangles(draw(chip), rows, columns))
            build.emit(op, dst=dst, data0=a, data1=b, initial=0.0)
        elif op == "nc_transpose":
            build.emit(op, dst=dst, data=draw(rectangles(draw(chip), columns, rows)))
        elif op == "affine_select":
            build.emit(
                op, dst=dst, on_true_tile=draw(rectangles(draw(chip), rows, columns)),
                pattern=((draw(st.integers(-2, 2)), columns),), offset=draw(st.integers(-3, 3)),
                channel_multiplier=draw(st.integers(-2, 2)), cmp_op="greater_equal", on_false_value=0.0,
            )  # fmt: skip
        else:
            k = draw(st.integers(1, SIDE))
            build.matmul(dst, draw(rectangles(draw(chip), k, rows)), draw(rectangles(draw(chip), k, columns)), False)
    return build


@settings(max_examples=250, deadline=None)
@given(programs())
def test_undefined_bytes_are_those_of_a_naive_interpreter(build):
    naive = Naive(build.program)
    for instruction in build.program.instructions():
        naive.step(instruction)
    found = analyse_definedness(flatten(build.program))
    for tensor in build.program.tensors:
        cells, row, byte = found.places[tensor.index]
        seen = (cells.elements(tensor.whole(), row, byte) != 0).any(axis=-1).ravel().tolist()
        assert seen == naive.load(tensor.whole()), tensor
    out = build.program.outputs[0]
    codes = {d.code for d in run(build) if d.severity == "error"} - {"overlap"}
    if "partition" not in codes:  # an address that no instruction can start at is refused before bytes are followed
        assert bool(codes) == any(naive.load(out.whole())), codes


# -- what is an error and what is not ----------------------------------------------------------------------------------


def half_filled(fill_rest: bool) -> Build:
    build = Build()
    x = build.input(128, 512, name="x")
    o = build.output(128, 512, name="o")
    a = build.sbuf(128, 512, name="a")
    b = build.sbuf(128, 512, name="b")
    if fill_rest:
        build.memset(part(a, columns=slice(256, 512)))
    build.copy(part(a, columns=slice(0, 256)), part(x, columns=slice(0, 256)))
    build.copy(b, a)
    build.copy(o, b)
    return build


def test_undefined_bytes_in_an_output_name_allocation_read_and_path():
    assert errors(half_filled(True)) == []
    (error,) = errors(half_filled(False))
    assert error.code == "uninitialised"
    assert error.message == (
        "undefined bytes reach `o`, which the caller gets: 32768 of 65536 elements, the first at [0, 256]; they "
        "come from `a`"
    )
    texts = [text for _, text in error.related]
    assert texts == [
        "`a` [128, 512] float32 in sbuf is allocated here",
        "tensor_copy reads undefined bytes of `a` through src",
    ]
    assert error.label == "copies undefined elements of `b`"
    lines = [span.line for span, _ in error.related]
    assert lines[0] < lines[1] < error.span.line
    assert "nki-language-guide.rst" in error.facts[0]
    assert "`a`" in error.fix


def test_copying_a_half_filled_tile_is_a_note():
    build = Build()
    x, o = build.input(128, 512), build.output(128, 256)
    a, b = build.sbuf(128, 512), build.sbuf(128, 512)
    build.copy(part(a, columns=slice(0, 256)), part(x, columns=slice(0, 256)))
    build.copy(b, a)
    build.copy(o, part(b, columns=slice(0, 256)))
    (note,) = run(build)
    assert note.severity == "note"
    assert note.message == (
        "tensor_copy: undefined bytes are read: src has 32768 undefined of 65536 elements, the first at [0, 256]"
    )


def test_padding_lanes_that_are_left_behind_are_fine():
    build = Build()
    x, o = build.input(100, 64), build.output(100, 64)
    a, b = build.sbuf(128, 64), build.sbuf(128, 64)
    build.copy(part(a, rows=slice(0, 100)), x)
    build.emit("activation", dst=b, data=a, scale=1.0, op="exp")
    build.copy(o, part(b, rows=slice(0, 100)))
    assert errors(build) == []


def test_a_transpose_moves_padding_and_leaves_the_rest_defined():
    build = Build()
    x, o = build.input(100, 64), build.output(64, 100)
    a, p, b = build.sbuf(128, 64), build.psum(64, 128), build.sbuf(64, 128)
    build.copy(part(a, rows=slice(0, 100)), x)
    build.emit("nc_transpose", dst=p, data=a)
    build.copy(b, p)
    build.copy(o, part(b, columns=slice(0, 100)))
    assert errors(build) == []
    build.copy(o, part(b, columns=slice(28, 128)))
    assert [d.code for d in errors(build)] == ["uninitialised"]


def test_a_matmul_over_undefined_contraction_rows_is_undefined_everywhere():
    build = Build()
    x, o = build.input(100, 64), build.output(64, 64)
    a, p, b = build.sbuf(128, 64), build.psum(64, 64), build.sbuf(64, 64)
    build.copy(part(a, rows=slice(0, 100)), x)
    build.matmul(p, a, a)
    build.copy(b, p)
    build.copy(o, b)
    (error,) = errors(build)
    assert "4096 of 4096 elements" in error.message
    # Contracting only over the rows that were loaded is the mend.
    build = Build()
    x, o = build.input(100, 64), build.output(64, 64)
    a, p, b = build.sbuf(128, 64), build.psum(64, 64), build.sbuf(64, 64)
    build.copy(part(a, rows=slice(0, 100)), x)
    build.matmul(p, part(a, rows=slice(0, 100)), part(a, rows=slice(0, 100)))
    build.copy(b, p)
    build.copy(o, b)
    assert errors(build) == []


def test_transpose_mode_passes_elements_through_an_identity():
    build = Build()
    x, identity_in, o = build.input(64, 32), build.input(64, 64), build.output(32, 60)
    a, identity = build.sbuf(64, 32), build.sbuf(64, 64)
    p, b = build.psum(32, 64), build.sbuf(32, 64)
    build.copy(identity, identity_in)
    build.copy(part(a, rows=slice(0, 60)), part(x, rows=slice(0, 60)))
    build.matmul(p, a, identity, is_transpose=True)
    build.copy(b, p)
    build.copy(o, part(b, columns=slice(0, 60)))
    assert errors(build) == []


@pytest.mark.parametrize("filled", (True, False))
def test_an_undefined_register_load(filled):
    build = Build()
    a = build.sbuf(1, 1, dtype=int32, name="bound")
    register = build.register("n")
    if filled:
        build.memset(a, 3)
    build.emit("register_load", engine="sync", dst=register, src=a)
    with build.loop(register):
        build.memset(a, 1)
    found = errors(build)
    if filled:
        assert found == []
    else:
        assert [d.message for d in found] == [
            "register_load: undefined bytes become a register: src has 1 undefined of 1 elements, the first at [0, 0]"
        ]


@pytest.mark.parametrize("filled", (True, False))
def test_undefined_row_numbers(filled):
    build = Build()
    x, o = build.input(256, 8), build.output(16, 8)
    rows, a = build.sbuf(16, 1, dtype=int32, name="rows"), build.sbuf(16, 8)
    if filled:
        build.memset(rows, 1)
    gather = AccessPattern(x, x.dtype, None, 0, ((8, 16), (1, 8)), vector=VectorOffset(rows.whole(), 8, 256))
    build.copy(a, gather)
    build.copy(o, a)
    found = errors(build)
    assert [d.message for d in found] == (
        []
        if filled
        else [
            "dma_copy: undefined bytes become an address: src offset has 16 undefined of 16 elements, the first at "
            "[0, 0]"
        ]
    )


@pytest.mark.parametrize("filled", (True, False))
def test_an_undefined_predicate(filled):
    build = Build()
    x, o = build.input(16, 8), build.output(16, 8)
    mask, a = build.sbuf(16, 8, dtype=uint8, name="mask"), build.sbuf(16, 8)
    build.memset(part(mask, columns=slice(0, 8 if filled else 7)), 1)
    build.copy(a, x)
    build.emit("tensor_copy_predicated", dst=a, src=0.0, predicate=mask)
    build.copy(o, a)
    found = errors(build)
    assert [d.message for d in found] == (
        []
        if filled
        else [
            "tensor_copy_predicated: undefined bytes become a predicate: predicate has 16 undefined of 128 elements, "
            "the first at [0, 7]"
        ]
    )


def test_a_register_nobody_wrote():
    build = Build()
    register = build.register("n")
    a = build.sbuf(4, 4)
    with build.loop(register):
        build.memset(a)
    (error,) = errors(build)
    assert error.message == "a bound of a loop: register r0 `n` is read before it is written"
    build = Build()
    register = build.register("n")
    build.emit("register_move", engine="sync", dst=register, src=4)
    with build.loop(register):
        build.memset(build.sbuf(4, 4))
    assert errors(build) == []


def test_a_store_in_a_loop_covers_what_its_counter_covers():
    def build_with(trips):
        build = Build()
        x, o = build.input(512, 64, name="x"), build.output(512, 64, name="o")
        with build.loop(trips) as i:
            a = build.sbuf(128, 64)
            build.copy(a, at_register(part(x, rows=slice(0, 128)), i, 128 * 64, 512))
            build.copy(at_register(part(o, rows=slice(0, 128)), i, 128 * 64, 512), a)
        return build

    assert errors(build_with(4)) == []
    (error,) = errors(build_with(3))
    assert error.code == "output"
    assert "8192 of 32768 elements are not, the first at [384, 0]" in error.message


def test_a_value_carried_round_a_loop_is_followed_to_the_next_pass():
    def build_with(initialised):
        build = Build()
        x, o = build.input(4, 4), build.output(4, 4)
        state = build.sbuf(4, 4, name="state")
        if initialised:
            build.memset(state)
        with build.loop(3):
            fresh = build.sbuf(4, 4)
            build.copy(fresh, x)
            build.emit("tensor_tensor", dst=state, data1=state, data2=fresh, op="add")
        build.copy(o, state)
        return build

    assert errors(build_with(True)) == []
    (error,) = errors(build_with(False))
    assert error.message.endswith("they come from `state`")


def test_undefined_bytes_under_an_affine_mask_do_not_matter():
    def build_with(offset):
        build = Build()
        x, o = build.input(8, 8), build.output(8, 8)
        a, b = build.sbuf(8, 8), build.sbuf(8, 8)
        build.copy(part(a, columns=slice(0, 6)), part(x, columns=slice(0, 6)))
        build.emit(
            "affine_select", dst=b, on_true_tile=a, pattern=((-1, 8),), offset=offset, channel_multiplier=0,
            cmp_op="greater_equal", on_false_value=0.0,
        )  # fmt: skip
        build.copy(o, b)
        return build

    assert errors(build_with(5)) == []
    assert "8 of 64 elements, the first at [0, 6]" in errors(build_with(6))[0].message


def test_sums_kept_in_the_scalar_engines_accumulator_are_followed():
    def build_with(first_command):
        build = Build()
        o = build.output(8, 1)
        a, b, total = build.sbuf(8, 4), build.sbuf(8, 4), build.sbuf(8, 1)
        build.emit("activation", dst=b, data=a, scale=1.0, op="copy", reduce_op="add", reduce_cmd=first_command)
        build.memset(a)
        build.emit(
            "activation", dst=b, data=a, scale=1.0, op="copy", reduce_op="add", reduce_res=total, reduce_cmd="reduce"
        )
        build.copy(o, total)
        return build

    assert errors(build_with("idle")) == []
    assert [d.code for d in errors(build_with("reset_reduce"))] == ["uninitialised"]


def test_shuffled_rows_take_their_definedness_along():
    def build_with(source_row):
        build = Build()
        x, o = build.input(1, 8), build.output(32, 8)
        a, b = build.sbuf(32, 8), build.sbuf(32, 8)
        build.copy(part(a, rows=slice(0, 1)), x)
        build.emit("nc_stream_shuffle", dst=b, src=a, shuffle_mask=(source_row,) * 32)
        build.copy(o, b)
        return build

    assert errors(build_with(0)) == []
    assert "256 of 256" in errors(build_with(1))[0].message


def test_bn_stats_keeps_even_and_odd_elements_apart():
    build = Build()
    x, o = build.input(4, 8), build.output(4, 3)
    a, stats = build.sbuf(4, 8), build.sbuf(4, 6)
    build.copy(part(a, columns=slice(0, 8, 2)), part(x, columns=slice(0, 8, 2)))
    build.emit("bn_stats", dst=stats, data=a)
    build.copy(o, part(stats, columns=slice(0, 3)))
    assert errors(build) == []
    build.copy(o, part(stats, columns=slice(3, 6)))
    assert "8 of 12 elements, the first at [0, 1]" in errors(build)[0].message


def test_bytes_are_defined_through_any_tensor_placed_on_them():
    """Two names for the same bytes: written through one, read through the other."""

    def build_with(address):
        build = Build()
        x, o = build.input(8, 16), build.output(8, 16, dtype=bfloat16)
        wide = build.sbuf(8, 8, name="wide", address=(0, 256))
        narrow = build.sbuf(8, 16, dtype=bfloat16, name="narrow", address=address)
        build.copy(wide, part(x, columns=slice(0, 8)))
        build.copy(o, narrow)
        return build

    assert errors(build_with((0, 256))) == []
    assert len(errors(build_with((0, 256)), separate=True)) == 1, "without shared bytes nobody writes `narrow`"
    assert "8 of 128" not in errors(build_with((0, 260)))[0].message
    assert "16 of 128 elements, the first at [0, 14]" in errors(build_with((0, 260)))[0].message


def test_one_mistake_in_an_unrolled_loop_is_one_finding():
    build = Build()
    o = build.output(4, 40)
    for i in range(10):
        a, b = build.sbuf(4, 4), build.sbuf(4, 4)
        build.memset(part(a, columns=slice(0, 2)))
        build.copy(b, a)
        build.copy(part(o, columns=slice(2 * i, 2 * i + 2)), part(b, columns=slice(0, 2)))
    build.memset(part(b, columns=slice(0, 2)))
    build.copy(part(o, columns=slice(20, 40)), part(b, columns=slice(0, 1)).replace(dims=((0, 20),)))
    (note,) = run(build)
    assert (note.severity, note.count) == ("note", 10)


def test_a_note_that_an_error_explains_is_left_out():
    assert [d.severity for d in run(half_filled(False))] == ["error"]
