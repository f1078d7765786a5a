"""ClockGate: the Tensor Engine's clock, which starts at half speed and follows how busy the engine has been.

Windows of a fixed length; the busy share of one decides the speed of the next, with a lower threshold down than up
(profiles of trn2, see the target's [clock_gate] section). The part of Python that timing/native compiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from nki_sim.targets import Target

_NEVER = float("inf")


@dataclass(slots=True, eq=False, repr=False)
class ClockGate:
    """Feed it with streams in order of time; `clock_gate` makes one.

    ghz        columns per ns now; warm: whether that is the full clock
    end_ns     end of the current window; busy_ns: streamed in it
    credit_ns  head start of the first work after a gap at the clock of now
    slow_ns    time lost to the slow clock so far
    """

    full_ghz: float
    cold_ghz: float
    window_ns: float
    up_ratio: float
    down_ratio: float
    idle_credit_ns: float
    end_ns: float
    warm: bool = False
    ghz: float = 0.0
    credit_ns: float = 0.0
    busy_ns: float = 0.0
    slow_ns: float = 0.0

    def turn(self, warm: bool) -> None:
        """To full speed or half."""
        self.warm = warm
        self.ghz = self.full_ghz if warm else self.cold_ghz
        self.credit_ns = 0.0 if warm else self.idle_credit_ns

    def close(self) -> None:
        """End the window."""
        share = self.busy_ns / self.window_ns
        self.turn(share > self.down_ratio if self.warm else share >= self.up_ratio)
        self.busy_ns = 0.0
        self.end_ns += self.window_ns

    def reach(self, time_ns: float) -> None:
        """Close the windows that end before `time_ns`."""
        if time_ns < self.end_ns:
            return
        self.close()
        if time_ns >= self.end_ns:
            # Nothing streamed in whole windows in between.
            self.end_ns += (int((time_ns - self.end_ns) / self.window_ns) + 1) * self.window_ns
            self.turn(False)

    def stream(self, start_ns: float, cycles: float) -> float:
        """Stream `cycles` from `start_ns`; returns when the last one has gone in."""
        if start_ns >= self.end_ns:
            self.reach(start_ns)
        end = start_ns + cycles / self.ghz
        if end > self.end_ns:
            end = self.across(start_ns, cycles)
        else:
            self.busy_ns += end - start_ns
        self.slow_ns += end - start_ns - cycles / self.full_ghz
        return end

    def across(self, now_ns: float, cycles: float) -> float:
        """The end of a stream that goes on into the next window or further."""
        while True:
            end = now_ns + cycles / self.ghz
            if end <= self.end_ns:
                self.busy_ns += end - now_ns
                return end
            taken = self.end_ns - now_ns
            self.busy_ns += taken
            cycles -= taken * self.ghz
            now_ns = self.end_ns
            self.close()


def clock_gate(target: Target) -> ClockGate:
    """As the target has it, before anything has streamed."""
    enabled = bool(target["clock_gate.enabled"])
    window = target["clock_gate.window_ns"]
    full = target["tensor.stream_ghz"]
    made = ClockGate(
        full,
        full * target["clock_gate.cold_ratio"],
        window,
        target["clock_gate.up_ratio"],
        target["clock_gate.down_ratio"],
        target["clock_gate.idle_credit_ns"],
        window + target["clock_gate.phase_ns"] if enabled else _NEVER,
    )
    made.turn(not enabled)
    return made
