"""Positions of SOS Access: WGS 84 as `NDDMMmmEDDDMMmm`, or RT 90 2.5 gon V as `xNNNNNNNyNNNNNNN`.

The published WGS 84 example has 72 minutes, so it cannot be what it says; such a text is kept raw and gives no number.
RT 90 is kept raw: turning it into degrees is a surveyor's work, and a wrong place is worse than none.
"""

from __future__ import annotations

import re

from protocols.centre.alarm import Geo

_WGS84 = re.compile(r"([NS])([0-9]{2})([0-9]{2})([0-9]{2})([EW])([0-9]{3})([0-9]{2})([0-9]{2})", re.I)
_RT90 = re.compile(r"x[0-9]{7}y[0-9]{7}", re.I)


def read(text: str) -> Geo:
    """The position, with numbers only where the text is a sound WGS 84 one."""
    found = _WGS84.fullmatch(text)
    if found is None:
        return Geo(raw=text, raw_format="sosa.rt90" if _RT90.fullmatch(text) else "sosa")
    lat = _degrees(found[2], found[3], found[4], 90)
    lon = _degrees(found[6], found[7], found[8], 180)
    if lat is None or lon is None:
        return Geo(raw=text, raw_format="sosa.wgs84")
    lat = -lat if found[1].upper() == "S" else lat
    lon = -lon if found[5].upper() == "W" else lon
    return Geo(lat=lat, lon=lon, raw=text, raw_format="sosa.wgs84")


def _degrees(degrees: str, minutes: str, hundredths: str, most: int) -> float | None:
    value = int(degrees) + (int(minutes) + int(hundredths) / 100) / 60
    return value if int(minutes) < 60 and value <= most else None


def write(geo: Geo) -> str | None:
    """The text of a position: hundredths of a minute, some 18 m. None where there are no numbers that are on Earth."""
    if geo.lat is None or geo.lon is None or not (-90 <= geo.lat <= 90 and -180 <= geo.lon <= 180):
        return None
    return _part("NS", geo.lat, 2) + _part("EW", geo.lon, 3)


def _part(signs: str, degrees: float, width: int) -> str:
    whole, rest = divmod(round(abs(degrees) * 6000), 6000)
    return f"{signs[degrees < 0]}{whole:0{width}d}{rest // 100:02d}{rest % 100:02d}"
