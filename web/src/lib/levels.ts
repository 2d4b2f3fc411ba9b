/** How loud samples are, from 0 (silence, or below -60 dBFS) to 1 (full scale), even to the ear. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  if (sum === 0) return 0;
  const decibel = 10 * Math.log10(sum / samples.length);
  return Math.min(1, Math.max(0, 1 + decibel / RANGE_DECIBEL));
}

/** Listens to a stream without playing it. */
export class Loudness {
  readonly #source: MediaStreamAudioSourceNode;
  readonly #analyser: AnalyserNode;
  readonly #samples: Float32Array<ArrayBuffer>;
  #shown = 0;

  constructor(context: AudioContext, stream: MediaStream) {
    this.#source = context.createMediaStreamSource(stream);
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** The level to show: up at once, down slowly, so that syllables can be seen. */
  read(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    this.#shown = Math.max(loudness(this.#samples), this.#shown * DECAY);
    return this.#shown;
  }

  close(): void {
    this.#source.disconnect();
  }
}

const RANGE_DECIBEL = 60;
/** Per reading, of which there are about sixty a second. */
const DECAY = 0.93;
