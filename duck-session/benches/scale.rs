//! What the file storages cost among very many sessions of one kilobyte, half of them expired.
//!
//! `cargo bench -p duck-session --bench scale -- 1000000 KeyAsFolderCache` prints it for a million
//! and one storage; without arguments for twenty thousand and for both. `BENCH_DIR` is the disk.

#![expect(
    clippy::unwrap_used,
    reason = "a measurement has nobody to tell of errors"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use duck_session::store::{
    Durability, DynamicFileCache, KeyAsFolderCache, SessionKey, SessionStore, StoredSession,
    Version,
};

const FEW: u32 = 1000;
const MANY: u32 = 20_000;
const BYTES: usize = 1024;

/// Ends of sessions, in milliseconds since 1970: long over, and in a hundred years.
const OVER: u64 = 1;
const LATER: u64 = 4_900_000_000_000;

/// `SESSION_SWEEP_BATCH`.
const BATCH: usize = 1000;

const SWEEP: Duration = Duration::from_mins(20);

const WRITERS: u32 = 16;
const LOADS: u32 = 20_000;
const SAVES: u32 = 4000;

/// How often these are measured: the quietest time counts, for other programs are no subject here.
const ROUNDS: usize = 15;

#[tokio::main]
async fn main() {
    let mut many = MANY;
    let mut storages = vec!["KeyAsFolderCache".to_owned(), "DynamicFileCache".to_owned()];
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(number) => many = number,
            Err(_) => storages.retain(|storage| argument.starts_with('-') || *storage == argument),
        }
    }
    for storage in storages {
        println!("\n{storage}, {many} sessions of {BYTES} bytes");
        if storage == "KeyAsFolderCache" {
            let open = async |dir: &Path| KeyAsFolderCache::open(dir).await.unwrap().min_free(0);
            measure(open, many).await;
        } else {
            let options = DynamicFileCache::options().min_free(0);
            let open = async |dir: &Path| options.clone().open(dir).await.unwrap();
            measure(open, many).await;
        }
    }
}

