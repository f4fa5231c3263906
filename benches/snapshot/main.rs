//! Reading snapshots, as ratios measured in one run:
//! `cargo bench --bench snapshot -- [PODS…]` (10,000 and 50,000 by default; 1000 10000 50000 300000
//! shows how it grows).
//!
//! Held against `cat FILE > /dev/null`, a plain scan for newlines, and the jq recipe that mesh
//! guides give for finding outdated proxies (left out where jq is not installed, or with
//! `--without-jq`: it needs several times the file's size in memory). Each figure is the best of
//! some runs on a warm cache, taken in turns with its rivals. Reading runs in processes of its own,
//! so that the peak of its resident memory can be told.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a bench is a program that prints"
)]

mod pods;

use std::fs::File;
use std::io::{BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use meshroll::snapshot::{self, Input};

/// Each figure is the best of so many runs.
const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--bench")
        .collect();
    match arguments.as_slice() {
        ["read", file] => read(Path::new(file)),
        ["record", from, to] => record(Path::new(from), Path::new(to)),
        ["write", count, file] => {
            let sink = BufWriter::new(File::create(file).expect("a file"));
            pods::write(count.parse().expect("a number"), sink).expect("written");
        }
        ["scan", file] => scan(Path::new(file)),
        arguments => {
            let sizes = arguments.iter().filter_map(|size| size.parse().ok());
            let mut sizes: Vec<usize> = sizes.collect();
            if sizes.is_empty() {
                sizes = vec![10_000, 50_000];
            }
            let with_jq = !arguments.contains(&"--without-jq");
            for size in sizes {
                compare(size, with_jq);
            }
        }
    }
}

fn read(path: &Path) {
    let input = Input {
        name: path.display().to_string(),
        reader: Box::new(File::open(path).expect("the file")),
    };
    let (snapshot, _) = snapshot::read(vec![input]).expect("a snapshot");
    let outdated = snapshot.pods.iter().filter(|pod| {
        let proxy = pod.spec.container("istio-proxy");
        let image = proxy.and_then(|(container, _)| container.image.as_deref());
        image.is_some_and(|image| image != pods::NEW_PROXY)
    });
    println!("{} {}", outdated.count(), peak_memory());
}

fn record(from: &Path, to: &Path) {
    let input = Input {
        name: from.display().to_string(),
        reader: Box::new(File::open(from).expect("the file")),
    };
    let (snapshot, _) = snapshot::read(vec![input]).expect("a snapshot");
    let file = File::create(to).expect("a file");
    let mut sink = zstd::Encoder::new(file, 3).expect("an encoder");
    snapshot::record(&snapshot, &mut sink).expect("a recording");
    sink.finish().expect("a recording");
}

fn scan(path: &Path) {
    let mut file = File::open(path).expect("the file");
    let mut buffer = vec![0; 1 << 20];
    let mut lines = 0;
    loop {
        let count = file.read(&mut buffer).expect("bytes");
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        lines += memchr::memchr_iter(b'\n', bytes).count();
    }
    println!("{lines} {}", peak_memory());
}

/// `VmHWM` of this process in MiB, 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}

/// What one program did.
struct Figure {
    time: Duration,
    output: String,
}

/// The best of some runs of each command, taken in turns.
fn best<const N: usize>(commands: [&dyn Fn() -> Command; N]) -> [Figure; N] {
    let mut fastest = [const { None::<Figure> }; N];
    for _ in 0..RUNS {
        for (best, command) in fastest.iter_mut().zip(commands) {
            let figure = run(command()).expect("it runs");
            if best.as_ref().is_none_or(|best| figure.time < best.time) {
                *best = Some(figure);
            }
        }
    }
    fastest.map(|best| best.expect("at least one run"))
}

fn run(mut command: Command) -> Option<Figure> {
    let start = Instant::now();
    let output = command.stderr(Stdio::null()).output().ok()?;
    let time = start.elapsed();
    output.status.success().then(|| Figure {
        time,
        output: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    })
}

fn compare(size: usize, with_jq: bool) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join(format!("pods-{size}.json"));
    let recording = directory.join(format!("pods-{size}.json.zst"));
    let sink = BufWriter::new(File::create(&file).expect("a file"));
    pods::write(size, sink).expect("written");
    let bytes = file.metadata().expect("the file").len();
    let own = || Command::new(std::env::current_exe().expect("this program"));
    let verb = |verb: &'static str, file: &Path| {
        let file = file.to_owned();
        move || {
            let mut command = own();
            command.arg(verb).arg(&file);
            command
        }
    };
    let cat = || {
        let mut command = Command::new("sh");
        let script = format!("cat '{}' > /dev/null", file.display());
        command.arg("-c").arg(script);
        command
    };
    let [cat, scanned, read] = best([&cat, &verb("scan", &file), &verb("read", &file)]);
    let jq = with_jq.then(|| {
        let mut command = Command::new("jq");
        command
            .args(["--arg", "image", pods::NEW_PROXY, pods::JQ_RECIPE])
            .arg(&file);
        run(command)
    });
    let jq = jq.flatten();
    let mut recorder = own();
    recorder.arg("record").arg(&file).arg(&recording);
    let recorder = run(recorder).expect("a recording");
    let [replayed] = best([&verb("read", &recording)]);
    let packed = recording.metadata().expect("the recording").len();

    let seconds = |figure: &Figure| figure.time.as_secs_f64();
    let rate = bytes as f64 / 1e9 / seconds(&read);
    println!("{size} pods, {:.2} GB", bytes as f64 / 1e9);
    println!("  cat                 {:7.3} s", seconds(&cat));
    println!("  newline scan        {:7.3} s", seconds(&scanned));
    println!(
        "  read                {:7.3} s   {rate:.2} GB/s, {} (outdated pods, peak MiB)",
        seconds(&read),
        read.output
    );
    println!(
        "  record              {:7.3} s   {} of the size",
        seconds(&recorder),
        ratio(bytes, packed)
    );
    println!(
        "  read recording      {:7.3} s   {}",
        seconds(&replayed),
        replayed.output
    );
    println!(
        "  read / 1,000 pods   {:7.2} ms",
        seconds(&read) * 1e6 / size as f64
    );
    println!(
        "  read / cat          {:7.2}",
        seconds(&read) / seconds(&cat)
    );
    if let Some(jq) = jq {
        println!(
            "  jq                  {:7.3} s   {} (outdated pods)",
            seconds(&jq),
            jq.output
        );
        println!(
            "  jq / read           {:7.1}",
            seconds(&jq) / seconds(&read)
        );
        println!(
            "  jq / read recording {:7.1}",
            seconds(&jq) / seconds(&replayed)
        );
    }
    for file in [&file, &recording] {
        std::fs::remove_file(file).expect("removed");
    }
}

fn ratio(whole: u64, part: u64) -> String {
    format!("1/{}", whole / part.max(1))
}
