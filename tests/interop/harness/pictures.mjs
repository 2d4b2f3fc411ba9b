// What a page sees.
import { until } from './waiting.mjs';

/** Waits until a page has decoded so many more pictures; what it counts of the video that comes. */
export async function seesMore(page, name, pictures) {
  let seen;
  const from = (await page.do('video')).in.framesDecoded ?? 0;
  await until(
    `${name} to see ${pictures} more pictures`,
    async () => ((seen = (await page.do('video')).in).framesDecoded ?? 0) >= from + pictures,
    { within: 25_000, seen: () => seen },
  );
  return seen;
}
