"""What reading and assembly must do for clocks, caches, batches, radios, cameras and drones: a lean table."""

from __future__ import annotations

import pytest

from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.words.assemble import attempt
from gramwise.optimize.words.assemble_groups import Members
from gramwise.optimize.words.assemble_lists import with_lists
from gramwise.optimize.words.reading import read

CASES = [
    # family, text, symbol, values in the symbol's unit
    (
        "clock",
        (
            "Stages run one after the other: decode (200 Mcycles), "
            "detect (600 Mcycles), encode (400 Mcycles). Allowed "
            "frequencies: 1, 1.5 and 2 GHz. kappa = 1e-27 (J s^2/cycle^3). Grid 500 gCO2e/kWh, least carbon."
        ),
        "f_o",
        [1e9, 1.5e9, 2e9],
    ),
    (
        "clock",
        (
            "The clock may be set anywhere between 0.3 GHz and 2 GHz; "
            "900 Mcycles within 1.5 s at kappa*f^2 with "
            "kappa = 1e-27 J s^2/cycle^3. Grid 400 gCO2e/kWh, least carbon."
        ),
        "f_hi",
        [2e9],
    ),
    (
        "clock",
        (
            "The index takes 7.2e12 cycles and has to be ready in two "
            "hours. The box runs at 1 GHz (3 W) or 2 GHz (9 W). "
            "Grid 320 g CO2 per kWh, smallest footprint."
        ),
        "L",
        [7200.0],
    ),
    (
        "cache",
        (
            "An edge server has 8 GB of memory. Three models: the "
            "translator takes 3 GB, the detector 4 GB and the "
            "captioner 2 GB. They are asked for 200, 300 and 50 times a "
            "day respectively. Fetching costs 20 Wh. Least CO2."
        ),
        "n_req",
        [200.0, 300.0, 50.0],
    ),
    (
        "cache",
        (
            "The shelf of 10 GB cannot hold all three guides: Dinosaurs "
            "needs 4 GB, Rome 3 GB, Ships 6 GB. On a normal day "
            "12 people want Dinosaurs, 9 want Rome and 5 want Ships. "
            "Streaming burns 60 Wh for Dinosaurs, 50 Wh for Rome and "
            "70 Wh for Ships. Least CO2."
        ),
        "n_req",
        [12.0, 9.0, 5.0],
    ),
    (
        "cache",
        (
            "- The star guide: 6 GB, 40 times, fetching takes 9 Wh each time, keeping it takes 150 Wh.\n"
            "- The bird guide: 5 GB, 70 times, fetching takes 7 Wh each time, keeping it takes 140.\n"
            "There is space for 8 GB. Grid 350 g CO2 per kWh, least CO2.\n"
        ),
        "E_hold",
        [540e3, 504e3],
    ),
    (
        "batch",
        (
            "batch size,energy per batch (J)\n1,5\n4,9\n8,14\n\nThere "
            "are 900 prompts. Grid 390 g/kWh, least CO2e."
        ),
        "b_o",
        [1.0, 4.0, 8.0],
    ),
    (
        "batch",
        "A batch costs 20 J plus 2 J per request; at most 12 requests a batch. Grid 300 g/kWh, least carbon.",
        "e_item",
        [2.0],
    ),
    (
        "video",
        (
            "Two cameras run at 360p or 720p. At 360p a camera draws 3 "
            "W; at 720p it draws 5 W. They run for 24 hours on "
            "260 gCO2e/kWh. Lowest emissions."
        ),
        "P_set",
        [3.0, 5.0, 3.0, 5.0],
    ),
    (
        "video",
        (
            "Frame rates of 5, 10 or 30 frames per second; one frame "
            "costs 0.4 J. The gate camera needs at least 10 "
            "frames per second, the yard camera at least 5. 8 h at 510 g/kWh, least carbon."
        ),
        "fps_min",
        [10.0, 5.0],
    ),
    (
        "uav",
        (
            "Two drones hover over two spots, farm and mill. Drone A "
            "draws 170 W, drone B 210 W. Drone A would hover 300 s "
            "at the farm and 240 s at the mill; drone B would hover 200 "
            "s at the farm and 400 s at the mill. Both are "
            "charged at 450 g/kWh. Least CO2."
        ),
        "t_run",
        [300.0, 200.0, 240.0, 400.0],
    ),
    (
        "power",
        (
            "The modem can transmit at 100 mW (2 Mbit/s), at 250 mW (4 "
            "Mbit/s) or at 0.8 W (6 Mbit/s). It sends 75 MB "
            "within 200 s. Energy at 800 g/kWh, lowest emissions."
        ),
        "r_o",
        [2e6, 4e6, 6e6],
    ),
]


@pytest.mark.parametrize(("family", "text", "symbol", "values"), CASES, ids=[c[2] for c in CASES])
def test_the_numbers_of_a_symbol(family: str, text: str, symbol: str, values: list[float]) -> None:
    base = shipped()
    tried = attempt(base.family(f"family.{family}"), with_lists(read(text)), base)
    assert symbol in tried.arrays, tried.left
    assert tried.arrays[symbol].values == pytest.approx(values, rel=1e-9)


def labels(family: str, text: str, group: str) -> Members:
    base = shipped()
    return attempt(base.family(f"family.{family}"), with_lists(read(text)), base).frame.members[group]


def test_the_box_that_holds_the_models_is_no_model() -> None:
    text = (
        "An edge server has 8 GB. The translator takes 3 GB and 20 "
        "Wh a fetch, the detector 4 GB and 30 Wh a fetch, "
        "the captioner 2 GB and 10 Wh a fetch. Grid 350 g/kWh, least CO2."
    )
    assert labels("cache", text, "JOB").labels == ("translator", "detector", "captioner")


def test_an_act_is_no_member() -> None:
    text = (
        "Two drones, D1 and D2, look after seven users. Serving a "
        "user costs 10 kJ from D1 and 14 kJ from D2. D1 is "
        "charged at 500 g/kWh, D2 at 200 g/kWh. Lowest CO2 assignment?"
    )
    assert labels("uav", text, "JOB").size == 7


def test_a_duration_without_another_place_is_the_length_of_the_account() -> None:
    base = shipped()
    text = "Two cameras run at 360p (3 W) or 720p (5 W) and stay on 10 hours at 300 g/kWh. Least carbon."
    tried = attempt(base.family("family.video"), with_lists(read(text)), base)
    assert tried.arrays["T_hor"].values == [36000.0]


def test_a_formula_s_exponent_is_no_number() -> None:
    assert [f.value for f in read("A task takes kappa*W*f^2 joules with 3 W on top.").figures] == [3.0]
