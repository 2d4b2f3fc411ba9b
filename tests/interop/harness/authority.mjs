// A certificate authority of a test, and the certificates that it issues.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { evidencePath } from './evidence.mjs';

const execute = promisify(execFile);
const openssl = (...args) => execute('openssl', args, { timeout: 20_000 });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes an authority; `certificate` is its file, in PEM. */
export async function makeAuthority(name) {
  const folder = evidencePath(`authority-${name}`);
  mkdirSync(folder, { recursive: true });
  const at = (file) => join(folder, file);
  const [certificate, key] = [at('authority.pem'), at('authority.key')];
  const constraints = [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign',
  ];
  await openssl(
    'req',
    '-x509',
    ...KEY,
    '-keyout',
    key,
    '-out',
    certificate,
    '-subj',
    `/CN=${name}`,
    '-days',
    '2',
    ...constraints,
  );

  /** Issues a certificate for names of hosts, addresses, or `sip:` URIs, as the paths of its files. */
  const issue = async (file, names) => {
    const issued = { certificate: at(`${file}.pem`), key: at(`${file}.key`) };
    const [request, extensions] = [at(`${file}.csr`), at(`${file}.ext`)];
    writeFileSync(extensions, `subjectAltName=${names.map(alternativeName).join(',')}\n`);
    await openssl('req', ...KEY, '-keyout', issued.key, '-out', request, '-subj', `/CN=${file}`);
    const by = [
      '-CA',
      certificate,
      '-CAkey',
      key,
      '-set_serial',
      String(1 + Math.floor(Math.random() * 1e9)),
    ];
    await openssl(
      'x509',
      '-req',
      '-in',
      request,
      ...by,
      '-days',
      '2',
      '-extfile',
      extensions,
      '-out',
      issued.certificate,
    );
    return issued;
  };
  return { certificate, issue };
}

function alternativeName(name) {
  if (name.startsWith('sip:')) return `URI:${name}`;
  return `${isIP(name) ? 'IP' : 'DNS'}:${name}`;
}
