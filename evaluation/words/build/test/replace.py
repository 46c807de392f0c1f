# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""When to replace old boards: a family that the knowledge base does not have; the half for judging."""

from __future__ import annotations

from ..selections import replace
from ..truth import Item

ITEMS = (
    Item(
        family="replace",
        kind="plain",
        level=2,
        marked="""
Dear all,

the museum's four visitor counters are getting old. For the sustainability plan of the coming four years I need to know which of them should make way for a new one, and at the start of which year, so that total emissions (electricity of the four years plus manufacturing of whatever we
buy) are as low as possible. A counter is swapped once at most, or stays.

Foyer: uses {eo=610||kWh} kWh a year today, a new one {en=240||kWh} kWh a year; manufacturing the new one {emb=190||kgCO2e} kg CO2e
Armoury: uses {eo=450} kWh a year today, a new one {en=200} kWh a year; manufacturing the new one {emb=190} kg CO2e
Crypt: uses {eo=300} kWh a year today, a new one {en=190} kWh a year; manufacturing the new one {emb=120} kg CO2e
Tower: uses {eo=520} kWh a year today, a new one {en=210} kWh a year; manufacturing the new one {emb=260} kg CO2e

Our electricity: {ci=350||g/kWh} g CO2e per kWh in year one, {ci=330} in year two, {ci=290} in year three, {ci=250} in year four. The purse allows {total=2||count} new counters in total over the four years. The manufacturing of the old ones lies in the past and is left out.

Best wishes, Orla
""",
        keep="total",
        **replace(["Foyer", "Armoury", "Crypt", "Tower"], 4),
    ),
    Item(
        family="replace",
        kind="plain",
        level=1,
        marked="""
Node renewal schedule, 6-year horizon, 4 nodes, decision per node: renewal at the beginning of one of the years or no renewal.

node  P_old/W  P_new/W  embodied/kgCO2e
n1    {po=38||W}       {pn=11||W}       {emb=180||kgCO2e}
n2    {po=24}       {pn=10}       {emb=120}
n3    {po=61}       {pn=19}       {emb=420}
n4    {po=17}       {pn=9}        {emb=130}

Duty: continuous, {hrs=8760||h} h per year. CI by year: {ci=310||g/kWh}, {ci=300}, {ci=285}, {ci=260}, {ci=240}, {ci=225} gCO2e/kWh. Field service limit: {most=1||count} renewal per year over all nodes.
Objective: minimise operational emissions over the horizon plus embodied emissions of the new nodes; those of the old nodes are sunk, no salvage value at the end of the horizon.
""",
        keep="most",
        **replace(["n1", "n2", "n3", "n4"], 6),
    ),
    Item(
        family="replace",
        kind="long",
        level=3,
        marked="""
I look after the electronics of a model railway that 14 of us have been building in the old signal box since 1996. It is 11 metres long and has 73 sets of points. There are three elderly computers under the
boards which watch the trains through cameras, and at the last meeting (it took 3 hours, there was cake) we talked about whether to swap them for new ones, because of the CO2. I promised to find out.

The one under the goods yard gets through {eo=310||kWh} kilowatt-hours a year, and a new one would need {en=120||kWh}. The one under the harbour gets through {eo=260} a year, a new one would need {en=90}. The one under the mountain gets through {eo=180}, a
new one would need {en=100}. But making new computers isn't free of CO2 either: {emb=140||kgCO2e} kilograms for the one in the goods yard, {emb=120} kilograms for the harbour and {emb=135} kilograms for the mountain. What went into making the old ones we can't undo, so we don't count it.

We are looking five years ahead. Our electricity is getting cleaner; they say a kilowatt-hour will come with {ci=400||g/kWh} grams of CO2 in the first year, {ci=390} in the second, {ci=350} in the third, {ci=300} in the fourth and {ci=260} in the fifth. We only open up the boards once a
year, in the first days of January, and then there is only time to swap {most=1||count} computer. Any of them can be swapped once, or stay for good. A new one costs 410 pounds, which the treasurer says we have, and the trains run at 12 volts as ever.

Which computers should we swap, and in which January, for the least CO2 over those five years, counting both the making and the running?
""",
        keep="most",
        **replace(["goods yard", "harbour", "mountain"], 5),
    ),
    Item(
        family="replace",
        kind="mixed",
        level=2,
        marked="""
Bakery chain, renewal of the order terminals, planning period of 4 years

* Oven hall: the terminal there takes {eo=1.26|350|kWh} GJ of electricity per year; its successor would take {en=140||kWh} kWh per year and cause {emb=95||kgCO2e} kg CO2e in production
* Shop floor: {eo=420} kWh per year today, {en=0.18|180} MWh per year with a successor, {emb=0.12|120} t CO2e in production
* Delivery bay: {eo=0.29|290} MWh per year today, {en=720|200} MJ per year with a successor, {emb=130,000|130} g CO2e in production

Emission factor of our electricity: {ci=0.36|360|g/kWh} kg CO2e/kWh in year 1, {ci=340} g CO2e/kWh in year 2, {ci=300} kg CO2e/MWh in year 3, {ci=0.25|250} kg CO2e/kWh in year 4.

Each terminal can be renewed at the start of any of the 4 years, one time only, or be kept throughout. Production of the present terminals is not counted. When should each be renewed to get the lowest emissions from production and electricity together over the 4 years?
""",
        **replace(["Oven hall", "Shop floor", "Delivery bay"], 4),
    ),
    Item(
        family="replace",
        kind="contradictory",
        level=1,
        marked="""
Refresh of three inference accelerators A, B, C over a horizon of 4 years, at the start of any year. Annual energy: 900 kWh each at present, 400 kWh each after the refresh. Embodied carbon: 120 kgCO2e per new accelerator. CI: 300, 290, 280 and 270 gCO2e/kWh. All three accelerators must be
refreshed within the horizon (end of support). The embodied carbon of all purchases together is capped at 250 kgCO2e. Minimise embodied plus operational emissions.
""",
        conflict=(
            "120 kgCO2e per new accelerator",
            "All three accelerators must be\nrefreshed",
            "capped at 250 kgCO2e",
        ),
        why="Three new accelerators embody 360 kg, and 250 kg are allowed.",
    ),
)
