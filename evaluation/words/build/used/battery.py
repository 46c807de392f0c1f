# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""A battery beside the load: once for judging, since looked at."""

from __future__ import annotations

from ..flows import battery
from ..truth import Item

ITEMS = (
    Item(
        family="battery",
        kind="plain",
        level=3,
        marked="""
We live on a houseboat with a computer that never sleeps. It needs {load=1.4||kWh} kilowatt-hours of electricity in each hour. On the roof is a solar panel; tomorrow from nine in the morning it will
bring, hour after hour, {sun=1||kWh}, {sun=2}, {sun=3}, {sun=2}, {sun=1}, {sun=0} and {sun=0} kilowatt-hours, and sun that we cannot use or store is wasted. Everything
else we draw from the harbour's cable; in those seven hours a kilowatt-hour from it makes {ci=350||g/kWh}, {ci=300}, {ci=260}, {ci=280}, {ci=360}, {ci=430} and {ci=450} grams of CO2. Under the bench
is a battery for at most {size=3||kWh} kilowatt-hours, with {init=0.5||kWh} in it at nine o'clock and, as a reserve for the night, at least {end=1||kWh} in it at the end of the seven hours. It can
take at most {ch=1||kWh} kilowatt-hour in an hour and give at most {dis=1||kWh} in an hour. Nothing gets lost on the way in or out, and the harbour does not take electricity back. When to fill it and
when to use it, for the least CO2?
""",
        **battery(7),
    ),
    Item(
        family="battery",
        kind="plain",
        level=1,
        marked="""
Storage scheduling without local generation, 8 hourly slots. Load: {load=10||kWh} kWh in every slot. Grid intensity by slot: {ci=180||g/kWh}, {ci=160}, {ci=240}, {ci=390}, {ci=420}, {ci=260}, {ci=310}, {ci=470} gCO2e/kWh.
Energy capacity {size=15||kWh} kWh, initial state of charge 0, no terminal condition. Rated power {pc=6||kW} kW for charging and {pd=8||kW} kW for discharging; a slot lasts {step=1||h} h. Charging efficiency {eta=0.95}, discharging
efficiency {etd=0.95}. Feeding back into the grid is not permitted. Minimise emissions of the energy imported.
""",
        keep="step",
        **battery(8),
    ),
    Item(
        family="battery",
        kind="long",
        level=2,
        marked="""
Facility note on the new storage unit (circulate to: operations, sustainability, reception)

The storage unit was delivered on pallet 3 with 2 keys and a guarantee of 10 years; it cost 9 400 EUR and weighs 260 kg. The parking spaces next to it must stay free. It is to be
operated so that the footprint of the server room becomes as small as possible, in six four-hour blocks of a day.

The server room consumes {load=16||kWh} kWh from midnight to 4:00, {load=16} kWh from 4:00 to 8:00, {load=28} kWh from 8:00 to 12:00, {load=30} kWh from 12:00 to 16:00, {load=26} kWh from 16:00 to 20:00 and {load=18} kWh
from 20:00 to midnight. The roof delivers {sun=0||kWh}, {sun=4}, {sun=20}, {sun=36}, {sun=8} and {sun=0} kWh in these blocks; what cannot be used at once or stored is switched off. Grid figures, block by
block: {ci=210||g/kWh}, {ci=230}, {ci=310}, {ci=270}, {ci=450} and {ci=400} g CO2e per kWh. The utility does not accept any feed-in.

Storage unit: it holds {size=20||kWh} kWh; it is at {init=5||kWh} kWh at midnight and must again hold at least as much the following midnight. In one block it can be charged with {ch=12||kWh} kWh at most and discharged by
{dis=12||kWh} kWh at most. Of the energy charged, {eta=92||percent} % is stored; discharging is free of losses. Noise: 41 dB at 1 m. Please send the plan for charging and discharging to Mr Lindqvist (room 114).
""",
        **battery(6),
    ),
    Item(
        family="battery",
        kind="under",
        level=2,
        marked="""
Please plan the battery of our shop for the smallest footprint over four periods. The shop consumes 5 kWh in each period. The grid emits 150, 300, 200 and 500 g CO2e per kWh in the
four periods. The battery can be charged by 4 kWh and discharged by 4 kWh in a period at most; it is lossless, empty at the beginning, and nothing can be fed back. There is no solar power. How much it can
hold I would have to look up.
""",
        questions=(("capacity of the battery", "kWh"),),
    ),
    Item(
        family="battery",
        kind="out",
        level=3,
        marked="""
My watch battery is flat after a day although the advert said ten. It holds 1.1 watt-hours, and a kilowatt-hour makes 250 grams of CO2 here. Should I send it back to the shop, and
what do I write to them?
""",
        why="A letter of complaint; nothing is to be planned in grams.",
    ),
)
