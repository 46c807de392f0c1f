# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Work moved between regions: the half for building."""

from __future__ import annotations

from ..flows import regions
from ..truth import Item

ITEMS = (
    Item(
        family="shift_space",
        kind="plain",
        level=1,
        marked="""
Geographical load balancing of a divisible batch workload. IT energy of the whole workload: {load=500||kWh} kWh.
Regions, with grid carbon intensity / PUE / maximum IT energy that the region can absorb:
- eu-north: {ci=25||g/kWh} gCO2e/kWh, {pue=1.15}, {cap=120||kWh} kWh
- eu-west: {ci=290} gCO2e/kWh, {pue=1.20}, {cap=400} kWh
- us-east: {ci=370} gCO2e/kWh, {pue=1.10}, {cap=300} kWh
- ap-south: {ci=630} gCO2e/kWh, {pue=1.45}, {cap=500} kWh
Determine the shares that minimise operational CO2e (IT energy times PUE times intensity).
""",
        **regions(["eu-north", "eu-west", "us-east", "ap-south"]),
    ),
    Item(
        family="shift_space",
        kind="plain",
        level=2,
        marked="""
Our help-desk chatbot answers {load=2000000||request} questions a month. They may be answered from any mix of three
locations and the mix can be as fine as we like. An answer consumes {e=0.9||Wh/request} Wh in Toronto, {e=0.7} Wh in Frankfurt
and {e=0.8} Wh in Sydney. The electricity there emits {ci=40||g/kWh}, {ci=350} and {ci=620} g CO2e per kWh respectively. Toronto can
handle at most {cap=900000||request} answers a month, Frankfurt {cap=1500000} and Sydney {cap=1200000}. Customers see an
average delay of {lat=180||ms} ms from Toronto, {lat=60} ms from Frankfurt and {lat=220} ms from Sydney, and
averaged over all questions the delay must stay at or below {avg=110||ms} ms. How should the questions be divided for the
least carbon?
""",
        **regions(["Toronto", "Frankfurt", "Sydney"]),
    ),
    Item(
        family="shift_space",
        kind="long",
        level=3,
        marked="""
My three aunts each have a shed with a small computer in it, and together they sort the parish's old letters (there are
about 9 400, the oldest from 1811, some in very bad handwriting). The sorting of this winter's pile needs {load=80||kWh}
kilowatt-hours of electricity in all, no matter whose shed it happens in, and it can be parted among them in any way,
down to single letters.

Aunt Berta lives by the waterfall and her power makes only {ci=15||g/kWh} grams of CO2 per kilowatt-hour, but her wires
are thin and she can take on at most {cap=30||kWh} kilowatt-hours of the work. Aunt Clara's power makes {ci=240} grams and she
can take {cap=50} kilowatt-hours. Aunt Dora, who is 83 and bakes, has the dirtiest with {ci=510} grams, yet room for
{cap=80}. So that nobody feels left out, each aunt must get some: at least {low=5||kWh} kilowatt-hours of the work each.
Clara's shed is 12 km from the church, Dora's 3 km. How do we share out the sorting to make as little CO2 as we can?
""",
        **regions(["Berta", "Clara", "Dora"]),
    ),
    Item(
        family="shift_space",
        kind="under",
        level=1,
        marked="""
Spatial load shifting: distribute a divisible workload over three regions R1, R2, R3 so that emissions are minimal.
Carbon intensities are 60, 210 and 450 gCO2e/kWh; the regions can take at most 150, 300 and 500 kWh of the workload.
PUE may be taken as 1 everywhere.
""",
        questions=(("energy of the whole workload", "kWh"),),
    ),
    Item(
        family="shift_space",
        kind="out",
        level=3,
        marked="""
I am choosing where to spend my holiday: Norway, Portugal or Poland. I like hiking and sour soups, and I get seasick. I
read that the electricity there makes 30, 150 and 650 grams of CO2 per kilowatt-hour. Where would I be happiest?
""",
        why="A holiday is chosen by taste; there is no computing and nothing to minimise in grams.",
    ),
)
