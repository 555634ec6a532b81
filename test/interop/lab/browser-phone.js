/**
 * The phone inside the browser's page: peer connections by name, and what the lab asks of them. Loaded as a plain
 * script; the lab's end of it is browser.ts.
 */
const connections = new Map();
const pictures = { width: 320, height: 240, frameRate: 15 };

globalThis.phone = {
  /** Opens a connection that sends the fake devices' sound and pictures, at once or when told to speak. */
  async open(name, { bundlePolicy, kinds, isSilent, hasChannel, ice }) {
    const connection = new RTCPeerConnection({ bundlePolicy, ...ice });
    connections.set(name, connection);
    if (hasChannel) connection.channel = openChannel(connection);
    connection.addEventListener("track", ({ track }) => play(track));
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected") connection.connectedAtMs ??= performance.now();
    });
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: kinds.includes("audio"),
      video: kinds.includes("video") && pictures,
    });
    connection.tracks = stream.getTracks();
    const senders = connection.tracks.map((track) => connection.addTrack(track, stream));
    if (isSilent) await Promise.all(senders.map((sender) => sender.replaceTrack(null)));
  },

  async speak(name) {
    const connection = connections.get(name);
    const senders = connection.getSenders();
    await Promise.all(senders.map((sender, index) => sender.replaceTrack(connection.tracks[index])));
  },

  async offer(name) {
    return described(connections.get(name));
  },

  /** An offer with new ICE credentials. */
  async restart(name) {
    const connection = connections.get(name);
    connection.restartIce();
    return described(connection);
  },

  /** Waits until media goes where the checks with the newest credentials led. */
  async restarted(name, limitMs) {
    const connection = connections.get(name);
    const endMs = performance.now() + limitMs;
    while (!connection.getSenders().every((sender) => isNewest(connection, sender))) {
      if (performance.now() > endMs) throw new Error(`no restart: ICE ${connection.iceConnectionState}`);
      await pause(20);
    }
  },

  async answer(name, sdp) {
    const connection = connections.get(name);
    connection.describedAtMs = performance.now();
    await connection.setRemoteDescription({ type: "offer", sdp });
    return described(connection);
  },

  async accept(name, sdp) {
    const connection = connections.get(name);
    connection.describedAtMs = performance.now();
    await connection.setRemoteDescription({ type: "answer", sdp });
  },

  /** Milliseconds from the peer's description to `connected`; the data channel is open then as well. */
  async connected(name, limitMs) {
    const connection = connections.get(name);
    const endMs = performance.now() + limitMs;
    const isOpen = () => connection.channel === undefined || connection.channel.readyState === "open";
    while (connection.connectedAtMs === undefined || !isOpen()) {
      if (performance.now() > endMs || connection.connectionState === "failed") {
        const { connectionState, iceConnectionState } = connection;
        throw new Error(`not connected: ${connectionState}, ICE ${iceConnectionState}`);
      }
      await pause(2);
    }
    return connection.connectedAtMs - connection.describedAtMs;
  },

  /** Sends nothing more; what is under way arrives, and the counts stand still. */
  async quiet(name) {
    await Promise.all(
      connections
        .get(name)
        .getSenders()
        .map((sender) => sender.replaceTrack(null)),
    );
  },

  async sendMessages(name, count, intervalMs) {
    const { channel } = connections.get(name);
    for (let number = 0; number < count; number++) {
      channel.send(`${number} `.padEnd(messageSize, "."));
      channel.sent++;
      await pause(intervalMs);
    }
  },

  channelReport(name) {
    const { sent, received } = connections.get(name).channel;
    return { sent, received: received.size };
  },

  async stats(name) {
    const reports = await connections.get(name).getStats();
    return [...reports.values()].filter(({ type }) => wantedTypes.includes(type));
  },

  close(name) {
    const connection = connections.get(name);
    for (const track of connection.tracks) track.stop();
    connection.close();
    connections.delete(name);
  },
};

const wantedTypes = [
  "outbound-rtp",
  "inbound-rtp",
  "remote-inbound-rtp",
  "remote-outbound-rtp",
  "transport",
  "candidate-pair",
  "local-candidate",
  "remote-candidate",
];

const messageSize = 500;

/** Both pages open it under the same number. */
function openChannel(connection) {
  const channel = connection.createDataChannel("lab", { negotiated: true, id: 7 });
  channel.sent = 0;
  channel.received = new Set();
  channel.addEventListener("message", ({ data }) => channel.received.add(Number.parseInt(data, 10)));
  return channel;
}

/** The local description with every candidate. */
async function described(connection) {
  const gathered = new Promise((resolve) => {
    connection.addEventListener("icecandidate", ({ candidate }) => candidate === null && resolve());
  });
  await connection.setLocalDescription();
  await gathered;
  return connection.localDescription.sdp;
}

function isNewest(connection, { transport }) {
  const used = transport.iceTransport.getSelectedCandidatePair()?.local.usernameFragment;
  return connection.currentLocalDescription.sdp.includes(`a=ice-ufrag:${used}\r\n`);
}

/** Decodes what comes in: sound and pictures nobody plays are not decoded. */
function play(track) {
  const element = document.createElement(track.kind);
  element.autoplay = true;
  element.muted = track.kind === "video";
  element.srcObject = new MediaStream([track]);
  document.body.append(element);
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
