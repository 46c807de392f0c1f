"""Restate the facts of a shared data folder as the small tables that gramwise ships in ``src/gramwise/data``.

Run by hand, never at install time: ``python tools/build_tables.py ../shared/data``. It needs pycountry, for
the two letters of a country only. The tables are committed, so that every change of a figure shows in a diff.
What is left out, and why, stands in docs/method/data.md.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "src" / "gramwise" / "data"
OWN = "gramwise's own judgement, docs/method/data.md"
Row = dict[str, Any]

INTERVAL_RULES: dict[str, tuple[float, str]] = {
    "exact": (0.0, "a size printed on the part"),
    "measured_wall": (0.05, "read at the wall, or a rate from the same run: one unit, one power supply"),
    "measured": (0.10, "read by a meter at the board or card: spread between units and meters"),
    "modelled": (0.20, "from a stated model or scaled from a similar part"),
    "secondary": (0.20, "quoted second hand, or a vendor's figure: not opened at its origin, typical unit"),
    "weak": (
        0.40,
        "the source itself marks the figure as low confidence, or as typical where a maximum is meant",
    ),
    "declared": (0.20, "written in a scenario file without its own interval"),
    "national": (
        0.05,
        "annual mean of a country or group: 70 % of 211 second copies agree within it in the same year",
    ),
    "subnational": (0.10, "annual mean of a part of a country: flows over its borders are not traced"),
}
"""Half width of an interval as a fraction of the value, where the source gives none: interval_rules.csv."""

PRODUCED_HERE = {"id": "gramwise", "name": OWN, "locator": "docs/method/data.md", "licence": "Apache-2.0"}

PREFIX_BYTES = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}
"""Memory parts are sold in powers of two, whatever the label says."""

# Names under which people meet these zones: Electricity Maps' own, with the short ones as aliases.
BALANCING = {
    "AZPS": "US-SW-AZPS",
    "BPAT": "US-NW-BPAT",
    "CISO": "US-CAL-CISO",
    "ERCO": "US-TEX-ERCO",
    "MISO": "US-MIDW-MISO",
    "NYIS": "US-NY-NYIS",
    "PJM": "US-MIDA-PJM",
    "SOCO": "US-SE-SOCO",
}
EVERYDAY = {"GB": ("UK",), "GR": ("EL",), "EU-EMBER": ("EU",)}
"""Codes that people write instead of the table's."""

PART_NAMES = {"BR-CS": "Central-South Brazil", "CA-ON": "Ontario", "CA-QC": "Quebec", "IT-NO": "North Italy"}
SMALL_WORDS = {"of"}

REWORDED = {
    "vendor": ("Vendor data sheet value from memory, not checked against the sheet", "the part's data sheet"),
    "notes_pi": (
        "Project note: Pi 4 idle 2.7 W, Pi 5 idle 3.4 W; with computer vision 6-8 W and 8-10 W",
        "a public repository note",
    ),
    "mlperf_tiny": ("MLPerf Tiny energy logs", "repos mlcommons/tiny_results_v0.7 to v1.3"),
}
"""Sources whose own words make sense only beside the files they came in."""


def main(folder: Path) -> None:
    """Read ``devices.json`` and ``grid_intensity.json`` in ``folder`` and write every table."""
    devices = json.loads((folder / "devices.json").read_text("utf-8"))
    grid = json.loads((folder / "grid_intensity.json").read_text("utf-8"))
    facts = [fact for device in devices["devices"] for fact in device_facts(device, devices["sources"])]
    described = {fact["device"] for fact in facts}
    zones, history = zone_tables(grid)
    used = {fact["source"] for fact in facts}
    used |= {row[key] for row in zones for key in ("source", "second_source") if row[key]}
    write("devices", (device_row(d) for d in devices["devices"] if d["id"] in described))
    write("device_facts", facts)
    write("annual_intensity", zones)
    write("annual_history", history)
    write(
        "interval_rules",
        ({"rule": k, "half_width_frac": v, "why": w, "source": OWN} for k, (v, w) in INTERVAL_RULES.items()),
    )
    write("sources", source_rows(devices["sources"] | grid["sources"], used))


def write(name: str, rows: Iterable[Row]) -> None:
    """One table as CSV with a header; numbers in their shortest exact form."""
    table = list(rows)
    with (DATA / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: plain(v) for k, v in row.items()} for row in table)
    print(f"{name}.csv: {len(table)} rows")


def plain(value: object) -> str:
    """A cell: nothing for what is not known, ten significant digits for a number."""
    if value is None:
        return ""
    return format(value, ".10g") if isinstance(value, (int, float)) else str(value)


