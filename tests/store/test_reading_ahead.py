"""Parts that are made while those before are worked on."""

from threading import Event, current_thread

import pytest

from morphoquant.store.ahead import ahead


def test_the_next_part_is_made_while_this_one_is_worked_on():
    second, makers = Event(), []

    def parts():
        for number in range(5):
            makers.append(current_thread())
            if number == 1:
                second.set()
            yield number

    with ahead(parts()) as made:
        assert next(made) == 0
        assert second.wait(5)  # without anybody asking for it
        assert list(made) == [1, 2, 3, 4]
    assert len(set(makers)) == 1 and makers[0] is not current_thread()


def test_an_error_comes_where_its_part_would_have():
    def parts():
        yield 1
        raise ValueError("the second")

    with ahead(parts()) as made:
        assert next(made) == 1
        with pytest.raises(ValueError, match="the second"):
            next(made)


def test_who_leaves_early_closes_what_is_read():
    closed, made_so_far = Event(), []

    def parts():
        try:
            for number in range(1000):
                made_so_far.append(number)
                yield number
        finally:
            closed.set()

    with ahead(parts(), most=3) as made:
        next(made)
    assert closed.is_set() and len(made_so_far) <= 5
