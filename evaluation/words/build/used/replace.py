# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""When to replace old boards: a family that the knowledge base does not have; once for judging, since looked at."""

from __future__ import annotations

from ..selections import replace
from ..truth import Item

ITEMS = (
    Item(
        family="replace",
        kind="plain",
        level=2,
        marked="""
We own four ageing gateways and want to know in which year to exchange each of them, if at all, over the next five years. An exchange happens at the start of a year and at most once per gateway. Present consumption per year: Hall {eo=220||kWh} kWh, Roof {eo=340} kWh, Quay {eo=120} kWh, Gate
{eo=510} kWh. Consumption per year after an exchange: Hall {en=90||kWh} kWh, Roof {en=110} kWh, Quay {en=80} kWh, Gate {en=130} kWh. Making the new gateway emits {emb=70||kgCO2e} kg CO2e for Hall, {emb=85} kg for Roof, {emb=60} kg for Quay and {emb=140} kg for Gate. The grid will emit {ci=420||g/kWh} g CO2e per kWh in the first year, {ci=380}
in the second, {ci=330} in the third, {ci=280} in the fourth and {ci=230} in the fifth. The sum of emissions from making and from electricity over the five years should be lowest. What has been emitted for the present gateways is past and does not count.
""",
        **replace(["Hall", "Roof", "Quay", "Gate"], 5),
    ),
    Item(
        family="replace",
        kind="plain",
        level=3,
        marked="""
In our school are three old computers that run around the clock for {hrs=8766||h} hours a year: the one in the library eats {po=70||W} watts, the one in the gym {po=45} watts and the one in the kitchen {po=85} watts. New ones would eat {pn=20||W} watts in the library, {pn=20} in the gym and {pn=25} in the kitchen. But every new one causes
CO2 while it is being built: {emb=150||kgCO2e} kilograms for the library, {emb=150} for the gym and {emb=170} for the kitchen. We think about four years, and a swap can be made at the beginning of a year, once for each computer, or never. The caretaker can swap only {most=one|1|count} computer in a year. The electricity makes {ci=340||g/kWh} grams of CO2 per
kilowatt-hour in the first year, {ci=320} in the second, {ci=250} in the third and {ci=200} in the fourth. When should which one be swapped, so that building and electricity together make the least CO2 over the four years?
""",
        keep="most",
        **replace(["library", "gym", "kitchen"], 4),
    ),
    Item(
        family="replace",
        kind="long",
        level=1,
        marked="""
Optimal replacement timing of inference boards with embodied carbon

Fleet status: 2 240 boards in 61 cabinets; mean age 5.2 years; failure rate 1.4 % per year (ignored here); residual value 0. Four boards serve as representatives: E1, E2, E3, E4. Horizon: 4 years. Replacement is possible at the start of each year, at most once per board, or never.

Annual energy of the present board / of the successor / embodied emissions of the successor:
E1: {eo=0.9||MWh} MWh / {en=0.35||MWh} MWh / {emb=310||kgCO2e} kgCO2e
E2: {eo=0.5} MWh / {en=0.3} MWh / {emb=290} kgCO2e
E3: {eo=1.3} MWh / {en=0.4} MWh / {emb=420} kgCO2e
E4: {eo=0.7} MWh / {en=0.45} MWh / {emb=150} kgCO2e

Grid intensity, years 1-4: {ci=260||g/kWh}, {ci=280}, {ci=300}, {ci=240} gCO2e/kWh (location-based, average). No more than {most=2||count} boards can be replaced in any one year. Embodied emissions of the present boards are sunk. Minimise operational plus embodied emissions over the horizon.
The successor was announced with 21 TOPS at 15 W and a list price of 249 USD.
""",
        keep="most",
        **replace(["E1", "E2", "E3", "E4"], 4),
    ),
    Item(
        family="replace",
        kind="mixed",
        level=1,
        marked="""
Replacement of two boards, horizon 3 years, each replaced at most once at the beginning of a year, or never. Board P: old {eo=1080|300|kWh} MJ per year, new {en=95||kWh} kWh per year, embodied {emb=0.11|110|kgCO2e} tCO2e. Board Q: old {eo=0.18|180} MWh per year, new {en=288|80} MJ per year, embodied {emb=60000|60} gCO2e. CI: year 1 {ci=0.31|310|g/kWh} kgCO2e/kWh,
year 2 {ci=290} gCO2e/kWh, year 3 {ci=0.22|220} kgCO2e/kWh. Minimise embodied plus operational emissions (old boards' embodied emissions are sunk).
""",
        **replace(["P", "Q"], 3),
    ),
    Item(
        family="replace",
        kind="contradictory",
        level=2,
        marked="""
Our three terminals can each be replaced at the start of year 1 or of year 2. Present terminals consume 400 kWh a year, new ones 150 kWh; a new one carries 80 kg CO2e from manufacturing; the grid emits 350 g CO2e per kWh in both years. All three have to be replaced by the start of year 2, and our technician can replace only one terminal a year.
Which dates give the lowest emissions over the two years?
""",
        conflict=(
            "All three have to be replaced by the start of year 2",
            "can replace only one terminal a year",
        ),
        why="One terminal a year makes two replacements by the start of year 2, and three are demanded.",
    ),
)
