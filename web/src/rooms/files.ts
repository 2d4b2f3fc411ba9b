/** Files over the data channel `file`: docs/reference/rooms.md. */

/** What of a data channel is used. */
export interface Channel {
  readonly readyState: RTCDataChannelState;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  onmessage: ((event: MessageEvent) => void) | null;
  onbufferedamountlow: ((event: Event) => void) | null;
  onclose: ((event: Event) => void) | null;
  send(data: string | ArrayBuffer): void;
}

export type TransferState = 'offered' | 'running' | 'whole' | 'stopped';

/** A file on its way, as the page shows it. */
export interface Transfer {
  readonly key: string;
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly isOurs: boolean;
  readonly state: TransferState;
  /** Bytes that are across, as the receiving side says. */
  readonly bytes: number;
  /** Why it was stopped, as a sentence. */
  readonly says?: string;
  /** The whole file that has come. */
  readonly file?: Blob;
}

interface Sending {
  transfer: Transfer;
  readonly file: Blob;
}

interface Receiving {
  transfer: Transfer;
  readonly media: string;
  parts: ArrayBuffer[];
  taken: number;
  told: number;
}

/** The files between us and one other member. */
export class Files {
  readonly #channel: Channel;
  readonly #prefix: string;
  readonly #changed: (transfer: Transfer) => void;
  readonly #limit: number;
  readonly #sending = new Map<number, Sending>();
  readonly #receiving = new Map<number, Receiving>();
  /** The file that their next bytes are of. */
  #current: Receiving | undefined;
  #nextId: number;
  /** What has to go on when there is room: on the channel, or by what they say they have. */
  #wake: (() => void) | undefined;
  #queue: Promise<void> = Promise.resolve();

  /** `isFirst`: our id is the smaller one of the two. */
  constructor(
    channel: Channel,
    isFirst: boolean,
    prefix: string,
    changed: (transfer: Transfer) => void,
    limit = LIMIT,
  ) {
    this.#nextId = isFirst ? 1 : 2;
    this.#channel = channel;
    this.#prefix = prefix;
    this.#changed = changed;
    this.#limit = limit;
    channel.bufferedAmountLowThreshold = MOST_BUFFERED / 2;
    channel.onmessage = ({ data }) => this.#take(data);
    channel.onbufferedamountlow = () => this.#wake?.();
    channel.onclose = () => this.close();
  }

