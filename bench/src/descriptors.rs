//! File descriptors of this process: as many as the system gives, and what to say when they run out.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Allows this process as many descriptors as the system will give it.
pub fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised shows itself when descriptors run out, with a better message.
    _ = setrlimit(Resource::Nofile, limit);
}

/// The error with what to do, if it is that there are no more descriptors.
#[must_use]
pub fn explained(error: anyhow::Error) -> anyhow::Error {
    if !out_of_descriptors(&error) {
        return error;
    }
    error.context(
        "out of file descriptors: raise the hard limit (ulimit -Hn), or ask for fewer connections",
    )
}

fn out_of_descriptors(error: &anyhow::Error) -> bool {
    let full = Errno::MFILE;
    error.chain().any(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => error.raw_os_error() == Some(full.raw_os_error()),
        None => cause.downcast_ref() == Some(&full),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_out_of_descriptors_is_told_so() {
        let ours = anyhow::Error::from(Errno::MFILE).context("opening");
        let theirs = anyhow::Error::from(std::io::Error::from(Errno::MFILE)).context("opening");
        assert!(out_of_descriptors(&ours) && out_of_descriptors(&theirs));
        assert!(!out_of_descriptors(&anyhow::Error::from(Errno::CONNREFUSED)));
    }
}
