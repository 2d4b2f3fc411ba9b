//! What the kernel says of processes: CPU and memory (`proc(5)`).

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

use super::BenchError;

/// What a gauge shows of the server's processes; nothing when none is named.
pub(super) fn read<T>(pids: &[u32], gauge: fn(&[u32]) -> Option<T>) -> Result<Option<T>, BenchError> {
    if pids.is_empty() {
        return Ok(None);
    }
    let shown = || pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    gauge(pids).map(Some).ok_or_else(|| BenchError::Process(shown()))
}

/// CPU that processes have used, the kernel's share included; `None` when one of them is not there.
pub(super) fn cpu(pids: &[u32]) -> Option<Duration> {
    pids.iter().map(|pid| cpu_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).sum()
}

/// CPU that this process has used.
pub(super) fn own_cpu() -> Option<Duration> {
    cpu_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// What was used between two looks.
pub(super) fn difference(after: Option<Duration>, before: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}

/// Bytes that processes would free if they ended together: the sum of their proportional set sizes.
pub(super) fn memory(pids: &[u32]) -> Option<u64> {
    let of = |pid| memory_of(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?);
    pids.iter().map(of).sum()
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The name of the process stands in parentheses and may hold anything. State is field 3, utime 14, stime 15.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

fn memory_of(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 3 0 1 2 3";
        let ticks = clock_ticks_per_second() as f64;
        assert_eq!(cpu_of(stat), Some(Duration::from_secs_f64(200.0 / ticks)));
        assert_eq!(memory_of("0-1 rollup\nRss:    99 kB\nPss:    12 kB\nPss_Dirty: 3 kB\n"), Some(12 * 1024));
        assert_eq!((cpu_of("42 (a"), memory_of("Rss: 1 kB")), (None, None));
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        let own = std::process::id();
        assert!(cpu(&[own]).is_some() && memory(&[own]).is_some() && own_cpu().is_some());
        // Process ids end far below.
        assert_eq!((cpu(&[own, u32::MAX]), memory(&[own, u32::MAX])), (None, None));
    }
}
