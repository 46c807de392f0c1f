# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which job runs at which site: the half for judging."""

from __future__ import annotations

from ..choices import assignment
from ..truth import Item

ITEMS = (
    Item(
        family="assignment",
        kind="plain",
        level=2,
        marked="""
Ticket PATH-2217, requested by Pathology IT, priority normal

We need a home for four analysis services by Monday. Candidates: the basement room under ward C, the Riverside colocation hall, the
regional cloud. A service lives at one location, we do not run duplicates.

Service / runs per week / kWh per run / memory it occupies
Slide screening / {n=210||job} / {ej=0.35||kWh} / {mem=48||GB} GB
Archive OCR / {n=40} / {ej=0.9} / {mem=32} GB
Dose check / {n=600} / {ej=0.05} / {mem=24} GB
Report drafting / {n=150} / {ej=0.28} / {mem=40} GB

Location / grams CO2e per kWh / PUE / memory free
Basement / {ci=140||g/kWh} / {pue=1.9} / {room=64||GB} GB
Riverside / {ci=165} / {pue=1.25} / {room=96} GB
Regional cloud / {ci=390} / {pue=1.12} / {room=512} GB

The kWh per run are what the servers take and do not depend on the location; multiply by the PUE of the location to include cooling. Please
place the services so that the weekly emissions come out lowest.
""",
        **assignment(
            ["Slide screening", "Archive OCR", "Dose check", "Report drafting"],
            ["Basement", "Riverside", "Regional cloud"],
        ),
    ),
    Item(
        family="assignment",
        kind="plain",
        level=1,
        marked="""
Setting: one wearable hub H, one MEC server M, one core cloud C. Four inference tasks, indivisible, each executed exactly once on H, M or C.

Execution energy in J, columns H / M / C
  keyword    {e=6.0||J} / {e=4.1} / {e=2.9}
  pose       {e=9.0} / {e=7.5} / {e=6.0}
  depth      {e=3.0} / {e=2.6} / {e=2.2}
  superres   {e=5.2} / {e=4.4} / {e=3.1}

End-to-end latency in ms (upload already in it), columns H / M / C, then the bound
  keyword    {lat=40||ms} / {lat=25} / {lat=130}, bound {lim=100||ms}
  pose       {lat=90} / {lat=45} / {lat=150}, bound {lim=100}
  depth      {lat=70} / {lat=40} / {lat=120}, bound {lim=150}
  superres   {lat=160} / {lat=75} / {lat=170}, bound {lim=200}

Offloading to M or C costs the hub {eb=0.9||uJ/bit} µJ per uploaded bit; local execution uploads nothing. Uploads: keyword {d=0.4||Mbit} Mbit, pose {d=3.2} Mbit,
depth {d=1.6} Mbit, superres {d=6.4} Mbit. The hub's upload energy is charged at {cih=510||g/kWh} gCO2e/kWh.

Carbon intensity of execution: H {ci=510||g/kWh}, M {ci=300}, C {ci=35} gCO2e/kWh.

Wanted: the placement with the least CO2e, execution plus upload, respecting the latency bounds.
""",
        **assignment(["keyword", "pose", "depth", "superres"], ["H", "M", "C"], remote=["M", "C"]),
    ),
    Item(
        family="assignment",
        kind="long",
        level=3,
        marked="""
Aunt Philippa died last autumn at 88 and left us eleven shoeboxes of tapes. My niece found a program that takes the hiss out of old recordings, and
after 6 weekends of copying we have everything on a disk in 4 heaps: the weddings, the letters (she spoke letters onto tape instead of
writing them!), the concerts and the bedtime stories. Now each heap has to be put through the program once, the whole heap on one computer.

We may use Mum's computer, my brother's, or the one in the library. I borrowed a meter for 12 euros and tried a short piece everywhere, so I know roughly how much
electricity every heap will want. The weddings: {e=1.2||kWh} kilowatt-hours at Mum's, {e=1.9} at my brother's, {e=1.4} in the library. The letters: {e=0.5} at Mum's,
{e=0.8} at my brother's, {e=0.6} in the library. The concerts: {e=2.0} at Mum's, {e=3.1} at my brother's, {e=2.3} in the library. The stories: {e=0.8} at Mum's, {e=1.3} at
my brother's, {e=0.9} in the library.

Mum's electricity comes with {ci=340||g/kWh} grams of CO2 for each kilowatt-hour. My brother lives 70 km further north, where it is {ci=190} grams. The library got a
roof full of solar panels in 2023 and says {ci=60} grams. You would think everything should go to the library then, but they let us have their computer for
just {cap@3=one|1|job} heap, and it must not be the concerts, since they are not allowed to handle recorded music. My brother takes {cap@2=two|2} heaps at most,
he needs the machine for his thesis. Mum would take all {cap@1=four|4}.

Could somebody work out a plan for us, which heap on which computer, that keeps the CO2 down as far as it will go? (She had 3 cats, all called Brahms.)
""",
        keep="cap",
        **assignment(
            ["weddings", "letters", "concerts", "stories"],
            ["Mum", "brother", "library"],
            forbid=[("concerts", "library")],
        ),
    ),
    Item(
        family="assignment",
        kind="under",
        level=1,
        marked="""
Three training jobs have to be mapped to accelerator nodes, one node per job, at most two jobs per node, minimum gCO2e.

- job sizes: A = 90 Tflop, B = 140 Tflop, C = 60 Tflop; energy of a job = size / node efficiency
- node N1: 28 Gflop/J, 320 gCO2e/kWh
- node N2: 45 Gflop/J, 505 gCO2e/kWh
- node N3: 15 gCO2e/kWh, efficiency not benchmarked so far
""",
        questions=(("energy efficiency of node N3", "Gflop/J"),),
    ),
    Item(
        family="assignment",
        kind="out",
        level=3,
        marked="""
We live in two rooms with a new baby and two computers, one in the bedroom and one in the kitchen. Tonight there are three things for them to do: render my animation (2 hours, 180 watts),
index the photos (1 hour, 90 watts) and train my little drum machine (3 hours, 200 watts). The fans howl at up to 48 decibels. Which of them should do what so that it is as quiet
as possible where the baby sleeps? Somebody told me that our electricity makes 260 grams of CO2 per kWh, but tonight only sleep counts.
""",
        why="Noise in the bedroom is minimised; carbon is set aside.",
    ),
)
