# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Where to cut a network: the half for building."""

from __future__ import annotations

from ..choices import split
from ..truth import Item

ITEMS = (
    Item(
        family="split",
        kind="plain",
        level=2,
        marked="""
Our badge reader runs part of a vision network itself and hands the rest to a server. We may hand over at one of four
points. For one picture:

- hand over at the input: reader uses {ed=0.02||J} J, sends {by=600||kB} kB, server uses {er=1.10||J} J
- hand over after stage 1: reader {ed=0.35} J, sends {by=220} kB, server {er=0.80} J
- hand over after stage 2: reader {ed=0.90} J, sends {by=60} kB, server {er=0.45} J
- keep everything on the reader: reader {ed=2.10} J, sends {by=0} kB, server {er=0} J

Sending takes {eb=1.5||J/MB} J per megabyte, drawn at the reader. The reader's electricity carries {cid=410||g/kWh} g
CO2e per kWh, the server's {cir=95||g/kWh} g CO2e per kWh. We handle {n=250000||image} pictures a day. Choose the hand-over
point with the lowest daily carbon.
""",
        **split(["at the input", "after stage 1", "after stage 2", "keep everything on the reader"]),
    ),
    Item(
        family="split",
        kind="plain",
        level=3,
        marked="""
My phone can recognise plants. It can do all of the thinking itself, or the first half, or none, and a computer at my
cousin's house does the remainder. Doing nothing on the phone takes {td=0||s} seconds there and {tr=0.4||s} seconds at
my cousin's; doing half takes {td=0.9} seconds on the phone and {tr=0.25} at my cousin's; doing all takes {td=2.6}
seconds on the phone and {tr=0} at my cousin's. While thinking, the phone uses {pd=3.2||W} watts and the cousin's
computer {pr=85||W} watts. Sending the picture raw is {by=24||Mbit} megabits, after the first half it is {by=4}
megabits, and if the phone does everything it is {by=0} megabits. The phone sends at {rate=20||Mbit/s} megabits per second
and uses {ptx=1.1||W} watts for sending. My home has {cid=280||g/kWh} g of CO2 per kWh, my cousin's {cir=35||g/kWh} g.
An answer must be there within {lim=2||s} seconds, counting thinking and sending. Which way is the kindest to the climate,
for one picture?
""",
        **split(["nothing on the phone", "half on the phone", "all on the phone"]),
    ),
    Item(
        family="split",
        kind="long",
        level=1,
        marked="""
# Partition-point selection for the inspection drone

Background. The drone was bought in 2023 for 11 800 EUR and flies 14 missions a week; propulsion is outside the
boundary here. The backbone is a MobileNet with 28 convolutions, quantised to 8 bits, top-1 accuracy 71.2 % (unchanged
by the partition). Weather limits are 12 m/s wind and 40 degrees.

Task. Select exactly one partition point for the network between the on-board computer and the edge server so that
CO2e per frame is minimal.

| cut | on-board energy (mJ) | tensor sent (kB) | server energy (mJ) | end-to-end latency (ms) | memory on board (MB) |
|-----|------|-----|-----|-----|-----|
| c0 | {ed=5||mJ} | {by=147||kB} | {er=210||mJ} | {lat=96||ms} | {mem=1||MB} |
| c1 | {ed=60} | {by=98} | {er=170} | {lat=88} | {mem=4} |
| c2 | {ed=140} | {by=25} | {er=90} | {lat=61} | {mem=9} |
| c3 | {ed=190} | {by=12} | {er=40} | {lat=74} | {mem=19} |
| c4 | {ed=260} | {by=0} | {er=0} | {lat=130} | {mem=30} |

Radio energy is {eb=2.2||J/MB} J/MB, accounted at the on-board battery's intensity. On-board charging intensity: {cid=350||g/kWh} g/kWh. Server grid:
{cir=140||g/kWh} g/kWh with PUE {pue=1.3}. Latency must not exceed {lim=100||ms} ms and the model part on board must fit
into {room=16||MB} MB.
""",
        **split(["c0", "c1", "c2", "c3", "c4"]),
    ),
    Item(
        family="split",
        kind="under",
        level=3,
        marked="""
The smart doorbell can look at visitors itself or pass the picture to the box in the hall, or do the first part itself
and pass on the rest. All by itself costs 6 joules; the first part alone costs 2 joules and then the box needs 1.5
joules; the box alone needs 4 joules. Passing a picture on costs the doorbell 0.8 joules, passing on the half-finished work costs
it 0.3 joules. The doorbell runs off a battery that is charged at our neighbour's and the box is on our own supply of
90 g CO2 per kWh. Which of the three gives the least CO2 per visitor?
""",
        questions=(("carbon intensity of the electricity that charges the doorbell's battery", "gCO2e/kWh"),),
    ),
    Item(
        family="split",
        kind="out",
        level=2,
        marked="""
Our product splits a neural network between a handset and a data centre. We would like an estimate of how many
customers will leave if the hand-over adds 80 ms to each answer, and a slogan for the launch. The handset uses 2 J and
the data centre 1.4 J per answer, at 300 g CO2e per kWh in both places.
""",
        why="A forecast of customers and a slogan are asked for; nothing is to be decided in grams.",
    ),
)
