//! Repeats: what items have in common with the ones before them.

/// Values that were of no interest in the items before, in their order.
///
/// Pods are much like the ones before them: most of what is passed over in one has the very bytes
/// of what was passed over in the last. What has the bytes of a value is that value.
#[derive(Debug, Clone, Default)]
pub(in crate::snapshot) struct Repeats {
    values: Vec<Vec<u8>>,
    /// Which of them is expected next.
    next: usize,
}

impl Repeats {
    /// Begins an item: its first value is expected to be the first one of the last.
    pub(super) fn begin(&mut self) {
        self.next = 0;
    }

    /// The length of the expected value, if it is what the bytes begin with; the one after it is
    /// tried as well, in case that something is left out.
    pub(super) fn length(&mut self, bytes: &[u8]) -> Option<usize> {
        let expected = self.values.iter().enumerate().skip(self.next).take(2);
        let (index, value) = expected
            .into_iter()
            .find(|(_, value)| bytes.starts_with(value))?;
        self.next = index + 1;
        Some(value.len())
    }

    /// Puts down a value in the place of the expected one.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        match self.values.get_mut(self.next) {
            Some(value) => {
                value.clear();
                value.extend_from_slice(bytes);
            }
            None => self.values.push(bytes.to_vec()),
        }
        self.next += 1;
    }
}
