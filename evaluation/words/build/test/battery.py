# ruff: noqa: E501 - the texts are wrapped as people wrap them
"""A battery beside the load: the half for judging."""

from __future__ import annotations

from ..flows import battery
from ..truth import Item

ITEMS = (
    Item(
        family="battery",
        kind="plain",
        level=1,
        marked="""
Battery dispatch for an edge cabinet with PV, deterministic, six slots, slot length {step=1||h} h.

load [kWh]        {load=2.2||kWh}   {load=2.4}   {load=2.9}   {load=3.3}   {load=3.1}   {load=2.6}
PV yield [kWh]    {sun=0||kWh}     {sun=1.5}   {sun=4.8}   {sun=5.2}   {sun=1.9}   {sun=0.1}
grid [gCO2e/kWh]  {ci=410||g/kWh}   {ci=365}   {ci=220}   {ci=205}   {ci=390}   {ci=520}

Storage: usable capacity {size=4||kWh} kWh; initial content {init=1.5||kWh} kWh; final content not below the initial content; charging power <= {pc=2||kW} kW and discharging power <= {pd=2.5||kW} kW, both at the terminals; charging efficiency
{eta=0.93}; discharging efficiency {etd=0.95}.
PV may be curtailed. No export. Minimise the emissions of grid imports.
""",
        keep="step",
        **battery(6),
    ),
    Item(
        family="battery",
        kind="plain",
        level=3,
        marked="""
My sister-in-law keeps bees on a hill and has put a computer in the hut that listens to the hives. I am supposed to work out when her battery should be filled and when it should help out, for six hours from
noon, so that as little CO2 as possible comes of it. Here is what I know.

In the first hour the computer wants {load=180||Wh} watt-hours, then {load=180}, {load=200}, {load=260}, {load=300} and in the last hour {load=300}, because the bees come home and there is more to hear. Her solar panel gives {sun=420||Wh} watt-hours in the first hour, then {sun=350}, {sun=240},
{sun=120}, {sun=30} and {sun=0}. Whatever the sun does not cover comes down the cable from the village: a kilowatt-hour of that means {ci=210||g/kWh} grams of CO2 in the first hour, then {ci=190}, {ci=230}, {ci=320}, {ci=480} and {ci=460}. Nobody takes spare electricity off
her; it is simply lost. The battery has room for {size=600||Wh} watt-hours and has {init=100||Wh} watt-hours in it at noon; in any hour it can neither swallow nor hand out more than {both=250||Wh} watt-hours. It is so new that nothing
gets lost inside. She wants at least {end=150||Wh} watt-hours left in it when the six hours are over.
""",
        **battery(6),
    ),
    Item(
        family="battery",
        kind="long",
        level=2,
        marked="""
[09:14] Marta: Did you get anywhere with the storage cabinet at the ferry terminal? Director wants a schedule with the lowest emissions before the 17th.
[09:15] Henrik: Half way. It was delivered with 2 of the 3 fans, serial 88-1204, price 21 300 EUR. Fan number three comes next week, runs without it.
[09:16] Marta: OK. What does the terminal use? Tickets, screens, the passenger counting?
[09:21] Henrik: I worked in eight blocks of three hours, starting at midnight. Consumption in kWh, block by block: {load=9||kWh}, {load=10}, {load=22}, {load=26}, {load=27}, {load=31}, {load=24}, {load=12}.
[09:22] Marta: And the solar roof?
[09:24] Henrik: Same blocks, kWh: {sun=0||kWh}, {sun=3}, {sun=18}, {sun=41}, {sun=38}, {sun=12}, {sun=1}, {sun=0}. We have no permission to sell, so the excess goes to waste unless we store it.
[09:24] Marta: Grid?
[09:27] Henrik: In g CO2e per kWh, again the eight blocks: {ci=160||g/kWh}, {ci=170}, {ci=290}, {ci=240}, {ci=230}, {ci=380}, {ci=440}, {ci=300}. Last year's average was 271 but we don't need that one.
[09:29] Marta: What can the cabinet do?
[09:33] Henrik: It stores {size=30||kWh} kWh. Starts the day with {init=6||kWh} kWh in it, and it must have at least {end=8||kWh} kWh in it at the end of the day, for the night watchman. No more than {ch=15||kWh} kWh into it per block, and no more than {dis=12||kWh} kWh
out of it per block. Losses: {eta=90||percent} % of what goes in gets stored, {etd=96||percent} % of what is taken out of the store arrives at the terminal.
[09:34] Marta: "No more than 15 in" is measured at the plug, before losses?
[09:34] Henrik: Yes, and the 12 out is what the terminal receives.
[09:36] Marta: Good. Warranty is 6 000 cycles, so don't worry about wear. Ferry 402 is late again, 35 minutes.
[09:37] Henrik: So: when to charge and when to discharge, for the lowest emissions over that day. I'll pass it on.
""",
        **battery(8),
    ),
    Item(
        family="battery",
        kind="under",
        level=3,
        marked="""
I have bought a second-hand battery for our garden railway and its control computer, and I'd like to use it so that we cause as little CO2 as we can. It can hold 2 kilowatt-hours, is empty to begin with, loses nothing,
and in one hour it takes in at most 1 kilowatt-hour and gives out at most 1. I looked at four hours: the mains stands at 320, 140, 260 and then 510 grams of CO2 per kilowatt-hour. We have no solar panel, and we can't send anything back
into the mains. What the railway and the computer use up in an hour I don't know, the label has come off.
""",
        questions=(("consumption of the load in each hour", "kWh"),),
    ),
    Item(
        family="battery",
        kind="out",
        level=2,
        marked="""
Our two UPS batteries (10 kWh each, installed 2019, grid around 240 g CO2e per kWh) are ageing. We log voltage, current and temperature every 5 minutes. Could you estimate from these curves how much of the original capacity is left, and in which
month each of them will fall below 80 %?
""",
        why="An estimate of ageing from measurements; nothing is decided and nothing counted in grams.",
    ),
)
