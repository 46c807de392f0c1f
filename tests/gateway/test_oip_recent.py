"""What a node remembers of recent requests: it answers as if it remembered nothing."""

from __future__ import annotations

from gramwise.gateway.oip.recent import Recent


def test_a_value_is_made_once_and_many_keys_keep_little() -> None:
    recent, made = Recent[int, list[int]](), list[int]()

    def get(key: int) -> list[int]:
        return recent.get(key, lambda: made.append(key) or [key])  # type: ignore[func-returns-value]

    assert get(1) is get(1)
    assert made == [1]
    for key in range(1000):
        assert get(key) == [key]
    assert len(recent._values) <= 64
