//! hopspan: the adapter.
