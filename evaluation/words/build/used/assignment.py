# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Jobs to sites: once for judging, since looked at."""

from __future__ import annotations

from ..choices import assignment
from ..truth import Item

ITEMS = (
    Item(
        family="assignment",
        kind="plain",
        level=3,
        marked="""
Grandpa's farm has five chores for thinking machines every evening: counting the sheep, reading the milk gauge, listening for coughing
calves, watching the gate and guessing tomorrow's rain. Each chore is done wholly by one machine, and there are two: the barn box and the
kitchen computer. Whichever does it, a chore eats the same: the sheep {ej=50||Wh} watt-hours, the milk gauge {ej=10} watt-hours, the calves
{ej=35} watt-hours, the gate {ej=80} watt-hours and the rain {ej=25} watt-hours. The barn gets its electricity from the brook,
{ci=20||g/kWh} grams of CO2 for each kilowatt-hour, the kitchen from the valley, {ci=290} grams. The barn box cannot watch the gate,
because it has no wire to the camera there, and it can do at most {cap=2||job} chores in an evening; the kitchen
computer can do up to {cap=5}. Who should do what, if we want to trouble the air with as little CO2 as possible?
""",
        keep="cap",
        **assignment(
            ["sheep", "milk gauge", "calves", "gate", "rain"],
            ["barn box", "kitchen computer"],
            forbid=[("gate", "barn box")],
        ),
    ),
    Item(
        family="assignment",
        kind="plain",
        level=1,
        marked="""
MEC task offloading, binary assignment, 4 tasks, sites (device, BS, DC).

Task cycles: T1 {w=1.2||Gcycle} Gcycles, T2 {w=0.5} Gcycles, T3 {w=2.4} Gcycles, T4 {w=0.9} Gcycles.
Input data: T1 {d=8||Mbit} Mbit, T2 {d=2} Mbit, T3 {d=3} Mbit, T4 {d=20} Mbit.
CPU frequency: device {f=1.0||GHz} GHz, BS {f=3.0} GHz, DC {f=4.0} GHz. Power while computing: device {p=2||W} W, BS {p=15} W, DC {p=28} W.
Uplink rate: to BS {rate@2=40||Mbit/s} Mbit/s, to DC {rate@3=10} Mbit/s. The device itself needs no transmission. Transmit power {ptx=0.8||W} W at
the device; transmission energy counts at the device's intensity, {cih=400||g/kWh} gCO2e/kWh.
Intensity: device {ci=400||g/kWh} gCO2e/kWh, BS {ci=250} gCO2e/kWh, DC {ci=45} gCO2e/kWh.
Deadline (transmission plus computation) of every task: {lim=1.0||s} s. Minimise total CO2e of computation and transmission.
""",
        **assignment(["T1", "T2", "T3", "T4"], ["device", "BS", "DC"], remote=["BS", "DC"]),
    ),
    Item(
        family="assignment",
        kind="long",
        level=2,
        marked="""
Minutes of the site meeting, item 6: where the inspection programs run

Present: 9 of 11. The canteen will be closed from the 3rd to the 8th. Insurance asks for a list of all devices above 500 EUR.

Six inspection programs are started once per shift and each of them must be allotted to one of four computers. Ms Adeyemi reminded the
meeting that the conveyor was sped up by 12 % in spring and that rejects are at 0.8 %; neither changes the programs.

Energy of a program per shift does not depend on the computer except for the computer's own efficiency, expressed as a factor: Line PC {rel=1.0},
Office server {rel=0.8}, Plant server {rel=0.7}, Head office {rel=0.6}. Before the factor is applied, the programs need: Seams {ej=3.0||kWh} kWh, Labels {ej=0.9} kWh,
Colour {ej=1.6} kWh, Cracks {ej=4.2} kWh, Fill level {ej=0.7} kWh, Caps {ej=1.1} kWh.

Electricity: Line PC {ci=180||g/kWh} g CO2e/kWh, Office server {ci=180} g CO2e/kWh, Plant server {ci=240} g CO2e/kWh, Head office {ci=330} g CO2e/kWh.

Response time per item is {lats=5||ms} ms on the Line PC, {lats=30} ms on the Office server, {lats=45} ms on the Plant server and {lats=120} ms at
Head office. Allowed: Seams {lim=20||ms} ms, Labels {lim=200} ms, Colour {lim=100} ms, Cracks {lim=35} ms, Fill level {lim=200} ms, Caps {lim=50} ms.

The Line PC can host {cap=1||job} program, the Office server {cap=2}, the Plant server {cap=2}, Head office {cap=6}.

Resolved: the allotment with the lowest emissions per shift will be taken. Next meeting in 5 weeks.
""",
        keep="cap",
        **assignment(
            ["Seams", "Labels", "Colour", "Cracks", "Fill level", "Caps"],
            ["Line PC", "Office server", "Plant server", "Head office"],
        ),
    ),
    Item(
        family="assignment",
        kind="under",
        level=2,
        marked="""
Please allot our three report generators to our two data rooms for the lowest emissions. Each generator runs in one room. Sales report needs
1.2 kWh and the stock report needs 0.8 kWh in either room. The east room emits 95 g CO2e per kWh, the west room 410 g CO2e per kWh. The east
room can host no more than two generators. The third generator is the tax report.
""",
        questions=(("energy of the tax report", "kWh"),),
    ),
    Item(
        family="assignment",
        kind="out",
        level=1,
        marked="""
Assign 4 tasks to 3 servers such that the makespan is minimal. Processing times: 3, 5, 2 and 7 s on every server. The servers draw 100, 150
and 200 W at 300 gCO2e/kWh, but neither energy nor emissions are of interest.
""",
        why="The makespan is minimised, and emissions are said not to matter.",
    ),
)
