# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""Which models stay at the edge, and which are fetched: the half for judging."""

from __future__ import annotations

from ..selections import cache
from ..truth import Item

ITEMS = (
    Item(
        family="cache",
        kind="plain",
        level=2,
        marked="""
Sawmill Oberau, grading line

There is one grading model for each kind of wood. A model either stays in the memory of the line's computer all week, or it is
sent from head office anew for every batch of that wood. The licence lets us have at most {least=three|3} models in memory.

Spruce: {n=140||request} batches a week. Staying in memory draws a constant {hp=6||W} W. Sending it once consumes {fe=15||Wh/request} Wh.
Oak: {n=35} batches a week, {hp=9} W to stay, {fe=22} Wh to send.
Larch: {n=90} batches a week, {hp=5} W to stay, {fe=12} Wh to send.
Ash: {n=20} batches a week, {hp=7} W to stay, {fe=16} Wh to send.
Beech: {n=60} batches a week, {hp=8} W to stay, {fe=20} Wh to send.

The computer is never switched off, so the week counts with {T=168||h} hours. What the memory draws comes from our own supply at {cie=190||g/kWh} g CO2e/kWh;
what sending consumes is head office's electricity, {cio=410||g/kWh} g CO2e/kWh. Which models should we keep in memory to have the lowest
emissions per week?
""",
        keep="least",
        **cache(["Spruce", "Oak", "Larch", "Ash", "Beech"]),
    ),
    Item(
        family="cache",
        kind="plain",
        level=1,
        marked="""
Adapter residency on an edge GPU. The base model is pinned; {room=6||GB} GB of VRAM are left for LoRA adapters. Decide x_a in 0/1
(resident or not) for the whole window of {T=12||h} h.

- size (GB): a1 {size=1.2||GB}, a2 {size=2.0}, a3 {size=0.8}, a4 {size=3.5}, a5 {size=1.5}, a6 {size=2.6}, a7 {size=0.6}
- requests in the window: a1 {n=300||request}, a2 {n=90}, a3 {n=150}, a4 {n=220}, a5 {n=40}, a6 {n=180}, a7 {n=25}
- power while resident (W): a1 {hp=0.5||W}, a2 {hp=0.8}, a3 {hp=0.3}, a4 {hp=1.4}, a5 {hp=0.6}, a6 {hp=1.0}, a7 {hp=0.25}
- a request for a non-resident adapter loads the full adapter from the storage node, {eb=0.18||kJ/GB} kJ/GB, and drops it afterwards
- carbon intensity {cie=275||g/kWh} gCO2e/kWh for residency and loading alike

Resident requests load nothing. Find x minimising emissions over the window.
""",
        **cache(["a1", "a2", "a3", "a4", "a5", "a6", "a7"]),
    ),
    Item(
        family="cache",
        kind="long",
        level=3,
        marked="""
Pepper is a mechanical parrot. He is 4 years old, has 212 real feathers and lives with grandmother in the care home by the river (floor 2,
38 residents, one cat). Grandmother says that he is better company than the television.

Pepper has six talents, but his head is small: only {room=800||MB} megabytes of talents fit in. A talent that is not in his head is sent up
from the computer in the cellar each time somebody asks for it, and forgotten right after. That takes electricity; but
holding a talent in his head for the week takes some as well. The caretaker has measured everything:

 Singing takes up {size=350||MB} megabytes and is asked for {n=28||request} times a week; sending it up takes {fe=5||Wh/request} watt-hours, holding it {he=60||Wh}.
 Jokes (he knows 412) take up {size=120} megabytes and are asked for {n=40} times; sending {fe=2} watt-hours, holding {he=30}.
 Reading the newspaper takes up {size=280} megabytes and is asked for {n=14} times; sending {fe=4.5} watt-hours, holding {he=45}.
 Bingo takes up {size=200} megabytes and is asked for {n=21} times; sending {fe=3} watt-hours, holding {he=40}.
 Weather takes up {size=90} megabytes and is asked for {n=60} times; sending {fe=1.5} watt-hours, holding {he=25}.
 Fairy tales take up {size=400} megabytes and are asked for {n=10} times; sending {fe=6} watt-hours, holding {he=55}.

The home's electricity, upstairs and in the cellar, makes {cie=330||g/kWh} grams of CO2 for each kilowatt-hour. Pepper's wings flap with a clockwork
that has to be wound up every 36 hours, which needs no electricity at all.

Which talents should be in Pepper's head so that his week makes as little CO2 as possible?
""",
        **cache(["Singing", "Jokes", "Newspaper", "Bingo", "Weather", "Fairy tales"]),
    ),
    Item(
        family="cache",
        kind="mixed",
        level=3,
        marked="""
Question about my wildlife camera! It photographs what walks through the garden at night and has one spotter program for each
animal. A spotter is either stored in the camera for the whole month, or it comes by radio from my brother's house each time it is
needed and is not kept. The camera has {room=1.5||GB} GB free.

Hedgehog spotter: {size=700|0.7|GB} MB, needed {n=150||request} times a month. One delivery takes {fe=12||kJ/request} kJ, storing it draws {hp=0.5||W} W all the time.
Fox spotter: {size=0.9} GB, needed {n=90} times. One delivery {fe=4|14.4} Wh, storing draws {hp=400|0.4} mW.
Owl spotter: {size=500|0.5} MB, needed {n=200} times. One delivery {fe=0.002|7.2} kWh, storing draws {hp=0.3} W.
Badger spotter: {size=0.4} GB, needed {n=30} times. One delivery {fe=9000|9} J, storing draws {hp=0.0002|0.2} kW.

Let us say the month has {T=30||d} days. The storing is paid with my electricity, {cie=0.31|310|g/kWh} kg of CO2 per kWh, the deliveries with my brother's, {cio=260||g/kWh} g of
CO2 per kWh. Which spotters do I store in the camera if I want the month to make the least CO2?
""",
        **cache(["Hedgehog", "Fox", "Owl", "Badger"]),
    ),
    Item(
        family="cache",
        kind="contradictory",
        level=1,
        marked="""
Edge model caching, minimise emissions over 24 h at 260 gCO2e/kWh (node and backhaul). Memory capacity of the node: 10 GB. Candidate
models: v1 4 GB, v2 3 GB, v3 5 GB, v4 3 GB, v5 4 GB. Requests in 24 h: 80, 120, 60, 45, 100. Fetch on a miss: 9, 7, 12, 7, 9 Wh. Residency over
24 h: 200, 150, 260, 150, 200 Wh. Availability requirement: at least four of the five models must be resident at all times.
""",
        conflict=(
            "Memory capacity of the node: 10 GB",
            "v1 4 GB, v2 3 GB, v3 5 GB, v4 3 GB, v5 4 GB",
            "at least four of the five models must be resident at all times",
        ),
        why="Even the four smallest models take 14 GB; the node has 10 GB.",
    ),
)
