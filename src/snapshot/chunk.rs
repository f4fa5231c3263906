//! Chunks: an input as text, and the items that it begins with, made on every core.
//!
//! Threads take turns in reading pieces of the input. Whatever else there is to do for a piece, the
//! thread that read it does while others read on: its bytes are in that processor's cache. What
//! they make goes on in the order of the input.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::items::{ItemReader, Items};
use super::source::{Piece, Source};

/// Chunks that may wait to be used.
const AHEAD: usize = 4;

/// A piece of an input.
#[derive(Debug)]
pub(super) struct Chunk {
    /// What it says.
    pub(super) text: String,
    /// The items that the text begins with, if it begins with an item.
    pub(super) items: Items,
    /// Why the input does not go on after this chunk, where that is not its end.
    pub(super) failure: Option<Failure>,
}

/// Why an input does not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// Bytes that are not UTF-8 follow.
    NotUtf8,
    /// Reading failed.
    Io(io::Error),
}

impl Chunk {
    fn new(piece: Piece) -> Self {
        let mut failure = piece.failure.map(Failure::Io);
        let text = String::from_utf8(piece.bytes).unwrap_or_else(|error| {
            failure = Some(Failure::NotUtf8);
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).unwrap_or_default()
        });
        Self {
            text,
            items: Items::default(),
            failure,
        }
    }
}

/// Where the chunks of an input come from.
pub(super) enum Chunks {
    /// Each is made when it is asked for.
    Idle(Box<Source>),
    /// They are made ahead of their use.
    Ahead {
        /// One after the other, as they are promised.
        chunks: Receiver<Receiver<Chunk>>,
        /// Where texts go back to when they are done with.
        spent: SyncSender<String>,
    },
    /// There are no more.
    Ended,
}

impl Chunks {
    /// The chunks of an input.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self::Idle(Box::new(Source::new(reader)))
    }

    /// The next chunk; none at the end. After a chunk with a failure there is none.
    pub(super) fn next(&mut self) -> Option<Chunk> {
        match self {
            Self::Ended => None,
            Self::Ahead { chunks, .. } => chunks.recv().ok()?.recv().ok(),
            Self::Idle(source) => source.read(Vec::new()).map(Chunk::new),
        }
    }

    /// From now on, makes chunks ahead of their use and reads the items that they begin with.
    pub(super) fn read_ahead(&mut self, items: &ItemReader) {
        // A job of the pool must not wait for another one, which may never start.
        if rayon::current_thread_index().is_some() {
            return;
        }
        *self = match std::mem::replace(self, Self::Ended) {
            Self::Idle(source) if !source.has_ended() => run(*source, items),
            other => other,
        };
    }

    /// Gives a text back, so that the next chunk need not ask for memory again.
    pub(super) fn give_back(&self, text: String) {
        if let Self::Ahead { spent, .. } = self {
            // Where there is no room for it, or nobody left to take it, it is dropped.
            let _ = spent.try_send(text);
        }
    }
}

/// What the threads take turns in.
struct Turn {
    source: Source,
    promises: SyncSender<Receiver<Chunk>>,
    spent: Receiver<String>,
}

/// Goes on in other threads, until the input ends or nobody takes its chunks any more.
fn run(source: Source, items: &ItemReader) -> Chunks {
    let (promises, chunks) = sync_channel(AHEAD);
    let (spent, receiver) = sync_channel(2 * AHEAD);
    let turn = Arc::new(Mutex::new(Turn {
        source,
        promises,
        spent: receiver,
    }));
    for _ in 0..rayon::current_num_threads() {
        let (turn, items) = (Arc::clone(&turn), items.clone());
        rayon::spawn(move || while take_turn(&turn, &items).is_some() {});
    }
    Chunks::Ahead { chunks, spent }
}

/// Makes one chunk; none where there is nothing more to do.
fn take_turn(turn: &Mutex<Turn>, items: &ItemReader) -> Option<()> {
    let (piece, promise) = {
        let mut turn = turn.lock().ok()?;
        let spent = turn.spent.try_recv().unwrap_or_default();
        let piece = turn.source.read(spent.into_bytes())?;
        let (promise, chunk) = sync_channel(1);
        // In the turn, so that chunks stay in order; waits while enough of them are ahead.
        turn.promises.send(chunk).ok()?;
        (piece, promise)
    };
    let begins_item = piece.begins_item;
    let mut chunk = Chunk::new(piece);
    if begins_item {
        chunk.items = items.read(&chunk.text);
    }
    promise.send(chunk).ok()
}
