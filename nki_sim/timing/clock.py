"""ClockGate: the Tensor Engine's clock, which starts at half speed and follows how busy the engine has been.

Windows of a fixed length; the busy share of one decides the speed of the next, with a lower threshold down than up
(profiles of trn2, see the target's [clock_gate] section).
"""

from __future__ import annotations

from nki_sim.targets import Target

_NEVER = float("inf")


class ClockGate:
    """Feed it with streams in order of time.

    ghz        columns per ns now; warm: whether that is the full clock
    end_ns     end of the current window
    credit_ns  head start of the first work after a gap at the clock of now
    slow_ns    time lost to the slow clock so far
    """

    __slots__ = (
        "_busy", "_cold_ghz", "_down", "_full_ghz", "_idle_credit", "_up", "_window", "credit_ns", "end_ns", "ghz",
        "slow_ns", "warm",
    )  # fmt: skip

    def __init__(self, target: Target) -> None:
        self.slow_ns = 0.0
        self._full_ghz = target["tensor.stream_ghz"]
        self._cold_ghz = self._full_ghz * target["clock_gate.cold_ratio"]
        self._window = target["clock_gate.window_ns"]
        self._up = target["clock_gate.up_ratio"]
        self._down = target["clock_gate.down_ratio"]
        self._idle_credit = target["clock_gate.idle_credit_ns"]
        self._busy = 0.0
        enabled = bool(target["clock_gate.enabled"])
        self.end_ns = self._window + target["clock_gate.phase_ns"] if enabled else _NEVER
        self._set(not enabled)

    def _set(self, warm: bool) -> None:
        self.warm = warm
        self.ghz = self._full_ghz if warm else self._cold_ghz
        self.credit_ns = 0.0 if warm else self._idle_credit

    def _close(self) -> None:
        share = self._busy / self._window
        self._set(share > self._down if self.warm else share >= self._up)
        self._busy = 0.0
        self.end_ns += self._window

    def reach(self, time_ns: float) -> None:
        """Close the windows that end before `time_ns`."""
        if time_ns < self.end_ns:
            return
        self._close()
        if time_ns >= self.end_ns:
            # Nothing streamed in whole windows in between.
            self.end_ns += (int((time_ns - self.end_ns) / self._window) + 1) * self._window
            self._set(False)

    def stream(self, start_ns: float, cycles: float) -> float:
        """Stream `cycles` from `start_ns`; returns when the last one has gone in."""
        if start_ns >= self.end_ns:
            self.reach(start_ns)
        end = start_ns + cycles / self.ghz
        if end > self.end_ns:
            end = self._across(start_ns, cycles)
        else:
            self._busy += end - start_ns
        self.slow_ns += end - start_ns - cycles / self._full_ghz
        return end

    def _across(self, now_ns: float, cycles: float) -> float:
        """The end of a stream that goes on into the next window or further."""
        while True:
            end = now_ns + cycles / self.ghz
            if end <= self.end_ns:
                self._busy += end - now_ns
                return end
            taken = self.end_ns - now_ns
            self._busy += taken
            cycles -= taken * self.ghz
            now_ns = self.end_ns
            self._close()
