# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""When the work is done: the half for judging."""

from __future__ import annotations

from ..flows import spread, starts
from ..truth import Item

ITEMS = (
    Item(
        family="shift_time",
        kind="plain",
        level=1,
        marked="""
# minimise total operational gCO2e; non-preemptive jobs at constant power, start times at slot boundaries
slots: 12
slot_length_h: {step=1||h}
carbon_intensity_gCO2e_per_kWh: [{ci=388||g/kWh}, {ci=371}, {ci=342}, {ci=295}, {ci=251}, {ci=214}, {ci=198}, {ci=207}, {ci=246}, {ci=301}, {ci=356}, {ci=402}]
jobs:
  ingest: runs {dur=3} slots at {p=8||kW} kW, earliest slot {rel=1}, must be complete at the end of slot {dl=8}
  embed: runs {dur=2} slots at {p=5} kW, earliest slot {rel=1}, must be complete at the end of slot {dl=12}
  evaluate: runs {dur=4} slots at {p=7} kW, earliest slot {rel=4}, must be complete at the end of slot {dl=12}
feeder: the sum of the powers of all running jobs never exceeds {pcap=13||kW} kW
""",
        keep="dur rel dl step",
        **starts(["ingest", "embed", "evaluate"], 12),
    ),
    Item(
        family="shift_time",
        kind="plain",
        level=3,
        marked="""
Hello, I photograph nebulae from my garden and have a question about the day after a clear night. Two programs have to work through the pictures: the stacker, which eats
{et=0.9||kWh} kilowatt-hours for a night's pictures, and the star remover, which eats {et=0.5}. I can stop either of them whenever I like and let it go on later, for a minute or for an afternoon, and both may run
side by side. But the stacker never takes more than {pm=250||W} watts and the star remover never more than {pm=150}, and the plug in the shed gives {pcap=300||W} watts for the
two of them together.

On the website of our grid I read for tomorrow, one {step=hour|1|h} after another from nine in the morning until five in the afternoon: {ci=260||g/kWh}, {ci=215}, {ci=150}, {ci=120}, {ci=110}, {ci=135},
{ci=190}, {ci=280} grams of CO2 per kilowatt-hour. By five both must have eaten all they need. How much should each take in which hour, if I want to cause as little CO2 as I can?
""",
        keep="step",
        **spread(["stacker", "star remover"], 8),
    ),
    Item(
        family="shift_time",
        kind="long",
        level=2,
        marked="""
From: Production planning, Nordkurier printing house
To: IT operations
Re: night runs from Thursday

Dear colleagues,

the new press (delivered on the 6th, 41 tonnes, 70 000 copies an hour) changes our nights. Circulation stands at 118 000 and paper has become 9 % dearer, but that is for another mail.
For you it means that three computer runs move into the night. None of them can be interrupted, all start on the full hour, and since we own only {most=one|1} licence of the
image software no two may run at the same time.

The archive scan takes {dur=3} hours at {p=9||kW} kW; it can go at any time between 20:00 and 06:00. Ad matching takes {dur=2} hours at {p=14} kW. The advertisements are complete at 20:00, and at 02:00 the forms
go to plate making, so it has to be through by then. The layout check takes {dur=2} hours at {p=6} kW, cannot begin before midnight, when the pages are there, and has to be through by 04:00.

What the energy department expects of the grid, per {step=hour|1|h}, in g CO2e/kWh:

20:00-21:00  {ci=412||g/kWh}
21:00-22:00  {ci=396}
22:00-23:00  {ci=350}
23:00-00:00  {ci=281}
00:00-01:00  {ci=236}
01:00-02:00  {ci=204}
02:00-03:00  {ci=190}
03:00-04:00  {ci=211}
04:00-05:00  {ci=268}
05:00-06:00  {ci=340}

The server room was measured at 24 °C and the two UPS units hold for 15 minutes; neither is a concern. Please send us the three start times that keep the emissions of the night
lowest. The works council (room 2.08) has agreed.

Kind regards
Wiebke Harms
""",
        keep="dur most step",
        **starts(["archive scan", "Ad matching", "layout check"], 10, windows=[(1, 10), (1, 6), (5, 8)]),
    ),
    Item(
        family="shift_time",
        kind="under",
        level=3,
        marked="""
My old laptop listens through my bird-song recordings and writes down who sang. While it does that it uses 65 watts and must not be disturbed until it is through. It has to be through by six in the morning,
and I could set it going at ten in the evening or at any full hour after that. Honestly I have never looked at the clock to see how long it is busy with one day's recordings. The app says, in grams of CO2 for a kilowatt-hour: at
ten 330, at eleven 305, at midnight 240, at one 180, at two 165, at three 170, at four 220, at five 290. At which hour do I set it going to make the least CO2?
""",
        questions=(("duration: how long the laptop is busy with one day's recordings", "h"),),
    ),
    Item(
        family="shift_time",
        kind="out",
        level=1,
        marked="""
Attached: 90 days of hourly marginal carbon intensity for bidding zone SE3 (mean 41, standard deviation 17 gCO2e/kWh). Fit a SARIMA or gradient-boosted model, forecast the next 24 h
and report MAPE and pinball loss at the 10 % and 90 % quantiles against the naive day-before baseline. Scheduling of loads is left to WP5.
""",
        why="A forecast is to be fitted and scored; moving loads is left to others and nothing is decided in grams.",
    ),
)
