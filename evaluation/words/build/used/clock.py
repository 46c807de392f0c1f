# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Clock frequencies: once for judging, since looked at."""

from __future__ import annotations

from ..choices import clock
from ..truth import Item

ITEMS = (
    Item(
        family="clock",
        kind="plain",
        level=3,
        marked="""
My sewing robot stitches a quilt in five moves, one after another. For every move I turn its knob to snail, cat or horse. On snail it
uses {p=9||W} watts, on cat {p=21} watts, on horse {p=48} watts. These are the seconds that each move takes:

           snail  cat  horse
Threading    {t=40||s}   {t=22}   {t=14}
Border       {t=90}   {t=50}   {t=30}
Stars        {t=120}   {t=66}   {t=42}
Lining       {t=75}   {t=40}   {t=26}
Hem          {t=60}   {t=33}   {t=20}

The quilt must be ready in {lim=240||s} seconds. Our electricity makes {ci=410||g/kWh} grams of CO2 for a kilowatt-hour. Where should the knob be for each
move, to make the least CO2?
""",
        **clock(["Threading", "Border", "Stars", "Lining", "Hem"], ["snail", "cat", "horse"]),
    ),
    Item(
        family="clock",
        kind="plain",
        level=2,
        marked="""
Three video feeds are analysed side by side, each on a processor core of its own, and each feed has its own time limit for a picture. We set each core to one of
four clock speeds: {f=600||MHz} MHz at {p=0.3||W} W, {f=900} MHz at {p=0.6} W, {f=1200} MHz at {p=1.1} W or {f=1500} MHz at {p=1.9} W. A picture of feed Door takes {w=30||Mcycle} million
processor cycles, of feed Yard {w=80} million, of feed Till {w=55} million; the time is the cycles divided by the clock speed. Limits: Door {lim=50||ms} ms,
Yard {lim=70} ms, Till {lim=60} ms. In a day there are {n=100000||image} pictures from Door, {n=80000} from Yard and {n=400000} from Till. The electricity emits
{ci=285||g/kWh} g CO2e per kWh. A core consumes power only while it works on a picture. Which speed for which feed has the smallest daily footprint?
""",
        **clock(["Door", "Yard", "Till"], 4, shared=False),
    ),
    Item(
        family="clock",
        kind="long",
        level=1,
        marked="""
DVFS for the telemetry pipeline of the weather buoy

The buoy (hull 1.8 m, mass 310 kg, moored at 62 m depth, serviced every 14 months) samples at 4 Hz; the sampler is a separate chip and outside this
problem. Every cycle, the main core runs four stages in sequence: filter, FFT, compress, encrypt. One frequency out of the governor's table is assigned to each
stage; switching time is negligible. Workloads: filter {w=120||Mcycle} Mcycles, FFT {w=400} Mcycles, compress {w=260} Mcycles, encrypt {w=90} Mcycles.

Governor's table: {f=200||MHz} MHz, {f=400} MHz, {f=800} MHz.

Dynamic energy of a stage: kappa W f^2 with kappa = {kap=2e-27||J*s^2/cycle^3} J s^2/cycle^3. Leakage: {ps=0.15||W} W for as long as a stage runs. The sum of the four stage times
must not exceed {lim=1.9||s} s. The batteries are charged on shore at {ci=295||g/kWh} gCO2e/kWh. The satellite modem's 1.6 W and its 340-byte messages do not depend
on the frequencies. Find the assignment with minimal emissions per cycle. (Measured core temperature: 9 to 31 degrees.)
""",
        **clock(["filter", "FFT", "compress", "encrypt"], 3),
    ),
    Item(
        family="clock",
        kind="under",
        level=3,
        marked="""
My gramophone computer can play slow or fast. Slow, a song's worth of sums takes 50 seconds at 6 watts; fast, it takes 20 seconds. Each song has to be done
in 60 seconds. Our power makes 200 grams of CO2 per kWh. Should it go slow or fast for the least CO2?
""",
        questions=(("power when fast", "W"),),
    ),
    Item(
        family="clock",
        kind="out",
        level=1,
        marked="""
Explain why dynamic power in CMOS scales with f*V^2 and derive the cubic law under linear voltage scaling. Use f = 1.2 GHz, 0.9 V and a grid of 300
gCO2e/kWh as an illustration.
""",
        why="A derivation is asked for; there is no decision.",
    ),
)
