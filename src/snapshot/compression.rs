//! Compression, told by the first bytes of an input and never by its name.

use std::io::{BufReader, Chain, Cursor, Read};

/// A reader of the plain bytes of an input that may be compressed with gzip or zstd.
///
/// # Errors
///
/// When the first bytes cannot be read, or a decoder cannot be set up.
pub(super) fn plain(mut reader: Box<dyn Read + Send>) -> std::io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut magic)?;
    let kind = (
        magic.starts_with(&[0x1f, 0x8b]),
        magic == [0x28, 0xb5, 0x2f, 0xfd],
    );
    let whole: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>> = Cursor::new(magic).chain(reader);
    Ok(match kind {
        (true, _) => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole))),
        (_, true) => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}
