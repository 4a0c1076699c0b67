from __future__ import annotations

import zlib

import numpy as np

from pipelines.models.kernels.sampling import evenly_spaced, hash_ids, lowest_hashes


def test_few_rows_are_all_taken() -> None:
    assert evenly_spaced(0, 3).tolist() == []
    assert evenly_spaced(3, 3).tolist() == [0, 1, 2]


def test_of_many_rows_each_is_taken_once_and_the_steps_are_even() -> None:
    found = evenly_spaced(1_000_003, 10_000)
    assert len(found) == 10_000 and (found[0], found[-1]) == (0, 1_000_002)
    assert set(np.diff(found)) == {100, 101}


def test_users_are_taken_by_the_lowest_hashes_of_their_ids() -> None:
    user_ids = np.array([f"u{n:02}" for n in range(30)])
    users = np.arange(3, 30)
    found = lowest_hashes(users, hash_ids(user_ids), 5)
    by_hash = sorted(users.tolist(), key=lambda user: zlib.crc32(user_ids[user].encode()))
    assert found.tolist() == sorted(by_hash[:5])
    assert lowest_hashes(users, hash_ids(user_ids), 27).tolist() == users.tolist()
