/** Tones as WAV files of 16-bit mono samples, and how much of a recording is a given tone. */

export const sampleRateHz = 8_000;
const headerBytes = 44;
const amplitude = 8_000;

export function toneWav(frequencyHz: number, seconds: number): Buffer {
  const samples = sampleRateHz * seconds;
  const wav = Buffer.alloc(headerBytes + samples * 2);
  wav.write("RIFF", 0, "latin1");
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8, "latin1");
  wav.writeUInt32LE(16, 16);
  // PCM, one channel, two bytes a sample.
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(sampleRateHz, 24);
  wav.writeUInt32LE(sampleRateHz * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36, "latin1");
  wav.writeUInt32LE(samples * 2, 40);
  for (let index = 0; index < samples; index++) {
    const value = amplitude * Math.sin((2 * Math.PI * frequencyHz * index) / sampleRateHz);
    wav.writeInt16LE(Math.round(value), headerBytes + index * 2);
  }
  return wav;
}

/** Samples of a WAV file, whatever chunks precede them. */
export function samplesOf(wav: Buffer): Int16Array {
  const data = wav.indexOf("data", 12, "latin1");
  if (data < 0) throw new Error("a WAV file without a data chunk");
  const bytes = wav.subarray(data + 8);
  return Int16Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readInt16LE(index * 2));
}

/** Share of the energy at one frequency, by Goertzel's algorithm; 1 is a pure tone, silence gives 0. */
export function toneShare(samples: Int16Array, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz);
  let before = 0;
  let last = 0;
  let energy = 0;
  for (const sample of samples) {
    const next = sample + coefficient * last - before;
    before = last;
    last = next;
    energy += sample * sample;
  }
  const power = last * last + before * before - coefficient * last * before;
  return energy === 0 ? 0 : (2 * power) / (samples.length * energy);
}

/** What set-up and the jitter buffers cost at either end is allowed for by the caller. */
export interface ToneDemand {
  readonly toneHz: number;
  readonly secondsMin: number;
}

const shareMin = 0.9;

/** The share of the tone in each second, as a line; throws if too little was heard or if it is not clean. */
export function expectTone(who: string, recording: Buffer, { toneHz, secondsMin }: ToneDemand): string {
  const samples = samplesOf(recording);
  const seconds = Math.floor(samples.length / sampleRateHz);
  if (seconds < secondsMin) throw new Error(`${who} heard only ${seconds} s`);
  const shares = Array.from({ length: seconds }, (_, second) =>
    toneShare(samples.subarray(second * sampleRateHz, (second + 1) * sampleRateHz), toneHz),
  );
  // The first second holds the moment before the other side speaks.
  if (shares.slice(1).some((share) => share < shareMin)) {
    throw new Error(`${who} does not hear a clean ${toneHz} Hz: ${shares.join(" ")}`);
  }
  return `${who}: ${shares.map((share) => share.toFixed(3)).join(" ")} of ${toneHz} Hz`;
}