  /** Offers a file; what becomes of it is told by `changed`. */
  offer(file: File): void {
    const id = this.#nextId;
    this.#nextId += 2;
    const transfer: Transfer = {
      ...{ key: `${this.#prefix}-out-${String(id)}`, id, name: file.name, size: file.size },
      ...{ isOurs: true, state: 'offered' as const, bytes: 0 },
    };
    if (file.size > this.#limit)
      return this.#changed({ ...transfer, state: 'stopped', says: tooLarge(this.#limit) });
    if (this.#channel.readyState !== 'open') {
      return this.#changed({ ...transfer, state: 'stopped', says: 'There is no connection for files yet.' });
    }
    this.#sending.set(id, { transfer, file });
    this.#changed(transfer);
    this.#say({ offer: { id, name: file.name.slice(0, 200) || 'file', size: file.size, media: file.type } });
    setTimeout(() => {
      if (this.#sending.get(id)?.transfer.state === 'offered') this.stop(transfer, 'Nobody took the file.');
    }, OFFER_WAITS_MS);
  }

  accept({ id }: Transfer): void {
    const receiving = this.#receiving.get(id);
    if (receiving?.transfer.state !== 'offered') return;
    this.#receivingIs(receiving, { state: 'running' });
    this.#say({ accept: { id } });
  }

  refuse({ id }: Transfer, says = 'The file was not wanted.'): void {
    const receiving = this.#receiving.get(id);
    if (receiving?.transfer.state !== 'offered') return;
    this.#say({ refuse: { id, says } });
    this.#endReceiving(receiving, 'The file was refused.');
  }

  /** Ends a transfer on its way. */
  stop({ id, isOurs }: Transfer, says = 'The transfer was stopped.'): void {
    const sending = isOurs ? this.#sending.get(id) : undefined;
    const receiving = isOurs ? undefined : this.#receiving.get(id);
    if (sending === undefined && receiving === undefined) return;
    this.#say({ stop: { id, says } });
    if (sending !== undefined) this.#endSending(sending, says);
    if (receiving !== undefined) this.#endReceiving(receiving, says);
  }

  #take(data: unknown): void {
    if (data instanceof ArrayBuffer) return this.#takeBytes(data);
    if (typeof data !== 'string' || data.length > MOST_IN_A_MESSAGE) return;
    let message: Record<string, Record<string, unknown> | undefined>;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      return;
    }
    const [kind, body] = Object.entries(message ?? {})[0] ?? [];
    const id = body?.['id'];
    if (kind === undefined || body === undefined || typeof id !== 'number') return;
    const says =
      typeof body['says'] === 'string' ? body['says'].slice(0, 300) : 'The other side has stopped it.';
    const [sending, receiving] = [this.#sending.get(id), this.#receiving.get(id)];
    if (kind === 'offer') this.#offered(id, body);
    else if (kind === 'accept' && sending?.transfer.state === 'offered') this.#accepted(sending);
    else if (kind === 'refuse' && sending !== undefined) this.#endSending(sending, says);
    else if (kind === 'start' && receiving?.transfer.state === 'running') this.#started(receiving);
    else if (kind === 'have' && sending !== undefined) this.#had(sending, Number(body['bytes']));
    else if (kind === 'stop') {
      if (sending !== undefined) this.#endSending(sending, says);
      if (receiving !== undefined) this.#endReceiving(receiving, says);
    }
  }

  #offered(id: number, { name, size, media }: Record<string, unknown>): void {
    // A number of ours is none of theirs.
    const isSound =
      id % 2 !== this.#nextId % 2 &&
      typeof name === 'string' &&
      Number.isSafeInteger(size) &&
      Number(size) >= 0;
    if (!isSound || this.#receiving.has(id)) return;
    const transfer: Transfer = {
      ...{ key: `${this.#prefix}-in-${String(id)}`, id, name: fileName(name), size: Number(size) },
      ...{ isOurs: false, state: 'offered' as const, bytes: 0 },
    };
    const type =
      typeof media === 'string' && /^[\w.+-]+\/[\w.+-]+$/.test(media) ? media : 'application/octet-stream';
    const receiving: Receiving = { transfer, media: type, parts: [], taken: 0, told: 0 };
    const refusal =
      transfer.size > this.#limit
        ? tooLarge(this.#limit)
        : this.#receiving.size >= MOST_OFFERS
          ? 'Too many files wait to be taken.'
          : undefined;
    if (refusal !== undefined) {
      this.#say({ refuse: { id, says: refusal } });
      this.#changed({ ...transfer, state: 'stopped', says: refusal });
      return;
    }
    this.#receiving.set(id, receiving);
    this.#changed(transfer);
  }

  #started(receiving: Receiving): void {
    this.#current = receiving;
    if (receiving.transfer.size === 0) this.#whole(receiving);
  }

  #takeBytes(bytes: ArrayBuffer): void {
    const receiving = this.#current;
    if (receiving === undefined) return;
    const { transfer } = receiving;
    receiving.taken += bytes.byteLength;
    if (receiving.taken > transfer.size || bytes.byteLength > MOST_IN_A_MESSAGE) {
      this.stop(transfer, 'More came than was offered, so the file was thrown away.');
      return;
    }
    receiving.parts.push(bytes);
    if (receiving.taken === transfer.size) return this.#whole(receiving);
    if (receiving.taken - receiving.told < TELL_EVERY) return;
    receiving.told = receiving.taken;
    this.#say({ have: { id: transfer.id, bytes: receiving.taken } });
    this.#receivingIs(receiving, { bytes: receiving.taken });
  }

