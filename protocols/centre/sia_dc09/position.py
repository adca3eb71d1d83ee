"""Position in DC-09 extended data: X longitude `093W23.456`, Y latitude `45N23.456`, Z altitude `123.2M`.

The hemisphere's letter stands in place of the degree sign, minutes have decimals. What fits no such form is kept as raw
text and gives no number: a wrong place is worse than none. Never refuses an alarm.
"""

from __future__ import annotations

import re

from protocols.centre.alarm import Geo

FORMAT = "dc09.xyz"
_ANGLE = re.compile(r"([0-9]{1,3})([NSEW])([0-5]?[0-9](?:\.[0-9]{1,9})?)", re.I)
_ALTITUDE = re.compile(r"(-?[0-9]{1,5}(?:\.[0-9]{1,3})?)M?", re.I)
_AXES = {"X": ("EW", 180.0), "Y": ("NS", 90.0)}


def angle(letter: str, text: str) -> float | None:
    """Degrees, east and north positive, of an X or a Y field; None for what is none."""
    hemispheres, most = _AXES[letter]
    found = _ANGLE.fullmatch(text.strip())
    if found is None or found[2].upper() not in hemispheres:
        return None
    degrees = int(found[1]) + float(found[3]) / 60
    if degrees > most:
        return None
    return -degrees if found[2].upper() in "SW" else degrees


def angle_text(letter: str, degrees: float) -> str:
    """The field's text: thousandths of a minute, about 1.9 m. Raises ValueError for a place that is not on Earth."""
    hemispheres, most = _AXES[letter]
    if not -most <= degrees <= most:
        raise ValueError("degrees of longitude are within 180 and of latitude within 90")
    thousandths = round(abs(degrees) * 60_000)
    whole, rest = divmod(thousandths, 60_000)
    sign = hemispheres[0] if degrees >= 0 else hemispheres[1]
    width = 3 if letter == "X" else 2
    return f"{whole:0{width}d}{sign}{rest // 1000:02d}.{rest % 1000:03d}"


def read(xdata: dict[str, str]) -> Geo | None:
    """The position in extended data by letter, or None where there is none."""
    given = {letter: xdata[letter] for letter in ("X", "Y", "Z") if letter in xdata}
    if "X" not in given and "Y" not in given:
        return None
    lon = angle("X", given["X"]) if "X" in given else None
    lat = angle("Y", given["Y"]) if "Y" in given else None
    height = _ALTITUDE.fullmatch(given.get("Z", "").strip())
    raw = "".join(f"[{letter}{value}]" for letter, value in given.items())
    if lat is None or lon is None:
        # Half a position is none.
        return Geo(raw=raw, raw_format=FORMAT)
    return Geo(lat=lat, lon=lon, alt=float(height[1]) if height else None, raw=raw, raw_format=FORMAT)


def write(geo: Geo) -> tuple[tuple[str, str], ...]:
    """The fields of a position; none where it has no numbers that are on Earth."""
    if geo.lat is None or geo.lon is None or not (-90 <= geo.lat <= 90 and -180 <= geo.lon <= 180):
        return ()
    fields = [("X", angle_text("X", geo.lon)), ("Y", angle_text("Y", geo.lat))]
    if geo.alt is not None and -99999 <= geo.alt <= 99999:
        fields.append(("Z", f"{geo.alt:.1f}M"))
    return tuple(fields)
