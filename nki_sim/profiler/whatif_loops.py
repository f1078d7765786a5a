"""What-ifs on device loops: loads that every pass repeats made before the loop, and several passes at a time.

A change across passes is replayed by unrolling: the body stands several times in the loop, each time with tiles of its
own and the counter's addresses moved on. That is sound where the counter takes part in addresses only, the trip count
is known and divides, and each pass fills its tiles before it reads them; otherwise nothing is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from nki_sim.memory.accesses import LoopRange
from nki_sim.profiler.body import Body, Copy
from nki_sim.profiler.floors import DMA, TRIGGERS
from nki_sim.profiler.metrics import reloads
from nki_sim.profiler.naming import join_names, spans_of, tile_name
from nki_sim.profiler.rewrite import Moved, changed, is_whole, new_tensor, rebuild, redirect
from nki_sim.profiler.whatif import Change, NotTried, Subject
from nki_sim.profiler.whatif_transfers import merged, runs_of
from nki_sim.program.access import AccessPattern, DynamicOffset
from nki_sim.program.ir import Instruction, Item, Loop, Operand, Program, Register, TensorDecl
from nki_sim.program.spans import SourceSpan

_FACTORS = (2, 4)
_READ_AGAIN = 1.5


# -- loads that every pass repeats -----------------------------------------------------------------------------------


def invariant_loads(subject: Subject) -> Iterator[Change | NotTried]:
    """Loads in a loop from an address that no pass changes, made once before it."""
    body = subject.body
    found = [one for one in body.copies if one.load and _same_in_every_pass(body, one)] if body.has_loops else []
    kept = {one.hbm.tensor.index for one in found}
    if found:
        names = join_names(tile_name(body.program, one.hbm.tensor) for one in found)
        yield Change(
            code="hoist",
            choice=f"hoist {names}",
            title=f"load {names} before the loop and keep it",
            lines=spans_of(body.program, [one.instruction.site for one in found]),
            how="allocate the tile before the loop and load it there: its address is the same in every pass",
            replay=f"{len(found):,} load{'s' if len(found) > 1 else ''} moved before the loop",
            eases=frozenset({DMA, TRIGGERS}),
            build=partial(_before_the_loop, body, found),
        )
    for one in reloads(subject.timeline) if body.has_loops else ():
        if one.times >= _READ_AGAIN and one.tensor.index not in kept:
            title = f"load each tile of {tile_name(body.program, one.tensor)} once and keep it"
            yield NotTried(title=title, why="not replayed: it is loaded in a loop, from an address that changes")


def _same_in_every_pass(body: Body, one: Copy) -> bool:
    """Whether the load stands in a loop, and nothing but it fills its tile, which nobody needs outside or before."""
    inside = body.flat.inside[one.position]
    if inside < 0 or one.chip.address is not None or body.writers[one.chip.index] != 1:
        return False
    loop = body.flat.loops[body.flat.chain(inside)[-1]]
    touched = body.touching[one.chip.index]
    return touched[0] == one.position and touched[-1] < loop.stop


def _before_the_loop(body: Body, loads: Sequence[Copy]) -> Program:
    """The loads moved before the outermost loop they stand in, and their tiles with them."""
    flat = body.flat
    outermost = {one.position: flat.loops[flat.chain(flat.inside[one.position])[-1]] for one in loads}
    tensors = [_after_moving(one, outermost) for one in body.program.tensors]
    for load in loads:
        tensors[load.chip.index] = replace(load.chip, position=outermost[load.position].start, depth=0)
    moved: dict[int, Moved] = {
        old.index: (new, 0) for old, new in zip(body.program.tensors, tensors, strict=True) if old is not new
    }
    edits: dict[int, Sequence[Instruction]] = {
        number: (redirect(one, moved),) for number, one in enumerate(body.instructions)
    }
    taken = {load.position: edits[load.position] for load in loads}
    edits.update(dict.fromkeys(taken, ()))
    made = rebuild(body.program, edits, tensors)
    items: list[Item] = []
    tops = [loop for loop in flat.loops if loop.parent < 0]
    for item in made.body:
        if isinstance(item, Loop):
            top = tops.pop(0)
            items += [one for position in sorted(taken) if outermost[position] is top for one in taken[position]]
        items.append(item)
    return _on_tensors(replace(made, body=items), moved)


def _after_moving(tensor: TensorDecl, outermost: Mapping[int, LoopRange]) -> TensorDecl:
    """`tensor` with its position counted anew when the instructions at these positions move before their loops."""
    inserted = sum(
        loop.start < tensor.position or (loop.start == tensor.position and tensor.depth >= loop.depth)
        for loop in outermost.values()
    )
    removed = sum(position < tensor.position for position in outermost)
    return tensor if inserted == removed else replace(tensor, position=tensor.position + inserted - removed)


# -- several passes at a time ----------------------------------------------------------------------------------------


def unrolled_loops(subject: Subject) -> Iterator[Change | NotTried]:
    """Two or four passes of the innermost loops at a time: with tiles of their own, and their loads made together."""
    body = subject.body
    if not body.has_loops:
        return
    parents = {one.parent for one in body.flat.loops}
    innermost = [number for number in range(len(body.flat.loops)) if number not in parents]
    reasons = {number: _why_not(body, number) for number in innermost}
    able = [number for number in innermost if not reasons[number]]
    for number in innermost:
        if reasons[number]:
            place = next(iter(_lines(body, [number])), None)
            at = f" at line {place.line}" if place is not None else ""
            yield NotTried(title=f"work on several passes of the loop{at} at a time", why=reasons[number])
    for factor in _FACTORS:
        chosen = [number for number in able if len(_values(body.flat.loops[number].loop)) % factor == 0]
        if not chosen:
            continue
        loops = "the loop" if len(chosen) == 1 else f"{len(chosen)} loops"
        yield Change(
            code="unroll",
            choice="unroll",
            title=f"work on {factor} passes of {loops} at a time, each with tiles of its own",
            lines=_lines(body, chosen),
            how=f"step the loop by {factor} times as much and write its body for each of the {factor} passes, into "
            "tiles of their own: one pass loads while another computes",
            replay=f"{len(chosen):,} loop bod{'ies' if len(chosen) > 1 else 'y'} unrolled {factor} times",
            eases=frozenset(),
            build=partial(unrolled, body, chosen, factor),
        )
        if any(_moves_on(body, chosen, one) for one in body.moving_copies):
            yield Change(
                code="merge",
                choice="merge loops",
                title=f"load the tiles of {factor} passes of {loops} with one DMA",
                lines=_lines(body, chosen),
                how=f"step the loop by {factor} times as much, load one tile [P, {factor}, ...] for {factor} passes "
                "whole, and give each pass a slice of it",
                replay=f"{len(chosen):,} loop bod{'ies' if len(chosen) > 1 else 'y'} unrolled {factor} times, "
                f"{factor} loads made into one",
                eases=frozenset({DMA, TRIGGERS}),
                build=partial(_unrolled_and_merged, body, chosen, factor),
            )


def _lines(body: Body, loops: Sequence[int]) -> tuple[SourceSpan, ...]:
    return spans_of(body.program, [body.flat.loops[number].loop.site for number in loops])


def _values(loop: Loop) -> range:
    """The counter's values; empty when only the data decide them."""
    if loop.condition is None and isinstance(loop.start, int) and isinstance(loop.stop, int):
        return range(loop.start, loop.stop, loop.step)
    return range(0)


