// Digest credentials (RFC 8760) for the challenges of a response.
import { hash, randomBytes } from 'node:crypto';

import { password } from './server.mjs';

/** The hashes by the names that challenges have for them. */
const HASHES = { MD5: 'md5', 'SHA-256': 'sha256' };

/**
 * The value of an Authorization header for one of the challenges of a 401 or 407.
 *
 * @param {string[]} challenges the values of WWW-Authenticate or Proxy-Authenticate
 * @param {object} request
 * @param {keyof HASHES} [request.algorithm] MD5 is what most phones choose
 */
export function credentials(challenges, { user, method, uri, algorithm = 'MD5', count = 1 }) {
  const challenge = challenges.find((value) => (parameter(value, 'algorithm') ?? 'MD5') === algorithm);
  if (!challenge) throw new Error(`no ${algorithm} challenge in ${JSON.stringify(challenges)}`);
  const realm = parameter(challenge, 'realm');
  const nonce = parameter(challenge, 'nonce');
  const nc = count.toString(16).padStart(8, '0');
  const cnonce = randomBytes(8).toString('hex');
  const digest = (text) => hash(HASHES[algorithm], text);
  const secret = digest(`${user}:${realm}:${password(user)}`);
  const response = digest(`${secret}:${nonce}:${nc}:${cnonce}:auth:${digest(`${method}:${uri}`)}`);
  return (
    `Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", ` +
    `algorithm=${algorithm}, cnonce="${cnonce}", qop=auth, nc=${nc}`
  );
}

function parameter(challenge, name) {
  return new RegExp(`\\b${name}="?([^",]*)`, 'i').exec(challenge)?.[1];
}
