//! The `meshroll` command.

use std::process::ExitCode;

use clap::Parser as _;
use meshroll::cli::Cli;
use meshroll::edge::terminal;
use meshroll::{error, run};

/// Every core asks for memory at the same time, and what is released is linked with musl, whose
/// allocator serves one at a time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap exits with 2 on a usage error, which means something else here.
        Err(error) if error.use_stderr() => {
            terminal::narrate(error.render().to_string().trim_end());
            return ExitCode::from(error::USAGE);
        }
        Err(help) => {
            return match terminal::answer(help.render().to_string().as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::from(error::FAILED),
            };
        }
    };
    match run::run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            run::narrate_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
