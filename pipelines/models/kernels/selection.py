"""The best of many users' scores at once, selected as tiles of scores go by."""

from __future__ import annotations

import numpy as np

#: Users of a selection must be a multiple of this: so many comparisons are looked at as one word.
WORD = 8
#: Bits of a sorting key: the user's on top, then 32 of the score, then the position's.
POSITION_BITS = 24
#: Users of one selection at most: what the key has left.
MAX_USERS = 2 ** (64 - 32 - POSITION_BITS)
#: Items at most, for the same reason.
MAX_ITEMS = 2**POSITION_BITS
#: Candidates per place of a list that are cut to the best before more are added.
CANDIDATES_PER_PLACE = 4
#: Lowest score that can be selected.
LOWEST = np.finfo(np.float32).min


class Selection:
    """The k best scores of every user that reach the user's floor; equal ones by lowest position.

    Parameters
    ----------
    positions : ndarray of int, shape (n_rows,)
        Position, below `MAX_ITEMS`, of each row of scores that will be offered.
    n_users : int
        A multiple of `WORD`, at most `MAX_USERS`.
    k : int
        Scores kept per user.

    Notes
    -----
    Nearly all scores are touched by one vectorised comparison only. Those that reach the floor are
    candidates, sorted once at the end; if they become too many before that, as when all scores are
    equal, they are cut to k per user, and the last of k is a new floor.
    """

    def __init__(self, positions: np.ndarray, n_users: int, k: int) -> None:
        self._positions = positions
        self._k = k
        self._floor = np.full(n_users, LOWEST, dtype=np.float32)
        self._last = np.full(n_users, MAX_ITEMS)  # position of the floor's score
        self._best = np.empty(0, dtype=np.uint64)  # keys
        self._forget_candidates()

    def raise_floor(self, floor: np.ndarray) -> None:
        """Look at scores from `floor` (float32, shape (n_users,)) on only."""
        self._floor = np.maximum(self._floor, floor)

    def add(self, tile: np.ndarray, first: int) -> None:
        """Offer the next scores.

        Parameters
        ----------
        tile : ndarray of float32, shape (n_tile_rows, n_users)
            C-contiguous; numbers or infinite; rows without a position are -inf.
        first : int
            Number of its first row. But for the first tile, rows come by ascending position.
        """
        # An equal score at a higher position is listed after the floor's.
        is_later = self._last < self._positions[first : first + 1]
        floor = np.where(is_later, np.nextafter(self._floor, np.float32(np.inf)), self._floor)
        words = (tile >= floor).view(np.uint64).ravel()
        at = np.flatnonzero(words != 0)
        found = np.flatnonzero(words[at].view(np.bool_))
        cells = at[found // WORD] * WORD + found % WORD
        self._scores.append(tile.ravel()[cells])
        self._cells.append(cells + first * len(floor))
        self._n_candidates += len(cells)
        if self._n_candidates > CANDIDATES_PER_PLACE * self._k * len(floor):
            self._cut()

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Every user's best, best first.

        Returns
        -------
        positions : ndarray of int64, shape (n_users, k)
            Of items; -1 past the end.
        scores : ndarray of float32, shape (n_users, k)
            NaN past the end.
        """
        user, place = self._cut()
        shape = (len(self._floor), self._k)
        positions = np.full(shape, -1, dtype=np.int64)
        scores = np.full(shape, np.nan, dtype=np.float32)
        at = user * self._k + place
        positions.ravel()[at] = self._best & np.uint64(MAX_ITEMS - 1)
        scores.ravel()[at] = _scores_of(self._best)
        return positions, scores

    def _forget_candidates(self) -> None:
        self._cells = [np.empty(0, dtype=np.int64)]
        self._scores = [np.empty(0, dtype=np.float32)]
        self._n_candidates = 0

    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        """Keep the k best of every user, in order: user and place in the list of each."""
        row, user = np.divmod(np.concatenate(self._cells), len(self._floor))
        keys = _sorting_keys(user, np.concatenate(self._scores), self._positions[row])
        keys = np.concatenate([self._best, keys])
        keys.sort()  # one sort of integers instead of three stable ones
        user = (keys >> np.uint64(32 + POSITION_BITS)).astype(np.int64)
        length = np.bincount(user, minlength=len(self._floor))
        place = np.arange(len(user)) - np.repeat(np.cumsum(length) - length, length)
        is_kept = place < self._k
        user, place, self._best = user[is_kept], place[is_kept], keys[is_kept]
        last = self._best[place == self._k - 1]
        self._floor[user[place == self._k - 1]] = _scores_of(last)
        self._last[user[place == self._k - 1]] = last & np.uint64(MAX_ITEMS - 1)
        self._forget_candidates()
        return user, place


def _sorting_keys(user: np.ndarray, score: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Integers (uint64) that order by user, best score first, lowest position first."""
    bits = (score + np.float32(0)).view(np.int32)  # adding 0 makes -0 a 0
    # Floats order as the integers of their bits, negative ones backwards.
    rising = bits ^ ((bits >> 31) & np.int32(2**31 - 1))
    falling = (~rising).view(np.uint32) ^ np.uint32(2**31)
    keys = user.astype(np.uint64) << np.uint64(32)
    keys |= falling
    keys <<= np.uint64(POSITION_BITS)
    keys |= position.astype(np.uint64)
    return keys


def _scores_of(keys: np.ndarray) -> np.ndarray:
    """Scores (float32) of sorting keys."""
    falling = (keys >> np.uint64(POSITION_BITS)).astype(np.uint32)
    rising = ~(falling ^ np.uint32(2**31)).view(np.int32)
    return (rising ^ ((rising >> 31) & np.int32(2**31 - 1))).view(np.float32)
