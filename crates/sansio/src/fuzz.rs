//! What the fuzz targets of the machines share: bytes that are read as choices.

/// The bytes of a script that are still to be read. When they are at an end every choice is the first.
#[derive(Debug, Clone, Copy)]
pub struct Input<'d>(pub &'d [u8]);

impl<'d> Input<'d> {
    /// The next byte, such as an opcode; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A number below `below`.
    pub fn number(&mut self, below: usize) -> usize {
        usize::from(self.byte().unwrap_or_default()) % below.max(1)
    }

    /// One of several; `otherwise` when there are none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T], otherwise: T) -> T {
        choices.get(self.number(choices.len())).copied().unwrap_or(otherwise)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.number(times) == 0
    }

    /// The next bytes, so many at most.
    pub fn bytes(&mut self, most: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next bytes with two bytes of length before them; `None` at the end.
    pub fn framed(&mut self) -> Option<&'d [u8]> {
        let (&[high, low], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(self.bytes(u16::from_be_bytes([high, low]).into()))
    }
}
