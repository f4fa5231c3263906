//! Compression, told by the first bytes of an input and never by its name.

use std::io::{BufReader, Chain, Cursor, Read};

/// The largest window that a zstd frame may ask for, 32 MiB: what `zstd -19` needs and more, and
/// little enough for the bound on memory.
const WINDOW_LOG_MAX: u32 = 25;

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
        (_, true) => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        _ => Box::new(whole),
    })
}
