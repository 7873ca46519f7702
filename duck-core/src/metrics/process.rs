//! What the process takes of the machine: `proc_pid_stat(5)`.

use std::fs;

use ::metrics::gauge;

/// Where each number stands behind the name of the program, which may have spaces and brackets in it.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const RESIDENT_PAGES: usize = 21;

/// Brings the gauges up to date. Where there is no `/proc` there are none.
pub(super) fn look() {
    let Some(stat) = fs::read_to_string("/proc/self/stat").ok() else {
        return;
    };
    if let Some((cpu, memory)) = read(&stat) {
        gauge!("process_cpu_seconds_total").set(cpu);
        gauge!("process_resident_memory_bytes").set(memory);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(float(open.count() as u64));
    }
}

/// Seconds and bytes.
fn read(stat: &str) -> Option<(f64, f64)> {
    let (_, numbers) = stat.rsplit_once(") ")?;
    let number = |place| numbers.split(' ').nth(place)?.parse::<u64>().ok();
    let ticks = number(USER_TIME)? + number(SYSTEM_TIME)?;
    let pages = number(RESIDENT_PAGES)?;
    let ticks_a_second = float(rustix::param::clock_ticks_per_second());
    let page = float(rustix::param::page_size() as u64);
    Some((float(ticks) / ticks_a_second, float(pages) * page))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_read_behind_a_name_of_any_kind() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 3 0 99 1000000 300 18446744073709551615";
        let (cpu, memory) = read(stat).unwrap();
        let ticks = float(rustix::param::clock_ticks_per_second());
        assert!((cpu - 200.0 / ticks).abs() < 1e-9);
        assert!((memory - 300.0 * float(rustix::param::page_size() as u64)).abs() < 1e-3);
        assert!(read("").is_none() && read("7 (a) S 1").is_none());
    }
}
