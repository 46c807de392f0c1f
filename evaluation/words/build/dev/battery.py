# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""A battery beside the load: the half for building."""

from __future__ import annotations

from ..flows import battery
from ..truth import Item

ITEMS = (
    Item(
        family="battery",
        kind="plain",
        level=1,
        marked="""
Battery dispatch for an edge site, 6 hourly steps, no export to the grid.

| hour | load kWh | PV kWh | grid gCO2e/kWh |
|---|---|---|---|
| 1 | {load=4||kWh} | {sun=0||kWh} | {ci=150||g/kWh} |
| 2 | {load=4} | {sun=1} | {ci=140} |
| 3 | {load=5} | {sun=6} | {ci=200} |
| 4 | {load=6} | {sun=9} | {ci=320} |
| 5 | {load=7} | {sun=2} | {ci=450} |
| 6 | {load=6} | {sun=0} | {ci=480} |

Usable capacity {size=8||kWh} kWh, initially empty; at most {ch=3||kWh} kWh charged and at most {dis=3||kWh} kWh discharged per hour;
charging efficiency {eta=0.9} (discharging is lossless). Surplus PV is curtailed without cost. Minimise the CO2e of the
energy bought from the grid.
""",
        **battery(6),
    ),
    Item(
        family="battery",
        kind="plain",
        level=2,
        marked="""
Our data cupboard has a battery that holds {size=12||kWh} kWh; it is at {init=6||kWh} kWh when the day starts, and it has to be
at no less than {end=6||kWh} kWh when the day ends. It takes in at most {ch=5||kWh} kWh in one period and gives out at most {dis=5||kWh} kWh in one
period, and no energy is lost in it. The cupboard consumes {load=3||kWh} kWh in the night period, {load=6} kWh in the morning,
{load=7} kWh at noon and {load=8} kWh in the evening. The grid emits {ci=120||g/kWh} g CO2e per kWh at night, {ci=380} in the
morning, {ci=230} at noon and {ci=510} in the evening. We cannot feed power back. When should the battery charge and discharge
for the smallest footprint?
""",
        **battery(4),
    ),
    Item(
        family="battery",
        kind="long",
        level=3,
        marked="""
Dear Uncle Jo,

the hut is finished! Larch outside, 40 square metres, and the goat has already eaten one of the curtains (18 euros).
The radio relay in it needs {load=2||kWh} kilowatt-hours every hour, day or night, and the panels on the roof gave us this for the five hours that
I want to plan: {sun=0||kWh} in the first hour, then {sun=3}, then {sun=5}, then {sun=1} and at last {sun=0} kilowatt-hours. What the
panels give and nobody needs is simply lost. The valley's wire brings the rest, and it is not clean: {ci=200||g/kWh} grams of
CO2 per kilowatt-hour in the first hour, {ci=180}, {ci=170}, {ci=340} and {ci=400} in the following ones. We sell nothing to the valley.

Your old battery (from the boat, I still remember the storm of 2009) stores up to {size=4||kWh} kilowatt-hours and is empty at
the beginning. In an hour it can swallow {ch=2||kWh} kilowatt-hours and hand out {dis=2||kWh}. Of what it swallows only {eta=80||percent}
percent is kept; handing out loses nothing. It weighs 140 kilos, so it stays where it is.

How shall I fill and empty it, so that we put as little CO2 into the air as we can? We are 1 900 metres up and I have a
cold. Yours, Emmy
""",
        **battery(5),
    ),
    Item(
        family="battery",
        kind="mixed",
        level=3,
        marked="""
A street lamp with a camera runs off the mains and has a battery to help it. In the afternoon it needs {load=300|0.3|kWh} watt-hours, in
the evening {load=0.8} kilowatt-hours, in the night {load=1.44|0.4} megajoules. The mains makes {ci=0.1|100|g/kWh} kilograms of CO2 per
kilowatt-hour in the afternoon, {ci=420} grams per kilowatt-hour in the evening and {ci=250} grams in the night. The battery
holds {size=600|0.6|kWh} watt-hours and begins empty. In each of the three parts of the day it can take in up to {ch=0.5||kWh} kilowatt-hours and
hand out up to {dis=1800|0.5|kWh} kilojoules. Only {eta=90||percent} percent of what goes in is kept; handing out loses nothing. Nothing goes back into the mains. When
should it fill and when should it empty to make the least CO2?
""",
        **battery(3),
    ),
    Item(
        family="battery",
        kind="contradictory",
        level=1,
        marked="""
Dispatch of a stationary battery over three hourly steps (grid 100, 250, 420 gCO2e/kWh; load 2 kWh in each step; lossless;
charging at most 2 kWh per step; no export) so that emissions are least. Its capacity is 5 kWh, it starts empty, and its
state of charge at the end of step 3 must be at least 9 kWh.
""",
        conflict=("capacity is 5 kWh", "at the end of step 3 must be at least 9 kWh"),
        why="A battery of 5 kWh cannot hold 9 kWh.",
    ),
)
