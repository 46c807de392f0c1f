# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Where to cut a network: the half for judging."""

from __future__ import annotations

from ..choices import split
from ..truth import Item

ITEMS = (
    Item(
        family="split",
        kind="plain",
        level=3,
        marked="""
Hi all, first post here! I built a hedgehog camera for our allotment. It has a little computer in the shed, and there is also my old gaming machine at home that
can help. Recognising the animal on a photo goes through a chain of parts: the shed computer can do just the first part, the first two, the first three or the
whole lot, and the home machine always finishes whatever is left. I timed it for one photo:

- just the first part: the shed computer is busy for {td=0.4||s} seconds, {by=1.5||MB} megabytes get sent home, the home machine then burns {er=14||J} joules
- the first two: busy for {td=0.9} seconds, {by=0.6} megabytes, {er=11} joules at home
- the first three: busy for {td=2.1} seconds, {by=0.2} megabytes, {er=6} joules at home
- the whole lot: busy for {td=5} seconds, {by=0.01} megabytes (only the name of the animal), {er=0} joules at home

When it is busy the shed computer draws {pd=3||W} watts, and every megabyte it sends costs it another {eb=2||J/MB} joules. The shed gets its electricity from the allotment
club's old diesel generator, about {cid=700||g/kWh} grams of CO2 per kilowatt-hour. At home it is {cir=230||g/kWh} grams per kilowatt-hour. The hedgehog is in no hurry. How much should I let the
shed do, so that a photo makes as little CO2 as possible?
""",
        **split(["just the first part", "the first two", "the first three", "the whole lot"]),
    ),
    Item(
        family="split",
        kind="plain",
        level=1,
        marked="""
Partition point of a sequential DNN on a survey drone, remainder on the ground station. Exactly one partition point.

point | t_drone | payload | t_ground
conv1 | {td=6||ms} ms | {by=4.8||Mbit} Mbit | {tr=22||ms} ms
conv3 | {td=15} ms | {by=2.4} Mbit | {tr=17} ms
conv5 | {td=34} ms | {by=0.6} Mbit | {tr=9} ms
fc | {td=58} ms | {by=0.02} Mbit | {tr=0} ms

Compute power: drone {pd=10||W} W, ground station {pr=90||W} W, the latter multiplied by its PUE of {pue=1.3}. Radio of the drone: {ptx=1.8||W} W transmit power at {rate=40||Mbit/s} Mbit/s.
Carbon intensity: drone (compute and radio) {cid=480||g/kWh} gCO2e/kWh, ground station {cir=45||g/kWh} gCO2e/kWh.
End-to-end latency = drone time + payload / link rate + ground time, at most {lim=80||ms} ms.
Objective: min gCO2e per frame.
""",
        **split(["conv1", "conv3", "conv5", "fc"]),
    ),
    Item(
        family="split",
        kind="long",
        level=2,
        marked="""
Ticket EDGE-418   priority: medium   reporter: Ioana   watchers: 6
Title: windscreen damage check, decide how much runs on the tablet in the repair van

Context. We have 38 vans, each with one rugged tablet (bought in 2023, 1 150 EUR a piece, IP65). The damage check scores 94.1 % in every set-up below, so accuracy plays no role. Release 2.7 is
planned for the 14th. Legal has already cleared the upload of photos; retention stays at 90 days.

What has to be decided. The tablet processes a photo up to some hand-over point, uploads the intermediate result, and our hosting partner completes it. There are five possibilities, and it will be the same one for all vans. Figures for one photo:

P1 (after the stem): tablet {ed=0.6||J} J; upload {by=2100||kB} kB; hosting partner {er=16||J} J; tablet memory {mem=40||MB} MB; answer after {lat=380||ms} ms
P2 (after stage 1): tablet {ed=1.9} J; upload {by=800} kB; hosting partner {er=13} J; tablet memory {mem=110} MB; answer after {lat=240} ms
P3 (after stage 2): tablet {ed=3.8} J; upload {by=420} kB; hosting partner {er=9} J; tablet memory {mem=260} MB; answer after {lat=205} ms
P4 (after stage 3): tablet {ed=7.5} J; upload {by=130} kB; hosting partner {er=4} J; tablet memory {mem=390} MB; answer after {lat=230} ms
P5 (everything on the tablet): tablet {ed=10} J; upload {by=2} kB; hosting partner {er=0} J; tablet memory {mem=700} MB; answer after {lat=310} ms

The upload consumes {eb=5||J/MB} J per MB in the mobile network. Electricity: the tablets are charged at the depots with {cid=290||g/kWh} g CO2e per kWh, the mobile network operator reports {cin=320||g/kWh} g CO2e per kWh, the hosting
partner {cir=170||g/kWh} g CO2e per kWh.

Conditions. The app leaves {room=512||MB} MB of the tablet's memory for this. The mechanic must have the answer within {lim=350||ms} ms. In total the vans take {n=2600||request} photos a day.

Acceptance: name the possibility with the lowest emissions per day. (Comment by Piet, 3 days ago: the old tablets got by with 15 % less charge, but they are all scrapped.)
""",
        keep="n",
        **split(["P1", "P2", "P3", "P4", "P5"]),
    ),
    Item(
        family="split",
        kind="mixed",
        level=1,
        marked="""
ECG patch + bedside hub, arrhythmia CNN, cut-layer selection (exactly one of a, b, c). All figures per inference window.

a: E_patch = {ed=2.4|0.0024|J} mJ, transmitted activation {by=96||kB} kB, E_hub = {er=0.31||J} J
b: E_patch = {ed=0.021} J, transmitted activation {by=0.12|15} Mbit, E_hub = {er=0.07|0.252} mWh
c: E_patch = {ed=0.05|0.18} mWh, transmitted activation {by=64|0.008} bit, E_hub = {er=0} J

The patch radio needs {eb=150||nJ/bit} nJ/bit (patch side only; reception is contained in E_hub). Carbon intensity: patch {cid=0.42||kg/kWh} kgCO2e/kWh, hub {cir=25||g/MJ} gCO2e/MJ.
Objective: minimum emissions over the {n=8640||request} windows of a day.
""",
        keep="n",
        **split(["a", "b", "c"]),
    ),
    Item(
        family="split",
        kind="contradictory",
        level=3,
        marked="""
Grandad wants a doorbell that says who is standing outside. The bell can do a bit of the guessing itself and send the rest to a computer down in the cellar. If it does one
step it sends 5 megabytes, needs 20 megabytes of memory and uses 1 joule, and the cellar computer uses 9 joules. With two steps it sends 3 megabytes, needs 60 megabytes of memory and uses 2 joules, and the
cellar uses 5. With all the steps it sends nothing, needs 140 megabytes of memory and uses 6 joules, and the cellar uses none. Sending a megabyte uses half a joule of the bell's. Bell and cellar both get electricity
with 310 grams of CO2 per kilowatt-hour. The bell has memory for 100 megabytes and no more, and the caretaker insists that it sends 2 megabytes at the most for a ring. Which way makes the least CO2?
""",
        conflict=(
            "sends 5 megabytes",
            "sends 3 megabytes",
            "needs 140 megabytes of memory",
            "has memory for 100 megabytes and no more",
            "sends 2 megabytes at the most",
        ),
        why="Only doing all the steps sends at most 2 MB, and that needs 140 MB of memory where there are 100.",
    ),
)
