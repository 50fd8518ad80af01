//! The steps of the protocol by name, so that a test can kill a process at each of them.
//!
//! A step is one access to something shared, as in the protocol's model: what has happened up to it
//! has happened, and what follows has not. In release builds this is nothing at all.

/// A step has been taken. In debug builds, if the environment's `MONOCEROS_DIE_AT` is its name and
/// the file that `MONOCEROS_DIE_ONCE` names can be removed, the process is killed here: so exactly
/// one process dies, once.
#[inline]
pub(crate) fn step(name: &str) {
    #[cfg(debug_assertions)]
    if std::env::var_os("MONOCEROS_DIE_AT").is_some_and(|at| at == name)
        && std::env::var_os("MONOCEROS_DIE_ONCE").is_some_and(|f| std::fs::remove_file(f).is_ok())
    {
        let me = rustix::process::getpid();
        // KILL cannot fail for a process that is oneself.
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
}