  #whole(receiving: Receiving): void {
    const { transfer, media, parts } = receiving;
    this.#current = undefined;
    this.#receiving.delete(transfer.id);
    this.#say({ have: { id: transfer.id, bytes: transfer.size } });
    this.#receivingIs(receiving, {
      state: 'whole',
      bytes: transfer.size,
      file: new Blob(parts, { type: media }),
    });
    receiving.parts = [];
  }

  #accepted(sending: Sending): void {
    this.#sendingIs(sending, { state: 'running' });
    this.#queue = this.#queue.then(() => this.#send(sending));
  }

  /** Sends a file, as fast as the channel and the other side take it. */
  async #send(sending: Sending): Promise<void> {
    const { id, size } = sending.transfer;
    const isRunning = (): boolean => this.#sending.get(id)?.transfer.state === 'running';
    if (!isRunning()) return;
    this.#say({ start: { id } });
    try {
      for (let at = 0; at < size; at += READ_AT_ONCE) {
        const bytes = await sending.file.slice(at, at + READ_AT_ONCE).arrayBuffer();
        for (let from = 0; from < bytes.byteLength; from += CHUNK) {
          await this.#room(
            () => !isRunning() || at + from - (this.#sending.get(id)?.transfer.bytes ?? 0) < MOST_AHEAD,
          );
          if (!isRunning()) return;
          this.#channel.send(bytes.slice(from, from + CHUNK));
        }
      }
    } catch {
      // The file was changed or removed meanwhile, or the channel is gone.
      this.stop(sending.transfer, 'The file cannot be read any more.');
    }
  }

  /** Waits until there is room on the channel and `isClear`. */
  async #room(isClear: () => boolean): Promise<void> {
    while (
      this.#channel.readyState === 'open' &&
      !(this.#channel.bufferedAmount <= MOST_BUFFERED && isClear())
    ) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #had(sending: Sending, bytes: number): void {
    const { size, bytes: before, state } = sending.transfer;
    if (state !== 'running' || !(bytes >= before && bytes <= size)) return;
    if (bytes === size) this.#sending.delete(sending.transfer.id);
    this.#sendingIs(sending, bytes === size ? { state: 'whole', bytes } : { bytes });
    this.#wake?.();
  }

  /** The connection is over: a channel that we close ourselves does not say so. */
  close(): void {
    const says = 'The connection was lost.';
    for (const sending of this.#sending.values()) this.#endSending(sending, says);
    for (const receiving of this.#receiving.values()) this.#endReceiving(receiving, says);
  }

  #endSending(sending: Sending, says: string): void {
    this.#sending.delete(sending.transfer.id);
    this.#sendingIs(sending, { state: 'stopped', says });
    this.#wake?.();
  }

  #endReceiving(receiving: Receiving, says: string): void {
    receiving.parts = [];
    this.#receiving.delete(receiving.transfer.id);
    if (this.#current === receiving) this.#current = undefined;
    this.#receivingIs(receiving, { state: 'stopped', says });
  }

  #sendingIs(sending: Sending, change: Partial<Transfer>): void {
    sending.transfer = { ...sending.transfer, ...change };
    this.#changed(sending.transfer);
  }

  #receivingIs(receiving: Receiving, change: Partial<Transfer>): void {
    receiving.transfer = { ...receiving.transfer, ...change };
    this.#changed(receiving.transfer);
  }

  #say(message: unknown): void {
    if (this.#channel.readyState === 'open') this.#channel.send(JSON.stringify(message));
  }
}

/** A name that is one in any folder: no path, no control characters, nothing hidden. */
export function fileName(name: string): string {
  const clean = Array.from(name.slice(0, 255))
    .filter((letter) => !/[/\\\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(letter))
    .join('')
    .replace(/^[.\s]+|\s+$/g, '');
  return clean || 'file';
}

function tooLarge(limit: number): string {
  return `Files of at most ${String(Math.floor(limit / MIB))} MiB can be sent in a room.`;
}

const MIB = 1 << 20;
export const LIMIT = 100 * MIB;
const CHUNK = 16_384;
const MOST_IN_A_MESSAGE = 16_384;
const READ_AT_ONCE = 1 << 18;
const TELL_EVERY = 65_536;
const MOST_AHEAD = MIB - CHUNK;
const MOST_BUFFERED = 1 << 18;
const MOST_OFFERS = 8;
const OFFER_WAITS_MS = 600_000;
