//! Values drawn from the bytes of an input; zeros when they are used up.

/// The bytes not used yet.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    /// An eighth of a small integer, or any bits at all: random bits alone are hardly ever near 1.
    pub(crate) fn float(&mut self) -> f32 {
        match self.byte() {
            0xff => f32::from_bits(u32::from_le_bytes(std::array::from_fn(|_| self.byte()))),
            small => f32::from(small.cast_signed()) / 8.0,
        }
    }
}
