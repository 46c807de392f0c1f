"""Unlike devices: that fastest, greenest and fewest grams are three choices, and what variants add."""

from __future__ import annotations

from record import finish, row
from serve import paired_change, policies, run

BLOCK = 5
RIVALS = ("greenest-zone", "carbonedge-green")
POLICIES = ("monolithic", "fastest", *RIVALS, "grams", "grams+variants")


def main() -> None:
    """Measure and print."""
    flags = [f for name in POLICIES for f in ("--policy", name)]
    document, rows = run("three-sites.toml", "--requests", "60", "--repeats", "3", *flags)
    by_name = policies(document)
    favourite = {
        name: max(by_name[name]["node_share"], key=by_name[name]["node_share"].get)
        for name in ("fastest", "greenest-zone", "grams")
    }
    ours = by_name["grams"]
    lines = [
        row(
            "fastest / greenest-zone / grams choose",
            "differently",
            list(favourite.values()),
            len(set(favourite.values())) == 3,
        )
    ]
    for rival in RIVALS:
        change, low, high = paired_change(rows, rival, "grams", BLOCK)
        met = change >= 0.05 and low > 0
        lines.append(row(f"{rival} over grams, paired 95 %", ">= 0.05, low > 0", [change, low, high], met))
        late = [ours["late"], by_name[rival]["late"]]
        lines.append(row(f"late answers, grams / {rival}", "no more", late, late[0] <= late[1]))
    loose, mono = by_name["grams+variants"], by_name["monolithic"]
    change, low, high = paired_change(rows, "grams+variants", "monolithic", BLOCK)
    drop = mono["accuracy_frac"] - loose["accuracy_frac"]
    met = change <= -0.5 and drop <= 0.01
    lines.append(row("variants allowed against monolithic fp32", "<= -0.50", [change, low, high], met))
    lines.append(row("  accuracy given up", "<= 0.01", drop, drop <= 0.01))
    for key, what in (
        ("energy_closure_frac", "energy balance"),
        ("dynamic_closure_frac", "  without idle, which is stricter"),
    ):
        lines.append(row(f"{what}, three-sites", "within 2 %", document[key], abs(document[key] - 1) <= 0.02))
    finish(
        "three_sites", lines, caps=document["caps"], policies=document["policies"], bounds=document["bounds"]
    )


if __name__ == "__main__":
    main()
