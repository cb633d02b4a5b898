//! hopspan-core.
