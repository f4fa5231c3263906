//! Packs: many new objects, written into the object store as one file.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::mpsc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{Error, ObjectType, Odb, Oid};
use sha1::{Digest as _, Sha1};

/// From how many objects on they become one pack; fewer are loose objects. It is git's own limit
/// (`fetch.unpackLimit`).
const UNPACK_LIMIT: usize = 100;

/// How many objects are deflated before they are handed over.
const SHARE: usize = 64;

/// An object that the store may not have yet.
#[derive(Debug)]
pub(super) struct NewObject<'a> {
    /// Its id.
    pub(super) id: Oid,
    /// A blob or a tree.
    pub(super) kind: ObjectType,
    /// Its content.
    pub(super) bytes: Cow<'a, [u8]>,
}

/// Writes objects into the store, in this order.
///
/// # Errors
///
/// When the store cannot be written.
pub(super) fn write(odb: &Odb<'_>, mut objects: Vec<NewObject<'_>>) -> Result<(), Error> {
    // Files and directories may be equal to others, and a pack holds an object once.
    let mut seen = BTreeSet::new();
    objects.retain(|one| seen.insert(one.id));
    if objects.len() < UNPACK_LIMIT {
        return objects
            .iter()
            .try_for_each(|one| odb.write(one.kind, &one.bytes).map(drop));
    }
    let mut writer = odb.packwriter()?;
    let written = write_pack(&mut writer, &objects);
    written.map_err(|error| Error::from_str(&error.to_string()))?;
    writer.commit()?;
    Ok(())
}

/// Writes a pack of whole objects, version 2 (gitformat-pack). One thread deflates what another
/// hands over, since libgit2 inflates and hashes it at once, for the index.
fn write_pack(output: &mut impl Write, objects: &[NewObject<'_>]) -> io::Result<()> {
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    let header = [*b"PACK", 2_u32.to_be_bytes(), count.to_be_bytes()].concat();
    let mut checksum = Sha1::new_with_prefix(&header);
    output.write_all(&header)?;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(1);
        scope.spawn(move || {
            let mut deflater = ZlibEncoder::new(Vec::new(), Compression::fast());
            for share in objects.chunks(SHARE) {
                if sender.send(entries(&mut deflater, share)).is_err() {
                    break;
                }
            }
        });
        receiver.iter().try_for_each(|entries| {
            let entries = entries?;
            checksum.update(&entries);
            output.write_all(&entries)
        })
    })?;
    output.write_all(&checksum.finalize())
}

/// The entries of a pack: each object's kind and size, then its deflated content. The deflater is
/// used again: it is far larger than what it deflates.
fn entries(deflater: &mut ZlibEncoder<Vec<u8>>, objects: &[NewObject<'_>]) -> io::Result<Vec<u8>> {
    for object in objects {
        push_header(deflater.get_mut(), object);
        deflater.write_all(&object.bytes)?;
        let entries = deflater.reset(Vec::new())?;
        *deflater.get_mut() = entries;
    }
    Ok(std::mem::take(deflater.get_mut()))
}

/// Kind and size of an object: four bits of the size in the first byte, seven in each other.
fn push_header(entries: &mut Vec<u8>, object: &NewObject<'_>) {
    let kind: u8 = match object.kind {
        ObjectType::Tree => 2,
        _ => 3,
    };
    let mut size = object.bytes.len();
    let mut byte = kind << 4 | low_bits(size, 4);
    size >>= 4;
    while size > 0 {
        entries.push(byte | 0x80);
        byte = low_bits(size, 7);
        size >>= 7;
    }
    entries.push(byte);
}

/// The lowest bits of a number.
fn low_bits(number: usize, bits: u32) -> u8 {
    u8::try_from(number & ((1 << bits) - 1)).expect("internal: at most seven bits")
}

#[cfg(test)]
mod tests {
    use git2::{ObjectType, Oid, Repository};

    use super::{NewObject, UNPACK_LIMIT, write};

    /// Writes blobs, reads them back, and returns how many packs the repository has then.
    #[track_caller]
    fn check(contents: &[Vec<u8>]) -> usize {
        let directory = tempfile::tempdir().expect("a directory");
        let repository = Repository::init(directory.path()).expect("a repository");
        let id = |bytes: &Vec<u8>| Oid::hash_object(ObjectType::Blob, bytes).expect("an id");
        let objects = contents.iter().map(|bytes| NewObject {
            id: id(bytes),
            kind: ObjectType::Blob,
            bytes: bytes.into(),
        });
        let store = repository.odb().expect("a store");
        write(&store, objects.collect()).expect("a written store");
        let reopened = Repository::open(directory.path()).expect("a repository");
        for bytes in contents {
            let blob = reopened.find_blob(id(bytes)).expect("a blob");
            assert!(blob.content() == bytes, "{} bytes", bytes.len());
        }
        let packs = std::fs::read_dir(directory.path().join(".git/objects/pack"));
        let packs = packs.expect("a directory").flatten().filter(|file| {
            let name = file.file_name();
            name.to_string_lossy().ends_with(".pack")
        });
        packs.count()
    }

    #[test]
    fn many_objects_are_one_pack() {
        let blobs = |count| -> Vec<Vec<u8>> {
            let text = |number| format!("a: {number}\n").into_bytes();
            (0..count).map(text).collect()
        };
        assert_eq!(check(&blobs(UNPACK_LIMIT - 1)), 0);
        assert_eq!(check(&blobs(UNPACK_LIMIT)), 1);
        assert_eq!(check(&blobs(3 * UNPACK_LIMIT)), 1);
    }

    #[test]
    fn objects_of_every_size_are_read_back() {
        // The size of an object takes four bits, then seven at a time.
        let sizes = [
            0, 1, 15, 16, 17, 2047, 2048, 2049, 262_143, 262_144, 5_000_000,
        ];
        let blob = |size| (0..size).map(|at: u32| (at % 251) as u8 ^ (at >> 9) as u8);
        let mut blobs: Vec<Vec<u8>> = sizes.iter().map(|size| blob(*size).collect()).collect();
        let others = (0..UNPACK_LIMIT).map(|number| number.to_string().into_bytes());
        blobs.extend(others);
        assert_eq!(check(&blobs), 1);
    }

    #[test]
    fn equal_objects_are_written_once() {
        let different = (0..UNPACK_LIMIT).map(|number| number.to_string().into_bytes());
        let blobs: Vec<Vec<u8>> = different.flat_map(|one| [one.clone(), one]).collect();
        assert_eq!(check(&blobs), 1);
    }
}
