//! Why an option is refused.
//!
//! Each message is one line that names the option as it was typed and says what to write instead.
//! They are collected and shown all at once, before anything is bound.

/// The words for on and off.
pub(super) const BOOLEANS: &str = "on, off, yes, no, true, false, 1, 0";

/// What is wrong with one option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option has this name.
    #[error("unknown option {name}{}", .nearest.as_ref().map_or_else(String::new, |near| format!(": did you mean {near}?")))]
    Unknown {
        /// The name as typed.
        name: String,
        /// The known name that is nearest to it, if any is near, spelled in the same way.
        nearest: Option<String>,
    },
    /// An option that is planned.
    #[error("{name}: not in this version; until then: {until}")]
    NotYet {
        /// The name as typed.
        name: String,
        /// What does it until then.
        until: &'static str,
    },
    /// An option that a peer has and this server will not have, or that is another door's.
    #[error("{name}: {why}")]
    Refused {
        /// The name as typed.
        name: String,
        /// The reason, and the nearest thing.
        why: String,
    },
    /// The value is no such value, or out of range.
    #[error("{name}: {} is not {expected}", .value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("\"{value}\"")))]
    BadValue {
        /// The name as typed.
        name: String,
        /// The value as typed; `None` if there was none.
        value: Option<String>,
        /// What it should be, with unit and range: "a number from 1 to 10000".
        expected: String,
    },
    /// Two settings that contradict each other.
    #[error("{name} and {other} contradict each other: {why}")]
    Conflict {
        /// The one option, as typed.
        name: String,
        /// The other.
        other: String,
        /// In which way.
        why: String,
    },
    /// A boolean that was given a word under plackup, which takes the next one for its value.
    #[error("{name}: \"{word}\" is not one of {BOOLEANS}; if it was swallowed, write --enable-{}", .name.trim_start_matches('-').replace('_', "-"))]
    Swallowed {
        /// The option, as typed.
        name: String,
        /// The word, which was meant to be something else.
        word: String,
    },
}
