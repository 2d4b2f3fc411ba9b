"""A peer that is neither a browser nor ours: aiortc, as a member of a room (written from docs/reference/rooms.md alone)
or as the media of a call.

    peer.py room URL ROOM NAME HZ RECORDING    a member; URL is that of the WebSocket
    peer.py call HZ RECORDING                  one connection; a test carries the descriptions

It speaks with a tone of HZ and records what it hears into the WAV file RECORDING. Standard input has commands, a JSON
object in each line, and standard output has what happens, in the same form.
"""

import asyncio
import fractions
import hashlib
import json
import math
import struct
import sys
import wave

import av
import websockets
from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp

RATE = 48_000
SAMPLES = 960
LOUDNESS = 0.3 * 32_767
PIECE = 16_384
TELL_EVERY = 65_536
AHEAD = 1 << 20


def tell(**what):
    print(json.dumps(what), flush=True)


async def commands():
    """Each line of standard input."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


class Tone(MediaStreamTrack):
    """A tone without an end, 20 ms at a time."""

    kind = "audio"

    def __init__(self, frequency):
        super().__init__()
        self.frequency = frequency
        self.at = 0
        self.begun = None

    async def recv(self):
        now = asyncio.get_running_loop().time()
        self.begun = self.begun if self.begun is not None else now
        await asyncio.sleep(max(0, self.begun + self.at / RATE - now))
        step = 2 * math.pi * self.frequency / RATE
        samples = [int(LOUDNESS * math.sin(step * (self.at + n))) for n in range(SAMPLES)]
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(struct.pack(f"<{SAMPLES}h", *samples))
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        frame.pts = self.at
        self.at += SAMPLES
        return frame


class Ear:
    """Writes down what is heard, of one track after another."""

    def __init__(self, path):
        self.file = wave.open(path, "wb")
        self.file.setnchannels(1)
        self.file.setsampwidth(2)
        self.file.setframerate(RATE)

    async def listen(self, track):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        try:
            while True:
                for frame in resampler.resample(await track.recv()):
                    self.file.writeframes(bytes(frame.planes[0])[: frame.samples * 2])
        except MediaStreamError:
            pass

    def close(self):
        self.file.close()


class Member:
    """The connection with another member, and what goes over its two channels."""

    def __init__(self, room, number):
        self.room = room
        self.number = number
        self.files = {}
        self.current = None
        self.sending = {}
        self.next = 1 if room.own < number else 2
        self.connection = RTCPeerConnection(room.configuration)
        self.connection.addTrack(Tone(room.frequency))
        self.connection.on("track", self.heard)
        self.chat = self.connection.createDataChannel("chat", negotiated=True, id=0)
        self.file = self.connection.createDataChannel("file", negotiated=True, id=1)
        self.chat.on("open", lambda: tell(event="connected", member=number))
        self.chat.on("message", self.said)
        self.file.on("message", self.file_message)

    def heard(self, track):
        asyncio.ensure_future(self.room.ear.listen(track))

    async def offer(self):
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self.describe()

    async def describe(self):
        """Says the own description, with all candidates in it: aiortc has none later."""
        own = self.connection.localDescription
        await self.room.signal(self.number, description={"type": own.type, "sdp": own.sdp})

    async def signalled(self, message):
        if description := message.get("description"):
            if description["type"] not in ("offer", "answer"):
                return
            meets = description["type"] == "offer" and self.connection.signalingState != "stable"
            assert not meets, "nobody here makes an offer while another one waits"
            await self.connection.setRemoteDescription(
                RTCSessionDescription(description["sdp"], description["type"])
            )
            if description["type"] == "offer":
                await self.connection.setLocalDescription(await self.connection.createAnswer())
                await self.describe()
        elif line := message["candidate"]["candidate"]:
            candidate = candidate_from_sdp(line.split(":", 1)[1])
            # Names of hidden addresses are passed over: the checks of who has them show where that is.
            if not candidate.ip.endswith(".local"):
                candidate.sdpMid = message["candidate"].get("sdpMid")
                candidate.sdpMLineIndex = message["candidate"].get("sdpMLineIndex")
                await self.connection.addIceCandidate(candidate)

    def said(self, message):
        text = json.loads(message).get("text")
        if text is not None:
            tell(event="said", member=self.number, text=text)

    def say(self, text):
        self.chat.send(json.dumps({"text": text}))

    def note(self, **what):
        self.file.send(json.dumps(what))

    def send_file(self, name, data):
        number, self.next = self.next, self.next + 2
        self.sending[number] = {"data": data, "have": 0}
        self.note(offer={"id": number, "name": name, "size": len(data)})

    async def stream(self, number):
        """Sends a file that was accepted, never too far ahead."""
        sending = self.sending[number]
        self.note(start={"id": number})
        for at in range(0, len(sending["data"]), PIECE):
            while at - sending["have"] > AHEAD - PIECE or self.file.bufferedAmount > 1 << 18:
                await asyncio.sleep(0.005)
            self.file.send(sending["data"][at : at + PIECE])

    def file_message(self, message):
        if isinstance(message, bytes):
            return self.bytes_come(message)
        note = json.loads(message)
        if offer := note.get("offer"):
            self.files[offer["id"]] = {"name": offer["name"], "size": offer["size"], "data": bytearray(), "told": 0}
            self.note(accept={"id": offer["id"]})
        elif start := note.get("start"):
            self.current = start["id"]
            if self.files[self.current]["size"] == 0:
                self.bytes_come(b"")
        elif accept := note.get("accept"):
            asyncio.ensure_future(self.stream(accept["id"]))
        elif have := note.get("have"):
            sending = self.sending[have["id"]]
            sending["have"] = have["bytes"]
            if have["bytes"] == len(sending["data"]):
                tell(event="sent", member=self.number, bytes=have["bytes"])
        elif end := note.get("refuse") or note.get("stop"):
            tell(event="stopped", member=self.number, says=end.get("says"))

    def bytes_come(self, data):
        file = self.files[self.current]
        file["data"] += data
        come = len(file["data"])
        is_whole = come == file["size"]
        if is_whole or come - file["told"] >= TELL_EVERY:
            file["told"] = come
            self.note(have={"id": self.current, "bytes": come})
        if is_whole:
            digest = hashlib.sha256(file["data"]).hexdigest()
            tell(event="file", member=self.number, name=file["name"], bytes=come, sha256=digest)


class Room:
    """The room as one of its members sees it."""

    def __init__(self, socket, name, frequency, ear):
        self.socket = socket
        self.name = name
        self.frequency = frequency
        self.ear = ear
        self.own = None
        self.configuration = None
        self.members = {}

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def signal(self, to, **what):
        await self.send(type="signal", to=to, **what)

    async def run(self):
        async for text in self.socket:
            message = json.loads(text)
            match message["type"]:
                case "joined":
                    await self.joined(message)
                case "member_joined":
                    number = message["member"]["id"]
                    self.members[number] = Member(self, number)
                case "member_left":
                    await self.members.pop(message["member"]).connection.close()
                case "signal":
                    await self.members[message["from"]].signalled(message)
                case "error":
                    tell(event="error", code=message["code"])

    async def joined(self, message):
        self.own = message["you"]
        servers = [server for server in message["ice_servers"] if is_over_udp(server)]
        self.configuration = RTCConfiguration(
            [RTCIceServer(it["urls"], it.get("username"), it.get("credential")) for it in servers]
        )
        tell(event="joined", you=self.own)
        for member in message["members"]:
            if member["id"] != self.own:
                self.members[member["id"]] = Member(self, member["id"])
                await self.members[member["id"]].offer()

    async def obey(self):
        async for command in commands():
            match command:
                case {"say": text}:
                    for member in self.members.values():
                        member.say(text)
                case {"send": path}:
                    with open(path, "rb") as file:
                        data = file.read()
                    for member in self.members.values():
                        member.send_file(path.rsplit("/", 1)[-1], data)
                case {"leave": _}:
                    await self.send(type="leave")
                    return


def is_over_udp(server):
    return all(url.startswith("stun:") or url.endswith("transport=udp") for url in server["urls"])


async def room(url, name_of_room, name, frequency, recording):
    ear = Ear(recording)
    async with websockets.connect(url, subprotocols=["ringback.rooms.1"], max_size=1 << 16) as socket:
        member = Room(socket, name, float(frequency), ear)
        await member.send(type="join", room=name_of_room, name=name)
        running = asyncio.ensure_future(member.run())
        obeying = asyncio.ensure_future(member.obey())
        done, _ = await asyncio.wait([running, obeying], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        for other in list(member.members.values()):
            await other.connection.close()
        running.cancel()
    ear.close()


async def call(frequency, recording):
    ear = Ear(recording)
    connection = RTCPeerConnection()
    connection.addTrack(Tone(float(frequency)))
    connection.on("track", lambda track: asyncio.ensure_future(ear.listen(track)))
    connection.on(
        "connectionstatechange", lambda: tell(event="state", state=connection.connectionState)
    )
    await connection.setLocalDescription(await connection.createOffer())
    tell(event="offer", sdp=connection.localDescription.sdp)
    async for command in commands():
        match command:
            case {"answer": sdp}:
                await connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            case {"leave": _}:
                break
    await connection.close()
    ear.close()


if __name__ == "__main__":
    asyncio.run({"room": room, "call": call}[sys.argv[1]](*sys.argv[2:]))
