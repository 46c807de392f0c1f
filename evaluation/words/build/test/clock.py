# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which clock frequencies: the half for judging."""

from __future__ import annotations

from ..choices import clock
from ..truth import Item

ITEMS = (
    Item(
        family="clock",
        kind="plain",
        level=1,
        marked="""
[EDGE-2291] Pick a GPU clock per stage for the pallet scanner

Profiled on the bench, mean per frame, whole-board energy:

  stage   |   510 MHz        |   765 MHz        |   1020 MHz
  --------+------------------+------------------+------------------
  resize  |  {t=9||ms} ms /  {e=38||mJ} mJ   |  {t=6} ms /  {e=46} mJ   |  {t=5} ms /  {e=60} mJ
  detect  | {t=61} ms / {e=410} mJ   | {t=43} ms / {e=505} mJ   | {t=34} ms / {e=690} mJ
  track   | {t=22} ms / {e=120} mJ   | {t=15} ms / {e=150} mJ   | {t=12} ms / {e=205} mJ
  encode  | {t=14} ms /  {e=70} mJ   | {t=10} ms /  {e=88} mJ   |  {t=8} ms / {e=115} mJ

Stages of a frame run strictly in sequence; the clock can be switched between stages for free. End-to-end latency of a
frame (sum over the stages) must stay at or below {lim=80||ms} ms. Grid carbon intensity at the warehouse: {ci=362||g/kWh} gCO2e/kWh.

Done when: we have the per-stage clock setting that minimises gCO2e per frame.
""",
        **clock(["resize", "detect", "track", "encode"], 3),
    ),
    Item(
        family="clock",
        kind="plain",
        level=3,
        marked="""
Hi all, first post here. I rebuilt an old sheet feeder so that it photographs the parish registers of our village. Three
books are left, and it works through them one after the other: births ({w=240||request} pages), marriages ({w=150} pages) and deaths
({w=330} pages). Before each book I turn a switch with four positions:

position 1 does {f=4||request/min} pages a minute and pulls {p=18||W} watts
position 2 does {f=6} pages a minute and pulls {p=24} watts
position 3 does {f=9} pages a minute and pulls {p=42} watts
position 4 does {f=12} pages a minute and pulls {p=70} watts

The sexton locks the church {lim=95||min} minutes after I start, and by then all three have to be finished. The socket in the vestry
gives power at {ci=230||g/kWh} grams of CO2 per kilowatt-hour, and the feeder is off as soon as the last page is done. Which position
should I use for which book if I want the whole evening to cause as little CO2 as possible?

Thanks, Ottilie
""",
        **clock(["births", "marriages", "deaths"], 4),
    ),
    Item(
        family="clock",
        kind="long",
        level=2,
        marked="""
To: IT operations
From: Ilse, building services
Subject: power settings of the three overnight machines

Hello everyone,

after the audit I was asked to do something about the server room (34 m2, kept at 24 degrees, two of the six racks are
empty, electricity at 0.21 EUR per kWh until March 2029). Three programs run in it at night, each on a machine of its own, so
none of them waits for another: invoicing, payroll and the stock forecast.

Matej tells me that each machine can be set to eco, normal or turbo. The processor then consumes {p=65||W} W, {p=105} W or {p=180} W. The rest of
the machine consumes another {ps=25||W} W, whatever the setting, for as long as the program is running; afterwards the machine switches
itself off.

How long one run takes:
 - Invoicing: {t=140||min} minutes on eco, {t=100} on normal, {t=74} on turbo. Because of the bank it has to be through in {lim=120||min} minutes.
 - Payroll: {t=45} minutes on eco, {t=33} on normal, {t=25} on turbo. It has {lim=60} minutes.
 - Stock forecast: {t=270} minutes on eco, {t=195} on normal, {t=150} on turbo. It has {lim=180} minutes.

In a month we have {n=22||job} runs of invoicing, {n=2} of payroll and {n=30} of the stock forecast. Our supplier certifies {ci=0.318||kg/kWh} kg CO2e per kWh. The
48 kWp on the roof feed the canteen and are not connected to this room.

Which setting should each program get so that the three together have the smallest footprint per month? I would like to
report it on the 14th.

Best regards
Ilse
""",
        **clock(["invoicing", "payroll", "stock forecast"], ["eco", "normal", "turbo"], shared=False),
    ),
    Item(
        family="clock",
        kind="under",
        level=2,
        marked="""
Parcel tunnel, hall 3. The inspection computer can be set to 1.0 GHz, where it consumes 3.2 W, or to 1.8 GHz, where it consumes
7.5 W, and the setting may differ from step to step. For every parcel it does three steps one after another:

step              at 1.0 GHz   at 1.8 GHz
label reading     120 ms       70 ms
damage check      310 ms       175 ms
weight estimate   90 ms        52 ms

All three must be finished before the parcel arrives at the flap. The electricity of the hall has a footprint of 401 g CO2e per
kWh. Which setting for which step keeps the emissions per parcel lowest?
""",
        questions=(("time until the parcel arrives at the flap", "s"),),
    ),
    Item(
        family="clock",
        kind="out",
        level=3,
        marked="""
Since the last update the fan of my laptop howls like a hair dryer whenever I cut my holiday films. Somebody in the pub said
that the chip runs at 3.4 gigahertz and 45 watts and that I should turn down its voltage. Is that safe, can it break the
machine, and where do I find the switch for it? In case it matters: my power has 210 grams of CO2 per kilowatt-hour.
""",
        why="Help with a computer's settings and its safety is asked for; nothing is to be chosen for its carbon.",
    ),
)
