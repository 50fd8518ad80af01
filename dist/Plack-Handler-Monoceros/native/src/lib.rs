//! What perl loads: one exported symbol, one call inward.
