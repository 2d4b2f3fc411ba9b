/** Where a thing is defined: shown as a link, fetched by nobody but the reader. */
export interface Source {
  readonly label: string;
  readonly url: string;
}

/** A section of an RFC, or the whole of it. */
export function rfc(number: number, section?: string): Source {
  const url = `https://www.rfc-editor.org/rfc/rfc${String(number)}`;
  return section === undefined
    ? { label: `RFC ${String(number)}`, url }
    : { label: `RFC ${String(number)} §${section}`, url: `${url}#section-${section}` };
}

/** A definition of the WebRTC recommendation, by its anchor. */
export function webrtc(label: string, anchor: string): Source {
  return { label, url: `https://www.w3.org/TR/webrtc/#${anchor}` };
}

/** A part of something, with what it means. */
export interface Part {
  readonly value: string;
  readonly means: string;
}

/** What there is to say of a line. */
export interface Explanation {
  readonly title: string;
  readonly says: string;
  readonly parts: readonly Part[];
  readonly sources: readonly Source[];
}
