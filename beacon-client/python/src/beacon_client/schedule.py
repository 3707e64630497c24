"""When a round is due, and which window and epoch it belongs to. Times are Unix milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import U64_END
from .errors import Refused


@dataclass(frozen=True)
class Schedule:
    """The parameters that fix all due times. A window or epoch of 0 reads as 1. [schedule-1]"""

    genesis_time: int
    period: int
    window: int
    epoch_windows: int

    def time_of(self, round: int) -> int:
        """When a round is due; `no-such-time` beyond 64 bits. [schedule-2]"""
        due = self.genesis_time + max(round - 1, 0) * self.period
        if due >= U64_END:
            raise Refused("no-such-time", f"round {round}, which is due beyond the end of time", "header.round")
        return due

    def round_at(self, time: int) -> int:
        """The last round due by then; `no-such-time` before the first round and without a period. [schedule-3]"""
        if self.period == 0:
            raise Refused("no-such-time", "this chain has no period, so its rounds have no times")
        if time < self.genesis_time:
            raise Refused("no-such-time", f"{time} is before the first round, which is due at {self.genesis_time}")
        return min((time - self.genesis_time) // self.period + 1, U64_END - 1)

    def window_of(self, round: int) -> int:
        """The window of a round, 0 for the genesis. [schedule-4]"""
        return -(-round // max(self.window, 1))

    def epoch_of(self, round: int) -> int:
        """The epoch of a round, 0 for the genesis. [schedule-5]"""
        return -(-self.window_of(round) // max(self.epoch_windows, 1))

    def last_round(self, epoch: int) -> int:
        """The last round of an epoch, as far as rounds go. [schedule-6]"""
        return min(epoch * self._epoch_rounds(), U64_END - 1)

    def is_last_of_epoch(self, round: int) -> bool:
        """Whether the header of a round names the next committee. [schedule-6]"""
        return round > 0 and round % self._epoch_rounds() == 0

    def _epoch_rounds(self) -> int:
        return max(self.window, 1) * max(self.epoch_windows, 1)
