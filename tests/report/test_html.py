"""Properties that every page has, whatever the summary, and what each situation must say."""

from __future__ import annotations

import copy
import functools
import math
import operator
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sterna.report import to_html, to_markdown

VOID = {"meta", "link", "br", "hr", "img", "input"}
HEADINGS = [
    "What was compared",
    "1 Does the source help?",
    "2 Does adapting help?",
    "3 By which strategy?",
    "How the domains differ",
    "What was left out",
    "How to use the model",
    "How to reproduce it",
]


class Page(HTMLParser):
    """Elements with their attributes and the text inside them; fails where a tag is not balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}"
        element = {"tag": tag, "attrs": dict(attrs), "text": ""}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "attrs": dict(attrs), "text": ""})

    def handle_endtag(self, tag):
        assert self.open, f"closed without being open: {tag}"
        assert self.open[-1]["tag"] == tag, f"{tag} closed within {self.open[-1]['tag']}"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def texts(self, tag, **attrs):
        return [" ".join(e["text"].split()) for e in self.find(tag, **attrs)]

    def find(self, tag, **attrs):
        wanted = {key.rstrip("_"): value for key, value in attrs.items()}
        return [
            e
            for e in self.elements
            if e["tag"] == tag and all(v in (e["attrs"].get(k) or "").split() for k, v in wanted.items())
        ]


def test_same_bytes(summary):
    first = to_html(summary)
    assert to_html(summary) == first
    assert to_html(copy.deepcopy(summary)) == first


def test_same_bytes_in_another_process(make):
    """Neither hash order nor anything else of a process shows in the page."""
    made = Path(__file__).with_name("made_summary.py")
    code = (
        "import hashlib, runpy; from sterna.report import to_html, to_markdown;"
        f"s = runpy.run_path({str(made)!r})['few_labels']();"
        "print(hashlib.sha256((to_html(s) + to_markdown(s)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_the_summary_is_not_changed(summary):
    before = copy.deepcopy(summary)
    to_html(summary)
    to_markdown(summary)
    assert repr(summary) == repr(before)  # repr: NaN is not equal to itself


def test_balanced_and_unique_ids(summary):
    page = Page(to_html(summary))
    ids = [e["attrs"]["id"] for e in page.elements if "id" in e["attrs"]]
    assert len(ids) == len(set(ids))
    assert len(page.find("h1")) == 1


def test_svg_is_xml_with_titles(summary):
    for text in _outermost(to_html(summary)):
        root = ET.fromstring(text)
        if root.get("aria-hidden") == "true":
            continue
        assert root.get("role") == "img"
        assert root[0].tag == "title"
        assert root[0].text.strip()


def _outermost(text):
    """Every <svg> that lies in no other."""
    out, depth, start = [], 0, 0
    for match in re.finditer(r"<svg\b|</svg>", text):
        if match.group() == "</svg>":
            depth -= 1
            if depth == 0:
                out.append(text[start : match.end()])
        else:
            if depth == 0:
                start = match.start()
            depth += 1
    return out


def test_nothing_is_fetched(summary):
    page = Page(to_html(summary))
    assert not page.find("script")
    for element in page.elements:
        for name, value in element["attrs"].items():
            assert not name.startswith("on"), f"handler {name}"
            if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"):
                assert value.startswith(("data:", "#")), f"{name}={value}"
    css = page.find("style")[0]["text"]
    assert "url(" not in css
    assert "@import" not in css
    policy = page.find("meta", content="default-src")[0]["attrs"]["content"]
    assert policy.startswith("default-src 'none'")


def test_the_order_of_the_answers(situation):
    page = Page(to_html(situation))
    assert [heading for heading in page.texts("h2") if heading in HEADINGS] == HEADINGS
    assert page.texts("h1") == [situation["title"]]


def test_names_mean_themselves(make, nasty):
    summary = make("everything")
    text = to_html(summary)
    page = Page(text)
    assert not page.find("script")
    assert "<script" not in text.split("</style>")[1]
    assert "7*7" in text  # never evaluated
    assert not set(re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e\ud800-\udfff]", text))
    seen = nasty.replace("\u202e", "\ufffd").replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert any(seen in element["text"] for element in page.find("code"))
    assert any(e["attrs"].get("title") == seen for e in page.find("bdi", class_="name")), (
        "a cut name has the whole as its title"
    )


@pytest.mark.parametrize("label", ["a\ud800b", "\ud83d\ude00", "\u0634\u0647\u0631", "  ", "", "]]>", "&amp;", "--><b>"])
def test_any_label_is_encodable(make, label):
    summary = make("few_labels")
    summary["title"] = label
    summary["domains"][0]["name"] = summary["strategies"][4]["name"] = summary["best"]["name"] = label
    summary["confusion"]["classes"][0] = label
    to_html(summary).encode("utf-8")
    to_markdown(summary).encode("utf-8")
    Page(to_html(summary))


def test_few_labels(make):
    text = to_html(make("few_labels"))
    page = Page(text)
    assert page.texts("p", class_="answer") == ["The source helps, and adapting to the target helps as well."]
    assert "91.0\u202f% (89.0 to 93.0)" in text
    source, adapting = page.find("section", id="source")[0]["text"], page.find("section", id="adapting")[0]["text"]
    assert "+6.4 (" in source
    assert "+3.1 (" in adapting
    for word in ("helps", "no evidence", "hurts"):
        assert word in source
    assert "JCPOT" in page.find("section", id="left-out")[0]["text"]
    whole = page.find("section", id="reproduce")[0]["text"]
    for needed in ("sterna compare", "scikit-learn 1.8.0", "random_state 0", "luckiest", "13 comparisons"):
        assert needed in whole
    for domain in make("few_labels")["domains"]:
        assert domain["fingerprint"] in whole


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("it is the best", "Handed over because it is the best."),
        ("CORAL: it is the best.", "Handed over because it is the best."),
        ("Nothing else ran.", "Nothing else ran."),
    ],
)
def test_the_reason_is_one_sentence(make, reason, sentence):
    summary = make("few_labels")
    summary["best"]["reason"] = reason
    assert sentence in Page(to_html(summary)).texts("p")


def test_nothing_is_said_twice(make):
    """A power sentence that the verdict holds already is left out, and its heading where nothing is left below it."""
    summary = make("unsupervised")
    summary["verdict"]["sentence"] += " " + summary["power"]["sentence"]
    summary["power"]["curve"] = []
    text = Page(to_html(summary)).find("section", id="source")[0]["text"]
    assert text.count(summary["power"]["sentence"]) == 1
    assert "What it would take" not in text


def test_words_differ_in_shape_and_text(make):
    """Not by colour only: every word has its own path."""
    text = to_html(make("few_labels"))
    shapes = {kind: set(re.findall(rf'<path d="([^"]+)" class="mark is-{kind}"', text)) for kind in ("helps", "none", "hurts")}
    assert all(len(paths) == 1 for paths in shapes.values())
    assert len(set.union(*shapes.values())) == 3


def test_regression(make):
    summary = make("regression")
    page = Page(to_html(summary))
    head = page.find("header")[0]["text"]
    assert "lower is better" in head
    assert "positive is better" in head
    assert page.texts("p", class_="answer") == ["The source hurts, and there is no evidence that adapting mends it."]
    scores = [float(m) for m in re.findall(r"(\d\.\d{3}) \(", page.find("table", class_="full")[0]["text"])]
    best_first = sorted(s["mean"] for s in summary["strategies"] if s["mean"] is not None)
    shown = [score for score in scores if any(abs(score - mean) < 5e-4 for mean in best_first)]
    assert shown == sorted(shown), "the lowest error comes first"
    assert "Stopped early." in page.find("section", id="left-out")[0]["text"]
    assert "26 more of the same kind" in page.find("section", id="compared")[0]["text"]
    assert "140 of 700 columns drifted" in page.find("section", id="domains")[0]["text"]


def test_unsupervised(make):
    summary = make("unsupervised")
    page = Page(to_html(summary))
    assert "unproven" in page.texts("p", class_="answer")[0]
    assert not page.find("table", class_="forest")
    source = page.find("section", id="source")[0]["text"]
    assert summary["power"]["sentence"] in source
    assert "What it would take to tell" in source
    assert "There is no difference to draw" in source
    strategies = page.find("section", id="strategies")[0]["text"]
    for scorer in ("importance weighted", "soft neighborhood density"):
        assert scorer in strategies
    assert "hints, not as proof" in " ".join(strategies.split())
    assert "Against" not in strategies, "no column for differences that nobody measured"
    assert "Intervals in brackets" not in page.find("header")[0]["text"]


def test_long_lists_are_cut_and_say_so(make):
    summary = make("everything")
    page = Page(to_html(summary))
    full = page.find("table", class_="full")[0]["text"]
    ran = [s["name"] for s in summary["strategies"] if s["reason"] is None]
    assert len(ran) == 58
    assert all(name in full for name in ran if name.startswith(("Method", "CORAL", "Constant")))
    details = page.texts("details")
    assert len(details) == 2
    assert re.match(r"\d+ other strategies: .*hurts", details[0])
    strategies, domains = (page.find("section", id=key)[0]["text"] for key in ("strategies", "domains"))
    assert "Of 100 classes, the 20 that are most often mistaken" in strategies
    assert "1000 of 5000 columns drifted; the 20 with the largest statistic are shown" in domains
    assert "the 20 of 100 classes that differ most" in domains
    assert len(page.find("tr", role="row")) < 250


def test_baselines_are_always_shown(make):
    summary = make("few_labels")
    summary["strategies"] = [s for s in summary["strategies"] if s["family"] != "baselines"]
    full = Page(to_html(summary)).find("table", class_="full")[0]["text"]
    for name, item in summary["baselines"].items():
        assert name in full
        assert f"{100 * item['mean']:.1f}" in full


def test_health_and_warnings_are_in_the_table(make):
    full = Page(to_html(make("few_labels"))).find("table", class_="full")[0]["text"]
    for needed in ("effective sample size 231", "converged no", "raise max_iter", "all weight is on 11 of 1200"):
        assert needed in full


def paths_of(value, path=()):
    """Every place in a summary, one for a whole list."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths_of(value[key], (*path, key))
    elif isinstance(value, list) and value:
        yield from paths_of(value[0], (*path, 0))


