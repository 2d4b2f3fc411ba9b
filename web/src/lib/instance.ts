/** The instance id of this tab, held until the tab signs out or closes. */
export interface Instance {
  readonly id: string;
  readonly release: () => void;
}

/**
 * Claims the instance id of this browser for one tab.
 *
 * The id is the same on every visit, so that a registration replaces the former one of this device
 * ([RFC 5626 §4.1](https://www.rfc-editor.org/rfc/rfc5626#section-4.1)). Two tabs with one id would take the
 * flow from each other and the older one would look registered and never ring; so the tab that finds the id
 * in use takes one of its own.
 */
export async function claimInstance(
  storage: Storage | undefined,
  locks: LockManager | undefined,
): Promise<Instance> {
  const id = storedId(storage);
  // Pages over plain http off loopback have no lock manager; they cannot telephone either.
  if (locks === undefined) return { id, release: () => undefined };
  return new Promise((resolve, reject) => {
    const held = locks.request(LOCK, { ifAvailable: true }, (lock) => {
      if (lock === null) {
        resolve({ id: newId(), release: () => undefined });
        return undefined;
      }
      return new Promise<void>((release) => {
        resolve({ id, release });
      });
    });
    held.catch(reject);
  });
}

/** What this browser remembers of its user: the name, never the password. */
export function rememberedName(storage: Storage | undefined): string {
  return read(storage, NAME_KEY) ?? '';
}

export function rememberName(storage: Storage | undefined, name: string): void {
  write(storage, NAME_KEY, name);
}

function storedId(storage: Storage | undefined): string {
  const stored = read(storage, INSTANCE_KEY);
  if (stored !== null && UUID.test(stored)) return stored;
  const id = newId();
  write(storage, INSTANCE_KEY, id);
  return id;
}

/** A version 4 UUID. `crypto.randomUUID` is missing in insecure contexts, where the sign-in page still shows. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, index) => {
    if (index === 6) return ((byte & 0x0f) | 0x40).toString(16);
    if (index === 8) return ((byte & 0x3f) | 0x80).toString(16);
    return byte.toString(16).padStart(2, '0');
  }).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Reading and writing throw when the user forbids storage: the page then works, and remembers nothing. */
function read(storage: Storage | undefined, key: string): string | null {
  try {
    return storage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function write(storage: Storage | undefined, key: string, value: string): void {
  try {
    storage?.setItem(key, value);
  } catch {
    // Forbidden or full; see `read`.
  }
}

const LOCK = 'ringback-instance';
const INSTANCE_KEY = 'ringback.instance';
const NAME_KEY = 'ringback.name';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
