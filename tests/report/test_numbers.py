from __future__ import annotations

import pytest

from sterna.report._numbers import (
    Scale,
    duration,
    number,
    p_value,
    percent,
    scale_for,
    shortened,
    significant,
    small_amount,
    thing,
)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234567.891, 1, "1\u202f234\u202f567.9"),
        (-0.04, 1, "0.0"),
        (-3.25, 2, "\u22123.25"),
        (None, 2, "\u2013"),
        (1e12, 2, "1.00e+12"),
        (-1.5e-10, 11, "\u22121.50e\u221210"),
    ],
)
def test_number(value, decimals, text):
    assert number(value, decimals) == text


def test_signs():
    assert [number(-0.0, decimals) for decimals in (0, 2, 12)] == ["0", "0.00", "0.00e+00"]
    assert [number(x, 1, sign=True) for x in (2.0, -2.0, 0.0, -0.04)] == ["+2.0", "\u22122.0", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.04117, "0.0412"), (231.2, "231"), (3, "3"), (0, "0"), (1.0, "1"), (0.1, "0.100")]
)
def test_significant(value, text):
    assert significant(value) == text


def test_other_forms():
    assert p_value(0.0005) == "< 0.001"
    assert p_value(0.0312) == "0.031"
    assert p_value(0.21) == "0.21"
    assert percent(0.1234, 1) == "12.3\u202f%"
    assert [small_amount(x) for x in (0.001, 0.05, 3.14159, 99.6)] == ["< 0.01", "0.05", "3.1", "100"]
    assert duration(33.1) == "33 s"
    assert duration(604.0) == "10 min 4 s"
    assert thing(True) == "yes"
    assert thing([1, 2.5]) == "1, 2.50"
    assert thing({"a": 1}) == "a 1"


def test_names_are_cut_in_the_middle():
    assert shortened("short", 10) == "short"
    cut = shortened("a" * 50 + "z" * 50, 20)
    assert len(cut) == 20
    assert cut.startswith("aaa")
    assert cut.endswith("zzz")


def summary_with(half, mean=0.9, name="accuracy", unit="share of rows"):
    item = {"mean": mean, "low": mean - half, "high": mean + half}
    return {"metric": {"name": name, "unit": unit}, "strategies": [item]}


@pytest.mark.parametrize(
    ("half", "name", "unit", "text"),
    [
        (0.021, "accuracy", "share of rows", "90.0\u202f% (87.9 to 92.1)"),
        (0.12, "accuracy", "share of rows", "90\u202f% (78 to 102)"),
        (0.00213, "accuracy", "share of rows", "90.00\u202f% (89.79 to 90.21)"),
        (0.021, "roc_auc", "", "0.900 (0.879 to 0.921)"),
        (0.00011, "rmse", "units of the label", "0.90000 (0.89989 to 0.90011)"),
    ],
)
def test_digits_follow_the_interval(half, name, unit, text):
    summary = summary_with(half, name=name, unit=unit)
    assert scale_for(summary).estimate(summary["strategies"][0]) == text


def test_scale_without_intervals():
    assert scale_for({}).score(0.5) == "0.500"
    assert scale_for({"metric": {"name": "accuracy"}}).score(0.5) == "50.0\u202f%"
    assert scale_for({"metric": {"name": "rmse"}, "strategies": [{"mean": 5234.0}]}).score(5234.0) == "5\u202f234"


def test_difference():
    scale = Scale(100.0, 1, "%", "points")
    assert scale.difference({"mean": 0.031, "low": -0.008, "high": 0.07}) == "+3.1 (\u22120.8 to +7.0)"
    assert scale.difference({"mean": None}) == "\u2013"