def without(summary, path, instead):
    copied = place = copy.deepcopy(summary)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = instead
    return copied


def small(summary):
    """Cut the lists of a summary: one entry of each kind is enough."""
    summary["strategies"] = [summary["strategies"][i] for i in (0, 4, 11, -1)]
    summary["measure"]["map"] = [{**place, "x": place["x"][:3], "y": place["y"][:3]} for place in summary["measure"]["map"][1:]]
    summary["measure"]["drift"] = summary["measure"]["drift"][:2]
    summary["learning_curve"] = summary["learning_curve"][::2]
    return summary


def test_anything_may_be_null(make):
    """Whatever single value of a summary is null, both renderings are made, and balanced as far as looked at."""
    summary = small(make("few_labels"))
    paths = [path for path in paths_of(summary) if path]
    assert len(paths) > 150
    for i, path in enumerate(paths):
        changed = without(summary, path, None)
        page = to_html(changed)
        assert to_markdown(changed)
        if i % 3 == 0:
            Page(page)


def test_not_a_number_is_shown_as_null(make):
    summary = small(make("few_labels"))
    paths = [path for path in paths_of(summary) if path]
    numbers = [path for path in paths if isinstance(functools.reduce(operator.getitem, path, summary), float)]
    assert len(numbers) > 50
    for path in numbers[::5]:
        assert to_html(without(summary, path, math.nan)) == to_html(without(summary, path, None))


