"""Selection of the best scores of many users at once, from scores that come tile by tile."""

from __future__ import annotations

import numpy as np

#: The users of a selection must be a multiple of this: so many comparisons are read as one word.
WORD = 8
#: Bits of the position in a sorting key: lowest, below 32 of the score and those of the user.
POSITION_BITS = 24
#: Most users of one selection: what the remaining bits of the key can number.
MAX_USERS = 2 ** (64 - 32 - POSITION_BITS)
#: Most items of one selection: what the position's bits can number.
MAX_ITEMS = 2**POSITION_BITS
#: Candidates per place of a list; if there are more, they are cut to the best.
CANDIDATES_PER_PLACE = 4
#: Lowest score that can be selected.
LOWEST = np.finfo(np.float32).min


class Selection:
    """Select every user's k best scores that reach a floor; equal scores by lowest position.

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
    equal, they are cut to k per user, and the k-th is the new floor.
    """

    def __init__(self, positions: np.ndarray, n_users: int, k: int) -> None:
        self._positions = positions
        self._k = k
        self._floor = np.full(n_users, LOWEST, dtype=np.float32)
        self._last = np.full(n_users, MAX_ITEMS)  # position of the floor's score
        self._best = np.empty(0, dtype=np.uint64)  # keys
        self._forget_candidates()

    def raise_floor(self, floor: np.ndarray) -> None:
        """Ignore scores below `floor` (float32, shape (n_users,)) from now on."""
        self._floor = np.maximum(self._floor, floor)

    def add(self, tile: np.ndarray, first: int) -> None:
        """Offer the next tile of scores.

        Parameters
        ----------
        tile : ndarray of float32, shape (n_tile_rows, n_users)
            C-contiguous; numbers or infinite; rows without a position are -inf.
        first : int
            Number of its first row. Except in the first tile, rows come by ascending position.
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
        """Positions and scores that were selected for every user, best first.

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
        """Keep the k best candidates of every user; returns the user and the place of each."""
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


def falling_bits(score: np.ndarray) -> np.ndarray:
    """Integers (uint32) that order scores (float32) from the best to the worst."""
    bits = (score + np.float32(0)).view(np.int32)  # adding 0 makes -0 a 0
    # Floats order as the integers of their bits, negative ones backwards.
    rising = bits ^ ((bits >> 31) & np.int32(2**31 - 1))
    falling: np.ndarray = (~rising).view(np.uint32) ^ np.uint32(2**31)
    return falling


def scores_of_bits(falling: np.ndarray) -> np.ndarray:
    """Scores (float32) of `falling_bits`."""
    rising = ~(falling ^ np.uint32(2**31)).view(np.int32)
    scores: np.ndarray = (rising ^ ((rising >> 31) & np.int32(2**31 - 1))).view(np.float32)
    return scores


def _sorting_keys(user: np.ndarray, score: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Integers (uint64) that order by user, best score first, lowest position first."""
    keys = user.astype(np.uint64) << np.uint64(32)
    keys |= falling_bits(score)
    keys <<= np.uint64(POSITION_BITS)
    keys |= position.astype(np.uint64)
    return keys


def _scores_of(keys: np.ndarray) -> np.ndarray:
    """Scores (float32) of sorting keys."""
    return scores_of_bits((keys >> np.uint64(POSITION_BITS)).astype(np.uint32))
