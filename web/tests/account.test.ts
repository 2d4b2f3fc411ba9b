import { describe, expect, it } from 'vitest';

import { accountFrom, addressOfRecord, parseName, socketUrl } from '../src/lib/account';
import { claimInstance, rememberName, rememberedName } from '../src/lib/instance';

const HTTPS = { protocol: 'https:', host: 'phone.example:8443', hostname: 'phone.example' };
const LOOPBACK = { protocol: 'http:', host: '[::1]:8080', hostname: '[::1]' };

describe('an account', () => {
  it('has the host of the page as its domain', () => {
    expect(accountFrom(' alice ', 'pw', HTTPS, 'id')).toEqual({
      name: 'alice',
      domain: 'phone.example',
      password: 'pw',
      url: 'wss://phone.example:8443/ws',
      instance: 'id',
    });
  });

  it('keeps the brackets of an IPv6 address, with or without the help of the browser', () => {
    expect(parseName('alice', LOOPBACK)).toEqual({ name: 'alice', domain: '[::1]' });
    expect(parseName('alice', { ...LOOPBACK, hostname: '::1' })).toEqual({ name: 'alice', domain: '[::1]' });
    expect(socketUrl(LOOPBACK)).toBe('ws://[::1]:8080/ws');
  });

  it('takes a domain that was typed', () => {
    expect(parseName('sip:alice@example.com', HTTPS)).toEqual({ name: 'alice', domain: 'example.com' });
  });

  it.each([
    ['', 'name-missing'],
    ['   ', 'name-missing'],
    ['@example.com', 'name-missing'],
    ['al ice', 'name-unusable'],
    ['al"ice', 'name-unusable'],
    ['<alice>', 'name-unusable'],
    ['alice@', 'name-unusable'],
    ['alice@exa mple', 'name-unusable'],
    ['alice\r\nVia: x', 'name-unusable'],
  ])('refuses %o', (typed, problem) => {
    expect(parseName(typed, HTTPS)).toBe(problem);
  });

  it('needs a password', () => {
    expect(accountFrom('alice', '', HTTPS, 'id')).toBe('password-missing');
  });

  it.each([
    ['alice', 'sip:alice@d'],
    ['a&b=c+d$e,f;g?h/i', 'sip:a&b=c+d$e,f;g?h/i@d'],
    ['zoë', 'sip:zo%C3%AB@d'],
    ['50%', 'sip:50%25@d'],
  ])('escapes %o in its address of record', (name, uri) => {
    expect(addressOfRecord({ name, domain: 'd' })).toBe(uri);
  });
});

describe('the instance id', () => {
  /** Locks as the browser keeps them: one holder at a time. */
  function locks(): LockManager {
    let held = false;
    return {
      request: async (_: string, __: LockOptions, use: (lock: unknown) => Promise<void> | undefined) => {
        if (held) return use(null);
        held = true;
        await use({});
        held = false;
      },
    } as unknown as LockManager;
  }

  it('is the same on the next visit', async () => {
    localStorage.clear();
    const first = await claimInstance(localStorage, locks());
    const second = await claimInstance(localStorage, locks());
    expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(second.id).toBe(first.id);
  });

  it('is another in a second tab, until the first signs out', async () => {
    const shared = locks();
    const first = await claimInstance(localStorage, shared);
    const second = await claimInstance(localStorage, shared);
    expect(second.id).not.toBe(first.id);
    first.release();
    await new Promise((resolve) => setTimeout(resolve));
    expect((await claimInstance(localStorage, shared)).id).toBe(first.id);
  });

  it('is replaced when what is stored is not one', async () => {
    localStorage.setItem('ringback.instance', '"><script>');
    expect((await claimInstance(localStorage, undefined)).id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('and the name are forgotten when storage is forbidden', async () => {
    const forbidden = new Proxy({} as Storage, {
      get: () => () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });
    rememberName(forbidden, 'alice');
    expect(rememberedName(forbidden)).toBe('');
    expect((await claimInstance(forbidden, undefined)).id).toMatch(/^[0-9a-f-]{36}$/);
  });
});
