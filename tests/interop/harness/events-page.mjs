// Pages with other people's libraries that write messages and watch.
import { openPage } from './page.mjs';
import { servePlainPage } from './plain-page.mjs';
import { until } from './waiting.mjs';

export const PIDF = 'application/pidf+xml';
export const LAMPS = 'application/dialog-info+xml';

/** What opens such pages in `browser`, by library and user, each signed in at `server`. */
export async function eventsPages(browser, server) {
  const urls = {};
  for (const library of ['jssip', 'sipjs']) urls[library] = await servePlainPage(`${library}-events`);

  /** A page with `library` on which `user` has signed in. */
  return async function open(library, user) {
    const query = new URLSearchParams({
      ws: server.wsUrl,
      uri: server.aor(user),
      password: server.password(user),
    });
    const { page, close } = await openPage(browser, `${urls[library]}?${query}`, `${user}-${library}`);
    const list = (what) => page.evaluate((name) => window.phone.list[name], what);
    const opened = {
      close,
      list,
      do: (what, ...args) =>
        page.evaluate(([name, given]) => void window.phone[name](...given), [what, args]),
      /** Waits until the last of `what` is as it should be. */
      last: async (what, matches) => {
        let seen;
        await until(
          `${what} of the page of ${user} (${library})`,
          async () => {
            seen = await list(what);
            return seen.length > 0 && matches(seen.at(-1), seen);
          },
          { within: 20_000, seen: () => seen },
        );
        return seen.at(-1);
      },
    };
    await until(`the page of ${user} to sign in`, () =>
      page.evaluate(() => document.documentElement.dataset.registration === 'registered'),
    );
    return opened;
  };
}

/** Whether a notification says that somebody is `open` or `closed`. */
export const basic =
  (word) =>
  ({ body }) =>
    body?.includes(`<basic>${word}</basic>`) ?? false;

/** Whether a notification says that a call of somebody is in that state. */
export const lamp =
  (state) =>
  ({ body }) =>
    body?.includes(`<state>${state}</state>`) ?? false;
