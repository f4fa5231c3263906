//! The terminal: the answer on standard output, the narration on standard error.

use std::io::{self, IsTerminal as _, Write as _};

/// When to colour, as `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// When standard output is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether the answer on standard output is coloured.
    ///
    /// The option decides; then `NO_COLOR` and `CLICOLOR_FORCE` (any non-empty value), then whether
    /// standard output is a terminal.
    #[must_use]
    pub fn for_stdout(self) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR") => false,
            Self::Auto if set("CLICOLOR_FORCE") => true,
            Self::Auto => io::stdout().is_terminal(),
        }
    }
}

/// Writes to standard output.
///
/// # Errors
///
/// When the bytes cannot be written. Does *not* fail when the reader has gone away: a closed pipe
/// means that it has seen enough.
pub fn answer(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a line to standard error. What cannot be written there cannot be said anywhere.
pub fn narrate(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether a person watches standard error: it is a terminal, and no CI's.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal() && std::env::var_os("CI").is_none()
}

/// Shows how far a long step is, in a line that the next one replaces; an empty text clears it.
pub fn progress(text: &str) {
    let mut stderr = io::stderr().lock();
    // What cannot be shown is not worth failing for.
    let _ = write!(stderr, "\r\u{1b}[K{text}").and_then(|()| stderr.flush());
}

/// Sends `tracing` events of this level and up to standard error.
pub fn trace(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => tracing::Level::INFO,
        2 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .finish();
    // A second call in one process keeps the first subscriber, which is as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
