//! Places in a text.

/// A place in a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Bytes from the start of the text.
    pub offset: usize,
    /// Length in bytes; 0 is a point between two characters.
    pub len: usize,
}

impl Span {
    /// The part of `text` this span covers, cut to what the text has.
    #[must_use]
    pub fn clamp(self, text: &str) -> Self {
        let offset = floor_char(text, self.offset);
        let end = floor_char(text, self.offset.saturating_add(self.len)).max(offset);
        Self { offset, len: end - offset }
    }

    /// The line of `text` it begins on, from 1.
    pub fn line(self, text: &str) -> usize {
        text.get(..self.offset).unwrap_or(text).matches('\n').count() + 1
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