async fn measure<S: SessionStore + Clone>(open: impl AsyncFn(&Path) -> S, many: u32) {
    let parent = match std::env::var_os("BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let dir = parent.path().join("sessions");
    let store = open(&dir).await;
    let empty = disk_use(&dir);
    create(&store, 0..FEW).await;
    let few = loads_and_saves(&store, FEW).await;

    let started = Instant::now();
    create(&store, FEW..many).await;
    let each = started.elapsed() / (many - FEW).max(1);
    println!(
        "create, {WRITERS} at a time        {:>9.1} µs each",
        micros(each)
    );
    drop(store);
    rustix::fs::sync();

    let started = Instant::now();
    let store = open(&dir).await;
    println!(
        "start-up                    {:>9.1} ms",
        micros(started.elapsed()) / 1000.0
    );
    few.print(FEW);
    loads_and_saves(&store, many).await.print(many);
    let (bytes, inodes) = disk_use(&dir);
    #[expect(clippy::cast_precision_loss, reason = "far from where it begins")]
    let each = |now: u64, before: u64| (now - before) as f64 / f64::from(many);
    println!(
        "disk                        {:>9.0} bytes each",
        each(bytes, empty.0)
    );
    println!(
        "inodes                      {:>9.2} each",
        each(inodes, empty.1)
    );
    println!(
        "memory                      {:>9} MiB resident",
        resident_kib() / 1024
    );
    println!(
        "descriptors                 {:>9}",
        fs::read_dir("/proc/self/fd").unwrap().count()
    );
    sweep(&store, many).await;
}

/// Keys are hashes: in no order.
fn key(number: u32) -> SessionKey {
    let mixed = u128::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    SessionKey::from_bytes(mixed.to_be_bytes())
}

/// Those with odd numbers are expired from the start.
fn is_live(number: u32) -> bool {
    number.is_multiple_of(2)
}

fn any_live(many: u32) -> SessionKey {
    key(fastrand::u32(..many / 2) * 2)
}

async fn create<S: SessionStore + Clone>(store: &S, numbers: std::ops::Range<u32>) {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, numbers) = (store.clone(), numbers.clone());
            tokio::spawn(async move {
                for number in numbers.skip(writer as usize).step_by(WRITERS as usize) {
                    let expires = if is_live(number) { LATER } else { OVER };
                    let bytes = vec![b'x'; BYTES];
                    let first = Version::first();
                    let new = StoredSession::new(key(number), first, None, expires, bytes);
                    assert!(store.create(&new, Durability::Crash).await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn load(store: &impl SessionStore, many: u32) -> Duration {
    let key = any_live(many);
    let started = Instant::now();
    assert!(store.load(&key).await.unwrap().is_some());
    started.elapsed()
}

async fn save(store: &impl SessionStore, many: u32) -> Duration {
    let seen = store.load(&any_live(many)).await.unwrap().unwrap();
    let version = seen.version().next();
    let new = StoredSession::new(*seen.key(), version, None, LATER, vec![b'y'; BYTES]);
    let started = Instant::now();
    let saved = store.replace(seen.version(), &new, Durability::Crash);
    assert!(saved.await.unwrap());
    started.elapsed()
}

struct Times {
    loads: Vec<Duration>,
    saves: Vec<Duration>,
}

impl Times {
    fn print(&self, among: u32) {
        for (what, times) in [("load", &self.loads), ("save", &self.saves)] {
            let at = |percent| micros(percentile(times, percent));
            let (p50, p99) = (at(50), at(99));
            println!("{what} among {among:<8}          {p50:>9.1} µs p50 {p99:>9.1} µs p99");
        }
    }
}

/// First some that do not count: what was written to get here is on its way to the disk, and the
/// kernel drops what was not read twice before all else. What is not in memory takes as long as the
/// disk does, among few sessions as among many.
async fn loads_and_saves(store: &impl SessionStore, many: u32) -> Times {
    rustix::fs::sync();
    for number in (0..many).chain(0..many).filter(|number| is_live(*number)) {
        assert!(store.load(&key(number)).await.unwrap().is_some());
    }
    for _ in 0..SAVES / 4 {
        load(store, many).await;
        save(store, many).await;
    }
    let mut rounds = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut loads, mut saves) = (Vec::new(), Vec::new());
        for _ in 0..LOADS {
            loads.push(load(store, many).await);
        }
        for _ in 0..SAVES {
            saves.push(save(store, many).await);
        }
        rounds.0.push(loads);
        rounds.1.push(saves);
    }
    Times {
        loads: quietest(rounds.0),
        saves: quietest(rounds.1),
    }
}

fn quietest(rounds: Vec<Vec<Duration>>) -> Vec<Duration> {
    let p99 = |times: &Vec<Duration>| percentile(times, 99);
    rounds.into_iter().min_by_key(p99).unwrap()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() - 1) * percent / 100]
}

/// Sweeps as the middleware does until nothing expired is left, or twenty minutes, while visitors come.
async fn sweep<S: SessionStore + Clone>(store: &S, many: u32) {
    let done = Arc::new(AtomicBool::new(false));
    let visitors = tokio::spawn(visit(store.clone(), many, done.clone()));
    let started = Instant::now();
    let (mut removed, mut slowest) = (0, Duration::ZERO);
    while removed < many as usize / 2 && started.elapsed() < SWEEP {
        let started = Instant::now();
        removed += store.remove_expired(OVER + 1, BATCH).await.unwrap();
        slowest = slowest.max(started.elapsed());
    }
    let all = started.elapsed();
    done.store(true, Ordering::Relaxed);
    let each = all / u32::try_from(removed).unwrap();
    println!(
        "sweep of {removed:<8}           {:>9.1} µs each, {:.1} s in all, a batch {:.0} ms at most; meanwhile:",
        micros(each),
        all.as_secs_f64(),
        micros(slowest) / 1000.0
    );
    visitors.await.unwrap().print(many);
}

async fn visit(store: impl SessionStore, many: u32, done: Arc<AtomicBool>) -> Times {
    let mut times = Times {
        loads: Vec::new(),
        saves: Vec::new(),
    };
    while !done.load(Ordering::Relaxed) || times.loads.is_empty() {
        times.loads.push(load(&store, many).await);
        times.saves.push(save(&store, many).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Bytes and inodes below `dir`.
fn disk_use(dir: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let data = entry.metadata().unwrap();
        sum.0 += data.blocks() * 512;
        sum.1 += 1;
        if data.is_dir() {
            let inner = disk_use(&entry.path());
            sum = (sum.0 + inner.0, sum.1 + inner.1);
        }
    }
    sum
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
