//! Who says what, in one line: the error log, and the access log.
