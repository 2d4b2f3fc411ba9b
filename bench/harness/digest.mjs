// Digest credentials (RFC 8760) for the challenges of a response.
import { hash, randomBytes } from 'node:crypto';

import { password } from './server.mjs';

/**
 * The value of an Authorization header for one of the challenges of a 401 or 407.
 *
 * @param {string[]} challenges the values of WWW-Authenticate or Proxy-Authenticate
 * @param {object} request
 */
export function credentials(challenges, { user, method, uri, count = 1 }) {
  const challenge = challenges.find((value) => (parameter(value, 'algorithm') ?? 'MD5') === 'MD5');
  if (!challenge) throw new Error(`no MD5 challenge in ${JSON.stringify(challenges)}`);
  const realm = parameter(challenge, 'realm');
  const nonce = parameter(challenge, 'nonce');
  const nc = count.toString(16).padStart(8, '0');
  const cnonce = randomBytes(8).toString('hex');
  const digest = (text) => hash('md5', text);
  const secret = digest(`${user}:${realm}:${password(user)}`);
  const response = digest(`${secret}:${nonce}:${nc}:${cnonce}:auth:${digest(`${method}:${uri}`)}`);
  return (
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", ` +
    `algorithm=MD5, cnonce="${cnonce}", qop=auth, nc=${nc}`
  );
}

function parameter(challenge, name) {
  return new RegExp(`\\b${name}="?([^",]*)`, 'i').exec(challenge)?.[1];
}
