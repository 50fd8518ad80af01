//! Numbers at the head of a message: little-endian, one after another, no padding.

/// Writes them.
#[derive(Debug)]
pub(super) struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Writer<N> {
    pub(super) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.put(&value.to_le_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.put(&value.to_le_bytes())
    }

    fn put(mut self, value: &[u8]) -> Self {
        let end = self.len + value.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(value);
        }
        debug_assert!(end <= N, "a header of {N} bytes has no room for more");
        self.len = end;
        self
    }

    pub(super) fn done(self) -> [u8; N] {
        debug_assert_eq!(self.len, N, "a header is as long as it says");
        self.bytes
    }
}

/// Reads them. `None`: the message ends before the number does.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*value))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*value))
    }

    pub(super) fn bytes(&mut self, len: u32) -> Option<&'a [u8]> {
        let (value, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(value)
    }
}
