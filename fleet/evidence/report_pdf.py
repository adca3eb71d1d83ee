"""Month and incident reports on paper. It lays out what the reports say and reckons nothing.

The same report gives the same octets: the file holds no time of its own and no random identifier.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from fleet.evidence.report_words import word

_BODY: ParagraphStyle = getSampleStyleSheet()["BodyText"]
_SMALL = ParagraphStyle("small", parent=_BODY, fontSize=9, leading=11.5, spaceBefore=0)
_NAMES = ParagraphStyle("names", parent=_SMALL, fontName="Helvetica-Bold")
_NUMBERS = ParagraphStyle("numbers", parent=_SMALL, alignment=TA_RIGHT)
_HEAD: ParagraphStyle = getSampleStyleSheet()["Heading2"]
_TITLE: ParagraphStyle = getSampleStyleSheet()["Title"]
_LINES = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.grey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
)
_DASH = "–"
_NARROW = "\N{NO-BREAK SPACE}"


def month_pdf(report: Mapping[str, Any], language: str) -> bytes:
    """A month report, A4."""

    def say(key: str) -> str:
        return word(key, language)

    zone = ZoneInfo(report["zone"])
    story: list[Flowable] = [
        Paragraph(escape(f"{say('month')} {report['month']}"), _TITLE),
        _pairs(
            [
                (say("municipality"), f"{report['name']} ({report['municipality']})"),
                (say("made_at"), _moment(report["made_at"], zone)),
                (say("units"), _number(report["units"], language)),
            ]
        ),
    ]
    if not report["complete"]:
        story.append(Paragraph(escape(say("incomplete")), _BODY))
    alarms = report["alarms"]
    story += _section(
        say("alarms"),
        [(say(name), _number(alarms[name], language)) for name in ("cases", "presses", "acute", "untaken")],
    )
    for name in ("by_type", "by_outcome"):
        story += _section(say(name), [(say(key), _number(count, language)) for key, count in alarms[name].items()])
    for way in ("centre", "person"):
        found = report["response"].get(way)
        if found is not None:
            story += _section(f"{say('response')}: {say(way)}", _response(found, say, language))
    late, tests = report["late"], report["tests"]
    story += _section(
        say("late"),
        [
            (say("late_presses"), _number(late["presses"], language)),
            (say("longest"), _time(late["longest_s"], language)),
        ],
    )
    story += _section(
        say("tests"),
        [
            (say("test_count"), _number(tests["tests"], language)),
            (say("buttons"), _number(tests["buttons"], language)),
            (
                say("units_tested"),
                f"{_number(tests['units'], language)} ({_percent(tests['units_percent'], language)})",
            ),
        ],
    )
    availability, costs = report["availability"], report["costs"]
    if availability is not None:
        story += _section(
            say("availability"),
            [
                (say("percent"), _percent(availability["percent"], language)),
                (say("units_away"), _number(availability["units_away"], language)),
                (say("longest_away"), _time(availability["longest_away_s"], language)),
            ],
        )
    if costs is not None:
        amounts = [
            (say(key), None if costs[name] is None else _number(costs[name], language))
            for name, key in (("units", "of_units"), ("alarms", "of_alarms"), ("sum", "sum"))
        ]
        story += _section(f"{say('costs')} ({costs['currency']})", amounts)
    return _built(story, f"{say('month')} {report['month']}", say("page"))


def _response(found: Mapping[str, Any], say: Any, language: str) -> list[tuple[str, object]]:
    def verdict(reached: bool) -> str:
        return str(say("reached" if reached else "missed"))

    first, second = found["reaches_97_5_percent_in_60_s"], found["reaches_99_percent_in_180_s"]
    return [
        (say("presses"), _number(found["presses"], language)),
        (say("answered"), _number(found["answered"], language)),
        (say("within_60"), f"{_percent(found['within_60_s_percent'], language)}, {verdict(first)}"),
        (say("within_180"), f"{_percent(found['within_180_s_percent'], language)}, {verdict(second)}"),
        (say("median"), _time(found["median_s"], language)),
        (say("p95"), _time(found["p95_s"], language)),
        (say("longest"), _time(found["longest_s"], language)),
        (say("yardstick"), ""),
    ]


def case_pdf(report: Mapping[str, Any], language: str) -> bytes:
    """An incident report, A4."""

    def say(key: str) -> str:
        return word(key, language)

    zone = ZoneInfo(report["zone"])
    title = f"{say('case')} {report['case']}"
    story: list[Flowable] = [
        Paragraph(escape(title), _TITLE),
        _pairs(
            [
                (say("municipality"), f"{report['name']} ({report['municipality']})"),
                (say("unit"), f"{report['unit']} ({say(report['unit_type'])})"),
                (say("state"), say(f"state.{report['state']}")),
                (say("outcome"), say(report["outcome"]) if report["outcome"] else _DASH),
                (say("made_at"), _moment(report["made_at"], zone)),
            ]
        ),
        Paragraph(escape(say("held")), _HEAD),
    ]
    held = [
        [
            say("fleet") if part["who"] == "fleet" else part["who"],
            _moment(part["since"], zone),
            _moment(part["until"], zone) if part["until"] else say("now"),
        ]
        for part in report["held"]
    ]
    story.append(_table([[say("who"), say("since"), say("until")], *held], (80, 50, 50)))
    story.append(Paragraph(escape(say("events")), _HEAD))
    events = [
        [_moment(one["at"], zone), say(one["what"]), one["who"], one["position"] or _DASH] for one in report["events"]
    ]
    story.append(_table([[say("at"), say("what"), say("who"), say("place")], *events], (45, 60, 50, 25)))
    head = report["head"]
    text = say("no_head") if head is None else f"{head['position']}: {head['hash']} ({head['key']})"
    story += [Paragraph(escape(say("head")), _HEAD), Paragraph(escape(text), _SMALL)]
    return _built(story, title, say("page"))


def _section(title: str, pairs: Sequence[tuple[str, object]]) -> list[Flowable]:
    """A heading with its rows, never parted by the end of a page."""
    return [KeepTogether([Paragraph(escape(title), _HEAD), _pairs(pairs)])] if pairs else []


def _pairs(pairs: Sequence[tuple[str, object]]) -> Flowable:
    """Names on the left, what is said of them right beside; numbers stand under each other."""
    rows = [
        [Paragraph(escape(name), _SMALL), Paragraph(escape(_DASH if value is None else str(value)), _NUMBERS)]
        for name, value in pairs
    ]
    return Table(rows, colWidths=[90 * mm, 60 * mm], style=_LINES, hAlign="LEFT")


def _table(rows: Sequence[Sequence[object]], widths_mm: Sequence[int]) -> Flowable:
    """The first row names the columns, on every page."""
    styles = [_NAMES, *(_SMALL for _ in rows[1:])]
    cells = [[Paragraph(escape(str(cell)), style) for cell in row] for row, style in zip(rows, styles, strict=True)]
    return Table(cells, colWidths=[width * mm for width in widths_mm], style=_LINES, repeatRows=1, hAlign="LEFT")


def _built(story: list[Flowable], title: str, page: str) -> bytes:
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=A4, title=title, author="Livlina", invariant=1, leftMargin=15 * mm, rightMargin=15 * mm,
        topMargin=15 * mm, bottomMargin=18 * mm,
    )  # fmt: skip

    def foot(canvas: Canvas, _document: object) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(15 * mm, 10 * mm, f"Livlina · {title} · {page} {canvas.getPageNumber()}")

    document.build([*story, Spacer(1, 4 * mm)], onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _moment(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _number(value: float, language: str) -> str:
    """Thousands apart; a decimal comma in Swedish. What is no number stays as it is."""
    if isinstance(value, str):
        return value
    text = f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return text.replace(",", _NARROW).replace(".", ",") if language == "sv" else text


def _percent(value: float | None, language: str) -> str:
    return _DASH if value is None else f"{_number(float(value), language)} %"


def _time(seconds: float | None, language: str) -> str:
    if seconds is None:
        return _DASH
    if seconds < 120:
        text = f"{seconds:.1f} s"
        return text.replace(".", ",") if language == "sv" else text
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 180 else f"{minutes // 60} h {minutes % 60} min"
