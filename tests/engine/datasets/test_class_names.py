"""Classes are listed by the numbers in their names, unless their order was recorded."""

from wann_core.datasets.class_names import listed_order


def test_numbers_in_names_count_as_numbers() -> None:
    names = tuple(sorted(f"short {i} of 20" for i in range(20)))
    assert [names[c] for c in listed_order(names)] == [f"short {i} of 20" for i in range(20)]


def test_a_recorded_order_stays() -> None:
    assert listed_order(("short 10", "short 2", "short 1")) == (0, 1, 2)


def test_decimals_leading_zeros_and_endless_digits() -> None:
    for names, order in (
        (("0.45", "0.5"), (0, 1)),
        (("a02", "a1"), (1, 0)),
        (("a" + "1" * 5000, "a2"), (1, 0)),
        (("", "10", "9", "x"), (0, 2, 1, 3)),
    ):
        assert listed_order(names) == order, names
