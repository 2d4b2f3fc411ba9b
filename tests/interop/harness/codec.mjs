// Browsers that speak one codec only.

/** Lets the page have only the audio codec `name` (and key presses) in its offers and answers, as `opus`. */
export function speakOnly(name) {
  return [withOnly, name];
}

/** Runs in the page before its own scripts. */
function withOnly(name) {
  const Native = window.RTCPeerConnection;
  if (Native === undefined) return;
  const isWanted = ({ mimeType }) =>
    [`audio/${name}`, 'audio/telephone-event'].includes(mimeType.toLowerCase());
  const without = (sdp) => {
    const numbers = [...sdp.matchAll(/^a=rtpmap:(\d+) ([^/]+)/gm)]
      .filter(([, , codec]) => !isWanted({ mimeType: `audio/${codec}` }))
      .map(([, number]) => number);
    return sdp
      .replace(/^m=audio .*$/m, (line) => {
        const [media, port, protocol, ...formats] = line.trim().split(' ');
        return [media, port, protocol, ...formats.filter((format) => !numbers.includes(format))].join(' ');
      })
      .replace(/^a=(?:rtpmap|fmtp):(\d+) .*\r\n/gm, (line, number) => (numbers.includes(number) ? '' : line));
  };
  const limit = (connection) => {
    for (const transceiver of connection.getTransceivers()) {
      if (transceiver.receiver.track.kind !== 'audio') continue;
      transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('audio').codecs.filter(isWanted));
    }
  };
  // A browser sends what it was offered, whatever it answers: so it must not see the rest of the offer.
  const describe = Native.prototype.setRemoteDescription;
  Native.prototype.setRemoteDescription = function limited(description) {
    return describe.call(this, { type: description.type, sdp: without(description.sdp) });
  };
  for (const method of ['createOffer', 'createAnswer']) {
    const own = Native.prototype[method];
    Native.prototype[method] = function limited(...args) {
      limit(this);
      return own.apply(this, args);
    };
  }
}
