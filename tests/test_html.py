"""The page of a comparison: whole, harmless, right, and alive in a real browser."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shlex
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from builders import op, plan, trace

import traces
from lsched.cli import main, parse_options
from lsched.commands import compare
from lsched.commands.report import command_text
from lsched.html import chart_of, read_results
from lsched.html.charts import MAX_INTERVALS
from lsched.plots.gantt import busy_intervals
from lsched.tables import number
from sim import Cluster, Outage, simulate
from sim.engines import VARIABLE

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '</script><img src="x" onerror=alert(1)>'
CLUSTER = "inmemory-32:executors_per_node=2"
RULE = """
import sim


class Plain:
    def decide(self, view):
        return [sim.Allocation(o, view.num_executors) for q in view.queries for o in q.schedulable]
"""


class Page(HTMLParser):
    """Tags with their attributes, and the text of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.tags)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of which every name tries to be markup, with its page."""
    folder = tmp_path_factory.mktemp("page")
    small = trace(
        plan(op(900, 1100, count=3, name=HOSTILE), op(500), edges="0>1", name=f"a{HOSTILE}"),
        (plan(op(4000, 6000, count=4), name="b"), 1500),
    )
    traces.write(msgspec.structs.replace(small, name=f"t{HOSTILE}"), folder / "small.jsonl")
    (folder / "<b>&.py").write_text(RULE)
    words = ["compare", str(folder / "small.jsonl"), "--cluster", CLUSTER, "--workers", "1"]
    words += ["--schedulers", f"fifo,fair,{folder}/<b>&.py:Plain,oracle-srpt", "--seeds", "3"]
    words += ["--loads", "0.5,0.9", "--queries", "8", "--out", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "simpy")
        assert main(words) == 0
        assert main(["report", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return (out / "report.html").read_text()


def test_it_is_one_file_that_loads_nothing(page: str) -> None:
    parsed = Page(page)
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("data:image/", "#")), (tag, target)
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", page)


def test_hostile_names_are_text(page: str) -> None:
    parsed = Page(page)
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert parsed.count("script") == parsed.count("canvas") + 1 >= 3
    assert parsed.count("b") == 0
    assert HOSTILE in parsed.text
    assert "<b>&.py:Plain" in parsed.text


def test_it_has_the_numbers_of_the_table(out: Path, page: str) -> None:
    text = Page(page).text
    document = json.loads((out / "results.json").read_text())
    for case in document["comparisons"]:
        for outcome in case["schedulers"].values():
            for figure in ("mean_latency_s", "p50_latency_s", "p99_latency_s"):
                assert number(outcome[figure] * 1e3) in text
            ratio = outcome["ratio_to_reference"]["mean_latency_s"]
            if ratio["value"] != 1:
                assert f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]" in text
    for words in ("oracle-srpt †", "0-2", "executors per node", "numpy version", "reference"):
        assert words in text
    assert "differ" not in text


def test_plots_are_with_their_cases(out: Path, page: str) -> None:
    num_plots = len([path for path in out.glob("*.png") if not path.name.startswith("gantt")])
    assert Page(page).count("img") == num_plots == 2 * 4 + 1
    first, second = page.split('<section id="case-')[1:]
    assert first.count("<img") == second.count("<img") == 4


def test_the_command_makes_the_same_results(out: Path) -> None:
    options = read_results(out).options
    words = shlex.split(command_text(options))
    assert words[:2] == ["lsched", "compare"]
    again = dataclasses.asdict(parse_options(compare.Options, "lsched compare", words[2:]))
    expected = {**options, "workers": again["workers"], "out": Path(options["out"])}
    assert {**again, "traces": list(again["traces"])} == expected
    assert command_text({}) == ""


def test_charts_hold_what_executors_did() -> None:
    work = trace(plan(op(100, 200, 300)), (plan(op(50), name="late"), 90))
    cluster = Cluster(executors_per_node=2, outages=(Outage(250, 280, executors=(1,)),))
    result = simulate(work, "fifo", cluster=cluster, record_events=True, engine="simpy")
    chart = chart_of(result)
    assert result.events is not None
    bars = []
    for executor, row in enumerate(chart["rows"]):
        end = 0
        for gap, length, query in zip(row[::3], row[1::3], row[2::3], strict=True):
            bars.append((executor, chart["queries"][query][0], end + gap, end + gap + length))
            end += gap + length
    assert bars == busy_intervals(result.events)
    assert chart["away"] == [(1, 250, 280)]
    assert chart["end_us"] == max(bar[-1] for bar in bars)
    assert [query[3] for query in chart["queries"]] == [0, 90]
    assert len(bars) < MAX_INTERVALS


def test_where_the_trace_is_gone_the_plots_stay(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in out.glob("*.png"):
        (copy / path.name).write_bytes(path.read_bytes())
    document = json.loads((out / "results.json").read_text())
    document["options"]["traces"] = ["gone.jsonl"]
    (copy / "results.json").write_text(json.dumps(document))
    assert main(["report", str(copy)]) == 0
    parsed = Page((copy / "report.html").read_text())
    assert "could not be simulated again" in parsed.text
    assert parsed.count("canvas") == 0
    assert parsed.count("img") > 2 * 4 + 1  # the Gantt charts as pictures
    assert "written to" in capsys.readouterr().out


def test_a_run_that_is_not_the_same_is_told(out: Path, tmp_path: Path) -> None:
    document = json.loads((out / "results.json").read_text())
    for run in document["comparisons"][0]["schedulers"]["fair"]["per_seed"]:
        run["mean_latency_s"] *= 1.01
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path), "--schedulers", "fair", "--seed", "2"]) == 0
    text = Page((tmp_path / "report.html").read_text()).text
    assert text.count("these runs differ") == 1
    assert "seed 2" in text


def test_missing_runs_are_told(out: Path, tmp_path: Path) -> None:
    document: dict[str, Any] = json.loads((out / "results.json").read_text())
    case = document["comparisons"][0]
    case["schedulers"]["fifo"] |= {"per_seed": case["schedulers"]["fifo"]["per_seed"][:2]}
    none_left = {key: {"value": None} for key in ("mean_latency_s", "p95_latency_s")}
    document["comparisons"][1]["schedulers"]["fifo"] = {
        "is_clairvoyant": False,
        "ratio_to_reference": none_left,
        "per_seed": [],
    }
    lost = {"trace": "t", "arrivals": "load 0.5", "scheduler": "fifo", "seed": 2, "reason": "died"}
    document |= {"incomplete": [lost], "options": {}}
    (tmp_path / "results.json").write_text(json.dumps(document))
    assert main(["report", str(tmp_path)]) == 0
    text = Page((tmp_path / "report.html").read_text()).text
    assert text.count("fifo ‡") == 2
    assert "nan" not in text.lower()
    assert "fifo on t, load 0.5, seed 2" in text
    assert text.count("were not written by a command") == 3


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, [], "has no results.json"),
        ("{", [], "is not JSON"),
        ('{"version": 7}', [], "is not a results.json of version 1"),
        ('{"version": 1}', [], "run the comparison again"),
        ("same", ["--schedulers", "sjf"], "'sjf' was not compared"),
        ("same", ["--seed", "9"], "seed 9 was not compared"),
    ],
)
def test_mistakes_are_told_in_one_line(
    out: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    words: list[str],
    message: str,
) -> None:
    if content is not None:
        text = (out / "results.json").read_text() if content == "same" else content
        (tmp_path / "results.json").write_text(text)
    assert main(["report", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def in_browser(page: Path, folder: Path, *options: str, hash_: str = "") -> str:
    """What headless Chromium prints for a page."""
    switches = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"]
    switches += ["disable-background-networking", "disable-component-update", "disable-sync"]
    done = subprocess.run(
        [
            str(CHROMIUM),
            *(f"--{switch}" for switch in switches),
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1280,3000",
            *options,
            f"{page.as_uri()}{hash_}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium")
def test_a_browser_draws_and_zooms_it(out: Path, tmp_path: Path) -> None:
    """All interaction goes through events, as from a mouse and a keyboard."""
    tried = tmp_path / "tried.html"
    script = """
      const canvas = document.querySelector("canvas"), seen = [];
      const box = canvas.getBoundingClientRect();
      const note = () => seen.push([Number(canvas.dataset.from), Number(canvas.dataset.to)]);
      const at = (x) => ({clientX: box.left + x, clientY: box.top + 4, pointerId: 1, bubbles: true,
        cancelable: true, ctrlKey: true, deltaY: -200});
      canvas.setPointerCapture = () => {};
      note();
      canvas.dispatchEvent(new WheelEvent("wheel", at(300))); note();
      canvas.dispatchEvent(new PointerEvent("pointerdown", at(200)));
      canvas.dispatchEvent(new PointerEvent("pointermove", at(400)));
      canvas.dispatchEvent(new PointerEvent("pointerup", at(400))); note();
      canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"})); note();
      canvas.dispatchEvent(new MouseEvent("dblclick")); note();
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const colours = new Set();
      for (let i = 0; i < pixels.length; i += 4) colours.add(pixels.slice(i, i + 3).join());
      document.body.dataset.seen = JSON.stringify(seen);
      document.body.dataset.colours = colours.size;
    """
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    page = (out / "report.html").read_text()
    assert policy.search(page)
    tried.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    dom = in_browser(tried, tmp_path, "--dump-dom")
    (text,) = re.findall(r'data-seen="([^"]*)"', dom)
    whole, wheel, drag, moved, again = json.loads(html.unescape(text))
    assert whole[0] == 0
    assert 0 < wheel[0] < wheel[1] < whole[1]
    assert wheel[0] < drag[0] < drag[1] < wheel[1]
    assert moved[0] < drag[0]
    assert moved[1] - moved[0] == pytest.approx(drag[1] - drag[0], abs=2)
    assert again == whole
    (colours,) = re.findall(r'data-colours="(\d+)"', dom)
    assert int(colours) > 8
    dom = in_browser(out / "report.html", tmp_path, "--dump-dom", hash_="#t=0.001,0.004")
    assert set(re.findall(r'data-from="(\d+)" data-to="(\d+)"', dom)) == {("1000", "4000")}
    assert "alert" not in "".join(re.findall(r"<img[^>]*>", dom))
    picture = tmp_path / "page.png"
    in_browser(out / "report.html", tmp_path, f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000
