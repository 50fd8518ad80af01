//! The only crate that touches Perl: a C shim, and its safe face.
