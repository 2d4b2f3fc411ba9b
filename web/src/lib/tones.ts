/** One stretch of a cadence: frequencies sounding together, or silence when there are none. */
interface Stretch {
  readonly hertz: readonly number[];
  readonly seconds: number;
}

/** A tone as data; `repeat` is how often it sounds, without end when absent. */
export interface Tone {
  readonly stretches: readonly Stretch[];
  readonly repeat?: number;
  readonly volume: number;
}

export type ToneName = keyof typeof TONES;

/** The call progress tones most of the world knows (ITU-T E.180), and a ring that does not startle. */
export const TONES = {
  ringback: { stretches: [sound(1, 425), silence(4)], volume: 0.12 },
  busy: { stretches: [sound(0.5, 425), silence(0.5)], repeat: 4, volume: 0.12 },
  congestion: { stretches: [sound(0.25, 425), silence(0.25)], repeat: 5, volume: 0.12 },
  ring: {
    stretches: [sound(0.35, 659.3, 830.6), silence(0.12), sound(0.55, 523.3, 659.3), silence(2)],
    volume: 0.2,
  },
} as const satisfies Record<string, Tone>;

/** The two frequencies of a key, ITU-T Q.23, short and soft: the user hears that the key was taken. */
export function keyTone(digit: string): Tone {
  const index = '123456789*0#'.indexOf(digit);
  const row = [697, 770, 852, 941][Math.floor(index / 3)] ?? 697;
  const column = [1209, 1336, 1477][index % 3] ?? 1209;
  return { stretches: [sound(0.09, row, column)], repeat: 1, volume: 0.07 };
}

/** One period of a tone as samples between -1 and 1, with edges soft enough not to click. */
export function render(tone: Tone, sampleRate: number): Float32Array<ArrayBuffer> {
  const lengths = tone.stretches.map(({ seconds }) => Math.round(seconds * sampleRate));
  const samples = new Float32Array(lengths.reduce((sum, length) => sum + length, 0));
  const ramp = RAMP_SECONDS * sampleRate;
  let offset = 0;
  tone.stretches.forEach(({ hertz }, index) => {
    const length = lengths[index] ?? 0;
    for (let i = 0; i < length && hertz.length > 0; i += 1) {
      const edge = Math.min(1, i / ramp, (length - 1 - i) / ramp);
      const wave = hertz.reduce((sum, f) => sum + Math.sin((2 * Math.PI * f * i) / sampleRate), 0);
      samples[offset + i] = (tone.volume * edge * wave) / hertz.length;
    }
    offset += length;
  });
  return samples;
}

/** Plays one tone at a time, from a looped buffer: timers of a page in the background are too slow for it. */
export class TonePlayer {
  readonly #context: AudioContext;
  #source: AudioBufferSourceNode | null = null;

  constructor(context: AudioContext) {
    this.#context = context;
  }

  play(tone: Tone): void {
    this.stop();
    const samples = render(tone, this.#context.sampleRate);
    const buffer = this.#context.createBuffer(1, samples.length, this.#context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.loop = true;
    source.connect(this.#context.destination);
    source.start();
    if (tone.repeat !== undefined) source.stop(this.#context.currentTime + buffer.duration * tone.repeat);
    this.#source = source;
  }

  stop(): void {
    this.#source?.stop();
    this.#source?.disconnect();
    this.#source = null;
  }
}

function sound(seconds: number, ...hertz: number[]): Stretch {
  return { hertz, seconds };
}

function silence(seconds: number): Stretch {
  return { hertz: [], seconds };
}

const RAMP_SECONDS = 0.008;
