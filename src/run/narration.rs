//! Narration: what is said on standard error, and the answer on standard output.

use crate::cli::{Cli, Output, OutputArgs};
use crate::diagnostic::{Diagnostic, Severity};
use crate::edge::files::{self, FilesError};
use crate::edge::terminal::{self, ColorChoice};
use crate::error::RunError;
use crate::report::{self, Report, for_terminal};

/// Prints the error that ends a run: what happened, then what to do.
pub fn error(error: &RunError) {
    terminal::narrate(&format!("meshroll: {}", for_terminal(&error.to_string())));
    for hint in &error.hints {
        self::hint(hint);
    }
}

/// Says what was wrong with the input: errors and warnings, and with `-v` what is worth knowing.
pub(super) fn diagnostics(cli: &Cli, diagnostics: &[Diagnostic]) {
    let least = match (cli.quiet, cli.verbose) {
        (true, _) => Severity::Error,
        (false, 0) => Severity::Warning,
        (false, _) => Severity::Info,
    };
    for diagnostic in diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity <= least)
    {
        self::diagnostic(diagnostic);
    }
}

fn diagnostic(diagnostic: &Diagnostic) {
    let place = diagnostic
        .location
        .as_ref()
        .map(|location| format!("{location}: "));
    let Diagnostic {
        severity,
        code,
        message,
        ..
    } = diagnostic;
    let place = place.unwrap_or_default();
    let line = format!("{place}{}[{code}]: {message}", severity.as_str());
    terminal::narrate(&for_terminal(&line));
    if let Some(hint) = &diagnostic.hint {
        self::hint(hint);
    }
}

fn hint(hint: &str) {
    terminal::narrate(&format!("  hint: {}", for_terminal(hint)));
}

/// Says what was done.
pub(super) fn done(cli: &Cli, message: &str) {
    if !cli.quiet {
        terminal::narrate(&format!("meshroll: {}", for_terminal(message)));
    }
}

/// Prints a report in every format that is asked for.
///
/// # Errors
///
/// When standard output or a file cannot be written.
pub(super) fn print(
    report: Report<'_>,
    args: &OutputArgs,
    color: ColorChoice,
) -> Result<(), RunError> {
    for Output { format, file } in &args.outputs {
        let color = file.is_none() && color.for_stdout();
        let text = report::render(Report { color, ..report }, *format);
        match file {
            Some(file) => files::write(file, text.as_bytes())?,
            None => answer(&text)?,
        }
    }
    Ok(())
}

/// Prints the answer.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn answer(text: &str) -> Result<(), RunError> {
    let failed = |source| FilesError::Write {
        path: "standard output".into(),
        source,
    };
    Ok(terminal::answer(text.as_bytes()).map_err(failed)?)
}
