//! Text edits: disjoint, sorted replacements of byte ranges of an original text.
//!
//! Knows bytes and ranges, nothing of YAML and nothing of this crate.

use std::ops::Range;

/// New text for a byte range of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What is replaced; empty for an insertion.
    pub range: Range<usize>,
    /// What takes its place.
    pub text: String,
}

/// A change to a text: replacements that are disjoint and sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextEdit {
    replacements: Vec<Replacement>,
}

/// Replacements that cannot be one edit. The caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextEditError {
    /// Two replacements touch the same bytes.
    #[error("replacements overlap at byte {0}")]
    Overlap(usize),
    /// A range lies outside the text.
    #[error("range ends at byte {end} of {length}")]
    OutOfBounds {
        /// End of the range.
        end: usize,
        /// Length of the text.
        length: usize,
    },
}

impl TextEdit {
    /// An edit of these replacements, in any order; insertions at one place keep their order.
    ///
    /// # Errors
    ///
    /// When two of them overlap.
    pub fn new(mut replacements: Vec<Replacement>) -> Result<Self, TextEditError> {
        replacements.sort_by_key(|replacement| (replacement.range.start, replacement.range.end));
        for pair in replacements.windows(2) {
            if pair[1].range.start < pair[0].range.end {
                return Err(TextEditError::Overlap(pair[1].range.start));
            }
        }
        Ok(Self { replacements })
    }

    /// The replacements, sorted.
    #[must_use]
    pub fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replacements.is_empty()
    }

    /// The text with the edit made.
    ///
    /// # Errors
    ///
    /// When a range lies outside the text.
    pub fn apply(&self, original: &[u8]) -> Result<Vec<u8>, TextEditError> {
        let inserted: usize = self.replacements.iter().map(|part| part.text.len()).sum();
        let mut text = Vec::with_capacity(original.len() + inserted);
        let mut kept = 0;
        for Replacement { range, text: new } in &self.replacements {
            let out_of_bounds = TextEditError::OutOfBounds {
                end: range.end,
                length: original.len(),
            };
            if range.end > original.len() {
                return Err(out_of_bounds);
            }
            text.extend_from_slice(original.get(kept..range.start).ok_or(out_of_bounds)?);
            text.extend_from_slice(new.as_bytes());
            kept = range.end;
        }
        text.extend_from_slice(&original[kept..]);
        Ok(text)
    }
}
