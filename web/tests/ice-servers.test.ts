import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { IceServers, NoIceServers, askForIceServers } from '../src/lib/ice-servers';
import { ACCOUNT, SERVERS, askForServers } from './setting';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  sessionStorage.clear();
});

const HOUR_MS = 3_600_000;

describe('asking the server', () => {
  /** The server answers with this. */
  function answers(status: number, body: unknown): ReturnType<typeof vi.fn> {
    const fetch = vi.fn(() => Promise.resolve(Response.json(body, { status })));
    vi.stubGlobal('fetch', fetch);
    return fetch;
  }

  it('gives the name and the password, and nothing of the browser', async () => {
    const fetch = answers(200, { iceServers: SERVERS, expiresIn: 3600 });
    const grant = await askForIceServers({ ...ACCOUNT, name: 'zoë', password: 'se:cret' });
    expect(grant).toEqual({ servers: SERVERS, expiresAt: Date.now() + HOUR_MS });
    const authorization = `Basic ${btoa('zo\u00c3\u00ab:se:cret')}`;
    expect(fetch.mock.calls[0]).toEqual([
      '/api/v1/ice-servers',
      expect.objectContaining({
        headers: { Authorization: authorization },
        credentials: 'omit',
        cache: 'no-store',
      }),
    ]);
  });

  it.each([
    [401, 'wrong-password'],
    [403, 'refused'],
    [404, 'no-turn'],
    [429, 'too-many-guesses'],
    [503, 'no-answer'],
  ])('which answers %i: %s', async (status, problem) => {
    answers(status, 'no JSON of ours');
    await expect(askForIceServers(ACCOUNT)).rejects.toEqual(new NoIceServers(problem as 'no-turn'));
  });

  it.each([
    ['no-turn', { iceServers: [], expiresIn: 3600 }],
    ['no-turn', { iceServers: [{ urls: ['stun:phone.example:3478'] }], expiresIn: 3600 }],
    ['no-answer', { iceServers: [{ urls: ['https://phone.example'] }], expiresIn: 3600 }],
    ['no-answer', { iceServers: [{ urls: 'turn:phone.example' }], expiresIn: 3600 }],
    ['no-answer', { iceServers: SERVERS }],
    ['no-answer', null],
  ])('is %s: %o', async (problem, body) => {
    answers(200, body);
    await expect(askForIceServers(ACCOUNT)).rejects.toMatchObject({ problem });
  });

  it('finds nobody', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(askForIceServers(ACCOUNT)).rejects.toMatchObject({ problem: 'no-answer' });
  });
});

describe('the servers for new calls', () => {
  it('are none as long as none are needed, and nobody is asked', async () => {
    const ask = askForServers();
    const servers = new IceServers(ask, sessionStorage);
    await servers.registered(ACCOUNT);
    expect(servers.forNewCall).toEqual([]);
    expect(ask).not.toHaveBeenCalled();
    await servers.ask();
    expect(servers.forNewCall).toEqual([]);
  });

  it('are those of the call that needed them, and had by the page that comes after', async () => {
    const servers = new IceServers(askForServers(), sessionStorage);
    await servers.registered(ACCOUNT);
    await servers.ask();
    servers.areNeeded(true);
    expect(servers.forNewCall).toEqual(SERVERS);

    const [ask, reloaded] = [askForServers(), sessionStorage];
    const later = new IceServers(ask, reloaded);
    expect(later.forNewCall).toEqual([]);
    await later.registered(ACCOUNT);
    expect(ask).toHaveBeenCalledExactlyOnceWith(ACCOUNT);
    expect(later.forNewCall).toEqual(SERVERS);
    later.areNeeded(false);
    expect(new IceServers(ask, reloaded).forNewCall).toEqual([]);
    expect(JSON.stringify({ ...sessionStorage })).toBe('{}');
  });

  it('are renewed by a registration half an hour before they expire, and not used afterwards', async () => {
    const ask = askForServers();
    const servers = new IceServers(ask, undefined);
    servers.areNeeded(true);
    await servers.registered(ACCOUNT);
    vi.advanceTimersByTime(HOUR_MS / 2 - 1_000);
    await servers.registered(ACCOUNT);
    expect(ask).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(1_000);
    await servers.registered(ACCOUNT);
    expect(ask).toHaveBeenCalledTimes(2);
    vi.advanceTimersByTime(HOUR_MS - 1);
    expect(servers.forNewCall).toEqual(SERVERS);
    vi.advanceTimersByTime(1);
    expect(servers.forNewCall).toEqual([]);
  });

  it('go with who was signed in, and come too late after that', async () => {
    const ask = askForServers();
    const servers = new IceServers(ask, undefined);
    servers.areNeeded(true);
    const registered = servers.registered(ACCOUNT);
    servers.signedOut();
    await registered;
    expect(servers.forNewCall).toEqual([]);
    await expect(servers.ask()).rejects.toMatchObject({ problem: 'no-answer' });
  });

  it('are asked for again after the server did not answer', async () => {
    const ask = askForServers();
    ask.mockRejectedValueOnce(new NoIceServers('no-answer'));
    const servers = new IceServers(ask, undefined);
    servers.areNeeded(true);
    await servers.registered(ACCOUNT);
    expect(servers.forNewCall).toEqual([]);
    await servers.registered(ACCOUNT);
    expect(servers.forNewCall).toEqual(SERVERS);
  });

  it('are remembered as needed where the storage is forbidden or full', async () => {
    const forbidden = {
      getItem: () => {
        throw new DOMException('denied', 'SecurityError');
      },
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    } as unknown as Storage;
    const servers = new IceServers(askForServers(), forbidden);
    servers.areNeeded(true);
    await servers.registered(ACCOUNT);
    expect(servers.forNewCall).toEqual(SERVERS);
  });
});
