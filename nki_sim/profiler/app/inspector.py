"""The instruction pane: where it is from, when it ran, what it waited for, its operands, and what it is charged."""

from __future__ import annotations

from collections.abc import Sequence

from nki_sim.profiler.app.alone import Placement, alone
from nki_sim.profiler.app.lanes import clock
from nki_sim.profiler.app.model import STALL_LETTERS, Run
from nki_sim.profiler.app.panes import Content
from nki_sim.profiler.app.path import on_path
from nki_sim.profiler.app.state import Selected, State
from nki_sim.profiler.app.text import columns, wrap
from nki_sim.profiler.app.waits import reason
from nki_sim.profiler.charged_terms import Phase, phases_of
from nki_sim.profiler.naming import tile_name
from nki_sim.profiler.words import bytes_text, place_text, time_text
from nki_sim.program.access import AccessPattern
from nki_sim.program.ir import Operand, Register
from nki_sim.program.printer import format_operand
from nki_sim.timing.lanes import KINDS, STALLS, TRANSFER

_LINKS = 8


class Charges:
    """Charged terms by signature: instructions that cost the same share one entry."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Phase, ...]] = {}

    def known(self, run: Run, instruction: int) -> tuple[Phase, ...] | None:
        """The terms, or None when they have not been computed."""
        return self._known.get(self._key(run, instruction))

    def compute(self, run: Run, instruction: int) -> tuple[Phase, ...]:
        """The terms; takes tens of simulations of the instruction, so not what a key should wait for."""
        key = self._key(run, instruction)
        if key not in self._known:
            allocation = run.profile.allocation
            placement: Placement | None = None if allocation is None else allocation.placement
            timeline, made, placement = alone(run.timeline, run.timeline.instructions[instruction], placement)
            self._known[key] = phases_of(timeline, made, placement)
        return self._known[key]

    @staticmethod
    def _key(run: Run, instruction: int) -> tuple[int, int]:
        return id(run), id(run.timeline.works[instruction])


def instruction_pane(state: State, width: int, charges: Charges) -> Content:
    """Everything about the selected row."""
    found = Content()
    one = state.selected
    if one is None:
        _idle(state, found)
        return found
    run, timeline = one.run, one.run.timeline
    if one.instruction < 0:
        found.add("this row belongs to no instruction of the kernel")
        return found
    instruction = timeline.instructions[one.instruction]
    times = int(timeline.counts[one.instruction])
    name = f'{instruction.op} "{instruction.label}"' if instruction.label else instruction.op
    repeated = f", execution {run.execution(one.row):,} of {times:,}" if times > 1 else ""
    found.add(f"{name} #{one.instruction} on {one.lane.name}{repeated}", "bold")
    for number, span in enumerate(timeline.spans(one.instruction)):
        text = f"  {'at' if number == 0 else 'called from'} {place_text(span)}"
        found.lines.append([(text, ""), (f"  {span.text.strip()}", "dim")])
    _times(one, width, found)
    _links(state, one, found)
    found.head("operands")
    rows = [("  " + key, *_operand(run, value)) for key, value in instruction.operands.items() if value is not None]
    for text in columns(rows):
        found.add(text)
    options = [f"{key}={value}" for key, value in instruction.attributes.items() if value is not None]
    if options:
        found.lines += wrap(" ".join(options), width, "  ", "  ", "dim")
    _charged(run, one.instruction, charges, width, found)
    return found


def _idle(state: State, found: Content) -> None:
    lane = state.lane
    if lane is None:
        found.add("nothing was executed")
        return
    found.add(f"{lane.name} is idle at {clock(state.window.cursor_ns)}", "bold")
    following = state.following
    if following is None:
        found.add("nothing follows on this lane")
        return
    row = state.run.timeline.rows[following[1]]
    found.add(f"next is {state.run.label(following[1])} #{int(row['instruction'])} at {clock(float(row['start_ns']))}")
    found.add("  " + _reason(state.run, following[1]))
    found.add("  . goes there", "dim")


def _reason(run: Run, row: int) -> str:
    """Why a row started no earlier, in words."""
    why = reason(run, row)
    if not why:
        return "it did not wait"
    one = run.timeline.rows[row]
    letter = STALL_LETTERS[STALLS[int(one["stall"])]]
    return f"waited {time_text(float(one['stall_ns']))} {why}; {letter} on the lane"


def _times(one: Selected, width: int, found: Content) -> None:
    rows = one.run.timeline.rows
    row = rows[one.row]
    start, free, end = float(row["start_ns"]), float(row["issue_end_ns"]), float(row["end_ns"])
    text = f"{KINDS[int(row['kind'])]} {clock(start)} + {time_text(free - start)}"
    if end > free:
        text += f", its result {time_text(end - free)} later at {clock(end)}"
    if row["load_start_ns"] == row["load_start_ns"]:
        text += f"; weights from {clock(float(row['load_start_ns']))}"
    found.lines += wrap(text, width, "  ", "")
    found.lines += wrap(_reason(one.run, one.row), width, "    ", "  ")
    found.lines += wrap(on_path(one.run, one.row), width, "    ", "  ")
    if row["kind"] == TRANSFER:
        position = one.position
        lane = one.lane
        moved, read, written = (int(t[position + 1] - t[position]) for t in (lane.moved, lane.read, lane.written))
        transfers = one.run.timeline.transfers
        entry = transfers[int(transfers["row"].searchsorted(one.row))]
        text = (
            f"moves {bytes_text(moved)} ({bytes_text(read)} from and {bytes_text(written)} to HBM) in "
            f"{int(entry['descriptors']):,} runs of {bytes_text(float(entry['run_bytes']))} "
            f"on {int(entry['engines'])} DMA engines"
        )
        found.lines += wrap(text, width, "    ", "  ")
    siblings = [int(number) for number in one.run.rows_of(one.instance) if number != one.row]
    for number in siblings[:_LINKS]:
        other = rows[number]
        lane_name = one.run.lanes[int(one.run.lane_of_row[number])].name
        found.add(
            f"  with {KINDS[int(other['kind'])]} on {lane_name} at {clock(float(other['start_ns']))} + "
            f"{time_text(float(other['issue_end_ns'] - other['start_ns']))}"
        )


def _links(state: State, one: Selected, found: Content) -> None:
    graph, run = one.run.graph, one.run
    rows = run.timeline.rows
    found.head("waited for", "w goes to the last of these")
    before = graph.predecessors(one.instance)
    table = []
    for link in before[:_LINKS]:
        own = run.rows_of(link.instance)
        if len(own):
            what = "place" if link.reuse else "result"
            table.append(("  <", *_link(run, int(own[-1])), f"to {clock(float(rows['end_ns'][own[-1]]))}", what))
    _table(table, len(before), found)
    found.head("waiting for it", "s goes to the first of these")
    after = graph.successors(one.instance, _LINKS)
    table = []
    for link in after:
        own = run.rows_of(link.instance)
        if len(own):
            what = "place" if link.reuse else "result"
            started = f"from {clock(float(rows['start_ns'][own[0]]))}"
            table.append(("  >", *_link(run, int(own[0])), started, what))
    _table(table, graph.successor_count(one.instance), found)


def _table(rows: Sequence[Sequence[str]], count: int, found: Content) -> None:
    for text in columns(rows):
        found.add(text)
    if not count:
        found.add("  nothing")
    elif count > len(rows):
        found.add(f"  and {count - len(rows):,} more", "dim")


def _link(run: Run, row: int) -> tuple[str, str, str]:
    instruction = int(run.timeline.rows["instruction"][row])
    lane = run.lanes[int(run.lane_of_row[row])].name
    return f"{run.label(row)} #{instruction}", lane, place_text(run.span(instruction))


def _operand(run: Run, value: Operand) -> tuple[str, str, str]:
    if not isinstance(value, AccessPattern):
        return format_operand(value), "register" if isinstance(value, Register) else "immediate", ""
    tensor = value.tensor
    name = tile_name(run.timeline.program, tensor)
    what = f"{tensor.space} {value.dtype} {list(value.shape)}"
    allocation = run.profile.allocation
    if tensor.space == "hbm" or allocation is None or tensor.index not in allocation.placement:
        return name, what, format_operand(value)
    partition, offset = allocation.placement[tensor.index]
    return name, what, f"partition {partition} byte {offset:,}"


def _charged(run: Run, number: int, charges: Charges, width: int, found: Content) -> None:
    found.head("charged", "alone and at full clock")
    phases = charges.known(run, number)
    if phases is None:
        found.add("  ... the terms come when the cursor rests", "dim")
        return
    for phase in phases:
        found.add(f"  {time_text(phase.value_ns)}: {phase.name}", "bold")
        for term in phase.terms:
            inputs = ", ".join(f"{key} = {value}" for key, value in term.inputs.items())
            head = f"    {term.value_ns:9.1f} ns  "
            found.lines += wrap(f"{term.name}: {term.formula}" if term.name != "formula" else term.formula, width,
                                " " * len(head), head)  # fmt: skip
            for text in (f"with {inputs}" if inputs else "", f"source: {term.source}"):
                if text:
                    found.lines += wrap(text, width, " " * len(head), " " * len(head), "dim")
