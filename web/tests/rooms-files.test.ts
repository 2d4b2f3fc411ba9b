import { describe, expect, it } from 'vitest';

import { Files, fileName } from '../src/rooms/files';
import type { Channel, Transfer } from '../src/rooms/files';

/** One end of a channel to the other one. */
class End implements Channel {
  readyState: RTCDataChannelState = 'open';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onbufferedamountlow: ((event: Event) => void) | null = null;
  onclose: ((event: Event) => void) | null = null;
  other: End | null = null;
  /** How many bytes of files were sent, and the most that were ahead of what the other side had said. */
  bytes = 0;
  holds = false;
  readonly sent: string[] = [];

  send(data: string | ArrayBuffer): void {
    if (typeof data === 'string') this.sent.push(data);
    else this.bytes += data.byteLength;
    if (this.holds && typeof data !== 'string') return;
    queueMicrotask(() => this.other?.onmessage?.({ data } as MessageEvent));
  }
}

function pair(limit?: number) {
  const [left, right] = [new End(), new End()];
  [left.other, right.other] = [right, left];
  const seen = { ours: new Map<string, Transfer>(), theirs: new Map<string, Transfer>() };
  const ours = new Files(left, true, '2', (transfer) => seen.ours.set(transfer.key, transfer));
  const theirs = new Files(right, false, '1', (transfer) => seen.theirs.set(transfer.key, transfer), limit);
  /** The one transfer that a side knows of; one that is none when there are none or several. */
  const only = (side: 'ours' | 'theirs'): Transfer => {
    const [transfer] = [...seen[side].values()];
    return transfer !== undefined && seen[side].size === 1
      ? transfer
      : ({ state: 'none' } as unknown as Transfer);
  };
  return { left, right, ours, theirs, only, seen };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
}

const bytes = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 31) % 251);

describe('files', () => {
  it.each([0, 1, 16_384, 65_536, 300_001, 2_500_000])('%i bytes arrive as they were sent', async (length) => {
    const { ours, theirs, only } = pair();
    ours.offer(new File([bytes(length)], 'a <b>.bin', { type: 'image/png' }));
    await until(() => only('theirs').state === 'offered');
    theirs.accept(only('theirs'));
    await until(() => only('theirs').state === 'whole' && only('ours').state === 'whole');
    const { file, name } = only('theirs');
    expect(name).toBe('a <b>.bin');
    expect(file?.type).toBe('image/png');
    const come = new Uint8Array((await file?.arrayBuffer()) ?? new ArrayBuffer());
    expect(come.length).toBe(length);
    // `toEqual` takes a minute for as much.
    expect(bytes(length).every((byte, at) => come[at] === byte)).toBe(true);
  });

  it('end with the connection that we close ourselves', async () => {
    const { ours, theirs, only } = pair();
    ours.offer(new File([bytes(3)], 'a'));
    await until(() => only('theirs').state === 'offered');
    ours.close();
    theirs.close();
    expect([only('ours').state, only('theirs').state]).toEqual(['stopped', 'stopped']);
    expect(only('ours').says).toBe('The connection was lost.');
  });

  it('are not sent further ahead than a megabyte', async () => {
    const { left, ours, theirs, only } = pair();
    left.holds = true;
    ours.offer(new File([bytes(3_000_000)], 'a'));
    await until(() => only('theirs').state === 'offered');
    theirs.accept(only('theirs'));
    await until(() => left.bytes > 900_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(left.bytes).toBeLessThanOrEqual(1 << 20);
    ours.stop(only('ours'));
    await until(() => only('theirs').state === 'stopped');
  });

  it('above the limit are refused with a sentence', async () => {
    const { ours, only, left } = pair(1 << 20);
    ours.offer(new File([bytes((1 << 20) + 1)], 'a'));
    await until(() => only('ours').state === 'stopped');
    expect(only('ours').says).toBe('Files of at most 1 MiB can be sent in a room.');
    expect(left.bytes).toBe(0);
  });

  it('that are larger than was offered are stopped and thrown away', async () => {
    const { left, right, theirs, only } = pair();
    left.send(JSON.stringify({ offer: { id: 1, name: 'a', size: 10 } }));
    await until(() => only('theirs').state === 'offered');
    theirs.accept(only('theirs'));
    left.send(JSON.stringify({ start: { id: 1 } }));
    left.send(new ArrayBuffer(8));
    left.send(new ArrayBuffer(8));
    await until(() => only('theirs').state === 'stopped');
    expect(only('theirs').file).toBeUndefined();
    expect(right.sent.at(-1)).toContain('"stop"');
  });

  it('of both sides may be under way at once, and are ended one by one', async () => {
    const { ours, theirs, seen } = pair();
    ours.offer(new File([bytes(10)], 'a'));
    theirs.offer(new File([bytes(10)], 'b'));
    await until(() => seen.ours.size === 2 && seen.theirs.size === 2);
    const mine = [...seen.ours.values()].find(({ isOurs }) => isOurs) as Transfer;
    ours.stop(mine);
    await until(() => [...seen.theirs.values()].some(({ state }) => state === 'stopped'));
    expect([...seen.ours.values()].map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
      'a stopped',
      'b offered',
    ]);
  });

  it('of what is no offer nothing is shown', async () => {
    const { left, seen } = pair();
    for (const text of ['{', '[]', 'null', '{"offer":{"id":1}}', '{"offer":{"id":2,"name":"a","size":1}}'])
      left.send(text);
    left.send('{"offer":{"id":1,"name":"a","size":-1}}');
    left.send(new ArrayBuffer(5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen.theirs.size).toBe(0);
  });

  it('have names that are names', () => {
    for (const [name, clean] of [
      ['../../etc/passwd', 'etcpasswd'],
      ['.bashrc', 'bashrc'],
      [' .bashrc', 'bashrc'],
      ['. .bashrc ', 'bashrc'],
      ['\u00a0.x', 'x'],
      ['a\u202egpj.exe', 'agpj.exe'],
      ['C:\\x\n', 'C:x'],
      ['...', 'file'],
      ['<img src=x>', '<img src=x>'],
    ] as const) {
      expect(fileName(name)).toBe(clean);
    }
  });
});
