// Session descriptions of the two kinds of client.

/** The SDP of a phone that speaks G.711. */
export function phoneSdp(port) {
  return (
    'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n' +
    `m=audio ${port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n` +
    'a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n'
  );
}

/** The SDP that Chromium offers for a call with sound. */
export function browserSdp() {
  const codecs = [
    [111, 'opus/48000/2'],
    [63, 'red/48000/2'],
    [9, 'G722/8000'],
    [0, 'PCMU/8000'],
    [8, 'PCMA/8000'],
    [13, 'CN/8000'],
    [110, 'telephone-event/48000'],
    [126, 'telephone-event/8000'],
  ];
  return [
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'a=extmap-allow-mixed',
    'a=msid-semantic: WMS 5e1c2c52-5a5f-44c6-a3f0-5f0e5f5b0001',
    `m=audio 50100 UDP/TLS/RTP/SAVPF ${codecs.map(([type]) => type).join(' ')}`,
    'c=IN IP4 127.0.0.1',
    'a=rtcp:9 IN IP4 0.0.0.0',
    'a=candidate:1876313031 1 udp 2122260223 127.0.0.1 50100 typ host generation 0 network-id 1',
    'a=candidate:577142547 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active generation 0 network-id 1',
    'a=ice-ufrag:Zk3q',
    'a=ice-pwd:q1tz9zP5yVfV6m1yV7Jx1bG4',
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, i) => (7 * i + 16).toString(16).toUpperCase().padStart(2, '0').slice(-2)).join(':')}`,
    'a=setup:actpass',
    'a=mid:0',
    'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
    'a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
    'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
    'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
    'a=sendrecv',
    'a=msid:5e1c2c52-5a5f-44c6-a3f0-5f0e5f5b0001 0b0a7d1e-7d6b-4a3c-9a8e-1b5e5f5b0002',
    'a=rtcp-mux',
    'a=rtcp-rsize',
    ...codecs.map(([type, name]) => `a=rtpmap:${type} ${name}`),
    'a=rtcp-fb:111 transport-cc',
    'a=fmtp:111 minptime=10;useinbandfec=1',
    'a=fmtp:63 111/111',
    'a=ssrc:2981474211 cname:Q1uWmVf3mDqYx0yT',
    'a=ssrc:2981474211 msid:5e1c2c52-5a5f-44c6-a3f0-5f0e5f5b0001 0b0a7d1e-7d6b-4a3c-9a8e-1b5e5f5b0002',
    '',
  ].join('\r\n');
}

/** The port of the first stream. */
export function mediaPort(sdp) {
  return Number(/^m=audio (\d+)/m.exec(sdp)[1]);
}