def source_rows(sources: Mapping[str, Mapping[str, str]], used: set[str]) -> Iterable[Row]:
    """The sources that a shipped figure names, and gramwise itself for the rules."""
    for key in sorted(used):
        source = sources[key]
        name, locator = REWORDED.get(key, (source["name"], source["locator"]))
        yield {
            "id": key,
            "name": name + (f", {source['ref']}" if "ref" in source else ""),
            "locator": locator.replace("found by exact-string search", "quoted as").replace(
                "(means computed here)", "(means taken)"
            ),
            "licence": source["licence"],
            "kind": source.get("kind", "annual statistics"),
        }
    yield PRODUCED_HERE | {"kind": "judgement"}


# Devices -------------------------------------------------------------------------------------------------


def device_row(device: Mapping[str, Any]) -> Row:
    """What a device is called and made of."""
    return {
        "id": device["id"],
        "name": device["name"],
        "class": device["device_class"],
        "processor": device["processor"],
        "memory": device["memory"],
        "note": "; ".join(device[k] for k in ("note", "max_w_note") if k in device),
    }


def device_facts(device: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]]) -> Iterable[Row]:
    """Every figure of a device that may be shipped, with interval and provenance."""
    for figure, value, unit, source, rule, span in _figures(device, sources):
        if value is None or "do not ship" in sources[source]["licence"]:
            continue
        half = INTERVAL_RULES[rule][0] * value
        low, high = span if span else (value - half, value + half)
        yield {
            "device": device["id"],
            "figure": figure,
            "value": value,
            "low": min(low, value),
            "high": max(high, value),
            "unit": unit,
            "method": _method(sources[source]["kind"]),
            "boundary": _boundary(figure, source, sources),
            "source": source,
            "interval": "range of the source" if span else rule,
        }


def _figures(
    device: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]]
) -> Iterable[tuple[Any, ...]]:
    said = device["sources"]
    for precision, gops in device["peak_gops"].items():
        if precision == "fp64_measured":
            yield "sustained_flop_per_s", gops * 1e9, "FLOP/s", "top500", "measured_wall", None
        elif precision != "note" and gops:
            # HPL measures double precision only: a peak filed under it is the vendor's.
            origin = "vendor" if said["peak_gops"] == "top500" else said["peak_gops"]
            yield f"peak_flop_per_s.{precision}", gops * 1e9, "FLOP/s", origin, "secondary", None
    bandwidth = device["mem_bandwidth_gb_s"]
    if bandwidth:
        yield "memory_bytes_per_s", bandwidth * 1e9, "byte/s", said["mem_bandwidth_gb_s"], "secondary", None
    yield "memory_bytes", _memory_bytes(device["memory"]), "byte", said.get("memory", "vendor"), "exact", None
    for theirs, ours in (("idle_w", "idle_w"), ("max_w", "busy_w")):
        if device[theirs] is not None:
            # A microcontroller's maximum comes from the campaign that measured its active power.
            origin = said.get(theirs) or said["active_w"]
            weak = f"confidence_{theirs.removesuffix('_w')}" in device or "typical" in device.get(
                f"{theirs}_note", ""
            )
            rule = "weak" if weak else _rule(sources[origin]["kind"])
            yield ours, device[theirs], "W", origin, rule, device.get(f"{theirs}_range")


def _memory_bytes(text: str | None) -> float | None:
    """Bytes where the text names one size; None for a choice of sizes, a free slot or no figure."""
    match = re.match(r"([\d.]+) (KB|MB|GB) ", (text or "") + " ")
    return round(float(match[1]) * PREFIX_BYTES[match[2]]) if match else None


def _rule(kind: str) -> str:
    if kind == "measured at wall":
        return "measured_wall"
    if kind in ("model", "estimate"):
        return "modelled"
    return "measured" if kind == "measured" else "secondary"


def _method(kind: str) -> str:
    if kind.startswith("measured"):
        return "measured"
    return "modelled" if kind in ("model", "estimate") else "assumed"


def _boundary(figure: str, source: str, sources: Mapping[str, Mapping[str, str]]) -> str:
    if not figure.endswith("_w"):
        return "board" if figure == "sustained_flop_per_s" else "chip"
    if source == "boa_cpu":
        return "chip"
    return "wall" if "wall" in sources[source]["kind"] else "board"


# Zones ---------------------------------------------------------------------------------------------------


