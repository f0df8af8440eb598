//! Instructions by valgrind's callgrind: this program is run in it twice, with the work and
//! without, and the difference is the work.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cases::Case;

/// Has the system's mathematical functions choose the same way on every processor, not the fastest
/// that it has.
const SAME_EVERYWHERE: &str =
    "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable,-FMA4_Usable,-ERMS,-FSRM";

/// Instructions that a point of `case` takes.
pub(crate) fn per_point(case: &Case) -> Result<u64> {
    let prepared = instructions(case.name, 0)?;
    let worked = instructions(case.name, case.points)?;
    let work = worked.checked_sub(prepared).context("no work was done")?;
    Ok(work / case.points as u64)
}

/// Instructions that a run takes from start to end.
fn instructions(case: &str, points: usize) -> Result<u64> {
    let program = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .env("GLIBC_TUNABLES", SAME_EVERYWHERE)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["work", case, &points.to_string()])
        .output()
        .context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{case}: {said}");
    collected(&said).with_context(|| format!("{case}: no count in what callgrind said: {said}"))
}

/// The number in the line `==1234== Collected : 5678`.
fn collected(said: &str) -> Option<u64> {
    let mut counts = said
        .lines()
        .filter_map(|line| line.split_once("Collected :"));
    counts.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 163471\n==7== \n==7== I   refs:      163,471\n";
        assert_eq!(collected(said), Some(163_471));
        assert_eq!(collected("==7== Events    : Ir"), None);
    }
}
