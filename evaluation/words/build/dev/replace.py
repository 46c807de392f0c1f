# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""When to replace old boards: a family that the knowledge base does not have; the half for building."""

from __future__ import annotations

from ..selections import replace
from ..truth import Item

ITEMS = (
    Item(
        family="replace",
        kind="plain",
        level=3,
        marked="""
Two old computers count the cars at our bridge, day and night. We could swap each of them, once, for a new thrifty one at the start of any
of the next four years, or keep it for good. The old one on the left bank eats {eo=400||kWh} kilowatt-hours in a year and the one on the
right bank {eo=150}. A new one would eat {en=60||kWh} kilowatt-hours in a year on the left and {en=50} on the right. Making a
new one puts {emb=90||kgCO2e} kilograms of CO2 into the air for the left bank and {emb=80} kilograms for the right bank. The electricity is
expected to make {ci=300||g/kWh} grams of CO2 per kilowatt-hour in the first year, {ci=250} in the second, {ci=200} in the third and
{ci=150} in the fourth. Counting both the making and the electricity over the four years, when should each be swapped, if at all?
""",
        **replace(["left bank", "right bank"], 4),
    ),
    Item(
        family="replace",
        kind="plain",
        level=1,
        marked="""
Equipment replacement problem over 3 years. Boards B1, B2, B3, each replaced at most once, at the beginning of a year, or never.
Annual operating hours: {hrs=8760||h} h. Power old/new: B1 {po=30||W} W / {pn=8||W} W, B2 {po=14} W / {pn=9} W, B3 {po=55} W / {pn=20} W. Embodied
emissions of a new board: B1 {emb=55||kgCO2e} kgCO2e, B2 {emb=40} kgCO2e, B3 {emb=95} kgCO2e. Carbon intensity by year: {ci=150||g/kWh},
{ci=210}, {ci=260} gCO2e/kWh. Minimise operational plus embodied emissions over the horizon (old boards' embodied emissions are sunk).
""",
        **replace(["B1", "B2", "B3"], 3),
    ),
    Item(
        family="replace",
        kind="long",
        level=2,
        marked="""
Asset plan, warehouse 7 (draft 3, not yet approved by Ms Okafor)

Warehouse 7 has 26 gates and 410 employees. Three of the gate computers are due for a decision: Gate North, Gate East and Gate Dock. Each may be
replaced once, at the start of year 1, year 2 or year 3 of the plan, or not at all. They run {hrs=6000||h} hours in every year.

Power of the present computers: Gate North {po=95||W} W, Gate East {po=60} W, Gate Dock {po=140} W. Power of the replacements: Gate North {pn=25||W} W, Gate East
{pn=25} W, Gate Dock {pn=40} W. Manufacturing emissions of a replacement: {emb=120||kgCO2e} kg CO2e for Gate North, {emb=110} kg for
Gate East and {emb=160} kg for Gate Dock. Grid: {ci=380||g/kWh} g CO2e per kWh in year 1, {ci=340} in year 2, {ci=310} in year 3. The fitters can exchange no
more than {most=1||count} computer in any year. The present computers were written off in 2022 and have a resale value of 45 EUR each;
their manufacturing is in the past and is not counted.

Please propose the replacement dates with the smallest total of manufacturing and electricity emissions over the three years.
""",
        keep="most",
        **replace(["Gate North", "Gate East", "Gate Dock"], 3),
    ),
    Item(
        family="replace",
        kind="under",
        level=2,
        marked="""
Should we replace our two old kiosk computers at the start of year 1, at the start of year 2, or keep them through both years? Each present computer
consumes 500 kWh a year, a replacement 180 kWh a year. The grid emits 320 g CO2e per kWh in year 1 and 290 g in year 2. We want the lowest total of
manufacturing and electricity emissions over the two years, and the manufacturing of a replacement has to be counted.
""",
        questions=(("emissions of manufacturing a replacement", "kgCO2e"),),
    ),
    Item(
        family="replace",
        kind="out",
        level=1,
        marked="""
Predict the failure probability of single-board computers aged 4, 5 and 6 years operated at 45 degrees, 8 W and 300 gCO2e/kWh, and state the
confidence interval of the Weibull shape parameter.
""",
        why="A reliability forecast is asked for, not a plan with the fewest grams.",
    ),
)
