//! The machine that figures are from.

use std::fs;
use std::process::{Command, Stdio};

/// How many processors there are.
pub(crate) fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(count).unwrap_or(1)
}

/// Processor, kernel, perl and load generators, in one sentence.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let perl = said("perl", &["-e", "print $^V"]);
    let wrk = said("wrk", &["-v"]);
    let wrk = wrk.split(" Copyright").next().unwrap_or_default().to_owned();
    let ab = said("ab", &["-V"]);
    let ab = ab.split(" <").next().unwrap_or_default().replace("This is ", "");
    format!("{} x {model}, Linux {}, perl {perl}, {wrk}, {ab}", processors(), kernel.trim())
}

/// The first line that a program prints; nothing, if it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let out = out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    out.lines().next().unwrap_or_default().trim().to_owned()
}
