"""Chapters tickets.md, schedule.md, mmr.md, and the rotation of consensus.md: what follows from numbers and hashes."""

import math
from fractions import Fraction

from .hashing import h256, u64
from .rules import bind, cached, need, on

LAST = 2**64 - 1


# tickets.md


@cached
def tickets(weights):
    total = sum(weights)
    given = [0] * len(weights)
    if total == 0:
        return given
    third = Fraction(1, 3) if on("tickets-1 a third off") else 0
    passed = 0 if on("tickets-2 the first valid one") else 1
    while True:
        pairs = [((given[i] + 1 - third) / weight, i) for i, weight in enumerate(weights) if weight]
        least = min(s for s, _ in pairs)
        tied = [i for s, i in pairs if s == least]
        given[tied[0] if on("tickets-1 equal pairs by index") else tied[-1]] += 1
        if _valid(weights, given, total) or sum(given) > 4 * len(weights):
            if passed == 0:
                return given
            passed -= 1


def _valid(weights, given, total):
    """No set with 3·weight < W has half of the tickets: most tickets for each number of units, by knapsack."""
    half = threshold(sum(given))
    least = {0: 0}
    for weight, count in zip(weights, given):
        if count:
            for held, cost in list(least.items()):
                more = min(held + count, half)
                if cost + weight < least.get(more, math.inf):
                    least[more] = cost + weight
    light = least.get(half, math.inf)
    return 3 * light >= total if on("tickets-3 below a third") else 2 * light >= total


def threshold(total):
    return -(-total // 2) if on("tickets-5 half rounded up") else total // 2


# schedule.md


def _up(number, step):
    return -(-number // max(step, 1))


def time_of(schedule, round_):
    since = max(round_ - 1, 0) if on("schedule-2 round 1 at the genesis time") else round_
    time = schedule["genesis_time"] + since * schedule["period"]
    need("schedule-2 times of 64 bits", time <= LAST and since * schedule["period"] <= LAST, "no-such-time")
    return time


def round_at(schedule, time):
    need("schedule-3 nothing before the genesis", time >= schedule["genesis_time"], "no-such-time")
    need("schedule-3 nothing without a period", schedule["period"] > 0, "no-such-time")
    return min((time - schedule["genesis_time"]) // max(schedule["period"], 1) + 1, LAST)


def window_of(schedule, round_):
    length = schedule["window"]
    return _up(round_, length) if on("schedule-4 window rounded up") else round_ // max(length, 1)


def rounds_of(schedule, window):
    """First and last round, or None."""
    length = max(schedule["window"], 1)
    first = (window - 1) * length + 1
    if window == 0 or first > LAST or (window - 1) * length > LAST:
        return None
    return first, min(window * length, LAST)


def epoch_of_window(schedule, window):
    length = schedule["epoch_windows"]
    return _up(window, length) if on("schedule-5 epoch rounded up") else window // max(length, 1)


def epoch_of(schedule, round_):
    return epoch_of_window(schedule, window_of(schedule, round_))


def last_window_of_epoch(schedule, epoch):
    return min(epoch * max(schedule["epoch_windows"], 1), LAST)


def is_last_round(schedule, round_):
    length = max(schedule["window"], 1) * max(schedule["epoch_windows"], 1)
    return round_ > 0 and length <= LAST and round_ % length == 0 and on("schedule-6 last round of an epoch")


# mmr.md


def leaf(round_, header):
    return h256("beacon/1/mmr-leaf", bind("mmr-1 round in the leaf", u64(round_)), header)


def node(left, right):
    return h256("beacon/1/mmr-node", left, right)


def mmr_root(headers):
    """From all headers, by the recursive tree of RFC 6962."""
    if not headers:
        return h256("beacon/1/mmr-bag", u64(0))
    count = bind("mmr-4 count in the root", u64(len(headers)))
    leaves = [leaf(i + 1, header) for i, header in enumerate(headers)]
    return h256("beacon/1/mmr-bag", count, _tree(leaves))


def _tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if not on("mmr-2 perfect trees from the left"):
        split = len(leaves) - split
    return node(_tree(leaves[:split]), _tree(leaves[split:]))


def mmr_nodes(headers):
    """All nodes in the order in which they come to be."""
    made, peaks = [], []
    for i, header in enumerate(headers):
        top, height = leaf(i + 1, header), 0
        made.append(top)
        while peaks and peaks[-1][1] == height:
            top, height = node(peaks.pop()[0], top), height + 1
            made.insert(len(made) if on("mmr-3 a parent after its children") else 0, top)
        peaks.append((top, height))
    return made


def mmr_prove(round_, headers):
    """The siblings of a round, by the recursive tree. [mmr-5]"""
    leaves, siblings = [leaf(i + 1, header) for i, header in enumerate(headers)], []
    place = round_ - 1
    while len(leaves) > 1:
        split = 1 << (len(leaves) - 1).bit_length() - 1
        here, there = (leaves[:split], leaves[split:]) if place < split else (leaves[split:], leaves[:split])
        siblings.append(_tree(there))
        place -= 0 if place < split else split
        leaves = here
    return siblings[::-1] if on("mmr-5 siblings from below") else siblings


def mmr_verify(root, count, round_, header, siblings):
    """[mmr-6]"""
    need("mmr-6 count", count < 2**62, "bad-mmr")
    need("mmr-6 round", 1 <= round_ <= count, "wrong-round")
    position = round_ - 1
    height = (position ^ count).bit_length() - 1
    lefts = bin(count >> height + 1).count("1")
    rights = count & ((1 << max(height, 0)) - 1) != 0
    if not 1 <= round_ <= count or height < 0:
        return
    expected = height + rights + lefts
    need("mmr-6 number of siblings", len(siblings) == expected, "bad-mmr")
    top = leaf(round_, header)
    for j, sibling in enumerate(siblings):
        on_left = position >> j & 1 if j < height else j >= height + rights
        if not on("mmr-6 sides"):
            on_left = False
        top = node(sibling, top) if on_left else node(top, sibling)
    found = h256("beacon/1/mmr-bag", bind("mmr-4 count in the root", u64(count)), top)
    need("mmr-6 root", found == root, "bad-mmr")


# consensus.md


def proposer(weights, height, round_):
    """[consensus-9]"""
    total = sum(weights)
    if total == 0 or total >= 2**62:
        return None
    stride = total * 11400714819323198485 >> 64
    while on("consensus-9 stride without a common factor") and math.gcd(stride, total) != 1:
        stride += 1
    turn = height + (round_ if on("consensus-9 rounds take turns") else 0)
    point = turn * stride % total
    for member, weight in enumerate(weights):
        if point < weight:
            return member
        point -= weight
    return None
