/** What the reader types to have a STUN or TURN server asked. */
export interface ServerForm {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Only by TURN, as if no other way were there. */
  readonly relayOnly: boolean;
}

export const NO_SERVER: ServerForm = { url: '', user: '', password: '', relayOnly: false };

/** The configuration of a peer connection, or a sentence that says what is wrong with the form. */
export function configurationOf({ url, user, password, relayOnly }: ServerForm): RTCConfiguration | string {
  const bare = url.trim();
  if (bare === '') {
    return relayOnly
      ? 'Without a TURN server nothing can be relayed. Type its URL, or allow other ways.'
      : { iceServers: [], bundlePolicy: 'max-bundle' };
  }
  if (bare.length > 300) return 'The URL of the server is too long: it is a host, and perhaps a port.';
  const [, scheme = '', host = '', query = ''] = /^(stuns?|turns?):([^\s?/@]+)(\?.*)?$/i.exec(bare) ?? [];
  if (host === '') {
    return `“${bare}” is not the URL of a STUN or TURN server: write stun:HOST:3478 or turn:HOST:3478.`;
  }
  const isTurn = scheme.toLowerCase().startsWith('turn');
  if (!isTurn && relayOnly)
    return 'A STUN server relays nothing. Type the URL of a TURN server, or allow other ways.';
  if (!isTurn && query !== '') return 'The URL of a STUN server has no question mark: write stun:HOST:3478.';
  if (isTurn && !/^(\?transport=(udp|tcp))?$/i.test(query))
    return `“${query}” is not understood: write ?transport=udp or ?transport=tcp, or nothing.`;
  if (isTurn && (user.trim() === '' || password === ''))
    return 'A TURN server asks for a user and a password: type both.';
  const server: RTCIceServer = isTurn
    ? { urls: bare, username: user.trim(), credential: password }
    : { urls: bare };
  return {
    iceServers: [server],
    bundlePolicy: 'max-bundle',
    ...(relayOnly ? { iceTransportPolicy: 'relay' as const } : {}),
  };
}
