//! Blocks of bytes, looked at as numbers: where blanks and strings end.

/// How many spaces the bytes begin with.
pub(super) fn spaces(bytes: &[u8]) -> usize {
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    let mut width = 0;
    // Without a branch for each of the blocks: how wide the next indentation is cannot be foretold.
    while let Some(blocks) = bytes.get(width..).and_then(<[u8]>::first_chunk::<32>) {
        let ([one, two, three, four], _) = blocks.as_chunks::<8>() else {
            break;
        };
        let leading = |block: &[u8; 8]| {
            let others = u64::from_le_bytes(*block) ^ SPACES;
            others.trailing_zeros() as usize / 8
        };
        let mut leads = leading(four);
        for block in [three, two, one] {
            let own = leading(block);
            leads = if own == 8 { 8 + leads } else { own };
        }
        width += leads;
        if leads < 32 {
            return width;
        }
    }
    let end = bytes.get(width..).unwrap_or_default();
    width + end.iter().take_while(|byte| **byte == b' ').count()
}

/// How many bytes at the start may stand in a string as they are: up to a quote, a backslash or a
/// control character.
pub(super) fn ordinary(bytes: &[u8]) -> usize {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let (blocks, end) = bytes.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        let block = u128::from_le_bytes(*block);
        let (quote, backslash) = (block ^ (ONES * 0x22), block ^ (ONES * 0x5c));
        // Exact up to the first hit, which is all that is asked for.
        let quotes = quote.wrapping_sub(ONES) & !quote;
        let backslashes = backslash.wrapping_sub(ONES) & !backslash;
        let controls = block.wrapping_sub(ONES * 0x20) & !block;
        let hits = (quotes | backslashes | controls) & (ONES * 0x80);
        if hits != 0 {
            return index * 16 + hits.trailing_zeros() as usize / 8;
        }
    }
    let is_ordinary = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..0x20);
    blocks.len() * 16 + end.iter().take_while(is_ordinary).count()
}
