"""Units that are recognised behind a number, and values that carry one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .numbers import NUMBER, SIGN, number

_UNITS: Final = (
    "km/h m/s mph m² m³ km² kWh MWh kHz MHz GHz kPa MPa kg mg lbs lb oz km cm mm ft mi ms µs ns "
    "min h hours hour days day weeks week months month years year seconds minutes s g m t l ml "
    "°C °F ° K Hz V kV mV A mA W kW MW J kJ N Pa bar Ω USD EUR GBP CHF JPY € $ £ ¥ % ‰ "
    "bytes kB KB MB GB TB KiB MiB GiB tokens px pt mol dB"
).split()

UNIT: Final = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))

_MEASURED: Final = re.compile(rf"\s*(?P<number>{SIGN}(?=[\d.]){NUMBER})\s?(?P<unit>{UNIT})\s*")
_PRICED: Final = re.compile(rf"\s*(?P<unit>[€$£¥])\s?(?P<number>(?=[\d.]){NUMBER})\s*")
_VALUES: Final = ("value", "amount", "quantity")
_NAMES: Final = ("unit", "units", "currency")


def unit_of(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """The unit that a value carries: "5.2 kg", "$40", {"value": 5.2, "unit": "kg"}; else None."""
    if isinstance(value, str) and len(value) <= 60:
        match = _MEASURED.fullmatch(value) or _PRICED.fullmatch(value)
        return match["unit"] if match and number(match["number"]) is not None else None
    if isinstance(value, Mapping) and any(name in value for name in _VALUES):
        named = (value[name] for name in _NAMES if name in value)
        return next((unit for unit in named if isinstance(unit, str) and unit), None)
    return None
