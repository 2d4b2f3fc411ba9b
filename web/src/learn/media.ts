import { deviceWords, openTrack } from '../rooms/devices';

/** What the two sides exchange besides messages. */
export type Media = 'messages' | 'picture' | 'camera';

/** A picture that moves and asks for no permission. It ends with its track. */
export function testPicture(hue: number): MediaStream {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [320, 180];
  const context = canvas.getContext('2d');
  const stream = canvas.captureStream(10);
  const begun = performance.now();
  const draw = (): void => {
    if (stream.getTracks().every(({ readyState }) => readyState === 'ended')) {
      clearInterval(timer);
      return;
    }
    if (context === null) return;
    context.fillStyle = `hsl(${String(hue)} 45% 30%)`;
    context.fillRect(0, 0, 320, 180);
    context.fillStyle = `hsl(${String(hue)} 60% 75%)`;
    context.beginPath();
    context.arc(160 + 100 * Math.sin((performance.now() - begun) / 600), 80, 34, 0, 2 * Math.PI);
    context.fill();
    context.font = '20px system-ui, sans-serif';
    context.fillText(`${((performance.now() - begun) / 1000).toFixed(1)} s`, 12, 166);
  };
  const timer = setInterval(draw, 100);
  draw();
  return stream;
}

/** What one side sends, and sentences about what it cannot. */
export async function openMedia(
  media: Media,
  hue: number,
): Promise<{ stream: MediaStream | null; troubles: string[] }> {
  if (media === 'messages') return { stream: null, troubles: [] };
  if (media === 'picture') return { stream: testPicture(hue), troubles: [] };
  const stream = new MediaStream();
  const troubles: string[] = [];
  for (const kind of ['audio', 'video'] as const) {
    try {
      stream.addTrack(await openTrack(navigator.mediaDevices as MediaDevices | undefined, kind, ''));
    } catch (error) {
      const says = deviceWords(kind, error);
      if (says !== null) troubles.push(says);
    }
  }
  return { stream: stream.getTracks().length === 0 ? null : stream, troubles };
}