def zone_tables(grid: Mapping[str, Any]) -> tuple[list[Row], list[Row]]:
    """One row a zone with its newest year, and one row a zone and year."""
    rows: list[Row] = []
    history: list[Row] = []
    for entry in grid["countries"] + grid["aggregates"]:
        zone, kind = _country_zone(entry)
        years = entry["history"] or {str(entry["year"]): entry["value"]}
        rows.append(_zone_row(zone, entry, kind, "lifecycle", second=entry.get("codecarbon")))
        history += _history(zone, years, entry["source"])
    national = {row["zone"] for row in rows}
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for entry in grid["subnational"]:
        zone = _part_zone(entry)
        # A country has one row, on one basis and one accounting; US-usa is the country again, direct.
        if zone not in national and zone != "US-usa":
            parts.setdefault(zone, []).append(entry)
    for zone, entries in parts.items():
        newest = max(entries, key=lambda e: e["year"])
        rows.append(_zone_row(zone, newest, "subnational", _basis(newest)))
        history += _history(zone, {str(e["year"]): e["value"] for e in entries}, newest["source"])
    return rows, history


def _country_zone(entry: Mapping[str, Any]) -> tuple[str, str]:
    import pycountry  # type: ignore[import-not-found]

    if entry["name"] == "Kosovo":
        return "XK", "territory"  # a user-assigned code, outside ISO 3166
    if entry["iso3"] is None:
        return re.sub(r"[^A-Z0-9]+", "-", entry["name"].upper()).strip("-"), "aggregate"
    return pycountry.countries.get(alpha_3=entry["iso3"]).alpha_2, "country"


def _part_zone(entry: Mapping[str, Any]) -> str:
    zone: str = entry["zone"]
    if entry["source"] == "hp_dcrl":
        return BALANCING[entry["name"]]
    return f"{zone[:2]}-{zone}" if re.fullmatch(r"(SE|NO)\d", zone) else zone


def _basis(entry: Mapping[str, Any]) -> str:
    """eGRID, the Chinese provinces and the EIA mix count the stack; the others the life cycle."""
    return "direct" if entry["source"] in ("codecarbon_us", "codecarbon_cn", "hp_dcrl") else "lifecycle"


def _zone_row(
    zone: str, entry: Mapping[str, Any], kind: str, basis: str, second: Mapping[str, Any] | None = None
) -> Row:
    # No electricity has an intensity of zero over its life cycle: upstream rounded it away, so it is unknown.
    value = entry["value"] or None
    copy = (second or {}).get("value") or None
    rule = "subnational" if kind == "subnational" else "national"
    half = INTERVAL_RULES[rule][0]
    ends = [v for v in ((value or 0) * (1 - half), (value or 0) * (1 + half), copy) if v]
    return {
        "zone": zone,
        "iso3": "XKX" if zone == "XK" else entry.get("iso3"),
        "name": _name(entry),
        "aliases": ";".join(_aliases(zone, entry)),
        "kind": kind,
        "g_per_kwh": value,
        "low": min(ends) if value else None,
        "high": max(ends) if value else None,
        "interval": f"{rule}, widened by the second copy"
        if value and copy in (min(ends), max(ends))
        else rule,
        "year": entry["year"],
        "signal": "average",
        "basis": basis,
        "accounting": "consumption" if entry["source"] == "eco4cast_em" else "production",
        "gases": "CO2" if entry.get("unit_note") == "gCO2/kWh" else "CO2e",
        "source": entry["source"],
        "second_g_per_kwh": copy,
        "second_year": second["year"] if second and copy else None,
        "second_source": "codecarbon" if copy else None,
    }


def _name(entry: Mapping[str, Any]) -> str:
    if entry["source"] != "codecarbon_us":
        return PART_NAMES.get(entry["name"], str(entry["name"]))
    return " ".join(w if w in SMALL_WORDS else w.capitalize() for w in entry["name"].split())


def _aliases(zone: str, entry: Mapping[str, Any]) -> Iterable[str]:
    yield from EVERYDAY.get(zone, ())
    if entry["source"] == "hp_dcrl":
        yield from (f"US-{entry['name']}", entry["zone"])
    elif entry.get("zone", zone) != zone:
        yield entry["zone"]


def _history(zone: str, years: Mapping[str, float], source: str) -> Iterable[Row]:
    for year in sorted(years, key=int):
        yield {"zone": zone, "year": int(year), "g_per_kwh": years[year] or None, "source": source}


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "devices.json").is_file():
        sys.exit("usage: python tools/build_tables.py FOLDER (holding devices.json and grid_intensity.json)")
    main(Path(sys.argv[1]))
