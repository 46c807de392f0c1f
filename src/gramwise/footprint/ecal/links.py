"""Links packet by packet: headers, fragments, acknowledgements, bounded retries, and the joules of either end.

A message of so many bytes becomes packets; each packet takes seconds on the air; seconds times the radio's power are
joules, at the sender and at the receiver. Energy is that of the radio alone (eCAL's Eq. 3 charges P_T B/R_T + P_R B/R_R
at the physical layer and nowhere else); what layers 2 to 7 compute is added only where the user gives joules per bit.
Every constant is a row of ``data/link_energy.csv``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import Value, Values
from gramwise.footprint.factors import table

from .airtime import delivered_frac, expected_sends, lora_airtime_s
from .linkspec import OVERRIDABLE, RATES, LinkSpec

TABLE = "link_energy"
BITS_PER_BYTE = 8

_NO_IP = frozenset({"ble", "lorawan"})
"""Technologies that are used without IP unless the user asks for it."""

_UNACKNOWLEDGED = frozenset({"ethernet", "lorawan"})


class Packets(NamedTuple):
    """A message cut into packets.

    Attributes:
        number: of packets; an empty message is one packet.
        full_bytes, last_bytes: on the link, with every header, of a full packet and of the last one.
        wire_bytes: all of them together, each sent once.
    """

    number: int
    full_bytes: float
    last_bytes: float
    wire_bytes: float


ENDS = ("device", "peer", "network")


class Ends(NamedTuple):
    """Joules of a message: of the device, of its peer (None: not known), and of the network behind (likewise)."""

    device_j: Value
    peer_j: Value | None
    network_j: Value | None


class LinkModel:
    """A link with its constants looked up: what a message costs.

    Energies are functions of the values of the model's factors, by key, so that they can be drawn.

    Args:
        spec: the link.
        name: of the hop, for the keys of its own constants.

    Raises:
        ConfigError: headers leave no room for payload; an unknown or unfitting constant is replaced.
    """

    def __init__(self, spec: LinkSpec, name: str) -> None:
        self.spec, self.name = spec, name
        self._rows = table(TABLE)
        self._keys: dict[str, str] = {}
        self._factors: dict[str, Factor] = {}
        ip = spec.technology not in _NO_IP
        self.network = spec.network or ("ipv4" if ip else "none")
        self.transport = spec.transport or ("udp" if ip else "none")
        self.acknowledged = (
            spec.technology not in _UNACKNOWLEDGED if spec.acknowledged is None else spec.acknowledged
        )
        if self.acknowledged and spec.technology == "ethernet":
            raise ConfigError(
                "Ethernet does not acknowledge frames.", key=f"{name}.acknowledged", fix="Leave it out."
            )
        self.sends = expected_sends(spec.loss_frac, spec.max_sends)
        self.delivered_frac = delivered_frac(spec.loss_frac, spec.max_sends)
        if spec.loss_frac > 0.0 and spec.max_sends is None and not self.acknowledged:
            raise ConfigError(
                "a link that confirms nothing cannot know when to stop sending.",
                key=f"{name}.max_sends",
                fix="Write max_sends, or acknowledged = true.",
            )
        self._look_up()
        if self.capacity_bytes < 1:
            raise ConfigError(
                f"headers of {self._upper_bytes} bytes leave no room in a packet of {self.mtu_bytes}.",
                key=name,
                fix="Use smaller headers or another spreading factor.",
            )

    # what is known before anything is drawn

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the factors that energies read."""
        return tuple(self._factors)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors that energies read."""
        return tuple(self._factors.values())

    @property
    def mtu_bytes(self) -> int:
        """Bytes that one packet of the link carries, headers above the link included."""
        lora = self.spec.technology == "lorawan"
        middle = f"sf{self.spec.spreading_factor}." if lora else ""
        return int(self._rows[f"{self.spec.technology}.{middle}mtu_bytes"].value)

    @property
    def _upper_bytes(self) -> int:
        used = (self.network, self.transport, self.spec.security)
        return sum(int(self._rows[f"stack.{u}_bytes"].value) for u in used if u != "none")

    @property
    def capacity_bytes(self) -> int:
        """Bytes of a message that one packet carries."""
        return self.mtu_bytes - self._upper_bytes

    @property
    def not_included(self) -> tuple[str, ...]:
        """What the link's joules leave out, in words."""
        spec, out = self.spec, []
        if "peer_rx_w" not in self._keys:
            out.append(f"{self.name}: the gateway's or base station's radio")
        if spec.network_j_per_bit is None:
            out.append(f"{self.name}: the network behind the radio")
        if spec.sender_processing_j_per_bit is None or spec.receiver_processing_j_per_bit is None:
            out.append(f"{self.name}: processing in layers 2 to 7")
        if "wake_w" not in self._keys:
            out.append(f"{self.name}: keeping the connection between transfers")
        return tuple(out)

    @property
    def wakes(self) -> bool:
        """Whether the device's radio has to be woken for a transfer."""
        return "wake_w" in self._keys

    def knows(self, end: str, *, down: bool = False) -> bool:
        """Whether the joules of an end (one of `ENDS`) are known for messages in this direction."""
        spec = self.spec
        if end == "network":
            return spec.network_j_per_bit is not None
        own = spec.sender_processing_j_per_bit if down else spec.receiver_processing_j_per_bit
        return end == "device" or "peer_rx_w" in self._keys or own is not None

    # packets

    def packets(self, message_bytes: float) -> Packets:
        """Cut a message of so many bytes of payload into packets, at the best estimates of the headers."""
        whole = message_bytes + self.spec.application_bytes
        count = max(1, math.ceil(whole / self.capacity_bytes))
        each = self._upper_bytes + self._factors[self._keys["link_bytes"]].value
        return Packets(
            number=count,
            full_bytes=self.capacity_bytes + each,
            last_bytes=whole - (count - 1) * self.capacity_bytes + each,
            wire_bytes=whole + count * each,
        )

    # joules

    def up(self, message_bytes: float, values: Values) -> Ends:
        """Joules of one message from the device to its peer, waking and the radio's tail included."""
        ends = self._message(message_bytes, values, down=False)
        return ends._replace(device_j=ends.device_j + self.session_j(values))

    def down(self, message_bytes: float, values: Values) -> Ends:
        """Joules of one message from the peer to the device, in a session that is open already."""
        return self._message(message_bytes, values, down=True)

    def session_j(self, values: Values) -> Value:
        """Joules of the device for one session: waking the radio, and its tail until it sleeps again."""
        spent: Value = 0.0
        for state in ("wake", "tail"):
            if f"{state}_w" in self._keys:
                spent = spent + self._of(values, f"{state}_s") * self._of(values, f"{state}_w")
        return spent

    def airtime_s(self, message_bytes: float, values: Values, *, down: bool = False) -> Value:
        """Seconds that a message's packets are on the air, each sent once."""
        if self.spec.technology == "lorawan":
            return self._lora_s(message_bytes, down)
        link = values[self._keys["link_bytes"]]
        whole = message_bytes + self.spec.application_bytes
        count = max(1, math.ceil(whole / self.capacity_bytes))
        bits = BITS_PER_BYTE * (whole + count * (self._upper_bytes + link))
        return count * self._of(values, "preamble_s") + bits / self._rate(values, down)

    def _message(self, message_bytes: float, values: Values, down: bool) -> Ends:
        spec = self.spec
        count = self.packets(message_bytes).number
        air_s = self.airtime_s(message_bytes, values, down=down)
        device_sends, device_hears = self._device_seconds(air_s, count, values, down)
        device_j = device_sends * self._of(values, "tx_w") + device_hears * self._of(values, "rx_w")
        peer_j = None
        if "peer_rx_w" in self._keys:
            peer_j = self._peer_joules(air_s, count, values, down)
        bits = BITS_PER_BYTE * message_bytes
        if spec.sender_processing_j_per_bit is not None:
            sender_j = values[f"link.{self.name}.sender_processing_j_per_bit"] * bits
            device_j, peer_j = (device_j, _plus(peer_j, sender_j)) if down else (device_j + sender_j, peer_j)
        if spec.receiver_processing_j_per_bit is not None:
            receiver_j = values[f"link.{self.name}.receiver_processing_j_per_bit"] * bits
            device_j, peer_j = (
                (device_j + receiver_j, peer_j) if down else (device_j, _plus(peer_j, receiver_j))
            )
        network_j = None
        if spec.network_j_per_bit is not None:
            wire_bits = self.packets(message_bytes).wire_bytes * BITS_PER_BYTE
            network_j = values[f"link.{self.name}.network_j_per_bit"] * wire_bits
        return Ends(device_j, peer_j, network_j)

    def _device_seconds(self, air_s: Value, count: int, values: Values, down: bool) -> tuple[Value, Value]:
        """Seconds that the device sends and hears for one message."""
        sends = self.sends
        ack_s, listen_s = self._ack_s(values), self._listen_s(values)
        transport_s = self._transport_ack_s(count, values, down=not down)
        if down:
            # LoRa answers in the windows that the uplink has opened and paid for
            waits = 0.0 if self.spec.technology == "lorawan" else sends * count * listen_s
            return self.delivered_frac * (count * ack_s + transport_s), sends * air_s + waits
        # a radio that expects a confirmation waits for as long as it lasts; LoRa's windows close when none begins
        acks = self.delivered_frac if self.spec.technology == "lorawan" else sends
        heard = count * (acks * ack_s + sends * listen_s) + self.delivered_frac * transport_s
        return sends * air_s, heard

    def _peer_joules(self, air_s: Value, count: int, values: Values, down: bool) -> Value:
        tx_w, rx_w = self._of(values, "peer_tx_w"), self._of(values, "peer_rx_w")
        ack_s = self._ack_s(values)
        transport_s = self._transport_ack_s(count, values, down=not down)
        if down:
            heard = self.sends * count * ack_s + self.delivered_frac * transport_s
            return self.sends * air_s * tx_w + heard * rx_w
        return self.sends * air_s * rx_w + self.delivered_frac * (count * ack_s + transport_s) * tx_w

    def _transport_ack_s(self, count: int, values: Values, *, down: bool) -> Value:
        """Seconds of TCP's own acknowledgements, which travel against the data as packets without payload."""
        if self.transport != "tcp" or self.spec.technology == "lorawan":
            return 0.0
        number = count * values["stack.tcp_acks_per_segment"]
        bits: Value = BITS_PER_BYTE * (self._upper_bytes + values[self._keys["link_bytes"]])
        return number * (self._of(values, "preamble_s") + bits / self._rate(values, down))

    def _lora_s(self, message_bytes: float, down: bool) -> float:
        cut, spec = self.packets(message_bytes), self.spec

        def seconds(size: float) -> float:
            frame = math.ceil(size)
            return lora_airtime_s(
                frame, spec.spreading_factor, spec.bandwidth_hz, spec.coding_rate, crc=not down
            )

        return (cut.number - 1) * seconds(cut.full_bytes) + seconds(cut.last_bytes)

    def _ack_s(self, values: Values) -> Value:
        if not self.acknowledged:
            return 0.0
        if self.spec.technology != "lorawan":
            return self._of(values, "ack_s")
        size = int(self._rows["lorawan.ack_bytes"].value)
        return lora_airtime_s(
            size, self.spec.spreading_factor, self.spec.bandwidth_hz, self.spec.coding_rate, crc=False
        )

    def _listen_s(self, values: Values) -> Value:
        if self.spec.technology != "lorawan":
            return self._of(values, "listen_s")
        symbols = values["lorawan.window_symbols"]
        first = 2.0**self.spec.spreading_factor / self.spec.bandwidth_hz
        second = 2.0 ** int(self._rows["lorawan.rx2_spreading_factor"].value) / 125_000.0
        # a confirmation that comes in the first window saves the second
        share = 0.0 if not self.acknowledged else self.delivered_frac / self.sends
        return symbols * ((first + second) * (1.0 - share))

    def _rate(self, values: Values, down: bool) -> Value:
        name = "down_rate_bit_per_s" if down and "down_rate_bit_per_s" in self._keys else "rate_bit_per_s"
        return self._of(values, name)

    def _of(self, values: Values, name: str) -> Value:
        return values[self._keys[name]]

    # constants

    def _look_up(self) -> None:
        unknown = [name for name in self.spec.override if name not in OVERRIDABLE]
        if unknown:
            raise ConfigError(
                f"{unknown[0]!r} is no constant of a link.",
                key=f"{self.name}.override.{unknown[0]}",
                fix=did_you_mean(unknown[0], OVERRIDABLE, limit=20),
            )
        for name in ("link_bytes", *OVERRIDABLE):
            key = f"{self.spec.technology}.{name}"
            if name in self.spec.override:
                own = f"link.{self.name}.{name}"
                self._take(name, self.spec.override[name].factor(own, OVERRIDABLE[name]))
            elif key in self._rows:
                self._take(name, self._rows[key])
        if self.spec.technology == "lorawan":
            self._take("window_symbols", self._rows["lorawan.window_symbols"])
        if self.transport == "tcp":
            self._take("tcp_acks", self._rows["stack.tcp_acks_per_segment"])
        for name in ("network_j_per_bit", "sender_processing_j_per_bit", "receiver_processing_j_per_bit"):
            given = getattr(self.spec, name)
            if given is not None:
                self._take(name, given.factor(f"link.{self.name}.{name}", "J/bit"))
        self._check_overrides()

    def _take(self, name: str, factor: Factor) -> None:
        self._keys[name] = factor.key
        self._factors[factor.key] = factor

    def _check_overrides(self) -> None:
        for state in ("wake", "tail"):
            if (f"{state}_w" in self._keys) != (f"{state}_s" in self._keys):
                raise ConfigError(
                    f"{state}_w and {state}_s go together.",
                    key=f"{self.name}.override",
                    fix="Write both or neither.",
                )
        for name in RATES:
            if name in self.spec.override and self.spec.override[name].ends[0] <= 0.0:
                raise ConfigError("a rate is above zero.", key=f"{self.name}.override.{name}")
        if ("peer_tx_w" in self._keys) != ("peer_rx_w" in self._keys):
            raise ConfigError(
                "peer_tx_w and peer_rx_w go together.",
                key=f"{self.name}.override",
                fix="Write both or neither.",
            )
        rate = self.spec.override.get("rate_bit_per_s")
        if rate is not None and self.spec.technology == "lorawan":
            raise ConfigError(
                "the rate of LoRa follows from spreading factor, bandwidth and coding rate.",
                key=f"{self.name}.override.rate_bit_per_s",
                fix="Write spreading_factor instead.",
            )


def _plus(known: Value | None, more: Value) -> Value:
    return more if known is None else known + more
