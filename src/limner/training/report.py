"""A run at a glance: ``report.html``, one file without script or network, made of what lies in the run's folder."""

from base64 import b64encode
from html import escape
from pathlib import Path

from limner.core.files import replacing
from limner.training.charts import line_chart
from limner.training.gallery import RATIOS, sample_rows
from limner.training.log import read_log

NAME = "report.html"
_MAX_SAMPLE_ROWS = 12
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; color: #222 }
figure { display: inline-block; margin: 0 1em 1em 0 } figcaption { font-weight: 600 } svg { font-size: 11px }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } img { width: 128px; margin: 2px }
"""


def write_report(folder: Path) -> Path:
    """Write the page of the run in ``folder`` and return where it is.

    Raises:
        InputError: the folder cannot be written.
    """
    rows = read_log(folder / "log.csv")
    parts = [f"<h1>{escape(folder.resolve().name)}</h1>", _summary(rows), "<h2>Losses</h2>", *_curves(rows)]
    ratios = read_log(folder / RATIOS)
    if ratios:
        parts += ["<h2>FAIR ratio by layer</h2>", _ratio_table(ratios)]
    samples = sample_rows(folder)
    if samples:
        parts += ["<h2>The same seeds as training goes on</h2>", *_pictures(samples)]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(folder.resolve().name)}</title><style>{_STYLE}</style>{''.join(parts)}</html>"
    )
    with replacing(folder / NAME) as path:
        path.write_text(page, encoding="utf-8")
    return folder / NAME


def _summary(rows: list[dict[str, float]]) -> str:
    if not rows:
        return "<p>No step has been logged yet.</p>"
    last = rows[-1]
    speed = last["step"] / last["seconds"] if last["seconds"] else 0.0
    return f"<p>{last['step']:.0f} steps in {last['seconds']:.0f} seconds ({speed:.2f} steps a second).</p>"


def _curves(rows: list[dict[str, float]]) -> list[str]:
    names = [name for name in rows[0] if name not in ("step", "seconds")] if rows else []
    return [line_chart(name, [(row["step"], row[name]) for row in rows]) for name in names]


def _ratio_table(rows: list[dict[str, float]]) -> str:
    """First and last look, layer by layer."""
    first, last = rows[0], rows[-1]
    head = f"<tr><th>layer</th><th>step {first['step']:.0f}</th><th>step {last['step']:.0f}</th></tr>"
    layers = [name for name in last if name != "step"]
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{first[name]:.4f}</td><td>{last[name]:.4f}</td></tr>" for name in layers
    )
    return f"<table>{head}{body}</table>"


def _pictures(samples: list[tuple[int, list[Path]]]) -> list[str]:
    """Evenly chosen looks, the first and the last among them."""
    chosen = samples
    if len(samples) > _MAX_SAMPLE_ROWS:
        last = len(samples) - 1
        chosen = [samples[round(i * last / (_MAX_SAMPLE_ROWS - 1))] for i in range(_MAX_SAMPLE_ROWS)]
    return [
        f"<p>step {step}<br>"
        + "".join(f'<img alt="" src="data:image/png;base64,{_encoded(p)}">' for p in paths)
        + "</p>"
        for step, paths in chosen
    ]


def _encoded(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()