def test_any_key_may_be_missing(situation):
    summary = situation
    summary["measure"]["drift"] = summary["measure"]["drift"][:30]
    for key in summary:
        rest = {k: v for k, v in summary.items() if k != key}
        Page(to_html(rest))
        assert to_markdown(rest)
    Page(to_html({}))


@pytest.mark.parametrize("wrong", ["a string", [1, 2], None])
def test_not_a_dict(wrong):
    with pytest.raises(TypeError, match=r"takes one summary dict, got .*; pass the dict"):
        to_html(wrong)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(a, b, share):
    """Mix like color-mix in sRGB."""
    parts = [round(share * int(a[i : i + 2], 16) + (1 - share) * int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


def test_contrast_in_light_and_dark():
    css = to_html({}).split("<style>")[1].split("</style>")[0]
    blocks = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    palettes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6});", block)) for block in blocks]
    assert len(palettes) == 3  # light, dark, print
    for palette in palettes:
        palette = {key: "#" + "".join(2 * c for c in value[1:]) if len(value) == 4 else value for key, value in palette.items()}
        for ink in ("ink", "muted", "accent", "hurts"):
            for ground in ("paper", "tint"):
                assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground, palette)
        strongest = float(re.search(r"var\(--share, 0\) \* (\d+)%", css).group(1)) / 100
        assert contrast(palette["ink"], mixed(palette["accent"], palette["faint"], strongest)) >= 4.5
        assert contrast(palette["ink"], palette["faint"]) >= 4.5