def _why_not(body: Body, number: int) -> str:
    """Why the loop cannot be unrolled soundly; "" when it can."""
    found = body.flat.loops[number]
    counter = found.loop.register
    values = _values(found.loop)
    if not values or found.loop.step <= 0:
        return "not replayed: only the data decide how often the loop runs"
    if len(values) % _FACTORS[0]:
        return f"not replayed: {len(values):,} passes do not come in pairs"
    for position in range(found.start, found.stop):
        for operand in body.instructions[position].operands.values():
            if isinstance(operand, Register):
                return "not replayed: the loop computes with registers"
            dynamic = operand.dynamic if isinstance(operand, AccessPattern) else None
            if dynamic is not None and isinstance(dynamic.source, Register) and dynamic.source is not counter:
                return "not replayed: the loop computes with registers"
    return ""


def _own_tiles(body: Body, loop: LoopRange) -> list[TensorDecl]:
    """On-chip tensors that each pass fills whole before it reads them, and nobody else touches."""
    found = []
    for tensor in body.program.tensors:
        touched = body.touching.get(tensor.index, ())
        if tensor.space == "hbm" or not touched or touched[0] < loop.start or touched[-1] >= loop.stop:
            continue
        reads, writes = body.flat.accesses[touched[0]]
        fills = any(one[1].tensor is tensor and is_whole(one[1]) for one in writes)
        if fills and not any(one[1].tensor is tensor for one in reads):
            found.append(tensor)
    return found


