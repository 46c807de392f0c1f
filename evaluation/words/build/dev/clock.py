# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Clock frequencies: the half for building."""

from __future__ import annotations

from ..choices import clock
from ..truth import Item

ITEMS = (
    Item(
        family="clock",
        kind="plain",
        level=2,
        marked="""
The controller works through three routines one after the other, every time a lorry arrives, and for each routine we can set
one of three processor speeds. How long and how much energy each takes:

Reading the plate: slow {t=0.9||s} s and {e=1.0||J} J; medium {t=0.6} s and {e=1.4} J; fast {t=0.4} s and {e=2.3} J.
Checking the list: slow {t=0.5} s and {e=0.5} J; medium {t=0.3} s and {e=0.8} J; fast {t=0.2} s and {e=1.3} J.
Weighing the cargo: slow {t=1.4} s and {e=1.9} J; medium {t=1.0} s and {e=2.4} J; fast {t=0.7} s and {e=3.6} J.

All three together must be finished within {lim=2.0||s} s. The site's electricity emits {ci=340||g/kWh} g CO2e per kWh.
Which speeds give the lowest carbon for one lorry?
""",
        **clock(["Reading the plate", "Checking the list", "Weighing the cargo"], ["slow", "medium", "fast"]),
    ),
    Item(
        family="clock",
        kind="plain",
        level=1,
        marked="""
DVFS: two tasks run sequentially on one core. Task 1 has {w=3||Gcycle} Gcycles, task 2 has {w=5} Gcycles. Available
frequencies: {f=0.8||GHz} GHz, {f=1.2} GHz, {f=1.6} GHz, {f=2.0} GHz. Dynamic energy of a task is kappa*W*f^2 with kappa =
{kap=5e-28||J*s^2/cycle^3} J*s^2/cycle^3; in addition the core draws a static power of {ps=0.25||W} W while a task runs.
Common deadline: {lim=6||s} s for both tasks in sequence. Grid: {ci=475||g/kWh} gCO2e/kWh. One frequency per task,
minimise emissions.
""",
        **clock(["1", "2"], 4),
    ),
    Item(
        family="clock",
        kind="long",
        level=3,
        marked="""
You know our old washing machine of a computer, the one under the stairs? It hums in one of two gears, gentle or strong
(my brother calls them tortoise and hare). Every evening it has four things to do, and for each of them we may pick the
gear beforehand. It was 30 euros at the flea market and weighs 9 kilos.

In the gentle gear it uses {p=18||W} watts and in the strong gear {p=50} watts. Now the four things. Tidying the letters
takes {t=30||min} minutes in gentle and {t=14} in strong. Listening to the baby monitor recordings takes {t=60} minutes in
gentle and {t=28} in strong. Drawing tomorrow's weather map takes {t=45} minutes in gentle and {t=20} in strong. Making the
backup takes {t=20} minutes in gentle and {t=13} in strong. They are done one by one, never two at once, and all four have
to be over in {lim=110||min} minutes, because then my mother wants quiet (she goes to bed at ten and gets up at six).
Our electricity is {ci=260||g/kWh} grams of CO2 for a kilowatt-hour. In winter the cellar has 11 degrees.

Which gear for which thing, if we want the least CO2?
""",
        **clock(
            ["Tidying the letters", "baby monitor recordings", "weather map", "backup"], ["gentle", "strong"]
        ),
    ),
    Item(
        family="clock",
        kind="mixed",
        level=2,
        marked="""
Two machine-vision steps run in parallel on separate cores, each with its own time limit. Step "align" is
{w=900|0.9|Gcycle} Mcycles and must be done in {lim=0.9|900|ms} s; step "grade" is {w=2.4} Gcycles and must be done in
{lim=1500} ms. For each step we choose one of three clock settings: {f=1000|1|GHz} MHz drawing {p=650|0.65|W} mW, {f=1.5}
GHz drawing {p=1.6} W, or {f=1.8} GHz drawing {p=2600|2.6} mW. A step takes its cycles divided by the clock. Our
electricity: {ci=0.0002|200|g/kWh} t CO2e per kWh. Find the settings with the smallest footprint.
""",
        **clock(["align", "grade"], 3, shared=False),
    ),
    Item(
        family="clock",
        kind="contradictory",
        level=3,
        marked="""
My little robot has to add up 10 billion steps of arithmetic (10 gigacycles) before the bell rings, which is 4 seconds
from now. I can let its chip tick at 0.5, 1 or 2 gigahertz, using 0.4, 1.1 or 3.9 watts. The power from the wall makes 300 g
of CO2 per kWh. Which speed makes the least CO2 and is done before the bell?
""",
        conflict=("10 gigacycles", "which is 4 seconds\nfrom now", "0.5, 1 or 2 gigahertz"),
        why="At the fastest clock, 2 GHz, ten gigacycles take 5 s; the limit is 4 s.",
    ),
)
