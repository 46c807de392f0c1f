# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which models to keep at the edge: once for judging, since looked at."""

from __future__ import annotations

from ..selections import cache
from ..truth import Item

ITEMS = (
    Item(
        family="cache",
        kind="plain",
        level=3,
        marked="""
The vet's van carries a computer which can remember helper programs. When a helper is asked for that it does not remember, it has to be sent over from the town, each time anew. There are {room=7||GB} gigabytes of room for remembering. These are the
helpers: the X-ray reader, {size=4||GB} gigabytes, asked for {n=12||request} times a week; the bark listener, {size=2} gigabytes, asked for {n=30} times; the weight guesser, {size=1} gigabyte, asked for {n=5} times; the pill finder, {size=3} gigabytes, asked for {n=25} times. Sending a helper over
costs {fe=30||Wh/request} watt-hours for the X-ray reader, {fe=14} for the bark listener, {fe=8} for the weight guesser and {fe=22} for the pill finder. Remembering it for the week costs {he=120||Wh} watt-hours for the X-ray reader, {he=70} for the bark listener, {he=60} for the weight guesser and {he=100} for the pill
finder. Both are paid with electricity of {cie=270||g/kWh} grams of CO2 per kilowatt-hour. Which helpers should the van remember to make the least CO2 in a week?
""",
        **cache(["X-ray reader", "bark listener", "weight guesser", "pill finder"]),
    ),
    Item(
        family="cache",
        kind="plain",
        level=1,
        marked="""
Content placement of DNN weights at a base station, horizon {T=24||h} h. Memory {room=10||GB} GB. Models m1 to m6 with size {size=2||GB}, {size=3}, {size=1}, {size=4}, {size=6}, {size=2} GB and {n=40||request}, {n=25}, {n=30}, {n=35}, {n=20}, {n=6} requests in the horizon. Each request for a
model that is not resident triggers a backhaul transfer of the whole model at {eb=20||kJ/GB} kJ/GB. A resident model draws memory power of {hb=0.4||W/GB} W per GB over the horizon. CI is {cie=310||g/kWh} gCO2e/kWh for the memory and {cio=240||g/kWh} gCO2e/kWh for the backhaul. Minimise
emissions over the horizon.
""",
        **cache(["m1", "m2", "m3", "m4", "m5", "m6"]),
    ),
    Item(
        family="cache",
        kind="long",
        level=2,
        marked="""
Kiosk fleet, question of the month: which assistants stay on board?

We operate 118 kiosks (96 of them indoors). The screens are 32 inches and were cleaned in May. Revenue per kiosk is 14 EUR a day. On each kiosk, assistants that are on board answer at once; all others have to be downloaded from our hub for every use. The
figures below are for one kiosk and one day; please decide for one kiosk.

1. Maps: {size=1.5||GB} GB on disk, used {n=80||request} times, a download consumes {fe=2.5||Wh/request} Wh, staying on board consumes {he=50||Wh} Wh
2. Tickets: {size=2.5} GB, used {n=45} times, a download consumes {fe=4} Wh, staying on board {he=90} Wh
3. Sign language: {size=5} GB, used {n=9} times, a download consumes {fe=11} Wh, staying on board {he=60} Wh
4. Voice: {size=3} GB, used {n=60} times, a download consumes {fe=5} Wh, staying on board {he=110} Wh
5. Lost and found: {size=1} GB, used {n=12} times, a download consumes {fe=2} Wh, staying on board {he=40} Wh
6. Tourist tips: {size=2} GB, used {n=30} times, a download consumes {fe=3.5} Wh, staying on board {he=55} Wh

There are {room=6.5||GB} GB of disk for assistants. Staying on board is charged to the kiosk's electricity, {cie=420||g/kWh} g CO2e per kWh; downloads are charged to the hub's, {cio=260||g/kWh} g CO2e per kWh. We want the smallest footprint. (Version 8 of the kiosk software is due in 3 months.)
""",
        **cache(["Maps", "Tickets", "Sign language", "Voice", "Lost and found", "Tourist tips"]),
    ),
    Item(
        family="cache",
        kind="mixed",
        level=2,
        marked="""
Our delivery robot may keep some of three language packs on board; any other pack is loaded from the depot at each use. Packs: German {size=900|0.9|GB} MB, Polish {size=1.4} GB, Turkish {size=600|0.6} MB; space on board {room=2.1||GB} GB. Uses per week: German {n=70||request}, Polish {n=40}, Turkish
{n=25}. One load consumes {fe=9||kJ/request} kJ for German, {fe=4|14.4} Wh for Polish and {fe=0.006|6} MJ for Turkish. Keeping a pack for the week consumes {he=0.1|100|Wh} kWh for German, {he=90} Wh for Polish and {he=144|40} kJ for Turkish. Robot: {cie=0.25|250|g/kWh} kg CO2e/kWh (keeping). Depot: {cio=310||g/kWh} g CO2e/kWh (loading).
Which packs should stay on board for the lowest weekly emissions?
""",
        **cache(["German", "Polish", "Turkish"]),
    ),
    Item(
        family="cache",
        kind="contradictory",
        level=3,
        marked="""
In our toy lorry there is a little computer with 5 gigabytes of room. It may keep the horn (2 gigabytes), the lights (3 gigabytes) and the singing (4 gigabytes), or fetch any of them from home at 10 watt-hours a time; each is wanted 6 times a day. Keeping one costs 20
watt-hours a day, and the power makes 300 g of CO2 per kWh. The lights and the singing both have to be kept on board at all times. What else should be kept, for the least CO2?
""",
        conflict=(
            "5 gigabytes of room",
            "the lights (3 gigabytes) and the singing (4 gigabytes)",
            "The lights and the singing both have to be kept on board",
        ),
        why="Lights and singing take 7 gigabytes; there is room for 5.",
    ),
)