def unrolled(body: Body, loops: Sequence[int], factor: int) -> Program:
    """The program with the bodies of these innermost loops `factor` times in each pass."""
    flat, program = body.flat, body.program
    chosen = [flat.loops[number] for number in loops]
    added = {id(one.loop): (factor - 1) * (one.stop - one.start) for one in chosen}
    tensors = [
        replace(tensor, position=tensor.position + later) if later else tensor
        for tensor in program.tensors
        for later in [sum(added[id(one.loop)] for one in chosen if tensor.position >= one.stop)]
    ]
    renumbered: dict[int, Moved] = {
        old.index: (new, 0) for old, new in zip(program.tensors, tensors, strict=True) if old is not new
    }
    copies: dict[int, list[dict[int, Moved]]] = {}
    for one in chosen:
        own = _own_tiles(body, one)
        copies[id(one.loop)] = [
            {tile.index: (new_tensor(tensors, tensors[tile.index], address=None), 0) for tile in own}
            for _ in range(factor - 1)
        ]

    def walk(items: Sequence[Item]) -> list[Item]:
        made: list[Item] = []
        for item in items:
            if not isinstance(item, Loop):
                made.append(redirect(item, renumbered) if renumbered else item)
                continue
            inner = walk(item.body)
            if id(item) in copies:
                for ahead, moved in enumerate(copies[id(item)], start=1):
                    plain = [one for one in item.body if isinstance(one, Instruction)]
                    inner += [redirect(_later(one, item, ahead), {**renumbered, **moved}) for one in plain]
                made.append(replace(item, body=inner, step=item.step * factor))
            else:
                made.append(replace(item, body=inner))
        return made

    return _on_tensors(replace(program, body=walk(program.body), tensors=tensors), renumbered)


def _later(instruction: Instruction, loop: Loop, ahead: int) -> Instruction:
    """`instruction` as it is `ahead` passes later."""
    operands: dict[str, Operand] = {}
    for name, value in instruction.operands.items():
        dynamic = value.dynamic if isinstance(value, AccessPattern) else None
        if isinstance(value, AccessPattern) and dynamic is not None and dynamic.source is loop.register:
            step = ahead * loop.step
            moved = DynamicOffset(dynamic.source, dynamic.multiplier, dynamic.limit - step)
            operands[name] = value.replace(offset=value.offset + step * dynamic.multiplier, dynamic=moved)
        else:
            operands[name] = value
    return changed(instruction, operands=operands)


def _moves_on(body: Body, loops: Sequence[int], one: Copy) -> bool:
    """Whether this is a load in one of the loops, from an address that its counter moves."""
    inside = body.flat.inside[one.position]
    if inside not in loops or not one.load or one.hbm.dynamic is None:
        return False
    return one.hbm.dynamic.source is body.flat.loops[inside].loop.register and _can_be_merged(body, one)


def _can_be_merged(body: Body, one: Copy) -> bool:
    alone = body.touching[one.chip.index][0] == one.position and body.writers[one.chip.index] == 1
    return alone and one.chip.address is None and bool(one.hbm.dims) and one.hbm.dims[0][1] == one.chip.partitions


def _unrolled_and_merged(body: Body, loops: Sequence[int], factor: int) -> Program:
    made = Body(unrolled(body, loops, factor))
    lines: dict[tuple[object, ...], list[Copy]] = {}
    for one in made.moving_copies:
        if one.load and made.flat.inside[one.position] in loops and _can_be_merged(made, one):
            multiplier = one.hbm.dynamic.multiplier if one.hbm.dynamic is not None else 0
            place = (made.flat.inside[one.position], one.instruction.site, one.hbm.tensor.index, one.hbm.dims)
            lines.setdefault((*place, multiplier, one.chip.shape, one.chip.dtype), []).append(one)
    return merged(made, [run for copies in lines.values() for run in runs_of(copies, factor)])


def _on_tensors(program: Program, moved: Mapping[int, Moved]) -> Program:
    """The lists of a program's tensors brought up to date with the tensors that took others' places."""

    def now(tensor: TensorDecl) -> TensorDecl:
        return moved[tensor.index][0] if tensor.index in moved else tensor

    results = [
        one.replace(tensor=moved[one.tensor.index][0]) if one.tensor.index in moved else one for one in program.results
    ]
    return replace(
        program,
        inputs=[now(one) for one in program.inputs],
        outputs=[now(one) for one in program.outputs],
        results=results,
    )
