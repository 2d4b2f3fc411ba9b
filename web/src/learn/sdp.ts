/** A line of a session description ([RFC 8866](https://www.rfc-editor.org/rfc/rfc8866)), as it stands there. */
export interface Line {
  readonly text: string;
  /** The letter before the equals sign. */
  readonly type: string;
  /** What stands after it. */
  readonly value: string;
  /** For `a=`, the name before the colon; empty otherwise. */
  readonly attribute: string;
  /** For `a=`, what stands after the colon. */
  readonly argument: string;
  /** The kind of media of the section, as `application`; empty above the first. */
  readonly media: string;
}

/** The lines above the first m= section, or one m= section. */
export interface Section {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** The sections of a description; lines that are none are kept, as lines of no type. */
export function sectionsOf(sdp: string): Section[] {
  const sections: { title: string; lines: Line[] }[] = [{ title: 'The session', lines: [] }];
  let media = '';
  for (const text of sdp.split(/\r\n|\r|\n/)) {
    if (text === '') continue;
    const [, type = '', value = ''] = /^([a-z])=(.*)$/.exec(text) ?? [];
    if (type === 'm') {
      media = value.split(' ')[0] ?? '';
      sections.push({ title: titleOf(media, sections.length), lines: [] });
    }
    const colon = value.indexOf(':');
    const hasColon = type === 'a' && colon >= 0;
    sections.at(-1)?.lines.push({
      ...{ text, type, value, media },
      attribute: type === 'a' ? (hasColon ? value.slice(0, colon) : value) : '',
      argument: hasColon ? value.slice(colon + 1) : '',
    });
  }
  return sections.filter(({ lines }) => lines.length > 0);
}

/** The argument of the first `a=NAME:…` of a description. */
export function attribute(sdp: string, name: string): string | undefined {
  for (const { lines } of sectionsOf(sdp)) {
    const found = lines.find((line) => line.attribute === name);
    if (found !== undefined) return found.argument;
  }
  return undefined;
}

/** The candidates of a description, as `candidate:…`. */
export function candidatesIn(sdp: string): string[] {
  return sectionsOf(sdp)
    .flatMap(({ lines }) => lines)
    .filter((line) => line.attribute === 'candidate')
    .map(({ value }) => value);
}

/** Whether a description has a section for data channels that is not refused (port 0). */
export function hasDataChannel(sdp: string): boolean {
  return sectionsOf(sdp).some(({ lines: [first] }) => {
    const [media, port, protocol = '', format] = first?.value.split(' ') ?? [];
    return (
      first?.type === 'm' &&
      media === 'application' &&
      port !== '0' &&
      protocol.endsWith('/SCTP') &&
      format === 'webrtc-datachannel'
    );
  });
}

function titleOf(media: string, number: number): string {
  const what = { application: 'data channels', audio: 'sound', video: 'picture' }[media] ?? media;
  return `Section ${String(number)}: ${what}`;
}
