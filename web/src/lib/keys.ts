/** The twelve keys of a telephone, row by row, ITU-T E.161. */
export const KEYS = [
  { digit: '1', letters: '', id: '1' },
  { digit: '2', letters: 'ABC', id: '2' },
  { digit: '3', letters: 'DEF', id: '3' },
  { digit: '4', letters: 'GHI', id: '4' },
  { digit: '5', letters: 'JKL', id: '5' },
  { digit: '6', letters: 'MNO', id: '6' },
  { digit: '7', letters: 'PQRS', id: '7' },
  { digit: '8', letters: 'TUV', id: '8' },
  { digit: '9', letters: 'WXYZ', id: '9' },
  { digit: '*', letters: '', id: 'star' },
  { digit: '0', letters: '+', id: '0' },
  { digit: '#', letters: '', id: 'hash' },
] as const;

/** Whether a typed character is a key of the telephone. */
export function isKey(character: string): boolean {
  return /^[0-9*#]$/.test(character);
}
